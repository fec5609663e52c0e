// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package uds_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net/url"
	"testing"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/mtp/uds"
)

// authority is a certificate authority of one test.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, pool: x509.NewCertPool()}
	template := &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	c := a.sign(template)
	a.cert, a.key = c.Leaf, c.PrivateKey.(*ecdsa.PrivateKey)
	a.pool.AddCert(a.cert)
	return a
}

// issue makes a certificate for localhost that names Endpoints by URN.
func (a *authority) issue(endpoints ...string) tls.Certificate {
	a.t.Helper()
	c := &x509.Certificate{DNSNames: []string{"localhost"}}
	for _, id := range endpoints {
		c.URIs = append(c.URIs, &url.URL{Scheme: "urn", Opaque: "bbf:usp:id:" + id})
	}
	return a.sign(c)
}

func (a *authority) sign(c *x509.Certificate) tls.Certificate {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatalf("key: got %v, want nil", err)
	}
	c.SerialNumber, c.Subject = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: "test"}
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatalf("certificate: got %v, want nil", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatalf("certificate: got %v, want nil", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// server starts one with TLS that verifies a client certificate if it gets one.
func (a *authority) server(o uds.ServerOptions, endpoints ...string) (*uds.Server, *mtptest.Recorder) {
	a.t.Helper()
	o.TLS = &tls.Config{
		Certificates: []tls.Certificate{a.issue(endpoints...)},
		ClientCAs:    a.pool, ClientAuth: tls.VerifyClientCertIfGiven,
	}
	return start(a.t, o)
}

// dial connects by hand, with a certificate for the Endpoints if there are any.
func (a *authority) dial(path string, newest uint16, endpoints ...string) (*tls.Conn, error) {
	a.t.Helper()
	o := &tls.Config{RootCAs: a.pool, ServerName: "localhost", MinVersion: tls.VersionTLS10, MaxVersion: newest}
	if len(endpoints) > 0 {
		o.Certificates = []tls.Certificate{a.issue(endpoints...)}
	}
	conn := tls.Client(dial(a.t, path), o)
	return conn, conn.HandshakeContext(a.t.Context())
}

// TestTLS_R_UDS_23a: both roles over TLS, with certificates that name both.
func TestTLS_R_UDS_23a(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	s, hub := a.server(uds.ServerOptions{}, string(mtptest.Controller))
	peer := client(t, uds.ClientOptions{
		URL: s.Addr(), Peer: mtptest.Controller,
		TLS: &tls.Config{RootCAs: a.pool, Certificates: []tls.Certificate{a.issue(string(mtptest.Agent))}},
	})
	south, north := hub.Link(), peer.Link()
	for _, p := range []*mtptest.Port{south, north} {
		if got := p.Peer.Identity; got.Method != "certificate" || got.One() != p.Peer.Endpoint || got.Name != "CN=test" {
			t.Fatalf("Identity of %s: got %+v, want that of the certificate", p.Peer.Endpoint, got)
		}
		if !p.Peer.Protected || len(p.Peer.Identity.Chain) == 0 {
			t.Errorf("%s: got a chain of %d, protected %t, want that of the certificate",
				p.Peer.Endpoint, len(p.Peer.Identity.Chain), p.Peer.Protected)
		}
	}
	large := mtptest.Record(mtptest.Agent, mtptest.Controller, "large", 1<<20)
	north.Send(large, mtp.Hint{})
	wantRecord(t, south, large)
	south.Link.Close(nil)
	if err := north.WaitDown(); err == nil {
		t.Fatal("cause at the client: got nil, want an error")
	}
}

// TestCertificate_R_SEC_0a: it bounds what a Handshake may claim.
func TestCertificate_R_SEC_0a(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	s, hub := a.server(uds.ServerOptions{})
	conn, err := a.dial(s.Addr(), 0, string(mtptest.Neighbour))
	if err != nil {
		t.Fatalf("TLS: got %v, want nil", err)
	}
	send(t, conn, hello(mtptest.Agent))
	wantError(t, conn, "not allowed for this Endpoint")

	conn, err = a.dial(s.Addr(), 0)
	if err != nil {
		t.Fatalf("TLS: got %v, want nil", err)
	}
	send(t, conn, hello(mtptest.Agent))
	if got := hub.Link().Peer.Identity.Method; got != "handshake" {
		t.Fatalf("without a certificate: got %q, want its word", got)
	}
}

// TestTLSVersion_R_UDS_23b: 1.2 or newer, and nothing in the clear.
func TestTLSVersion_R_UDS_23b(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	s, hub := a.server(uds.ServerOptions{})
	if _, err := a.dial(s.Addr(), tls.VersionTLS11, string(mtptest.Agent)); err == nil {
		t.Fatal("TLS 1.1: got nil, want an error")
	}
	plain := dial(t, s.Addr())
	send(t, plain, hello(mtptest.Agent))
	if kind, _, err := nextField(plain); err == nil {
		t.Fatalf("in the clear: got field %d, want the end", kind)
	}
	conn, err := a.dial(s.Addr(), tls.VersionTLS12, string(mtptest.Agent))
	if err != nil {
		t.Fatalf("TLS 1.2: got %v, want nil", err)
	}
	send(t, conn, hello(mtptest.Agent))
	hub.Link()
}

// TestTrunkCertificate: a trunk speaks for whom its certificate names and for the
// configured ones.
func TestTrunkCertificate(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	s, hub := a.server(uds.ServerOptions{LinkOptions: uds.LinkOptions{Shared: true, Patterns: []string{"os::00D09E-*"}}})
	conn, err := a.dial(s.Addr(), 0, "proto::other")
	if err != nil {
		t.Fatalf("TLS: got %v, want nil", err)
	}
	send(t, conn, hello("proto::other"))
	id := hub.Link().Peer.Identity
	if !id.Allows("proto::other") || !id.Allows("os::00D09E-1") || id.Allows("os::012345-1") {
		t.Fatalf("Identity: got %+v, want the certificate's and the configured", id)
	}
}
