// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cwmp

// TransferComplete reports the end of a Download or Upload [TR-069 A.3.3.2].
// A Fault with Code 0 is success. Times are as sent.
type TransferComplete struct {
	CommandKey   string
	Fault        Fault
	StartTime    string
	CompleteTime string
}

// Method returns "TransferComplete".
func (*TransferComplete) Method() string { return "TransferComplete" }
func (*TransferComplete) isRequest()     {}

// TransferCompleteResponse answers it.
type TransferCompleteResponse struct{}

// Method returns "TransferCompleteResponse".
func (*TransferCompleteResponse) Method() string { return "TransferCompleteResponse" }
func (*TransferCompleteResponse) isResponse()    {}

// AutonomousTransferComplete reports the end of a transfer that no Download,
// ScheduleDownload or Upload of this ACS asked for [TR-069 A.3.3.3]. A Fault
// with Code 0 is success. Times are as sent.
type AutonomousTransferComplete struct {
	AnnounceURL    string
	TransferURL    string
	IsDownload     bool
	FileType       string
	FileSize       uint32 // bytes, 0 is unknown
	TargetFileName string
	Fault          Fault
	StartTime      string
	CompleteTime   string
}

// Method returns "AutonomousTransferComplete".
func (*AutonomousTransferComplete) Method() string { return "AutonomousTransferComplete" }
func (*AutonomousTransferComplete) isRequest()     {}

// AutonomousTransferCompleteResponse answers it.
type AutonomousTransferCompleteResponse struct{}

// Method returns "AutonomousTransferCompleteResponse".
func (*AutonomousTransferCompleteResponse) Method() string {
	return "AutonomousTransferCompleteResponse"
}
func (*AutonomousTransferCompleteResponse) isResponse() {}
