// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"testing"

	"github.com/gorilla/websocket"

	"github.com/uspgate/uspgate/internal/sim/agent"
	"github.com/uspgate/uspgate/internal/sim/controller"
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mqtt"
	"github.com/uspgate/uspgate/mtp/ws"
	"github.com/uspgate/uspgate/test/harness"
	"github.com/uspgate/uspgate/usp"
)

// nativeAgent runs a USP Agent of its own over the binding named via.
func nativeAgent(t *testing.T, gw *harness.Gateway, via string, id usp.EndpointID) *agent.Agent {
	t.Helper()
	var tr mtp.Transport
	var err error
	if via == "ws" {
		tr, err = ws.NewClient(ws.ClientOptions{URL: gw.WS(), Endpoint: id, Role: usp.RoleController, Shared: true})
	} else {
		tr, err = mqtt.NewClient(mqtt.ClientOptions{URL: gw.MQTT(), Endpoint: id, Role: usp.RoleAgent})
	}
	if err != nil {
		t.Fatal(err)
	}
	a, err := agent.New(agent.Options{Endpoint: id, Transport: tr, Controller: "self::north"})
	if err != nil {
		t.Fatal(err)
	}
	harness.Background(t, "agent "+string(id), a.Run)
	return a
}

// TestNativeAgentsAreRelayed: Agent and Controller on every pair of MTPs.
func TestNativeAgentsAreRelayed(t *testing.T) {
	t.Parallel()
	for _, south := range []string{"ws", "mqtt"} {
		for _, north := range []string{"ws", "mqtt"} {
			t.Run(south+" to "+north, func(t *testing.T) {
				t.Parallel()
				gw := harness.Start(t, "")
				const id = usp.EndpointID("os::00D09E-native")
				via := map[string]string{"ws": gw.WS(), "mqtt": gw.MQTT()}[north]
				c := gw.Controller(via, "self::north")
				a := nativeAgent(t, gw, south, id)
				ctx := deadline(t)
				if err := c.Await(ctx, id); err != nil { // its Connect Record came through
					t.Fatal(err)
				}
				resp, err := c.Get(ctx, id, 0, "Device.DeviceInfo.")
				if err != nil {
					t.Fatal(err)
				}
				if got := controller.Params(resp)["Device.DeviceInfo.Manufacturer"]; got == "" {
					t.Error("got no Manufacturer")
				}
				notified(ctx, t, c, a, id)
			})
		}
	}
}

// notified subscribes to a value and has it changed at the Agent.
func notified(ctx context.Context, t *testing.T, c *controller.Controller, a *agent.Agent, id usp.EndpointID) {
	t.Helper()
	const param = "Device.WiFi.SSID.1.SSID"
	_, err := c.Subscribe(ctx, id, controller.Subscription{ID: "s", Type: "ValueChange", References: []string{param}})
	if err != nil {
		t.Fatal(err)
	}
	if !a.SetValue(param, "renamed") {
		t.Fatalf("the Agent has no %s", param)
	}
	select {
	case n := <-c.Notifies():
		if got := n.GetValueChange().GetParamValue(); got != "renamed" {
			t.Errorf("got %q, want the new name", got)
		}
	case <-ctx.Done():
		t.Error("no notification came")
	}
}

// next reads the next Record.
func next(t *testing.T, conn *websocket.Conn) usp.Record {
	t.Helper()
	_, data, err := conn.ReadMessage()
	if err != nil {
		t.Fatal(err)
	}
	rec, err := usp.NewRecord(data)
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

// A Controller that has come back hears of everything without speaking first:
// the Connect Record, then the notification [R-MTP.8].
func TestControllerThatComesBackIsNotified(t *testing.T) {
	t.Parallel()
	for name, yaml := range map[string]string{
		"learned":    "",
		"configured": "controllers: [{endpoint_id: \"self::neighbour\"}, {endpoint_id: \"self::two\"}]\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNeighbour(t, yaml)
			ok(t, "usp", "add", "--from", "self::two", "--via", n.gw.WS(), "--to", string(n.cpe.Agent),
				"Device.LocalAgent.Subscription.", "ID=s", "NotifType=ValueChange",
				"ReferenceList=Device.WiFi.SSID.1.SSID", "Enable=true")
			conn := n.dialWS("/usp?eid=self::two")
			ok(t, "usp", "set", "--from", "self::neighbour", "--via", n.gw.MQTT(), "--to", string(n.cpe.Agent),
				"Device.WiFi.SSID.1.SSID=changed")
			if rec := next(t, conn); rec.Header().Type != usp.RecordWebSocketConnect {
				t.Fatalf("got %v first, want a WebSocketConnect", rec.Header().Type)
			}
			if rec := next(t, conn); rec.Header().Type != usp.RecordNoSession {
				t.Errorf("got %v, want the notification", rec.Header().Type)
			}
		})
	}
}

// A configured Controller hears of every Agent as soon as it connects.
func TestConfiguredControllerGetsConnectRecords(t *testing.T) {
	t.Parallel()
	n := newNeighbour(t, "controllers: [{endpoint_id: \"self::neighbour\"}, {endpoint_id: \"self::two\"}]\n")
	rec := next(t, n.dialWS("/usp?eid=self::two"))
	if h := rec.Header(); h.Type != usp.RecordWebSocketConnect || h.From != n.cpe.Agent || h.To != "self::two" {
		t.Errorf("got %v of %s to %s, want the Connect Record of the Agent", h.Type, h.From, h.To)
	}
}
