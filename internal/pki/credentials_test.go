// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package pki_test

import (
	"crypto/tls"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/uspgate/uspgate/internal/pki"
	"github.com/uspgate/uspgate/internal/pki/pkitest"
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/mtp/ws"
	"github.com/uspgate/uspgate/usp"
)

const (
	agentID      = usp.EndpointID("ops::00D09E-DSL%2F100-1")
	otherAgent   = usp.EndpointID("ops::112233-X-1")
	controllerID = usp.EndpointID("self::controller")
)

// controller listens on WebSocket and processes a Record only if the client's
// certificate names its from_id [R-SEC.0a]; with broker it trusts a broker to
// speak for anybody.
func controller(t *testing.T, all *set, broker bool) (*ws.Server, *mtptest.Recorder) {
	t.Helper()
	up := mtptest.NewRecorder(t)
	up.OnLinkUp = func(p *mtptest.Port) {
		p.RefuseRecords(func(rec usp.Record) error {
			if p.Peer.Identity.Method != "certificate" || !p.Peer.Identity.Allows(rec.Header().From) {
				return mtp.ErrForbidden
			}
			return nil
		})
	}
	o := ws.ServerOptions{
		LinkOptions: ws.LinkOptions{CloseTimeout: time.Second},
		Listen:      "127.0.0.1:0", Role: usp.RoleAgent, TLS: source(t, pki.Options{Files: all.files}).ServerConfig(),
	}
	if broker {
		o.Shared, o.Patterns = true, []string{"*"}
	}
	s, err := ws.NewServer(o)
	if err != nil {
		t.Fatalf("NewServer: got %v, want nil", err)
	}
	mtptest.Start(t, s, up)
	return s, up
}

// TestController_R_SEC_0a: a Controller that holds every from_id against the
// certificate takes the Records of a Virtual Agent by its own certificate and by
// the wildcard of its manufacturer, and no others.
func TestController_R_SEC_0a(t *testing.T) {
	t.Parallel()
	all := newSet(t)
	gateway := all.ca.Issue("self::gateway")
	target := pki.Target{Trust: all.client(t, gateway), ServerName: "127.0.0.1", Endpoint: controllerID}
	broker := pki.TrustedBroker(target)
	wildcards := pki.Wildcards(target,
		all.client(t, all.ca.Issue("ops::445566-*")), all.client(t, all.ca.Issue("ops::00D09E-*", "ops::112233-X-9")))
	perAgent := pki.PerAgent(target, issuer(t, pki.IssuerOptions{CA: authoritySource(t, all.ca.Pair())}))

	vectors := []struct {
		name        string
		credentials pki.Credentials
		broker      bool           // the Controller trusts one
		shown       usp.EndpointID // whose certificate
		claimed     usp.EndpointID // by the URL of WebSocket
		from        usp.EndpointID // of the Record
		refused     string         // "": not; else what the client hears
	}{
		{"per agent", perAgent, false, agentID, agentID, agentID, ""},
		{"per agent, URL of another", perAgent, false, agentID, otherAgent, otherAgent, "403"},
		{"per agent, Record of another", perAgent, false, agentID, agentID, otherAgent, "1008"},
		{"wildcard", wildcards, false, agentID, agentID, agentID, ""},
		{"wildcard, Record of its manufacturer", wildcards, false, agentID, agentID, "ops::00D09E-Y-2", ""},
		{"wildcard, Record of another", wildcards, false, agentID, agentID, otherAgent, "1008"},
		{"wildcard, URL of another", wildcards, false, agentID, otherAgent, otherAgent, "403"},
		{"broker, not trusted", broker, false, agentID, agentID, agentID, "403"},
		{"broker, trusted", broker, true, agentID, "self::gateway", agentID, ""},
	}
	for _, v := range vectors {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			s, hub := controller(t, all, v.broker)
			conf, err := v.credentials.ClientFor(v.shown)
			if err != nil {
				t.Fatalf("ClientFor: got %v, want nil", err)
			}
			got := present(t, s, hub, conf, v.claimed, v.from)
			if v.refused == "" && got != nil || v.refused != "" && (got == nil || !strings.Contains(got.Error(), v.refused)) {
				t.Errorf("got %v, want %q", got, v.refused)
			}
		})
	}
}

// client is a Source of all that shows cert.
func (s *set) client(t *testing.T, cert tls.Certificate) *pki.Source {
	t.Helper()
	f := pki.Files{CA: s.files.CA, CRL: s.files.CRL}
	f.Cert, f.Key = pkitest.WritePair(t, t.TempDir(), "client", cert)
	return source(t, pki.Options{Files: f})
}

