// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

// downloadDiagnostics is IP.Diagnostics.DownloadDiagnostics() [TR-143].
func downloadDiagnostics() *diagnostic {
	return &diagnostic{
		name: "DownloadDiagnostics()", object: "Device.IP.Diagnostics.",
		of: needs{tr181: "IP.Diagnostics.DownloadDiagnostics.", tr098: "DownloadDiagnostics."},
		in: []string{
			"Interface", "DownloadURL", "DSCP", "EthernetPriority", "TimeBasedTestDuration",
			"TimeBasedTestMeasurementInterval", "TimeBasedTestMeasurementOffset", "ProtocolVersion",
			"NumberOfConnections", "EnablePerConnectionResults",
		},
		required: []string{
			"DownloadURL",
		},
		out: throughputResults("TestBytesReceived"),
		status: []string{
			"Complete", "Error_CannotResolveHostName", "Error_NoRouteToHost", "Error_InitConnectionFailed",
			"Error_NoResponse", "Error_TransferFailed", "Error_PasswordRequestFailed", "Error_LoginFailed",
			"Error_NoTransferMode", "Error_NoPASV", "Error_IncorrectSize", "Error_Timeout", "Error_Internal",
			"Error_Other",
		},
		defaultInputs: throughputDefaults(),
	}
}

// throughputResults are the results of both throughput tests; bytes is the name of what
// is counted of the test itself.
func throughputResults(bytes string) []string {
	return []string{
		"IPAddressUsed", "ROMTime", "BOMTime", "EOMTime", bytes, "TotalBytesReceived",
		"TotalBytesSent", bytes + "UnderFullLoading", "TotalBytesReceivedUnderFullLoading",
		"TotalBytesSentUnderFullLoading", "PeriodOfFullLoading", "TCPOpenRequestTime",
		"TCPOpenResponseTime", "PerConnectionResult.{i}.ROMTime", "PerConnectionResult.{i}.BOMTime",
		"PerConnectionResult.{i}.EOMTime", "PerConnectionResult.{i}." + bytes,
		"PerConnectionResult.{i}.TotalBytesReceived", "PerConnectionResult.{i}.TotalBytesSent",
		"PerConnectionResult.{i}.TCPOpenRequestTime", "PerConnectionResult.{i}.TCPOpenResponseTime",
		"IncrementalResult.{i}." + bytes, "IncrementalResult.{i}.TotalBytesReceived",
		"IncrementalResult.{i}.TotalBytesSent", "IncrementalResult.{i}.StartTime",
		"IncrementalResult.{i}.EndTime",
	}
}

// throughputDefaults are the arguments of both that need not be given.
func throughputDefaults() map[string]string {
	return map[string]string{
		"Interface":                        "",
		"DSCP":                             "0",
		"EthernetPriority":                 "0",
		"TimeBasedTestDuration":            "0",
		"TimeBasedTestMeasurementInterval": "0",
		"TimeBasedTestMeasurementOffset":   "0",
		"ProtocolVersion":                  "Any",
		"NumberOfConnections":              "1",
		"EnablePerConnectionResults":       "false",
	}
}
