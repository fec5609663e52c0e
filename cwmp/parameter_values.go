// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cwmp

// GetParameterValues reads parameters and partial paths [TR-069 A.3.2.2].
type GetParameterValues struct{ Names []string }

// Method returns "GetParameterValues".
func (*GetParameterValues) Method() string { return "GetParameterValues" }
func (*GetParameterValues) isRequest()     {}

// GetParameterValuesResponse answers it.
type GetParameterValuesResponse struct{ Params []ParameterValue }

// Method returns "GetParameterValuesResponse".
func (*GetParameterValuesResponse) Method() string { return "GetParameterValuesResponse" }
func (*GetParameterValuesResponse) isResponse()    {}

// SetParameterValues changes parameters, all or none [TR-069 A.3.2.1].
type SetParameterValues struct {
	Params       []ParameterValue
	ParameterKey string
}

// Method returns "SetParameterValues".
func (*SetParameterValues) Method() string { return "SetParameterValues" }
func (*SetParameterValues) isRequest()     {}

// SetParameterValuesResponse answers it: Status 0 is applied, 1 is committed
// but not yet applied.
type SetParameterValuesResponse struct{ Status int }

// Method returns "SetParameterValuesResponse".
func (*SetParameterValuesResponse) Method() string { return "SetParameterValuesResponse" }
func (*SetParameterValuesResponse) isResponse()    {}
