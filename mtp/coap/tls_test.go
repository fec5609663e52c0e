// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package coap_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/coap"
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
		Subject: pkix.Name{CommonName: "test CA"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
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

// config has a certificate for these Endpoint IDs [R-SEC.0a], at this host.
func (a *authority) config(ids ...usp.EndpointID) *tls.Config {
	t := &x509.Certificate{
		Subject: pkix.Name{CommonName: "endpoint"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	for _, id := range ids {
		t.URIs = append(t.URIs, &url.URL{Scheme: "urn", Opaque: "bbf:usp:id:" + string(id)})
	}
	return &tls.Config{
		Certificates: []tls.Certificate{a.make(t)}, RootCAs: a.pool, ClientCAs: a.pool,
		ClientAuth: tls.RequireAndVerifyClientCert,
	}
}

// TestSuiteDTLS: all that holds on UDP holds on DTLS [R-COAP.14].
func TestSuiteDTLS(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	mtptest.Run(t, mtptest.Suite{
		NewServer: func(tb testing.TB, o mtptest.Options) mtp.Transport {
			tb.Helper()
			return greeted{newServer(tb, coap.ServerOptions{
				LinkOptions: linkOptions(o), Listen: o.Listen, Role: usp.RoleAgent, TLS: ca.config(mtptest.Controller),
			})}
		},
		NewClient: func(tb testing.TB, addr string, o mtptest.Options) mtp.Transport {
			tb.Helper()
			return greeting{newClient(tb, coap.ClientOptions{
				LinkOptions: linkOptions(o), URL: "coaps://" + addr + "/usp", Endpoint: o.Endpoint, TLS: ca.config(o.Endpoint),
				Peer: mtptest.Controller, Role: usp.RoleController, Retry: o.Retry, KeepAlive: 50 * time.Millisecond,
			}), o.Endpoint}
		},
		Endless:        true,
		Connectionless: true,
	})
}

// failure starts a Client that gives up at once and returns why.
func failure(tb testing.TB, o coap.ClientOptions) error {
	tb.Helper()
	o.Endpoint, o.Role = mtptest.Agent, usp.RoleController
	o.HandshakeTimeout = 2 * time.Second
	o.GiveUp = func(err error) error { return err }
	done := make(chan error, 1)
	c := newClient(tb, o)
	go func() { done <- c.Run(tb.Context(), mtptest.NewRecorder(tb)) }() // it is waited for
	select {
	case err := <-done:
		return err
	case <-time.After(mtptest.Timeout):
		tb.Fatal("the Client did not give up")
		return nil
	}
}

func TestCertificates(t *testing.T) {
	t.Parallel()
	ca, other := newAuthority(t), newAuthority(t)
	reg := prometheus.NewRegistry()
	so := coap.ServerOptions{LinkOptions: coap.LinkOptions{Metrics: reg}, TLS: ca.config(mtptest.Controller)}
	_, _, addr := serve(t, so)
	with := func(conf *tls.Config, change func(*tls.Config)) coap.ClientOptions {
		change(conf)
		return coap.ClientOptions{URL: "coaps://" + addr + "/usp", Peer: mtptest.Controller, TLS: conf}
	}
	nothing := func(*tls.Config) {}
	tests := map[string]coap.ClientOptions{
		"no certificate [R-COAP.16]": with(ca.config(), func(c *tls.Config) { c.Certificates = nil }),
		"another CA's":               with(other.config(mtptest.Agent), func(c *tls.Config) { c.RootCAs = ca.pool }),
		"the server's is another CA's": with(ca.config(mtptest.Agent), func(c *tls.Config) {
			c.RootCAs = other.pool
		}),
		"the server's is for another host": with(ca.config(mtptest.Agent), func(c *tls.Config) {
			c.ServerName = "gateway.example"
		}),
		"the callback refuses": with(ca.config(mtptest.Agent), func(c *tls.Config) {
			c.VerifyConnection = func(s tls.ConnectionState) error {
				return fmt.Errorf("%d certificates, %d chains", len(s.PeerCertificates), len(s.VerifiedChains))
			}
		}),
	}
	for name, o := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := failure(t, o); err == nil {
				t.Fatal("Run: got nil, want an error")
			}
		})
	}
	t.Run("the server is another Endpoint [R-SEC.0a]", func(t *testing.T) {
		t.Parallel()
		o := with(ca.config(mtptest.Agent), nothing)
		o.Peer = "self::other"
		if err := failure(t, o); !errors.Is(err, mtp.ErrForbidden) {
			t.Fatalf("Run: got %v, want %v", err, mtp.ErrForbidden)
		}
	})
}

