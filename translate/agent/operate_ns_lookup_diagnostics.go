// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

// nsLookup is DNS.Diagnostics.NSLookupDiagnostics().
func nsLookup() *diagnostic {
	return &diagnostic{
		name: "NSLookupDiagnostics()", object: "Device.DNS.Diagnostics.",
		of: needs{tr181: "DNS.Diagnostics.NSLookupDiagnostics.", tr098: "NSLookupDiagnostics."},
		in: []string{
			"Interface", "HostName", "DNSServer", "Timeout", "NumberOfRepetitions",
		},
		required: []string{
			"HostName", "Timeout", "NumberOfRepetitions",
		},
		out: []string{
			"SuccessCount", "Result.{i}.Status", "Result.{i}.AnswerType", "Result.{i}.HostNameReturned",
			"Result.{i}.IPAddresses", "Result.{i}.DNSServerIP", "Result.{i}.ResponseTime",
		},
		status: []string{
			"Complete", "Error_DNSServerNotResolved", "Error_Internal", "Error_Other",
		},
		defaultInputs: map[string]string{
			"Interface": "",
			"DNSServer": "",
		},
	}
}
