// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cwmp

// The words of Upload.FileType [TR-069 A.4.1.5]. The last two are followed by a blank and
// the instance number in DeviceInfo.VendorConfigFile or VendorLogFile.
const (
	FileUploadConfig         = "1 Vendor Configuration File"
	FileUploadLog            = "2 Vendor Log File"
	FileUploadConfigInstance = "3 Vendor Configuration File"
	FileUploadLogInstance    = "4 Vendor Log File"
)

// Upload makes the CPE send a file [TR-069 A.4.1.5]. The numbers of FileType
// mean other things than those of a Download.
type Upload struct {
	CommandKey   string
	FileType     string
	URL          string
	Username     string
	Password     string
	DelaySeconds uint32
}

// Method returns "Upload".
func (*Upload) Method() string { return "Upload" }
func (*Upload) isRequest()     {}

// UploadResponse answers it: Status 0 is done, 1 means that a TransferComplete
// follows. Times are as sent.
type UploadResponse struct {
	Status       int
	StartTime    string
	CompleteTime string
}

// Method returns "UploadResponse".
func (*UploadResponse) Method() string { return "UploadResponse" }
func (*UploadResponse) isResponse()    {}
