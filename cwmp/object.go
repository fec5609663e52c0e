// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cwmp

// AddObject creates a row [TR-069 A.3.2.6]. ObjectName ends in a dot.
type AddObject struct {
	ObjectName   string
	ParameterKey string
}

// Method returns "AddObject".
func (*AddObject) Method() string { return "AddObject" }
func (*AddObject) isRequest()     {}

// AddObjectResponse answers it.
type AddObjectResponse struct {
	InstanceNumber uint32
	Status         int
}

// Method returns "AddObjectResponse".
func (*AddObjectResponse) Method() string { return "AddObjectResponse" }
func (*AddObjectResponse) isResponse()    {}

// DeleteObject removes a row with its children [TR-069 A.3.2.7]. ObjectName
// ends in a dot.
type DeleteObject struct {
	ObjectName   string
	ParameterKey string
}

// Method returns "DeleteObject".
func (*DeleteObject) Method() string { return "DeleteObject" }
func (*DeleteObject) isRequest()     {}

// DeleteObjectResponse answers it.
type DeleteObjectResponse struct{ Status int }

// Method returns "DeleteObjectResponse".
func (*DeleteObjectResponse) Method() string { return "DeleteObjectResponse" }
func (*DeleteObjectResponse) isResponse()    {}
