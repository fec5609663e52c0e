// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

// uploadDiagnostics is IP.Diagnostics.UploadDiagnostics() [TR-143].
func uploadDiagnostics() *diagnostic {
	return &diagnostic{
		name: "UploadDiagnostics()", object: "Device.IP.Diagnostics.",
		of: needs{tr181: "IP.Diagnostics.UploadDiagnostics.", tr098: "UploadDiagnostics."},
		in: []string{
			"Interface", "UploadURL", "DSCP", "EthernetPriority", "TestFileLength", "TimeBasedTestDuration",
			"TimeBasedTestMeasurementInterval", "TimeBasedTestMeasurementOffset", "ProtocolVersion",
			"NumberOfConnections", "EnablePerConnectionResults",
		},
		required: []string{
			"UploadURL",
		},
		out: throughputResults("TestBytesSent"),
		status: []string{
			"Complete", "Error_CannotResolveHostName", "Error_NoRouteToHost", "Error_InitConnectionFailed",
			"Error_NoResponse", "Error_PasswordRequestFailed", "Error_LoginFailed", "Error_NoTransferMode",
			"Error_NoPASV", "Error_NoCWD", "Error_NoSTOR", "Error_NoTransferComplete", "Error_Timeout",
			"Error_Internal", "Error_Other",
		},
		defaultInputs: throughputDefaults(),
	}
}
