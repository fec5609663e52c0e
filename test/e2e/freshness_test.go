// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/uspgate/uspgate/internal/sim/controller"
	"github.com/uspgate/uspgate/test/harness"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// A CPE that has gone is answered for as the policy has it, part by part: with what is
// known, with the old value, and with an error where it is live. After a kill nothing is
// fresher than it was.
func TestFreshnessPolicy(t *testing.T) {
	t.Parallel()
	c := newCohorts(t, `
translate:
  freshness: 1h
  deadline: 2s
  freshness_of:
    - {path: Device.WiFi., freshness: live}
    - {path: "Device.WiFi.SSID.*.SSID", freshness: 1ms, stale: answer}
    - {path: Device.DeviceInfo.UpTime, freshness: cached}
`)
	k := c.controller("self::noc")
	box := c.cpe("tr181-wifi", "1")
	const model, upTime = "Device.DeviceInfo.ModelName", "Device.DeviceInfo.UpTime"
	const ssid, status = "Device.WiFi.SSID.1.SSID", "Device.WiFi.SSID.1.Status"
	paths := []string{model, upTime, ssid, status, "Device.WiFi."}
	ask := func() (map[string]string, map[string]uint32) {
		t.Helper()
		var resp *uspmsg.GetResp
		harness.Eventually(t, func() (err error) { // what leaves as the gateway is killed is lost
			ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
			defer cancel()
			resp, err = k.Get(ctx, box.Agent, 0, paths...)
			return err
		})
		codes := make(map[string]uint32)
		for _, r := range resp.GetReqPathResults() {
			codes[r.GetRequestedPath()] = r.GetErrCode()
		}
		return controller.Params(resp), codes
	}
	before, codes := ask()
	for _, p := range paths {
		if codes[p] != 0 {
			t.Fatalf("%s: got %d while the CPE is there, want its value", p, codes[p])
		}
	}
	if err := box.SetValue(ssid, "changed"); err != nil {
		t.Fatal(err)
	}
	c.session(box.CPE) // it told of that, or not; the value counts as old
	box.Off()
	for _, when := range []string{"gone", "gone, and the gateway restarted"} {
		got, codes := ask()
		if codes[model] != 0 || codes[upTime] != 0 || got[model] != before[model] {
			t.Errorf("%s: got %v %v, want what is known", when, got, codes)
		}
		if codes[ssid] != 0 || got[ssid] == "" {
			t.Errorf("%s: got %q, code %d, want the old SSID", when, got[ssid], codes[ssid])
		}
		for _, p := range []string{status, "Device.WiFi."} {
			if codes[p] != uint32(usp.CodeInternalError) {
				t.Errorf("%s: %s: got code %d, want 7003: it is live", when, p, codes[p])
			}
		}
		if n := c.gw.Metrics()[`uspgate_translate_deviations_total{deviation="stale_answer"}`]; n < 1 {
			t.Errorf("%s: got %v old values counted, want some", when, n)
		}
		out, err := c.gw.Ask("devices", "values", string(box.Agent), status)
		if err != nil || !strings.Contains(out, " ago  live\n") && !strings.Contains(out, " now  live\n") {
			t.Errorf("%s: got %v, %s, want when it was read, and that it is live", when, err, out)
		}
		c.gw.Kill()
		c.gw.Start()
	}
}
