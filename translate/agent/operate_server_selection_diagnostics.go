// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

// serverSelection is IP.Diagnostics.ServerSelectionDiagnostics().
func serverSelection() *diagnostic {
	return &diagnostic{
		name: "ServerSelectionDiagnostics()", object: "Device.IP.Diagnostics.",
		of: needs{tr181: "IP.Diagnostics.ServerSelectionDiagnostics.", tr098: "ServerSelectionDiagnostics."},
		in: []string{
			"Interface", "ProtocolVersion", "Protocol", "HostList", "NumberOfRepetitions", "Timeout",
		},
		required: []string{
			"ProtocolVersion", "Protocol", "HostList", "NumberOfRepetitions", "Timeout",
		},
		out: []string{
			"FastestHost", "MinimumResponseTime", "AverageResponseTime", "MaximumResponseTime",
			"IPAddressUsed",
		},
		status: []string{
			"Complete", "Error_CannotResolveHostName", "Error_Internal", "Error_Other",
		},
		defaultInputs: map[string]string{
			"Interface": "",
		},
	}
}
