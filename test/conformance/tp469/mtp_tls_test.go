// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package tp469_test

import (
	"crypto/tls"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/uspgate/uspgate/internal/pki/pkitest"
	"github.com/uspgate/uspgate/test/harness"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// secure is the TLS side of a Controller: its certificate may change, and what connects has
// to show one of the operator's authority.
type secure struct {
	conf   *tls.Config
	cert   atomic.Pointer[tls.Certificate]
	hellos chan time.Time // every attempt
	agents string         // YAML for the binding that connects
}

// newSecure makes the authority and the Controller's certificate.
func newSecure(t *testing.T) *secure {
	t.Helper()
	dir := t.TempDir()
	servers, agents := pkitest.NewAuthority(t, "servers"), pkitest.NewAuthority(t, "agents")
	caCert, caKey := pkitest.WritePair(t, dir, "agents", agents.Pair())
	s := &secure{hellos: make(chan time.Time, 64)}
	own := servers.Issue(string(raw))
	s.cert.Store(&own)
	s.agents = `    tls: {server_ca: "` + pkitest.WriteCA(t, dir, "servers", servers) + `"}
    agent_certificates: {mode: per_agent, ca_cert: "` + caCert + `", ca_key: "` + caKey + `"}
`
	s.conf = &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			s.hellos <- time.Now()
			return &tls.Config{
				MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{*s.cert.Load()},
				ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: agents.Pool(),
			}, nil
		},
	}
	return s
}

// distrusted has the Controller show a certificate of nobody until it was refused twice.
func (s *secure) distrusted(b *bench, begin func()) {
	b.Helper()
	trusted, stranger := s.cert.Load(), pkitest.NewAuthority(b, "nobody").Issue(string(raw))
	s.cert.Store(&stranger)
	begin()
	for range 2 {
		select {
		case <-s.hellos:
		case <-time.After(harness.Timeout):
			b.Fatal("nobody tries to connect")
		}
	}
	s.cert.Store(trusted)
}

// identified checks what the peer of a TLS connection has shown [R-SEC.0a].
func (b *bench) identified(state *tls.ConnectionState) {
	b.Helper()
	if state == nil || state.Version < tls.VersionTLS12 || len(state.PeerCertificates) == 0 {
		b.Fatalf("got %+v, want TLS 1.2 or later with a certificate [R-MTP.0]", state)
	}
	want := "urn:bbf:usp:id:" + string(b.cpe.Agent)
	if got := state.PeerCertificates[0].URIs; len(got) != 1 || got[0].String() != want {
		b.Errorf("got a certificate for %v, want %s", got, want)
	}
}

// identifiedConn is identified for a connection.
func (b *bench) identifiedConn(conn net.Conn) {
	b.Helper()
	c, ok := conn.(*tls.Conn)
	if !ok {
		b.Fatal(errors.New("the connection has no TLS"))
	}
	state := c.ConnectionState()
	b.identified(&state)
}

// A server whose certificate is of nobody that is trusted is not spoken to.
func case4_1(b *bench) {
	s := newSecure(b.T)
	h := newWSHost(b.T, s.conf)
	s.distrusted(b, func() { b.alone(h.north(s.agents)) })
	c := h.accept()
	b.identified(c.request.TLS)
	c.send(b.to("4.1", &uspmsg.Request{ReqType: &uspmsg.Request_GetSupportedProtocol{
		GetSupportedProtocol: &uspmsg.GetSupportedProtocol{ControllerSupportedProtocolVersions: "1.3,1.4"},
	}}))
	m := b.answer(c, "4.1")
	if v := m.GetBody().GetResponse().GetGetSupportedProtocolResp().GetAgentSupportedProtocolVersions(); v == "" {
		b.Errorf("got %v, want the versions of the Agent", m)
	}
}
