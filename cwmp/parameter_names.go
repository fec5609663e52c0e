// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cwmp

// GetParameterNames lists the instantiated data model [TR-069 A.3.2.3]. An
// empty Path is the root.
type GetParameterNames struct {
	Path      string
	NextLevel bool
}

// Method returns "GetParameterNames".
func (*GetParameterNames) Method() string { return "GetParameterNames" }
func (*GetParameterNames) isRequest()     {}

// GetParameterNamesResponse answers it.
type GetParameterNamesResponse struct{ Params []ParameterInfo }

// Method returns "GetParameterNamesResponse".
func (*GetParameterNamesResponse) Method() string { return "GetParameterNamesResponse" }
func (*GetParameterNamesResponse) isResponse()    {}
