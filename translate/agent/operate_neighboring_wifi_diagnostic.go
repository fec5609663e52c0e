// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

// neighboringWiFi is WiFi.NeighboringWiFiDiagnostic(). TR-098 has none.
func neighboringWiFi() *diagnostic {
	return &diagnostic{
		name: "NeighboringWiFiDiagnostic()", object: "Device.WiFi.",
		of: needs{tr181: "WiFi.NeighboringWiFiDiagnostic."},
		out: []string{
			"Result.{i}.Radio", "Result.{i}.SSID", "Result.{i}.BSSID", "Result.{i}.Mode", "Result.{i}.Channel",
			"Result.{i}.SignalStrength", "Result.{i}.SecurityModeEnabled", "Result.{i}.EncryptionMode",
			"Result.{i}.OperatingFrequencyBand", "Result.{i}.SupportedStandards",
			"Result.{i}.OperatingStandards", "Result.{i}.OperatingChannelBandwidth", "Result.{i}.BeaconPeriod",
			"Result.{i}.Noise", "Result.{i}.BasicDataTransferRates", "Result.{i}.SupportedDataTransferRates",
			"Result.{i}.DTIMPeriod",
		},
		status: []string{
			"Canceled", "Complete", "Error",
		},
	}
}