// present connects to the Controller, sends a Record and returns nil if the
// Controller took it, or why not.
func present(
	t *testing.T, s *ws.Server, hub *mtptest.Recorder, conf *tls.Config, claimed, from usp.EndpointID,
) error {
	t.Helper()
	ended := make(chan error, 8)
	c, err := ws.NewClient(ws.ClientOptions{
		LinkOptions: ws.LinkOptions{CloseTimeout: time.Second},
		URL:         "wss://" + s.Addr() + "/usp", Endpoint: claimed, Carrier: true, Peer: controllerID,
		Role: usp.RoleController, TLS: conf,
		GiveUp: func(err error) error {
			ended <- err
			return nil
		},
	})
	if err != nil {
		t.Fatalf("NewClient: got %v, want nil", err)
	}
	up := make(chan *mtptest.Port, 1)
	north := mtptest.NewRecorder(t)
	north.OnLinkUp = func(p *mtptest.Port) { up <- p }
	mtptest.Start(t, c, north)
	select {
	case err := <-ended:
		return err
	case link := <-up:
		link.Send(mtptest.Record(from, controllerID, "x", 0), mtp.Hint{})
		port := hub.Link()
		rec := port.Next().Record
		if got := rec.Header().From; got != from {
			t.Errorf("Record: got one of %s, want %s", got, from)
		}
		if !port.Peer.Identity.Allows(from) {
			return <-ended
		}
		// What the Controller sends now comes behind a Close, were there one.
		port.Send(mtptest.Record(controllerID, from, "y", 0), mtp.Hint{})
		link.Next()
		return nil
	}
}

// TestNoCredential: for whom there is no certificate no connection is tried.
func TestNoCredential(t *testing.T) {
	t.Parallel()
	all := newSet(t)
	dir := t.TempDir()
	var f pki.Files
	f.Cert, f.Key = pkitest.WritePair(t, dir, "maker", all.ca.Issue("ops::00D09E-*"))
	maker := source(t, pki.Options{Files: f})
	target := pki.Target{Trust: source(t, pki.Options{Files: pki.Files{CA: all.files.CA}}), ServerName: "localhost"}
	vectors := map[string]pki.Credentials{
		"other manufacturer": pki.Wildcards(target, maker),
		"names nobody":       pki.Wildcards(target, all.client(t, all.ca.Issue())),
		"no certificates":    pki.Wildcards(target, target.Trust),
	}
	for name, c := range vectors {
		if conf, err := c.ClientFor(otherAgent); !errors.Is(err, pki.ErrNoCredential) {
			t.Errorf("%s: got %v, %v, want %v", name, conf, err, pki.ErrNoCredential)
		}
	}
	perAgent := pki.PerAgent(target, issuer(t, pki.IssuerOptions{CA: authoritySource(t, all.ca.Pair())}))
	if conf, err := perAgent.ClientFor("ops::00D09E-*"); err == nil {
		t.Errorf("per agent, wildcard: got %v, want an error", conf)
	}

	none, err := pki.TrustedBroker(target).ClientFor(agentID)
	if err != nil {
		t.Fatalf("broker without certificate: got %v, want nil", err)
	}
	open := &tls.Config{Certificates: []tls.Certificate{all.leaf}, ClientCAs: all.ca.Pool()}
	if got := meet(t, open, none); !got.ok() {
		t.Errorf("broker without certificate: got %v, %v, want nil", got.server, got.client)
	}

	// A Config outlives the certificate that it was made for.
	conf, err := pki.Wildcards(target, maker).ClientFor(agentID)
	if err != nil {
		t.Fatalf("ClientFor: got %v, want nil", err)
	}
	server := &tls.Config{
		Certificates: []tls.Certificate{all.leaf}, ClientCAs: all.ca.Pool(), ClientAuth: tls.RequireAndVerifyClientCert,
	}
	if got := meet(t, server, conf); !got.ok() {
		t.Errorf("before: got %v, %v, want nil", got.server, got.client)
	}
	pkitest.WritePair(t, dir, "maker", all.ca.Issue("ops::112233-*"))
	reload(t, maker)
	if got := meet(t, server, conf); !errors.Is(got.client, pki.ErrNoCredential) {
		t.Errorf("after: got %v, want %v", got.client, pki.ErrNoCredential)
	}
}
