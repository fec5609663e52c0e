// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package ws_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/mtp/ws"
	"github.com/uspgate/uspgate/usp"
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

// issue makes a certificate for loopback that names Endpoints by URN.
func (a *authority) issue(endpoints ...string) tls.Certificate {
	a.t.Helper()
	c := &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	for _, id := range endpoints {
		c.URIs = append(c.URIs, &url.URL{Scheme: "urn", Opaque: "bbf:usp:id:" + id})
	}
	return a.sign(c)
}

func (a *authority) issues(endpoints ...string) []tls.Certificate {
	a.t.Helper()
	return []tls.Certificate{a.issue(endpoints...)}
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
func (a *authority) server(o ws.ServerOptions, endpoints ...string) (*ws.Server, *mtptest.Recorder) {
	a.t.Helper()
	o.TLS = &tls.Config{
		Certificates: []tls.Certificate{a.issue(endpoints...)},
		ClientCAs:    a.pool, ClientAuth: tls.VerifyClientCertIfGiven,
	}
	return start(a.t, o)
}

func (a *authority) client(s *ws.Server, id usp.EndpointID, peer usp.EndpointID, certs ...tls.Certificate) *ws.Client {
	a.t.Helper()
	return newClient(a.t, ws.ClientOptions{
		LinkOptions: ws.LinkOptions{CloseTimeout: 100 * time.Millisecond},
		URL:         "wss://" + s.Addr() + "/usp", Endpoint: id, Peer: peer, Role: usp.RoleController,
		TLS:   &tls.Config{RootCAs: a.pool, Certificates: certs},
		Retry: mtp.BackoffOptions{Interval: time.Millisecond, Multiplier: 1000},
	})
}

// TestCertificate_R_SEC_0a: the certificate says for whom a client may speak.
func TestCertificate_R_SEC_0a(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	s, hub := a.server(ws.ServerOptions{})
	vectors := []struct {
		name   string
		id     usp.EndpointID
		cert   []tls.Certificate
		method string
		named  []usp.EndpointID
	}{
		{"exact", "os::00D09E-1", a.issues("os::00D09E-1"), "certificate", []usp.EndpointID{"os::00D09E-1"}},
		{"percent", "os::00D09E-a%2Fb", a.issues("os::00D09E-a%2Fb"), "certificate", []usp.EndpointID{"os::00D09E-a%2Fb"}},
		{"wildcard", "os::00D09E-2", a.issues("os::00D09E-*"), "certificate", []usp.EndpointID{"os::00D09E-*"}},
		{"none given", "os::00D09E-3", nil, "handshake", nil},
	}
	for _, v := range vectors {
		running := mtptest.Start(t, a.client(s, v.id, "", v.cert...), mtptest.NewRecorder(t))
		got := hub.Link().Peer
		if got.Endpoint != v.id || got.Identity.Method != v.method || !slices.Equal(got.Identity.IDs, v.named) {
			t.Errorf("%s: got %+v, want %s by %s for %v", v.name, got, v.id, v.method, v.named)
		}
		if name := got.Identity.Name; (name == "CN=test") != (v.cert != nil) {
			t.Errorf("%s: got name %q, want the certificate's subject", v.name, name)
		}
		if !got.Protected || (len(got.Identity.Chain) > 0) != (v.cert != nil) {
			t.Errorf("%s: got a chain of %d, protected %t, want the chain of its certificate over TLS",
				v.name, len(got.Identity.Chain), got.Protected)
		}
		running.Stop(t)
	}
}

// TestWrongCertificate_R_SEC_0a: who is named by none of the certificate's IDs
// does not get in.
func TestWrongCertificate_R_SEC_0a(t *testing.T) {
	t.Parallel()
	a, other := newAuthority(t), newAuthority(t)
	s, hub := a.server(ws.ServerOptions{})
	vectors := []struct {
		name   string
		cert   tls.Certificate
		status int // 0: TLS fails
	}{
		{"the right one", a.issue("os::00D09E-1"), 101},
		{"of another Endpoint", a.issue("os::00D09E-9"), 403},
		{"of nobody", a.issue(), 403},
		{"of another authority", other.issue("os::00D09E-1"), 0},
	}
	for _, v := range vectors {
		d := tls.Dialer{Config: &tls.Config{RootCAs: a.pool, Certificates: []tls.Certificate{v.cert}}}
		conn, err := d.DialContext(t.Context(), "tcp", s.Addr())
		if err != nil {
			t.Fatalf("%s: dial: got %v, want nil", v.name, err)
		}
		_, err = conn.Write([]byte("GET /usp?eid=os::00D09E-1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n" +
			"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\n" +
			"Sec-WebSocket-Protocol: v1.usp\r\n\r\n"))
		status := 0
		if resp, failed := http.ReadResponse(bufio.NewReader(conn), nil); err == nil && failed == nil {
			status = resp.StatusCode
			_ = resp.Body.Close()
		}
		if status != v.status {
			t.Errorf("%s: got status %d, want %d", v.name, status, v.status)
		}
		_ = conn.Close()
	}
	hub.Link()
	if got := hub.Links(); got != 0 {
		t.Errorf("Links: got %d more than one, want 0", got)
	}
}

// TestServerCertificate_R_SEC_0a: Endpoint IDs in the server's certificate are
// binding; without any, its name was checked against the URL [R-MTP.4].
func TestServerCertificate_R_SEC_0a(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	vectors := []struct {
		name   string
		named  []string
		expect usp.EndpointID
		want   bool
	}{
		{"names the Endpoint", []string{"self::gateway"}, "self::gateway", true},
		{"names nobody", nil, "self::gateway", true},
		{"names another", []string{"self::other"}, "self::gateway", false},
	}
	for _, v := range vectors {
		s, hub := a.server(ws.ServerOptions{}, v.named...)
		up := mtptest.NewRecorder(t)
		running := mtptest.Start(t, a.client(s, "os::00D09E-1", v.expect), up)
		server := hub.Link()
		if !v.want {
			if err := server.WaitDown(); err == nil {
				t.Errorf("%s: got nil, want an error", v.name)
			}
		} else {
			if got := up.Link().Peer; got.Endpoint != v.expect || got.Identity.Method != "certificate" {
				t.Errorf("%s: got %+v, want %s by certificate", v.name, got, v.expect)
			}
		}
		running.Stop(t)
		if got := up.Links(); got != 0 {
			t.Errorf("%s: got %d more Links, want 0", v.name, got)
		}
	}
}

// TestTLSVersion_R_MTP_0: nothing older than TLS 1.2, whatever the configuration
// says.
func TestTLSVersion_R_MTP_0(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	s, _ := a.server(ws.ServerOptions{})
	vectors := map[uint16]bool{tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true}
	for version, want := range vectors {
		old := &tls.Config{RootCAs: a.pool, MinVersion: tls.VersionTLS10, MaxVersion: version}
		conn, err := (&tls.Dialer{Config: old}).DialContext(t.Context(), "tcp", s.Addr())
		if got := err == nil; got != want {
			t.Errorf("TLS %s: got %v, want success %v", tls.VersionName(version), err, want)
		}
		if err == nil {
			_ = conn.Close()
		}
	}
}

// TestTLSRelay: Records pass, and a large one, and shutdown is clean.
func TestTLSRelay(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	s, hub := a.server(ws.ServerOptions{})
	north := mtptest.NewRecorder(t)
	mtptest.Start(t, a.client(s, "os::00D09E-1", ""), north)
	server, client := hub.Link(), north.Link()
	for _, size := range []int{0, 1 << 20} {
		rec := mtptest.Record("os::00D09E-1", "self::c", "x", size)
		client.Send(rec, mtp.Hint{})
		if got := server.Next(); got.Record.Len() != len(rec) {
			t.Fatalf("Record: got %d bytes, want %d", got.Record.Len(), len(rec))
		}
		server.Send(rec, mtp.Hint{})
		if got := client.Next(); got.Record.Len() != len(rec) {
			t.Fatalf("Record: got %d bytes, want %d", got.Record.Len(), len(rec))
		}
	}
}

// TestAuthBehindTLS: a certificate that names nobody leaves it to Auth.
func TestAuthBehindTLS(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	s, hub := a.server(ws.ServerOptions{Auth: func(*http.Request) (mtp.Identity, error) {
		return mtp.Identity{Method: "password", IDs: []usp.EndpointID{"os::00D09E-1"}}, nil
	}})
	mtptest.Start(t, a.client(s, "os::00D09E-1", "", a.issue()), mtptest.NewRecorder(t))
	if got := hub.Link().Peer.Identity.Method; got != "password" {
		t.Fatalf("method: got %s, want password", got)
	}
}
