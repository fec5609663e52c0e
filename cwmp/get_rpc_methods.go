// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cwmp

// GetRPCMethods asks for the methods of the other side [TR-069 A.3.1.1].
type GetRPCMethods struct{}

// Method returns "GetRPCMethods".
func (*GetRPCMethods) Method() string { return "GetRPCMethods" }
func (*GetRPCMethods) isRequest()     {}

// GetRPCMethodsResponse answers it.
type GetRPCMethodsResponse struct{ Methods []string }

// Method returns "GetRPCMethodsResponse".
func (*GetRPCMethodsResponse) Method() string { return "GetRPCMethodsResponse" }
func (*GetRPCMethodsResponse) isResponse()    {}
