// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

// traceRoute is IP.Diagnostics.TraceRoute(). TR-098 has the results under longer names.
func traceRoute() *diagnostic {
	return &diagnostic{
		name: "TraceRoute()", object: "Device.IP.Diagnostics.",
		of: needs{tr181: "IP.Diagnostics.TraceRoute.", tr098: "TraceRouteDiagnostics."},
		in: []string{
			"Interface", "ProtocolVersion", "Host", "NumberOfTries", "Timeout", "DataBlockSize", "DSCP",
			"MaxHopCount",
		},
		required: []string{
			"ProtocolVersion", "Host",
		},
		out: []string{
			"IPAddressUsed", "ResponseTime", "RouteHops.{i}.Host", "RouteHops.{i}.HostAddress",
			"RouteHops.{i}.ErrorCode", "RouteHops.{i}.RTTimes",
		},
		status: []string{
			"Canceled", "Complete", "Error", "Error_CannotResolveHostName", "Error_NoRouteToHost",
			"Error_MaxHopCountExceeded", "Error_Internal", "Error_Other",
		},
		renamed: map[string]string{
			"RouteHops.{i}.HopHost":        "RouteHops.{i}.Host",
			"RouteHops.{i}.HopHostAddress": "RouteHops.{i}.HostAddress",
			"RouteHops.{i}.HopErrorCode":   "RouteHops.{i}.ErrorCode",
			"RouteHops.{i}.HopRTTimes":     "RouteHops.{i}.RTTimes",
		},
		defaultInputs: map[string]string{
			"Interface": "",
			"DSCP":      "0",
		},
	}
}
