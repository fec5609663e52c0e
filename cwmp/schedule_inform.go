// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cwmp

// ScheduleInform asks for an Inform with 3 SCHEDULED after a delay
// [TR-069 A.4.1.2].
type ScheduleInform struct {
	DelaySeconds uint32
	CommandKey   string
}

// Method returns "ScheduleInform".
func (*ScheduleInform) Method() string { return "ScheduleInform" }
func (*ScheduleInform) isRequest()     {}

// ScheduleInformResponse answers it.
type ScheduleInformResponse struct{}

// Method returns "ScheduleInformResponse".
func (*ScheduleInformResponse) Method() string { return "ScheduleInformResponse" }
func (*ScheduleInformResponse) isResponse()    {}
