// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

// udpEcho is IP.Diagnostics.UDPEchoDiagnostics(). TR-098 has none.
func udpEcho() *diagnostic {
	return &diagnostic{
		name: "UDPEchoDiagnostics()", object: "Device.IP.Diagnostics.",
		of: needs{tr181: "IP.Diagnostics.UDPEchoDiagnostics.", tr098: "UDPEchoDiagnostics."},
		in: []string{
			"Interface", "Host", "Port", "NumberOfRepetitions", "Timeout", "DataBlockSize", "DSCP",
			"InterTransmissionTime", "ProtocolVersion", "EnableIndividualPacketResults",
		},
		required: []string{
			"Host", "Port", "Timeout",
		},
		out: []string{
			"IPAddressUsed", "SuccessCount", "FailureCount", "AverageResponseTime", "MinimumResponseTime",
			"MaximumResponseTime", "IndividualPacketResult.{i}.PacketSuccess",
			"IndividualPacketResult.{i}.PacketSendTime", "IndividualPacketResult.{i}.PacketReceiveTime",
			"IndividualPacketResult.{i}.TestGenSN", "IndividualPacketResult.{i}.TestRespSN",
			"IndividualPacketResult.{i}.TestRespRcvTimeStamp",
			"IndividualPacketResult.{i}.TestRespReplyTimeStamp",
			"IndividualPacketResult.{i}.TestRespReplyFailureCount",
		},
		status: []string{
			"Complete", "Error_CannotResolveHostName", "Error_Internal", "Error_Other",
		},
		defaultInputs: map[string]string{
			"Interface":                     "",
			"DSCP":                          "0",
			"ProtocolVersion":               "Any",
			"EnableIndividualPacketResults": "false",
		},
	}
}
