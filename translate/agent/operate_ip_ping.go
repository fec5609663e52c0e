// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

// ipPing is IP.Diagnostics.IPPing().
func ipPing() *diagnostic {
	return &diagnostic{
		name: "IPPing()", object: "Device.IP.Diagnostics.",
		of: needs{tr181: "IP.Diagnostics.IPPing.", tr098: "IPPingDiagnostics."},
		in: []string{
			"Interface", "ProtocolVersion", "Host", "NumberOfRepetitions", "Timeout", "DataBlockSize", "DSCP",
		},
		required: []string{
			"ProtocolVersion", "Host", "NumberOfRepetitions", "Timeout", "DataBlockSize",
		},
		out: []string{
			"IPAddressUsed", "SuccessCount", "FailureCount", "AverageResponseTime", "MinimumResponseTime",
			"MaximumResponseTime", "AverageResponseTimeDetailed", "MinimumResponseTimeDetailed",
			"MaximumResponseTimeDetailed",
		},
		status: []string{
			"Canceled", "Complete", "Error", "Error_CannotResolveHostName", "Error_NoRouteToHost",
			"Error_Internal", "Error_Other",
		},
		renamed: map[string]string{
			"MinimumResponseTmie": "MinimumResponseTime",
		},
		defaultInputs: map[string]string{
			"Interface": "",
			"DSCP":      "0",
		},
	}
}
