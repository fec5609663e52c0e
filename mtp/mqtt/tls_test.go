// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mqtt"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/usp"
)

// authority is a CA that lives as long as the test.
type authority struct {
	tb   testing.TB
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pool *x509.CertPool
}

func newAuthority(tb testing.TB) *authority {
	tb.Helper()
	a := &authority{tb: tb, pool: x509.NewCertPool()}
	made := a.make(&x509.Certificate{
		Subject: pkix.Name{CommonName: "test CA"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign,
	})
	a.cert, a.key = made.Leaf, made.PrivateKey.(*ecdsa.PrivateKey)
	a.pool.AddCert(a.cert)
	return a
}

// make signs t with the CA, or with its own key if there is none yet.
func (a *authority) make(t *x509.Certificate) tls.Certificate {
	a.tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.tb.Fatal(err)
	}
	t.SerialNumber = big.NewInt(time.Now().UnixNano())
	t.NotBefore, t.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = t, key
	}
	der, err := x509.CreateCertificate(rand.Reader, t, parent, &key.PublicKey, signer)
	if err != nil {
		a.tb.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		a.tb.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// endpoint is a client certificate for these Endpoint IDs [R-SEC.0a].
func (a *authority) endpoint(ids ...string) tls.Certificate {
	t := &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	for _, id := range ids {
		t.URIs = append(t.URIs, &url.URL{Scheme: "urn", Opaque: "bbf:usp:id:" + id})
	}
	return a.make(t)
}

func (a *authority) server() *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{a.make(&x509.Certificate{
			IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		})},
		ClientCAs: a.pool, ClientAuth: tls.VerifyClientCertIfGiven,
	}
}

// TestCertificate: the certificate says who the client is [R-SEC.0a, R-MQTT.42].
func TestCertificate(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	hub := mtptest.NewRecorder(t)
	addr := serve(t, mqtt.ServerOptions{TLS: ca.server(), Role: usp.RoleAgent}, hub)
	by := func(method string, id usp.EndpointID) mtp.Identity {
		return mtp.Identity{Method: method, IDs: []usp.EndpointID{id}}
	}
	const me = usp.EndpointID("os::00D09E-1")
	tests := map[string]struct {
		cert     *tls.Certificate
		claim    string
		reason   byte
		identity mtp.Identity
	}{
		"itself":        {new(ca.endpoint("os::00D09E-1")), "os::00D09E-1", 0, by("certificate", "os::00D09E-1")},
		"does not say":  {new(ca.endpoint("os::00D09E-1")), "", 0, by("certificate", "os::00D09E-1")},
		"wildcard":      {new(ca.endpoint("os::00D09E-*")), "os::00D09E-1", 0, by("certificate", "os::00D09E-*")},
		"somebody else": {new(ca.endpoint("os::00D09E-4")), "os::00D09E-1", packets.ErrNotAuthorized.Code, mtp.Identity{}},
		"nobody":        {new(ca.endpoint()), "os::00D09E-1", packets.ErrNotAuthorized.Code, mtp.Identity{}},
		"none":          {nil, "os::00D09E-1", 0, mtp.Identity{Method: "none"}}, // a claim proves nothing
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			conf := &tls.Config{RootCAs: ca.pool, MinVersion: tls.VersionTLS12}
			if tt.cert != nil {
				conf.Certificates = []tls.Certificate{*tt.cert}
			}
			conn, err := (&tls.Dialer{Config: conf}).DialContext(t.Context(), "tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			p := newPeer(t, conn, v5)
			var claim [][]byte
			if tt.claim != "" {
				claim = append(claim, user("usp-endpoint-id", tt.claim))
			}
			p.write(connect(v5, "", claim...))
			p.wantConnack(tt.reason)
			if tt.reason != 0 {
				p.wantEnd()
				return
			}
			p.write(subscribe(v5, 1, agentTopic(me)))
			p.want(packets.Suback)
			got := hub.Link().Peer
			if got.Endpoint != me || got.Identity.Method != tt.identity.Method ||
				!slices.Equal(got.Identity.IDs, tt.identity.IDs) {
				t.Errorf("got %s with %+v, want %s with %+v", got.Endpoint, got.Identity, me, tt.identity)
			}
			if !got.Protected || (len(got.Identity.Chain) > 0) != (got.Identity.Method == "certificate") {
				t.Errorf("got a chain of %d, protected %t, want the chain with its certificate over TLS",
					len(got.Identity.Chain), got.Protected)
			}
		})
	}
}

// TestTLS: both roles over TLS 1.2 or newer [R-MQTT.48]; a plain CONNECT, or a
// handshake that does not go on, is cut off.
func TestTLS(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	hub, inner := mtptest.NewRecorder(t), mtptest.NewRecorder(t)
	addr := serve(t, mqtt.ServerOptions{TLS: ca.server(), HandshakeTimeout: time.Second}, hub)
	c, err := mqtt.NewClient(mqtt.ClientOptions{
		URL: "mqtts://" + addr, Endpoint: agent, Role: usp.RoleAgent,
		TLS: &tls.Config{RootCAs: ca.pool, Certificates: []tls.Certificate{ca.endpoint(string(agent))}},
	})
	if err != nil {
		t.Fatal(err)
	}
	mtptest.Start(t, c, inner)
	south, north := hub.Link(), inner.Link()
	up := mtptest.Record(agent, controller, "up", 100_000)
	north.Send(up, mtp.Hint{})
	if got := south.Next(); !slices.Equal(got.Record.Bytes(), up) {
		t.Error("the Record has changed")
	}
	south.Send(record(controller, agent, 1), mtp.Hint{})
	if got := north.Next(); !slices.Equal(got.Record.Bytes(), record(controller, agent, 1)) {
		t.Error("the Record has changed")
	}
	plain := dial(t, addr, v311)
	plain.write(connect(v311, "plain"))
	_, _ = plain.r.ReadByte() // an alert of TLS
	plain.wantEnd()
	dial(t, addr, v5).wantEnd()
	old := &tls.Config{RootCAs: ca.pool, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	if conn, err := (&tls.Dialer{Config: old}).DialContext(t.Context(), "tcp", addr); err == nil {
		_ = conn.Close()
		t.Error("TLS 1.1: got a connection, want none")
	}
}

// TestWildcardName: the name of a broker may be a wildcard in its certificate, of
// one level [R-MQTT.49].
func TestWildcardName(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	cert := ca.make(&x509.Certificate{DNSNames: []string{"*.example.org"}})
	hub := mtptest.NewRecorder(t)
	addr := serve(t, mqtt.ServerOptions{TLS: &tls.Config{
		Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12,
	}}, hub)
	for name, good := range map[string]bool{"mqtt.example.org": true, "a.b.example.org": false} {
		ended := make(chan error, 1)
		c, err := mqtt.NewClient(mqtt.ClientOptions{
			URL: "mqtts://" + addr, Endpoint: agent, Role: usp.RoleAgent, Retry: mtp.BackoffOptions{Interval: time.Hour},
			TLS: &tls.Config{RootCAs: ca.pool, ServerName: name, MinVersion: tls.VersionTLS12},
			GiveUp: func(err error) error {
				ended <- err
				return nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		r := mtptest.Start(t, c, mtptest.NewRecorder(t))
		if good {
			hub.Link()
		} else if err := <-ended; err == nil {
			t.Errorf("%s: got nil, want an error", name)
		}
		r.Stop(t)
	}
}
