// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cwmp

// The words of Download.FileType and ScheduleDownload.FileType [TR-069 A.3.2.8]. The last
// one is of CWMP 1.4.
const (
	FileFirmware       = "1 Firmware Upgrade Image"
	FileWebContent     = "2 Web Content"
	FileConfig         = "3 Vendor Configuration File"
	FileTone           = "4 Tone File"
	FileRinger         = "5 Ringer File"
	FileStoredFirmware = "6 Stored Firmware Image"
)

// Download makes the CPE fetch a file [TR-069 A.3.2.8].
type Download struct {
	CommandKey     string
	FileType       string
	URL            string
	Username       string
	Password       string
	FileSize       uint32 // bytes, 0 is unknown
	TargetFileName string
	DelaySeconds   uint32
	SuccessURL     string
	FailureURL     string
}

// Method returns "Download".
func (*Download) Method() string { return "Download" }
func (*Download) isRequest()     {}

// DownloadResponse answers it: Status 0 is done, 1 means that a
// TransferComplete follows. Times are as sent.
type DownloadResponse struct {
	Status       int
	StartTime    string
	CompleteTime string
}

// Method returns "DownloadResponse".
func (*DownloadResponse) Method() string { return "DownloadResponse" }
func (*DownloadResponse) isResponse()    {}
