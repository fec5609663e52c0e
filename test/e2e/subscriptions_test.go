// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"fmt"
	"testing"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/internal/sim/controller"
	"github.com/uspgate/uspgate/test/harness"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// Rows that come and go at a CPE are told as soon as it reports their number, its values as
// soon as it reports them, and an event that only its vendor knows as it is.
func TestCPEIsListenedTo(t *testing.T) {
	t.Parallel()
	gw := harness.Start(t, "")
	for model, tables := range map[string]string{
		"tr181-wifi": "Device.NAT.PortMapping.",
		"tr098-dsl":  "InternetGatewayDevice.WANDevice.1.WANConnectionDevice.1.WANPPPConnection.1.PortMapping.",
	} {
		t.Run(model, func(t *testing.T) {
			t.Parallel()
			c := gw.CPE(model, nil)
			north := gw.Controller(gw.WS(), usp.EndpointID("self::"+model))
			const table = "Device.NAT.PortMapping."
			for typ, ref := range map[string]string{
				"ObjectCreation": table, "ObjectDeletion": table, "Event": "Device.X_USPGATE_CPEEvent!",
			} {
				if _, err := north.Subscribe(deadline(t), c.Agent, controller.Subscription{
					ID: typ, Type: typ, References: []string{ref},
				}); err != nil {
					t.Fatal(err)
				}
			}
			const ways = "Device.LocalAgent.Subscription.[NotifType==\"ObjectCreation\"].X_USPGATE_ChangesBy"
			harness.Eventually(t, func() error { // once the CPE has been told
				resp, err := north.Get(deadline(t), c.Agent, 0, ways)
				if err != nil {
					return err
				}
				for _, by := range controller.Params(resp) {
					if by == "Notification" {
						return nil
					}
				}
				return fmt.Errorf("got %v, want Notification", controller.Params(resp))
			})

			row, err := c.AddRow(tables)
			if err != nil {
				t.Fatal(err)
			}
			made := notifyOf(t, north, "ObjectCreation").GetObjCreation().GetObjPath()
			if err := c.RemoveRow(row); err != nil {
				t.Fatal(err)
			}
			if gone := notifyOf(t, north, "ObjectDeletion").GetObjDeletion().GetObjPath(); gone != made || made == "" {
				t.Errorf("got %q made and %q gone, want the same row", made, gone)
			}
			c.Raise(cwmp.Event{Code: "X 00D09E WPSDone", CommandKey: "k"})
			e := notifyOf(t, north, "Event").GetEvent()
			if e.GetEventName() != "X_USPGATE_CPEEvent!" || e.GetParams()["EventCode"] != "X 00D09E WPSDone" {
				t.Errorf("got %v, want the event", e)
			}
		})
	}
}

// notifyOf waits for a Notify of a Subscription.
func notifyOf(t *testing.T, c *controller.Controller, id string) *uspmsg.Notify {
	t.Helper()
	for {
		select {
		case n := <-c.Notifies():
			if n.GetSubscriptionId() == id {
				return n.Notify
			}
		case <-deadline(t).Done():
			t.Fatalf("got no Notify of %s", id)
		}
	}
}
