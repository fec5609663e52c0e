// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

//go:build interop

package interop_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"encoding/xml"
	"errors"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"mellium.im/sasl"
	"mellium.im/xmlstream"
	foreign "mellium.im/xmpp"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"

	"github.com/uspgate/uspgate/cwmp/connreq"
	"github.com/uspgate/uspgate/cwmp/connreq/xmpp"
	"github.com/uspgate/uspgate/test/harness"
)

// prosody is a Prosody of the test's own, on the loopback interface, for the
// domain example.com with the users acs and cpe, whose password is pw.
type prosody struct {
	startTLS, directTLS string // host:port
	pool                *x509.CertPool
	dir                 string
}

func newProsody(t *testing.T) *prosody {
	t.Helper()
	if _, err := exec.LookPath("prosody"); err != nil {
		t.Fatalf("prosody is not installed: %v", err)
	}
	p := &prosody{startTLS: freeAddr(t), directTLS: freeAddr(t), dir: t.TempDir()}
	p.certificate(t)
	accounts := filepath.Join(p.dir, "data", "example%2ecom", "accounts")
	if err := os.MkdirAll(accounts, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, user := range []string{"acs", "cpe"} {
		writeFile(t, filepath.Join(accounts, user+".dat"), "return { [\"password\"] = \"pw\"; };\n")
	}
	writeFile(t, filepath.Join(p.dir, "prosody.cfg.lua"), `
run_as_root = true
pidfile = "`+p.dir+`/pid"
data_path = "`+p.dir+`/data"
log = { { levels = { min = "info" }, to = "console" } }
interfaces = { "127.0.0.1" }
c2s_ports = { `+portOf(p.startTLS)+` }
c2s_direct_tls_ports = { `+portOf(p.directTLS)+` }
c2s_require_encryption = true
modules_enabled = { "saslauth", "tls", "ping" }
modules_disabled = { "s2s", "offline" }
authentication = "internal_plain"
storage = "internal"
ssl = { key = "`+p.dir+`/key.pem", certificate = "`+p.dir+`/cert.pem" }
c2s_direct_tls_ssl = ssl
VirtualHost "example.com"
`)
	return p
}

// certificate makes a pair for example.com.
func (p *prosody) certificate(t *testing.T) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"example.com"}, IsCA: true, BasicConstraintsValid: true,
		NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	writeFile(t, filepath.Join(p.dir, "cert.pem"), string(cert))
	writeFile(t, filepath.Join(p.dir, "key.pem"),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})))
	p.pool = x509.NewCertPool()
	p.pool.AppendCertsFromPEM(cert)
}

// start runs the server until the test ends, or stop is called.
func (p *prosody) start(t *testing.T) (stop func()) {
	t.Helper()
	stop = startProcess(t, exec.Command("prosody", "-F", "--config", filepath.Join(p.dir, "prosody.cfg.lua")), nil)
	await(t, "Prosody", func() bool { return accepts(p.startTLS) && accepts(p.directTLS) })
	return stop
}

// client runs our Client until the test ends.
func (p *prosody) client(t *testing.T, change func(*xmpp.Options)) *xmpp.Client {
	t.Helper()
	o := xmpp.Options{
		JID: "acs@example.com/acs1", Password: "pw", Addr: p.startTLS, TLS: &tls.Config{RootCAs: p.pool},
		Backoff: 50 * time.Millisecond, MaxBackoff: 200 * time.Millisecond, Ping: 100 * time.Millisecond,
		Timeout: harness.Timeout,
	}
	if change != nil {
		change(&o)
	}
	c, err := xmpp.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: got %v, want nil", err)
		}
	})
	return c
}

// connectionRequest is what a CPE gets.
type connectionRequest struct {
	From     string `xml:"-"`
	Username string `xml:"username"`
	Password string `xml:"password"`
}

// cpe is a CPE that is logged in as cpe@example.com until the test ends or leave is
// called: it is content with the login of its Connection Requests, or busy.
func (p *prosody) cpe(t *testing.T, busy bool) (self *connreq.CPE, got <-chan connectionRequest, leave func()) {
	t.Helper()
	conn, err := net.Dial("tcp", p.startTLS)
	if err != nil {
		t.Fatal(err)
	}
	s, err := foreign.NewClientSession(t.Context(), jid.MustParse("cpe@example.com"), conn,
		foreign.StartTLS(&tls.Config{RootCAs: p.pool, ServerName: "example.com", MinVersion: tls.VersionTLS12}),
		foreign.SASL("", "pw", sasl.ScramSha1), foreign.BindResource())
	if err != nil {
		t.Fatal(err)
	}
	requests := make(chan connectionRequest, 10)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(foreign.HandlerFunc(func(rw xmlstream.TokenReadEncoder, start *xml.StartElement) error {
			iq, err := stanza.NewIQ(*start)
			if err != nil {
				return err
			}
			tok, err := rw.Token()
			payload, ok := tok.(xml.StartElement)
			if err != nil || !ok || payload.Name.Space != "urn:broadband-forum-org:cwmp:xmppConnReq-1-0" {
				return nil //nolint:nilerr // refused by mellium, which is what is wanted
			}
			var r connectionRequest
			if err := xml.NewTokenDecoder(xmlstream.MultiReader(xmlstream.Token(payload), rw)).Decode(&r); err != nil {
				return err
			}
			r.From = iq.From.String()
			requests <- r
			return rw.Encode(answerTo(iq, r, busy))
		}))
	}()
	leave = func() {
		_ = conn.Close()
		<-done
	}
	t.Cleanup(leave)
	return &connreq.CPE{JID: s.LocalAddr().String()}, requests, leave
}

