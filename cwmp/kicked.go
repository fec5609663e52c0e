// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cwmp

// Kicked reports that a user was sent to the CPE by a page of the ACS
// [TR-069 A.4.2.1].
type Kicked struct {
	Command string
	Referer string
	Arg     string
	Next    string
}

// Method returns "Kicked".
func (*Kicked) Method() string { return "Kicked" }
func (*Kicked) isRequest()     {}

// KickedResponse answers it with the page to show.
type KickedResponse struct{ NextURL string }

// Method returns "KickedResponse".
func (*KickedResponse) Method() string { return "KickedResponse" }
func (*KickedResponse) isResponse()    {}
