// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package xmpp_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/uspgate/uspgate/cwmp/connreq/xmpp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 20 * time.Second

// server is an XMPP server of a few lines, on which every CPE is whose answer it
// knows. It speaks to one client at a time or more, and shares no code with the
// Client.
type server struct {
	t       *testing.T
	addr    string
	config  *tls.Config
	pool    *x509.CertPool
	noTLS   bool // neither offers STARTTLS nor takes it
	direct  bool
	silent  bool              // answers no ping
	answers map[string]string // by the JID asked; %s is the id

	mu        sync.Mutex
	conns     []net.Conn
	asked     []iq
	logins    []string
	resources []string
	raw       strings.Builder // what came without TLS
}

type iq struct {
	ID   string `xml:"id,attr"`
	To   string `xml:"to,attr"`
	Type string `xml:"type,attr"`
	Bind *struct {
		Resource string `xml:"resource"`
	} `xml:"urn:ietf:params:xml:ns:xmpp-bind bind"`
	Ping *struct{} `xml:"urn:xmpp:ping ping"`
	Req  *struct {
		Username string `xml:"username"`
		Password string `xml:"password"`
	} `xml:"urn:broadband-forum-org:cwmp:xmppConnReq-1-0 connectionRequest"`
}

func newServer(t *testing.T, change func(*server)) *server {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"example.com"}, NotAfter: time.Now().Add(time.Hour), IsCA: true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, pool: x509.NewCertPool(), answers: map[string]string{}}
	s.pool.AddCert(cert)
	s.config = &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12,
	}
	if change != nil {
		change(s)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().String()
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns = append(s.conns, conn)
			s.mu.Unlock()
			wg.Go(func() {
				defer conn.Close()
				if err := s.serve(conn); err != nil && !errors.Is(err, io.EOF) {
					t.Logf("server: %v", err)
				}
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		s.hangUp()
		wg.Wait()
	})
	return s
}

// hangUp closes all connections.
func (s *server) hangUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		_ = c.Close()
	}
	s.conns = nil
}

// recorder keeps what comes in the clear.
type recorder struct {
	net.Conn
	s *server
}

func (r recorder) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	r.s.mu.Lock()
	r.s.raw.Write(p[:n])
	r.s.mu.Unlock()
	return n, err
}

func (s *server) serve(raw net.Conn) error {
	conn := net.Conn(recorder{raw, s})
	secure, authenticated := false, false
	if s.direct {
		conn, secure = tls.Server(raw, s.config), true
	}
	d := xml.NewDecoder(conn)
	for {
		tok, err := d.Token()
		if err != nil {
			return err
		}
		start, ok := tok.(xml.StartElement)
		if !ok {
			continue
		}
		switch start.Name.Local {
		case "stream":
			_, err = io.WriteString(conn, "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream="+
				"'http://etherx.jabber.org/streams' id='1' from='example.com' version='1.0'>"+s.features(secure, authenticated))
		case "starttls":
			if s.noTLS {
				_, _ = io.WriteString(conn, "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
				return io.EOF
			}
			_, err = io.WriteString(conn, "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
			conn, secure = tls.Server(raw, s.config), true
			d = xml.NewDecoder(conn)
		case "auth":
			var login string
			_ = d.DecodeElement(&login, &start)
			text, _ := base64.StdEncoding.DecodeString(login)
			s.mu.Lock()
			s.logins = append(s.logins, string(text))
			s.mu.Unlock()
			if string(text) != "\x00acs\x00pw" {
				_, _ = io.WriteString(conn, "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>")
				return io.EOF
			}
			_, err = io.WriteString(conn, "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>")
			authenticated, d = true, xml.NewDecoder(conn)
		case "iq":
			var q iq
			if err := d.DecodeElement(&q, &start); err != nil {
				return err
			}
			_, err = io.WriteString(conn, s.answer(q))
		}
		if err != nil {
			return err
		}
	}
}

func (s *server) features(secure, authenticated bool) string {
	f := "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>"
	switch {
	case !secure && !s.noTLS:
		f = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>"
	case !authenticated:
		f = "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms>"
	}
	return "<stream:features>" + f + "</stream:features>"
}

func (s *server) answer(q iq) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case q.Bind != nil && q.Bind.Resource == "taken":
		return fmt.Sprintf("<iq type='error' id='%s'><error type='cancel'><conflict "+stanzas, q.ID)
	case q.Bind != nil:
		s.resources = append(s.resources, q.Bind.Resource)
		return fmt.Sprintf("<iq type='result' id='%s'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"+
			"<jid>acs@example.com/acs1</jid></bind></iq>", q.ID)
	case q.Ping != nil && s.silent:
		return ""
	case q.Ping != nil:
		return fmt.Sprintf("<iq type='result' from='example.com' id='%s'/>", q.ID)
	}
	s.asked = append(s.asked, q)
	return strings.ReplaceAll(s.answers[q.To], "%s", q.ID)
}

// loggedIn is how many logins there were.
func (s *server) loggedIn() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.logins)
}

// requests are the Connection Requests that came.
func (s *server) requests() []iq {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]iq(nil), s.asked...)
}

// options are those of a Client of s.
func (s *server) options() xmpp.Options {
	return xmpp.Options{
		JID: "acs@example.com/acs1", Password: "pw", Addr: s.addr, DirectTLS: s.direct, TLS: &tls.Config{RootCAs: s.pool},
		Backoff: time.Millisecond, MaxBackoff: 10 * time.Millisecond, Timeout: patience,
	}
}

// start runs a Client until the test ends.
func start(t *testing.T, o xmpp.Options) *xmpp.Client {
	t.Helper()
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

// await polls until what is so.
func await(t *testing.T, what string, so func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !so() {
		if time.Now().After(deadline) {
			t.Fatalf("after %v: got none, want %s", patience, what)
		}
		<-tick.C
	}
}
