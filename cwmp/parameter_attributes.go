// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cwmp

// GetParameterAttributes reads attributes [TR-069 A.3.2.5].
type GetParameterAttributes struct{ Names []string }

// Method returns "GetParameterAttributes".
func (*GetParameterAttributes) Method() string { return "GetParameterAttributes" }
func (*GetParameterAttributes) isRequest()     {}

// GetParameterAttributesResponse answers it.
type GetParameterAttributesResponse struct{ Params []ParameterAttribute }

// Method returns "GetParameterAttributesResponse".
func (*GetParameterAttributesResponse) Method() string { return "GetParameterAttributesResponse" }
func (*GetParameterAttributesResponse) isResponse()    {}

// SetAttribute is a SetParameterAttributesStruct.
type SetAttribute struct {
	Name               string
	NotificationChange bool
	Notification       int
	AccessListChange   bool
	AccessList         []string
}

// SetParameterAttributes changes attributes [TR-069 A.3.2.4].
type SetParameterAttributes struct{ Params []SetAttribute }

// Method returns "SetParameterAttributes".
func (*SetParameterAttributes) Method() string { return "SetParameterAttributes" }
func (*SetParameterAttributes) isRequest()     {}

// SetParameterAttributesResponse answers it.
type SetParameterAttributesResponse struct{}

// Method returns "SetParameterAttributesResponse".
func (*SetParameterAttributesResponse) Method() string { return "SetParameterAttributesResponse" }
func (*SetParameterAttributesResponse) isResponse()    {}
