// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

// packetCapture is Device.PacketCaptureDiagnostics(). TR-098 has none.
func packetCapture() *diagnostic {
	return &diagnostic{
		name: "PacketCaptureDiagnostics()", object: "Device.",
		of: needs{tr181: "PacketCaptureDiagnostics."},
		in: []string{
			"Interface", "Format", "Duration", "PacketCount", "ByteCount", "FileTarget", "FilterExpression",
			"Username", "Password",
		},
		out: []string{
			"PacketCaptureResult.{i}.FileLocation", "PacketCaptureResult.{i}.StartTime",
			"PacketCaptureResult.{i}.EndTime", "PacketCaptureResult.{i}.Count",
		},
		status: []string{
			"Canceled", "Complete", "Error", "Error_Internal", "Error_Other",
		},
		defaultInputs: map[string]string{
			"Interface":        "",
			"FilterExpression": "",
			"Duration":         "0",
			"PacketCount":      "0",
			"ByteCount":        "0",
		},
	}
}
