// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

//go:build interop

package interop_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"testing"

	"github.com/uspgate/uspgate/test/harness"
)

// TestUSPJSOnMosquitto: the Controller library usp-js is on that broker, and so is
// the gateway, as a client that represents its Virtual Agents there.
func TestUSPJSOnMosquitto(t *testing.T) {
	const model = "tr098-dsl"
	addr := freeAddr(t)
	startBroker(t, addr)
	gw := harness.StartAs(t, fmt.Sprintf(`
mtp:
  - {name: broker, type: mqtt, connect: "mqtt://%s", role: controller, endpoint_id: "self::gateway"}
translate: {freshness: 0s}
`, addr))
	c := gw.CPE(model, nil)
	rename := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if err := c.SetValue(rawSSID[model], "renamed at home"); err != nil {
			t.Error(err)
		}
	}))
	defer rename.Close()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", "conversation.js")
	cmd.Dir = "uspjs"
	cmd.Env = append(os.Environ(), "HOST="+host, "PORT="+port, "AGENT="+string(c.Agent), "RENAME="+rename.URL)
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Errorf("usp-js: %v", err)
	}
}
