// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cwmp

// RequestDownload asks the ACS to call Download [TR-069 A.4.2.2].
type RequestDownload struct {
	FileType string
	Args     []Arg
}

// Method returns "RequestDownload".
func (*RequestDownload) Method() string { return "RequestDownload" }
func (*RequestDownload) isRequest()     {}

// Arg is an ArgStruct.
type Arg struct{ Name, Value string }

// RequestDownloadResponse answers it; the Download comes by itself.
type RequestDownloadResponse struct{}

// Method returns "RequestDownloadResponse".
func (*RequestDownloadResponse) Method() string { return "RequestDownloadResponse" }
func (*RequestDownloadResponse) isResponse()    {}
