// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"crypto/ecdsa"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/uspgate/uspgate/internal/pki/pkitest"
	"github.com/uspgate/uspgate/internal/sim/endpoint"
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/ws"
	"github.com/uspgate/uspgate/test/harness"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/e2e"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// The usp commands speak in a Session Context where they are told to: over each MTP, in
// segments as large as the configuration lets them be.
func TestSessionContext(t *testing.T) {
	t.Parallel()
	g := harness.Start(t, `controllers:
  - {endpoint_id: "self::ctl"}
  - {endpoint_id: "self::forbidden", e2e_session: {mode: forbid}}
translate: {e2e_session: {mode: require, max_record_size: 1KiB}}
`)
	cpe := g.CPE("tr181-wifi", nil)
	run := func(from string, args ...string) (int, string, string) {
		all := []string{"usp", args[0], "--from", from, "--to", string(cpe.Agent)}
		return harness.Command(t, append(all, args[1:]...)...)
	}
	const status = "Device.LocalAgent.Controller.1.E2ESession.Status"
	for _, via := range []string{g.WS(), g.MQTT()} {
		code, out, stderr := run("self::ctl", "get", "--via", via, "--session-context", "Device.LocalAgent.", status)
		if code != 0 || !strings.Contains(out, "Up") || len(out) < 3000 {
			t.Errorf("%s: got exit %d, %d bytes: %s%s, want the whole object, and Up", via, code, len(out), out, stderr)
		}
		if code, _, stderr := run("self::ctl", "get", "--via", via, status); code != 1 || !strings.Contains(stderr, "7101") {
			t.Errorf("%s: got exit %d, %s, want Error 7101 without session context", via, code, stderr)
		}
	}
	code, _, stderr := run("self::forbidden", "get", "--via", g.WS(), "--session-context", status)
	if code != 1 || !strings.Contains(stderr, "7106") {
		t.Errorf("got exit %d, %s, want DisconnectRecord 7106", code, stderr)
	}
	if code, _, stderr = run("self::forbidden", "get", "--via", g.WS(), "Device.LocalAgent."); code != 1 ||
		!strings.Contains(stderr, "7005") || !strings.Contains(stderr, "1024") {
		t.Errorf("got exit %d, %s, want Error 7005 that names the limit", code, stderr)
	}
}

// A Record is the Controller's if its signature says so, and no other counts where
// signatures are wanted [R-E2E.30].
func TestSignatures(t *testing.T) {
	t.Parallel()
	ca, dir := pkitest.NewAuthority(t, "ca"), t.TempDir()
	g := harness.Start(t, fmt.Sprintf(`controllers: [{endpoint_id: "self::ctl"}]
translate:
  proxied: {endpoint_id: "ops::00D09E-GW-1"}
  signatures: {ca: %q, require: always}
`, pkitest.WriteCA(t, dir, "ca", ca)))
	cpe := g.CPE("tr098-dsl", nil)
	got := make(chan string, 16)
	receive := func(_ *endpoint.Link, rec usp.Record, _ mtp.Hint) {
		var m uspmsg.Msg
		if rec.Header().Type == usp.RecordNoSession && proto.Unmarshal(rec.Header().Payload, &m) == nil &&
			m.GetBody().GetRequest() == nil {
			got <- m.GetHeader().GetMsgId()
		}
	}
	node := endpoint.NewNode(endpoint.Options{ID: "self::ctl", Receive: receive})
	tr, err := ws.NewClient(ws.ClientOptions{URL: g.WS(), Endpoint: "self::ctl", Role: usp.RoleAgent, Shared: true})
	if err != nil {
		t.Fatal(err)
	}
	harness.Background(t, "controller", func(ctx context.Context) error { return tr.Run(ctx, node) })
	send := func(to usp.EndpointID, id, as string) {
		payload, err := proto.Marshal(&uspmsg.Msg{
			Header: &uspmsg.Header{MsgId: id},
			Body: &uspmsg.Body{MsgBody: &uspmsg.Body_Request{Request: &uspmsg.Request{ReqType: &uspmsg.Request_Get{
				Get: &uspmsg.Get{ParamPaths: []string{"Device.LocalAgent.EndpointID"}},
			}}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		rec := usp.NewNoSession("self::ctl", to, "", payload)
		if as != "" {
			c := ca.Issue(as)
			key, _ := c.PrivateKey.(*ecdsa.PrivateKey)
			if rec, err = e2e.Sign(rec, key, pkitest.PEM("CERTIFICATE", c.Certificate[0])); err != nil {
				t.Fatal(err)
			}
		}
		harness.Eventually(t, func() error {
			if link, hint, _ := node.Route(to); link != nil {
				link.Send(rec, hint, nil)
				return nil
			}
			return fmt.Errorf("no connection")
		})
	}
	for _, to := range []usp.EndpointID{cpe.Agent, "ops::00D09E-GW-1"} {
		send(to, "unsigned", "")
		send(to, "of another", "self::other")
		send(to, "signed", "self::ctl")
		if id := <-got; id != "signed" {
			t.Errorf("%s: got an answer to %q, want the first one to the signed Record", to, id)
		}
	}
}
