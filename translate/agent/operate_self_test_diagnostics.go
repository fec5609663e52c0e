// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

// selfTest is Device.SelfTestDiagnostics().
func selfTest() *diagnostic {
	return &diagnostic{
		name: "SelfTestDiagnostics()", object: "Device.",
		of: needs{tr181: "SelfTestDiagnostics.", tr098: "SelfTestDiagnostics."},
		out: []string{
			"Results",
		},
		status: []string{
			"Complete", "Error_Internal", "Error_Other",
		},
	}
}
