// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package stomp_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/mtp/stomp"
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

// TestCertificate: the certificate says who the client is, and not AuthFunc
// [R-SEC.0a, R-STOMP.35].
func TestCertificate(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	hub := mtptest.NewRecorder(t)
	addr := serve(t, stomp.ServerOptions{
		TLS: ca.server(), Role: usp.RoleAgent,
		Auth: func(l stomp.Login) (mtp.Identity, error) {
			if l.Password == "" {
				return mtp.Identity{}, errors.New("no password")
			}
			return mtp.Identity{Method: "password", IDs: []usp.EndpointID{"os::00D09E-1"}}, nil
		},
	}, hub)
	const me = "os::00D09E-1"
	tests := map[string]struct {
		cert           *tls.Certificate
		claim, refused string
		method         string
		ids            []usp.EndpointID
	}{
		"itself":        {new(ca.endpoint(me)), me, "", "certificate", []usp.EndpointID{me}},
		"does not say":  {new(ca.endpoint(me)), "", "", "certificate", []usp.EndpointID{me}},
		"wildcard":      {new(ca.endpoint("os::00D09E-*")), me, "", "certificate", []usp.EndpointID{"os::00D09E-*"}},
		"somebody else": {new(ca.endpoint("os::00D09E-4")), me, "not allowed", "", nil},
		"nobody":        {new(ca.endpoint()), me, "not allowed", "", nil},
		"none":          {nil, me, "passcode is wrong", "", nil},
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
			p := newPeer(t, conn)
			first := rawFrame("STOMP", nil, "accept-version:1.2")
			if tt.claim != "" {
				first = connectFrame(usp.EndpointID(tt.claim))
			}
			p.write(first)
			if tt.refused != "" {
				p.wantError(tt.refused)
				return
			}
			p.want("CONNECTED")
			p.write(subscribeFrame("0", agentDest(me)))
			got := hub.Link().Peer
			if got.Endpoint != me || got.Identity.Method != tt.method || !slices.Equal(got.Identity.IDs, tt.ids) {
				t.Errorf("got %s with %+v, want %s with %s %v", got.Endpoint, got.Identity, me, tt.method, tt.ids)
			}
			if !got.Protected || (len(got.Identity.Chain) > 0) != (got.Identity.Method == "certificate") {
				t.Errorf("got a chain of %d, protected %t, want the chain with its certificate over TLS",
					len(got.Identity.Chain), got.Protected)
			}
		})
	}
}

// TestTLS: both roles over TLS 1.2 or newer [R-STOMP.36]; a plain frame, or a
// handshake that does not go on, is cut off.
func TestTLS(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	hub, inner := mtptest.NewRecorder(t), mtptest.NewRecorder(t)
	addr := serve(t, stomp.ServerOptions{
		LinkOptions: stomp.LinkOptions{HandshakeTimeout: time.Second}, TLS: ca.server(), Role: usp.RoleAgent,
	}, hub)
	connectTo(t, stomp.ClientOptions{
		URL: "stomps://" + addr,
		TLS: &tls.Config{RootCAs: ca.pool, Certificates: []tls.Certificate{ca.endpoint(string(agent))}},
	}, inner)
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
	plain := dial(t, addr)
	plain.write(connectFrame(agent))
	_, _ = plain.r.ReadByte() // an alert of TLS
	plain.wantEnd()
	dial(t, addr).wantEnd()
	old := &tls.Config{RootCAs: ca.pool, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	if conn, err := (&tls.Dialer{Config: old}).DialContext(t.Context(), "tcp", addr); err == nil {
		_ = conn.Close()
		t.Error("TLS 1.1: got a connection, want none")
	}
}
