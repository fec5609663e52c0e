// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/uspgate/uspgate/internal/sim/controller"
	"github.com/uspgate/uspgate/test/harness"
)

// What a Controller has subscribed to at the gateway Agent outlives a kill of the gateway:
// a change of a CPE is told from the same row, also one that comes before any Controller
// is back.
func TestProxiedSubscriptionOverAKill(t *testing.T) {
	t.Parallel()
	c := newCohorts(t, "translate: {proxied: {endpoint_id: \""+gatewayAgent+"\"}}\n")
	c.retry = 50 * time.Millisecond
	noc := c.controller("self::noc")
	box := c.persistent("tr098-dsl")
	const code = "Device.ProxiedDevice.1.DeviceInfo.ProvisioningCode"
	_, err := noc.Subscribe(deadline(t), gatewayAgent, controller.Subscription{
		ID: "code", Type: "ValueChange", References: []string{"Device.ProxiedDevice.*.DeviceInfo.ProvisioningCode"},
		Retry: true, Persistent: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, func() error { // until the Virtual Agent knows of it
		r, err := noc.GetInstances(deadline(t), box.Agent, true, "Device.LocalAgent.Subscription.")
		if n := len(r.GetReqPathResults()[0].GetCurrInsts()); err != nil || n != 1 {
			return fmt.Errorf("%d Subscriptions, want 1: %w", n, err)
		}
		return nil
	})
	for i, value := range []string{"before", "after"} {
		if i > 0 {
			c.gw.Kill()
			c.gw.Start()
		}
		if err := box.SetValue("InternetGatewayDevice.DeviceInfo.ProvisioningCode", value); err != nil {
			t.Fatal(err)
		}
		c.served(box.CPE)
		for {
			n := heard(t, noc)
			if n.GetSubscriptionId() != "code" {
				continue
			}
			v := n.GetValueChange()
			if n.From == gatewayAgent && v.GetParamPath() == code && v.GetParamValue() == value {
				break
			}
			if v.GetParamValue() != "before" { // which is told again if its answer was lost
				t.Fatalf("got %v from %s, want ValueChange of %s to %s", n.Notify, n.From, code, value)
			}
		}
	}
	if got := getOne(t, noc, gatewayAgent, code); got != "after" {
		t.Errorf("got %q, want what the CPE has", got)
	}
}
