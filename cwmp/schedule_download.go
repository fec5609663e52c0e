// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cwmp

// ScheduleDownload makes the CPE fetch a file in one of at most two windows of
// time [TR-069 A.4.1.8].
type ScheduleDownload struct {
	CommandKey     string
	FileType       string
	URL            string
	Username       string
	Password       string
	FileSize       uint32 // bytes, 0 is unknown
	TargetFileName string
	Windows        []TimeWindow
}

// Method returns "ScheduleDownload".
func (*ScheduleDownload) Method() string { return "ScheduleDownload" }
func (*ScheduleDownload) isRequest()     {}

// The words of TimeWindow.Mode.
const (
	WindowAtAnyTime          = "1 At Any Time"
	WindowImmediately        = "2 Immediately"
	WindowWhenIdle           = "3 When Idle"
	WindowConfirmationNeeded = "4 Confirmation Needed"
)

// TimeWindow is a TimeWindowStruct. Start and End are seconds after the
// request; a MaxRetries below zero leaves the number to the CPE.
type TimeWindow struct {
	Start, End  uint32
	Mode        string
	UserMessage string
	MaxRetries  int
}

// ScheduleDownloadResponse answers it; a TransferComplete always follows.
type ScheduleDownloadResponse struct{}

// Method returns "ScheduleDownloadResponse".
func (*ScheduleDownloadResponse) Method() string { return "ScheduleDownloadResponse" }
func (*ScheduleDownloadResponse) isResponse()    {}
