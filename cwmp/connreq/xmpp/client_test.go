// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package xmpp_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/uspgate/uspgate/cwmp/connreq"
	"github.com/uspgate/uspgate/cwmp/connreq/xmpp"
)

const stanzas = "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"

var login = connreq.Login{Username: "u<&", Password: "p'\""}

func cpe(name string) *connreq.CPE { return &connreq.CPE{JID: name + "@example.com/r"} }

func TestAnswers(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(s *server) {
		for name, a := range map[string]string{
			"ok":      "<iq type='result' from='ok@example.com/r' id='%s'/>",
			"refused": "<iq type='error' id='%s'><error code='401' type='cancel'><not-authorized " + stanzas,
			"busy":    "<iq type='error' id='%s'><error code='503' type='cancel'><service-unavailable " + stanzas,
			"offline": "<iq type='error' id='%s'><connectionRequest xmlns='urn:broadband-forum-org:cwmp:xmppConnReq-1-0'/>" +
				"<error type='cancel'><service-unavailable " + stanzas,
			"gone":    "<iq type='error' id='%s'><error type='wait'><recipient-unavailable " + stanzas,
			"strange": "<iq type='error' id='%s'><error type='cancel'><feature-not-implemented " + stanzas,
			"empty":   "<iq type='error' id='%s'/>",
			"late":    "<iq type='result' id='other'/><message><body>hello</body></message><iq type='result' id='%s'/>",
		} {
			s.answers[name+"@example.com/r"] = a
		}
	})
	c := start(t, s.options())
	for _, tc := range []struct {
		name string
		want error
	}{
		{"ok", nil},
		{"refused", connreq.ErrCredentials},
		{"busy", connreq.ErrInSession},
		{"offline", connreq.ErrUnreachable},
		{"gone", connreq.ErrUnreachable},
		{"strange", connreq.ErrAnswer},
		{"empty", connreq.ErrAnswer},
		{"late", nil},
	} {
		to, err := c.Request(t.Context(), cpe(tc.name), login)
		if !errors.Is(err, tc.want) || (err == nil) != (tc.want == nil) || to != tc.name+"@example.com/r" {
			t.Errorf("%s: got %q, %v, want %v", tc.name, to, err, tc.want)
		}
	}
	ids := map[string]bool{}
	for _, q := range s.requests() {
		if q.Type != "get" || q.Req == nil || ids[q.ID] ||
			q.Req.Username != login.Username || q.Req.Password != login.Password {
			t.Errorf("got %+v, want a get with the login and an id of its own", q)
		}
		ids[q.ID] = true
	}
	if n := s.loggedIn(); n != 1 || s.resources[0] != "acs1" {
		t.Errorf("got %d logins as %q, want one connection for all, as acs1", n, s.resources)
	}
}

func TestSilentCPE(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	o := s.options()
	o.Timeout = 300 * time.Millisecond
	c := start(t, o)
	await(t, "a login", func() bool { return s.loggedIn() == 1 })
	await(t, "a request", func() bool {
		_, err := c.Request(t.Context(), cpe("silent"), login)
		if !errors.Is(err, connreq.ErrUnreachable) {
			t.Fatalf("got %v, want ErrUnreachable", err)
		}
		return len(s.requests()) > 0
	})
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("why")
	cancel(why)
	if _, err := c.Request(ctx, cpe("silent"), login); !errors.Is(err, why) {
		t.Fatalf("got %v, want the cause of the context", err)
	}
	if n := s.loggedIn(); n != 1 {
		t.Fatalf("got %d logins, want one that silence does not end", n)
	}
}

func TestReconnect(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(s *server) { s.answers["ok@example.com/r"] = "<iq type='result' id='%s'/>" })
	reg := prometheus.NewPedanticRegistry()
	o := s.options()
	o.Metrics = reg
	c := start(t, o)
	for n := 1; n <= 3; n++ {
		// It waits for a connection.
		if _, err := c.Request(t.Context(), cpe("ok"), login); err != nil {
			t.Fatalf("connection %d: got %v, want nil", n, err)
		}
		s.hangUp()
		await(t, "another login", func() bool { return s.loggedIn() > n })
	}
	await(t, "a count of connections", func() bool {
		return testutil.CollectAndCount(reg, "uspgate_xmpp_connects_total") == 1
	})
}

// TestHangUpDuringARequest: it does not wait for its time to run out.
func TestHangUpDuringARequest(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	c := start(t, s.options())
	began := time.Now()
	done := make(chan error, 1)
	go func() {
		_, err := c.Request(t.Context(), cpe("silent"), login)
		done <- err
	}()
	await(t, "a request", func() bool { return len(s.requests()) > 0 })
	s.hangUp()
	if err := <-done; !errors.Is(err, connreq.ErrUnreachable) {
		t.Fatalf("got %v, want ErrUnreachable", err)
	}
	if took := time.Since(began); took > patience/2 {
		t.Fatalf("got it after %v, want it with the connection's end", took)
	}
}

