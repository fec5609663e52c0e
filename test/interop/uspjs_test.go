// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

//go:build interop

package interop_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"testing"

	"github.com/uspgate/uspgate/internal/sim/cpe"
	"github.com/uspgate/uspgate/test/harness"
)

// rawSSID is where each built-in model keeps its first SSID.
var rawSSID = map[string]string{
	"tr098-dsl":  "InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.SSID",
	"tr098-gpon": "InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.SSID",
	"tr181-wifi": "Device.WiFi.SSID.1.SSID",
}

// TestUSPJS has the Controller library usp-js manage Virtual Agents over MQTT.
func TestUSPJS(t *testing.T) {
	gw := harness.Start(t, "translate: {freshness: 0s}\n")
	host, port, err := net.SplitHostPort(gw.Addr("mqtt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, model := range cpe.Builtin() {
		t.Run(model, func(t *testing.T) {
			c := gw.CPE(model, nil)
			rename := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
				if err := c.SetValue(rawSSID[model], "renamed at home"); err != nil {
					t.Error(err)
				}
			}))
			defer rename.Close()
			cmd := exec.CommandContext(t.Context(), "node", "conversation.js")
			cmd.Dir = "uspjs"
			cmd.Env = append(os.Environ(), "HOST="+host, "PORT="+port, "AGENT="+string(c.Agent), "RENAME="+rename.URL)
			out, err := cmd.CombinedOutput()
			t.Logf("%s", out)
			if err != nil {
				t.Errorf("usp-js: %v", err)
			}
		})
	}
}
