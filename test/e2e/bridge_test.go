// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/uspgate/uspgate/internal/pki/pkitest"
	"github.com/uspgate/uspgate/internal/sim/controller"
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mqtt"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/mtp/ws"
	"github.com/uspgate/uspgate/test/harness"
	"github.com/uspgate/uspgate/usp"
)

// TestOneConnectionPerAgent: the gateway calls a Controller that takes Records
// only from those whom the certificate of the connection names [R-SEC.0a], once
// for every Virtual Agent and in its name.
func TestOneConnectionPerAgent(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"per_agent", "wildcard"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			servers, agents := pkitest.NewAuthority(t, "servers"), pkitest.NewAuthority(t, "agents")
			links := mtptest.NewRecorder(t)
			strict := mtptest.Start(t, newStrict(t, servers, agents), links)
			caCert, caKey := pkitest.WritePair(t, dir, "agents", agents.Pair())
			wild, wildKey := pkitest.WritePair(t, dir, "wild", agents.Issue("ops::00D09E-*"))
			gw := harness.StartAs(t, fmt.Sprintf(`
mtp:
  - name: north
    type: websocket
    connect: "wss://%s/usp"
    role: controller
    peer: self::strict
    link: per_agent
    retry: {interval: 20ms}
    tls: {server_ca: %q}
    agent_certificates:
      {mode: %s, ca_cert: %q, ca_key: %q, files: [{cert: %q, key: %q}]}
controllers: [{endpoint_id: "self::strict"}]
`, strict.Transport.Addr(), pkitest.WriteCA(t, dir, "servers", servers), mode, caCert, caKey, wild, wildKey))
			cpe := gw.CPE("tr098-dsl", nil)

			link := links.Link()
			if link.Peer.Endpoint != cpe.Agent || link.Peer.Identity.Method != "certificate" {
				t.Fatalf("Link: got %s by %s, want %s by certificate",
					link.Peer.Endpoint, link.Peer.Identity.Method, cpe.Agent)
			}
			first := link.Next().Record
			if h := first.Header(); h.Type != usp.RecordWebSocketConnect || h.From != cpe.Agent || h.To != "self::strict" {
				t.Fatalf("first Record: got %v from %s to %s, want a WebSocketConnect of %s", h.Type, h.From, h.To, cpe.Agent)
			}
		})
	}
}

// newStrict is a Controller's server that demands a certificate which names the
// Endpoint.
func newStrict(t *testing.T, servers, agents *pkitest.Authority) mtp.Transport {
	t.Helper()
	s, err := ws.NewServer(ws.ServerOptions{
		Listen: "127.0.0.1:0", Role: usp.RoleAgent, Endpoint: "self::strict", RequireEndpoint: true,
		TLS: &tls.Config{
			MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{servers.Issue("self::strict")},
			ClientCAs: agents.Pool(), ClientAuth: tls.RequireAndVerifyClientCert,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestTwoGateways: a Controller at one gateway manages a CPE at the other, over
// a trunk between them.
func TestTwoGateways(t *testing.T) {
	t.Parallel()
	east := harness.StartAs(t, `
mtp:
  - name: trunk
    type: websocket
    listen: "127.0.0.1:0"
    trunk: true
    speaks_for: ["self::noc", "self::west"]
    role: controller
controllers: [{endpoint_id: "self::noc"}]
`)
	cpe := east.CPE("tr181-wifi", nil)
	west := harness.StartAs(t, fmt.Sprintf(`
mtp:
  - {name: ws, type: websocket, listen: "127.0.0.1:0"}
  - name: trunk
    type: websocket
    connect: "ws://%s/usp"
    endpoint_id: self::west
    role: agent
    trunk: true
    speaks_for: ["ops::*"]
    retry: {interval: 20ms}
`, east.Addr("trunk")))
	c := west.Controller(west.WS(), "self::noc")
	var params map[string]string
	harness.Eventually(t, func() error { // the trunk may not be up yet
		ctx := deadline(t)
		resp, err := c.Get(ctx, cpe.Agent, 0, "Device.DeviceInfo.ModelName")
		if err == nil {
			params = controller.Params(resp)
		}
		return err
	})
	if params["Device.DeviceInfo.ModelName"] == "" {
		t.Errorf("got %v, want the ModelName", params)
	}
}

// TestOneIDInBothRoles: an Agent and a Controller of one Endpoint ID on one
// broker get each what is for them [R-ARC.0, R-ARC.1].
func TestOneIDInBothRoles(t *testing.T) {
	t.Parallel()
	gw := harness.Start(t, "")
	const both = usp.EndpointID("self::both")
	join := func(id usp.EndpointID, role usp.Role) *mtptest.Port {
		c, err := mqtt.NewClient(mqtt.ClientOptions{
			URL: gw.MQTT(), Endpoint: id, Role: role, ClientID: string(id) + role.String(),
		})
		if err != nil {
			t.Fatal(err)
		}
		links := mtptest.NewRecorder(t)
		mtptest.Start(t, c, links)
		port := links.Link()
		if role == usp.RoleAgent { // shows itself to the Controllers
			for _, to := range []usp.EndpointID{both, "self::other"} {
				if to != id {
					rec := port.Link.(mtp.Connector).ConnectRecord(id, to)
					port.Send(rec.Bytes(), mtp.Hint{})
				}
			}
		}
		return port
	}
	asController, other := join(both, usp.RoleController), join("self::other", usp.RoleController)
	asAgent, agent := join(both, usp.RoleAgent), join("os::00D09E-agent", usp.RoleAgent)

	toAgent := mtptest.Record("self::other", both, "to the Agent", 0)
	toController := mtptest.Record("os::00D09E-agent", both, "to the Controller", 0)
	other.Send(toAgent, mtp.Hint{})
	agent.Send(toController, mtp.Hint{})
	for name, want := range map[string]struct {
		at  *mtptest.Port
		rec []byte
	}{"Agent": {asAgent, toAgent}, "Controller": {asController, toController}} {
		got := want.at.Next().Record
		for got.Header().Type.IsConnect() {
			got = want.at.Next().Record
		}
		if !slices.Equal(got.Bytes(), want.rec) {
			t.Errorf("%s: got %q, want %q", name, got.Bytes(), want.rec)
		}
	}
}

// TestRulesAndAliases: what the file denies does not get through, and a Record
// to an alias does.
func TestRulesAndAliases(t *testing.T) {
	t.Parallel()
	gw := harness.Start(t, `
aliases: [{alias: "ops::00D09E-OLD-1", endpoint_id: "ops::00D09E-DSL100-1"}]
rules: [{from: "self::guest", role: agent, action: deny}]
`)
	cpe := gw.CPE("tr098-dsl", nil)
	noc, guest := gw.Controller(gw.WS(), "self::noc"), gw.Controller(gw.MQTT(), "self::guest")
	if _, err := noc.Get(deadline(t), cpe.Agent, 0, "Device.DeviceInfo.ModelName"); err != nil {
		t.Errorf("Get: got %v, want nil", err)
	}
	got := gw.Ask("routes", "explain", "ops::00D09E-OLD-1", "--role", "agent")
	if !strings.Contains(got, string(cpe.Agent)) {
		t.Errorf("explain of the alias: got %q, want %s in it", got, cpe.Agent)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := guest.Get(ctx, cpe.Agent, 0, "Device.DeviceInfo.ModelName"); err == nil {
		t.Error("Get of a guest: got an answer, want none")
	}
}