// reply is an IQ of the specification's examples.
type reply struct {
	XMLName xml.Name `xml:"jabber:client iq"`
	To      string   `xml:"to,attr"`
	ID      string   `xml:"id,attr"`
	Type    string   `xml:"type,attr"`
	Error   *failure `xml:"error"`
}

type failure struct {
	Code        string    `xml:"code,attr"`
	Type        string    `xml:"type,attr"`
	Refused     *struct{} `xml:"urn:ietf:params:xml:ns:xmpp-stanzas not-authorized"`
	Unavailable *struct{} `xml:"urn:ietf:params:xml:ns:xmpp-stanzas service-unavailable"`
}

func answerTo(iq stanza.IQ, r connectionRequest, busy bool) reply {
	a := reply{To: iq.From.String(), ID: iq.ID, Type: "result"}
	switch {
	case r.Username != "u" || r.Password != "secret&":
		a.Type, a.Error = "error", &failure{Code: "401", Type: "cancel", Refused: &struct{}{}}
	case busy:
		a.Type, a.Error = "error", &failure{Code: "503", Type: "cancel", Unavailable: &struct{}{}}
	}
	return a
}

// TestProsody: Connection Requests of Annex K through a server of others.
func TestProsody(t *testing.T) {
	p := newProsody(t)
	stop := p.start(t)
	login := connreq.Login{Username: "u", Password: "secret&"}
	ask := func(t *testing.T, c *xmpp.Client, to *connreq.CPE, l connreq.Login, want error) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), harness.Timeout)
		defer cancel()
		if _, err := c.Request(ctx, to, l); !errors.Is(err, want) || (err == nil) != (want == nil) {
			t.Fatalf("got %v, want %v", err, want)
		}
	}
	c := p.client(t, nil)
	t.Run("offline", func(t *testing.T) {
		ask(t, c, &connreq.CPE{JID: "cpe@example.com/r"}, login, connreq.ErrUnreachable)
	})
	t.Run("no such user", func(t *testing.T) {
		ask(t, c, &connreq.CPE{JID: "nobody@example.com/r"}, login, connreq.ErrUnreachable)
	})
	t.Run("taken", func(t *testing.T) {
		target, got, leave := p.cpe(t, false)
		ask(t, c, target, login, nil)
		if r := <-got; r.From != "acs@example.com/acs1" {
			t.Fatalf("got a request from %q, want from our full JID", r.From)
		}
		ask(t, c, target, connreq.Login{Username: "u", Password: "x"}, connreq.ErrCredentials)
		leave()
		await(t, "the CPE's absence", func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second) // one may be lost with the connection
			defer cancel()
			_, err := c.Request(ctx, target, login)
			return errors.Is(err, connreq.ErrUnreachable)
		})
	})
	t.Run("busy", func(t *testing.T) {
		target, _, leave := p.cpe(t, true)
		ask(t, c, target, login, connreq.ErrInSession)
		leave()
	})
	t.Run("direct TLS", func(t *testing.T) {
		direct := p.client(t, func(o *xmpp.Options) {
			o.JID, o.Addr, o.DirectTLS = "acs@example.com/acs2", p.directTLS, true
		})
		target, _, leave := p.cpe(t, false)
		ask(t, direct, target, login, nil)
		leave()
	})
	t.Run("wrong password", func(t *testing.T) {
		wrong := p.client(t, func(o *xmpp.Options) { o.Password, o.Timeout = "x", time.Second })
		ask(t, wrong, &connreq.CPE{JID: "cpe@example.com/r"}, login, connreq.ErrUnreachable)
	})
	t.Run("restart", func(t *testing.T) {
		stop()
		p.start(t)
		target, _, leave := p.cpe(t, false)
		await(t, "a connection", func() bool {
			_, err := c.Request(t.Context(), target, login)
			return err == nil
		})
		leave()
	})
}
