// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cwmp

// GetParameterNames lists the instantiated data model [TR-069 A.3.2.3]. An
// empty Path is the root.
type GetParameterNames struct {
	Path      string
	NextLevel bool
	// Words writes NextLevel as true or false, also where the Style of the peer is
	// digits: some CPE take nothing else, and do not say so [quirk 49]. It is not
	// read.
	Words bool
}

// Method returns "GetParameterNames".
func (*GetParameterNames) Method() string { return "GetParameterNames" }
func (*GetParameterNames) isRequest()     {}

// GetParameterNamesResponse answers it.
type GetParameterNamesResponse struct{ Params []ParameterInfo }

// Method returns "GetParameterNamesResponse".
func (*GetParameterNamesResponse) Method() string { return "GetParameterNamesResponse" }
func (*GetParameterNamesResponse) isResponse()    {}
