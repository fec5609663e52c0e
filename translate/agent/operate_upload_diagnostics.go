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
		out: []string{
			"IPAddressUsed", "ROMTime", "BOMTime", "EOMTime", "TestBytesSent", "TotalBytesReceived",
			"TotalBytesSent", "TestBytesSentUnderFullLoading", "TotalBytesReceivedUnderFullLoading",
			"TotalBytesSentUnderFullLoading", "PeriodOfFullLoading", "TCPOpenRequestTime",
			"TCPOpenResponseTime", "PerConnectionResult.{i}.ROMTime", "PerConnectionResult.{i}.BOMTime",
			"PerConnectionResult.{i}.EOMTime", "PerConnectionResult.{i}.TestBytesSent",
			"PerConnectionResult.{i}.TotalBytesReceived", "PerConnectionResult.{i}.TotalBytesSent",
			"PerConnectionResult.{i}.TCPOpenRequestTime", "PerConnectionResult.{i}.TCPOpenResponseTime",
			"IncrementalResult.{i}.TestBytesSent", "IncrementalResult.{i}.TotalBytesReceived",
			"IncrementalResult.{i}.TotalBytesSent", "IncrementalResult.{i}.StartTime",
			"IncrementalResult.{i}.EndTime",
		},
		status: []string{
			"Complete", "Error_CannotResolveHostName", "Error_NoRouteToHost", "Error_InitConnectionFailed",
			"Error_NoResponse", "Error_PasswordRequestFailed", "Error_LoginFailed", "Error_NoTransferMode",
			"Error_NoPASV", "Error_NoCWD", "Error_NoSTOR", "Error_NoTransferComplete", "Error_Timeout",
			"Error_Internal", "Error_Other",
		},
		defaultInputs: map[string]string{
			"Interface":                        "",
			"DSCP":                             "0",
			"EthernetPriority":                 "0",
			"TimeBasedTestDuration":            "0",
			"TimeBasedTestMeasurementInterval": "0",
			"TimeBasedTestMeasurementOffset":   "0",
			"ProtocolVersion":                  "Any",
			"NumberOfConnections":              "1",
			"EnablePerConnectionResults":       "false",
		},
	}
}
