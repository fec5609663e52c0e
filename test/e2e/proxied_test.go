// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/internal/sim/cpe"
	"github.com/uspgate/uspgate/test/harness"
)

const gatewayAgent = "self::gateway"

// A Controller that knows the gateway Agent alone reads every CPE through it.
func TestProxiedGet(t *testing.T) {
	t.Parallel()
	g := harness.Start(t, "translate: {proxied: {endpoint_id: \""+gatewayAgent+"\"}}\n")
	for i, model := range []string{"tr098-dsl", "tr181-wifi", "tr098-gpon"} {
		g.CPE(model, func(o *cpe.Options) { o.Serial = fmt.Sprintf("S%d", i+1) })
	}
	code, out, errs := harness.Command(t, "usp", "get", "--via", g.WS(), "--to", gatewayAgent,
		"Device.ProxiedDevice.*.DeviceInfo.SerialNumber")
	if code != 0 {
		t.Fatalf("got exit code %d, want 0: %s", code, errs)
	}
	for i := range 3 {
		want := fmt.Sprintf("Device.ProxiedDevice.%d.DeviceInfo.SerialNumber", i+1)
		if !strings.Contains(out, want) || !strings.Contains(out, fmt.Sprintf("S%d", i+1)) {
			t.Errorf("got %s, want %s in it", out, want)
		}
	}
}