// TestIdentity: a certificate binds from_id [R-SEC.4c], and the callbacks of
// the configuration decide as they do for TLS.
func TestIdentity(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	conf := ca.config(mtptest.Controller)
	var asked, refuse atomic.Bool
	outer := &tls.Config{GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		asked.Store(h.Conn.RemoteAddr() != nil)
		return conf, nil
	}}
	conf.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &conf.Certificates[0], nil }
	conf.VerifyConnection = func(s tls.ConnectionState) error {
		if len(s.VerifiedChains) == 0 || refuse.Load() {
			return errors.New("revoked")
		}
		return nil
	}
	hub, _, addr := serve(t, coap.ServerOptions{TLS: outer})
	client := ca.config(mtptest.Agent)
	own := client.Certificates[0]
	client.Certificates = nil
	client.GetClientCertificate = func(r *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		return &own, r.SupportsCertificate(&own)
	}
	peer := mtptest.NewRecorder(t)
	o := coap.ClientOptions{URL: "coaps://" + addr + "/usp", TLS: client, Role: usp.RoleController}
	mtptest.Start(t, newClient(t, o), peer)
	north := peer.Link()
	north.Send(hello, mtp.Hint{})
	north.Send(mtptest.Record(mtptest.Neighbour, mtptest.Controller, "forged", 0), mtp.Hint{})
	if got := north.Settlement().Err; got != nil {
		t.Fatalf("own Record: got %v, want nil", got)
	}
	if got := north.Settlement().Err; !errors.Is(got, mtp.ErrForbidden) {
		t.Fatalf("forged Record: got %v, want %v", got, mtp.ErrForbidden)
	}
	shown := hub.Link().Peer
	who := shown.Identity
	if who.Method != "certificate" || who.One() != mtptest.Agent || who.Name == "" || !asked.Load() {
		t.Fatalf("Identity: got %+v, want the Agent's by certificate", who)
	}
	if !shown.Protected || len(who.Chain) == 0 {
		t.Errorf("got a chain of %d, protected %t, want that of the certificate", len(who.Chain), shown.Protected)
	}
	refuse.Store(true)
	if err := failure(t, o); err == nil {
		t.Fatal("Run: got nil, want an error")
	}
}