func TestUnansweredPing(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(s *server) { s.silent = true })
	o := s.options()
	o.Ping, o.Timeout = 10*time.Millisecond, 20*time.Millisecond
	start(t, o)
	await(t, "a second login", func() bool { return s.loggedIn() > 1 })
}

func TestAnsweredPings(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(s *server) { s.answers["ok@example.com/r"] = "<iq type='result' id='%s'/>" })
	o := s.options()
	o.Ping, o.MaxStanza = time.Millisecond, 4096 // far more than that in pings
	c := start(t, o)
	for range 200 {
		if _, err := c.Request(t.Context(), cpe("ok"), login); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.loggedIn(); n != 1 {
		t.Fatalf("got %d logins, want one", n)
	}
}

func TestEndlessStanza(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(s *server) {
		s.answers["endless@example.com/r"] = "<iq type='result' id='%s'><x>" + strings.Repeat("x", 1<<20)
	})
	o := s.options()
	o.MaxStanza = 64 << 10
	c := start(t, o)
	_, err := c.Request(t.Context(), cpe("endless"), login)
	if err == nil {
		t.Fatal("got an answer, want an error")
	}
	await(t, "another login", func() bool { return s.loggedIn() > 1 })
}

// TestNoPasswordInTheClear: a server that offers no TLS, or somebody between who
// takes the offer away, is not logged in to.
func TestNoPasswordInTheClear(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(s *server) { s.noTLS = true })
	reg := prometheus.NewPedanticRegistry()
	o := s.options()
	o.Metrics = reg
	start(t, o)
	await(t, "failed connections", func() bool { return failed(t, reg) > 2 })
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.logins) > 0 || strings.Contains(s.raw.String(), "<auth") || !strings.Contains(s.raw.String(), "stream") {
		t.Fatalf("got logins %q and %q, want none", s.logins, s.raw.String())
	}
}

// failed is how many connections have failed.
func failed(t *testing.T, reg *prometheus.Registry) float64 {
	t.Helper()
	all, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		for _, m := range f.GetMetric() {
			if len(m.GetLabel()) == 1 && m.GetLabel()[0].GetValue() == "failed" {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

// TestStallingServer: nothing of a handshake outlasts its time.
func TestStallingServer(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0") // accepts, by the system, and is never read
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	reg := prometheus.NewPedanticRegistry()
	start(t, xmpp.Options{
		JID: "acs@example.com", Addr: l.Addr().String(), HandshakeTimeout: 10 * time.Millisecond,
		Backoff: time.Millisecond, MaxBackoff: time.Millisecond, Metrics: reg,
	})
	await(t, "failed connections", func() bool { return failed(t, reg) > 20 })
}

func TestWrongServerOrPassword(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*xmpp.Options){
		"unknown authority": func(o *xmpp.Options) { o.TLS = nil },
		"other name":        func(o *xmpp.Options) { o.TLS.ServerName = "example.org" },
		"wrong password":    func(o *xmpp.Options) { o.Password = "x" },
		"resource in use":   func(o *xmpp.Options) { o.JID = "acs@example.com/taken" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, nil)
			reg := prometheus.NewPedanticRegistry()
			o := s.options()
			o.Metrics = reg
			change(&o)
			c := start(t, o)
			await(t, "failed connections", func() bool { return failed(t, reg) > 2 })
			began := time.Now()
			if _, err := c.Request(t.Context(), cpe("ok"), login); !errors.Is(err, connreq.ErrUnreachable) {
				t.Fatalf("got %v, want ErrUnreachable", err)
			}
			if took := time.Since(began); took > patience/2 {
				t.Fatalf("got it after %v, want it at once", took)
			}
		})
	}
}

func TestDirectTLS(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(s *server) {
		s.direct = true
		s.answers["ok@example.com/r"] = "<iq type='result' id='%s'/>"
	})
	c := start(t, s.options())
	if _, err := c.Request(t.Context(), cpe("ok"), login); err != nil {
		t.Fatal(err)
	}
}

// TestWhomNotToAsk: a CPE chooses its JID, and what is sent there is a password.
func TestWhomNotToAsk(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	c := start(t, s.options())
	for _, jid := range []string{"", "a@b@c", "cpe@example.org/r", "example.com.evil/r"} {
		if _, err := c.Request(t.Context(), &connreq.CPE{JID: jid}, login); !errors.Is(err, connreq.ErrForbidden) {
			t.Errorf("%q: got %v, want ErrForbidden", jid, err)
		}
	}
	if c.Reaches(&connreq.CPE{}) || !c.Reaches(cpe("x")) {
		t.Error("want a CPE in reach if it has a JID")
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	for _, o := range []xmpp.Options{
		{},
		{JID: "example.com"},
		{JID: "a@b@c"},
		{JID: "acs@example.com", DirectTLS: true},
		{JID: "acs@example.com", Domains: []string{"cpe@example.com"}},
		{JID: "acs@example.com", Domains: []string{""}},
	} {
		if _, err := xmpp.New(o); err == nil {
			t.Errorf("%+v: got nil, want an error", o)
		}
	}
}