// dtlsPeer is an Endpoint by hand over DTLS.
func dtlsPeer(tb testing.TB, addr string, conf *tls.Config) *peer {
	tb.Helper()
	to := address(tb, addr)
	conn, err := dtls.DialWithOptions("udp", to,
		dtls.WithCertificates(conf.Certificates...), dtls.WithRootCAs(conf.RootCAs))
	if err != nil {
		tb.Fatalf("dial: got %v, want nil", err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	if err := conn.Handshake(); err != nil {
		tb.Fatalf("handshake: got %v, want nil", err)
	}
	return &peer{tb: tb, conn: packets{conn}, to: to}
}

// packets is a net.PacketConn with one peer.
type packets struct{ net.Conn }

func (p packets) ReadFrom(b []byte) (int, net.Addr, error) {
	n, err := p.Read(b)
	return n, p.RemoteAddr(), err
}

func (p packets) WriteTo(b []byte, _ net.Addr) (int, error) { return p.Write(b) }

// TestDistinctSessions: a peer whose reply-to is another port than that of its
// session gets its Records over a session that we open; it has to prove there
// that it is the Endpoint.
func TestDistinctSessions(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	for id, want := range map[usp.EndpointID]error{mtptest.Agent: nil, mtptest.Neighbour: mtp.ErrForbidden} {
		t.Run(string(id), func(t *testing.T) {
			t.Parallel()
			hub, _, addr := serve(t, coap.ServerOptions{TLS: ca.config(mtptest.Controller)})
			agent := mtptest.NewRecorder(t)
			listener := mtptest.Start(t, newServer(t, coap.ServerOptions{TLS: ca.config(id)}), agent)
			p := dtlsPeer(t, addr, ca.config(mtptest.Agent))
			m := p.post(hello)
			m.opts[2].value = "reply-to=coaps://" + listener.Transport.Addr() + "/usp"
			p.want(m, code204)
			south := hub.Link()
			down := mtptest.Record(mtptest.Controller, mtptest.Agent, "down", 0)
			south.Send(down, mtp.Hint{})
			if got := south.Settlement().Err; !errors.Is(got, want) {
				t.Fatalf("Settled: got %v, want %v", got, want)
			}
			if want != nil {
				return
			}
			if got := agent.Link().Next(); !bytes.Equal(got.Record.Bytes(), down) {
				t.Fatalf("Record: got %q, want %q", got.Record.Bytes(), down)
			}
		})
	}
}

// TestForgedDatagrams: what comes from a peer's address and is not protected
// by its keys ends nothing; the ClientHello of a peer that has lost its session
// begins a new one, and the old one lives until that is up [RFC 6347 4.2.8].
func TestForgedDatagrams(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	hub, _, addr := serve(t, coap.ServerOptions{
		LinkOptions: coap.LinkOptions{ReplyToSource: true, HandshakeTimeout: time.Second}, TLS: ca.config(mtptest.Controller),
	})
	proxy := newLossy(t, addr, 1, 0, 0, 0)
	p := dtlsPeer(t, proxy.front.LocalAddr().String(), ca.config(mtptest.Agent))
	post := func(p *peer) msg {
		m := p.post(hello)
		m.opts[2].value = "reply-to=coaps://127.0.0.1/usp"
		return m
	}
	p.want(post(p), code204)
	south := hub.Link()
	forged := []string{
		"", "x", "\x15\xfe\xfd\x00\x00\x00\x00\x00\x00\x00\x50\x00\x02\x02\x00", // alerts of epoch 0
		"\x15\xfe\xfd\x00\x00\x00\x00\x00\x00\x00\x51\x00\x02\x01\x00",
		"\x17\xfe\xfd\x00\x00\x00\x00\x00\x00\x00\x52\x00\x01x",
		"\x17\xfe\xfd\x00\x01\x00\x00\x00\x00\x00\x53\x00\x01x",
		"\x14\xfe\xfd\x00\x00\x00\x00\x00\x00\x00\x54\x00\x01\x02",
		"\x19\xfe\xfd\x00\x00\x00\x00\x00\x00\x00\x55\x00\x01x",
		"\x16\xfe\xfd\x00\x00\x00\x00\x00\x00\x00\x56\x00\x01\x01",
		"\x16\xfe\xfd\x00\x00\x00\x00\x00\x00\x00\x57\x00\x01\x02",
		"\x15\xfe\xfd\x00\x01\x00\x00\x00\x00\x00\x58\x00\x02\x02\x00",
		"\x16\xfe\xfd\x00\x00\x00\x00\x00\x00\x00\x59\x00\x0c\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
	}
	for _, b := range forged {
		if _, err := proxy.back.Write([]byte(b)); err != nil {
			t.Fatalf("write: got %v, want nil", err)
		}
		p.want(post(p), code204)
	}
	again := dtlsPeer(t, proxy.front.LocalAddr().String(), ca.config(mtptest.Agent)) // from the same address
	again.want(post(again), code204)
	if south.IsDown() || hub.Links() > 0 {
		t.Fatal("the Link went down, want one that goes on")
	}
}

// TestLostSession: a server that has lost its sessions without a word gets a
// new one from its client.
func TestLostSession(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	o := coap.LinkOptions{
		ReplyToSource: true, AckTimeout: 20 * time.Millisecond, MaxRetransmit: 2, CloseTimeout: 50 * time.Millisecond,
	}
	hub := mtptest.NewRecorder(t)
	so := coap.ServerOptions{LinkOptions: o, TLS: ca.config(mtptest.Controller)}
	first := mtptest.Start(t, newServer(t, so), hub)
	proxy := newLossy(t, first.Transport.Addr(), 1, 0, 0, 0)
	peer := mtptest.NewRecorder(t)
	mtptest.Start(t, newClient(t, coap.ClientOptions{
		LinkOptions: o, URL: "coaps://" + proxy.front.LocalAddr().String() + "/usp", TLS: ca.config(mtptest.Agent),
		Endpoint: mtptest.Agent, Role: usp.RoleController, Retry: mtp.BackoffOptions{Interval: 10 * time.Millisecond},
	}), peer)
	north := peer.Link()
	north.Send(hello, mtp.Hint{})
	hub.Link()
	north.Settlement()
	proxy.cut.Store(true)
	so.Listen = first.Transport.Addr()
	first.Stop(t)
	mtptest.Start(t, newServer(t, so), hub)
	proxy.cut.Store(false)
	north.Send(hello, mtp.Hint{})
	if err := north.WaitDown(); err == nil {
		t.Fatal("cause: got nil, want an error")
	}
	peer.Link().Send(hello, mtp.Hint{})
	hub.Link().Next()
}

// TestMaxHandshakes: handshakes that do not go on do not take all the room.
func TestMaxHandshakes(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	hello := "\x16\xfe\xfd\x00\x00\x00\x00\x00\x00\x00\x00\x00\x0c\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	for name, o := range map[string]coap.LinkOptions{
		"handshakes": {MaxHandshakes: 1, HandshakeTimeout: 300 * time.Millisecond},
		"sessions":   {MaxSessions: 1, HandshakeTimeout: 300 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg := prometheus.NewRegistry()
			o.Metrics = reg
			_, _, addr := serve(t, coap.ServerOptions{LinkOptions: o, TLS: ca.config(mtptest.Controller)})
			first, second := newPeer(t, addr), newPeer(t, addr)
			first.send([]byte(hello))
			second.send([]byte(hello))
			for begin := time.Now(); rejections(t, reg, "connections") == 0; {
				if time.Since(begin) > mtptest.Timeout {
					t.Fatal("rejections: got none, want one")
				}
			}
			p := dtlsPeer(t, addr, ca.config(mtptest.Agent)) // when the first has expired
			m := p.post(mtptest.Record(mtptest.Agent, mtptest.Controller, "hello", 0))
			m.opts[2].value = "reply-to=coaps://127.0.0.1/usp"
			p.want(m, code204)
		})
	}
}
