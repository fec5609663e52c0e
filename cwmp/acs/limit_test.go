// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/acs"
)

func TestMaxSessions(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewPedanticRegistry()
	h := &script{}
	s := serve(t, h, acs.Options{MaxSessions: 2, RetryAfter: 60 * time.Second, Metrics: reg})
	a, b, c := newCPE(t, s), newCPE(t, s), newCPE(t, s)
	a.post(inform("1")).envelope("InformResponse")
	b.post(inform("2")).envelope("InformResponse")
	// Before parsing: not even an envelope is needed to be sent away.
	for range 20 {
		busy := c.post("not an envelope").want(http.StatusServiceUnavailable)
		if n, err := strconv.Atoi(busy.head.Get("Retry-After")); err != nil || n < 30 || n > 90 {
			t.Fatalf("got Retry-After %q, want 30 to 90", busy.head.Get("Retry-After"))
		}
	}
	a.post("").want(http.StatusNoContent)
	h.wantClosed(t, nil)
	c.post(inform("3")).envelope("InformResponse") // the slot is free again
	c.post("").want(http.StatusNoContent)
	want := `# HELP uspgate_cwmp_rejected_total Connections and POSTs of CPE that were turned away, by reason.
# TYPE uspgate_cwmp_rejected_total counter
uspgate_cwmp_rejected_total{reason="sessions"} 20
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "uspgate_cwmp_rejected_total"); err != nil {
		t.Fatal(err)
	}
}

// What is refused, for whatever reason, gives its slot back.
func TestSlotsAreGivenBack(t *testing.T) {
	t.Parallel()
	h := &script{}
	s := serve(t, h, acs.Options{MaxSessions: 1, Auth: newDigest(t, acs.AccessOptions{})})
	p := newCPE(t, s)
	for range 3 {
		p.header = ""
		n := nonce(t, p.post(inform("1")).want(http.StatusUnauthorized).head.Get("WWW-Authenticate"))
		p.header = "Authorization: " + rfc2617("cpe", "secret", n) + "\r\n"
		p.post("rubbish").want(http.StatusBadRequest)
		p.post(message("1", complete)).want(http.StatusBadRequest)
		p.post(inform("1")).envelope("InformResponse")
		p.post("").want(http.StatusNoContent)
		h.wantClosed(t, nil)
	}
}

func TestMaxConns(t *testing.T) {
	t.Parallel()
	s := serve(t, &script{}, acs.Options{MaxConns: 1})
	a, b := newCPE(t, s), newCPE(t, s)
	a.post(inform("1")).envelope("InformResponse")
	b.connect()
	if _, err := b.r.ReadByte(); err == nil {
		t.Fatal("got a byte on the second connection, want it closed")
	}
	a.post("").want(http.StatusNoContent)
}

func TestMaxBody(t *testing.T) {
	t.Parallel()
	t.Run("Inform", func(t *testing.T) {
		t.Parallel()
		p := newCPE(t, serve(t, &script{}, acs.Options{MaxInformBytes: 5000}))
		p.post(inform("1") + strings.Repeat(" ", 5000)).want(http.StatusRequestEntityTooLarge)
		p.post(inform("1")).envelope("InformResponse")
	})
	t.Run("chunked, so that nothing is said before", func(t *testing.T) {
		t.Parallel()
		p := newCPE(t, serve(t, &script{}, acs.Options{MaxInformBytes: 5000}))
		head := "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
		p.raw(head + "1770\r\n" + strings.Repeat(" ", 6000) + "\r\n").want(http.StatusRequestEntityTooLarge)
	})
	t.Run("in a session", func(t *testing.T) {
		t.Parallel()
		o := acs.Options{MaxInformBytes: 5000}
		o.Limits.MaxBytes = 9000
		h := &script{next: []cwmp.Request{getDevice}}
		p := newCPE(t, serve(t, h, o))
		p.post(inform("1")).envelope("InformResponse")
		id := p.post("").envelope("GetParameterValues").ID
		// More than a stranger may send, less than is allowed here.
		p.post(message(id, getValues) + strings.Repeat(" ", 6000)).want(http.StatusNoContent)
		h.wantClosed(t, nil)
		p.post(inform("1")).envelope("InformResponse")
		p.post("").envelope("GetParameterValues")
		p.post(strings.Repeat(" ", 9001)).want(http.StatusRequestEntityTooLarge)
		h.wantClosed(t, acs.ErrProtocol)
	})
	t.Run("header", func(t *testing.T) {
		t.Parallel()
		h := &script{}
		p := newCPE(t, serve(t, h, acs.Options{MaxHeaderBytes: 4096}))
		p.header = "X: " + strings.Repeat("x", 16<<10) + "\r\n"
		p.connect()
		if _, err := io.WriteString(p.c, p.text(inform("1"))); err != nil {
			t.Fatal(err)
		}
		// The connection may be reset before the answer is read.
		if resp, err := http.ReadResponse(p.r, nil); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
				t.Fatalf("got status %d, want 431", resp.StatusCode)
			}
		}
		if h.opened() != 0 {
			t.Fatal("got a session, want none")
		}
	})
}

// Of one session at most two POSTs are read at a time.
func TestParallelPosts(t *testing.T) {
	t.Parallel()
	thinking := make(chan struct{})
	h := &script{onNext: func(ctx context.Context) error {
		select {
		case thinking <- struct{}{}:
		case <-ctx.Done():
		}
		return nil
	}}
	s := serve(t, h, acs.Options{})
	p := newCPE(t, s)
	p.post(inform("1")).envelope("InformResponse")
	second, third := newCPE(t, s), newCPE(t, s)
	second.cookie, third.cookie = p.cookie, p.cookie
	// Two that announce a body and do not send it.
	for _, q := range []*cpe{p, second} {
		q.connect()
		head := strings.Replace(q.text(""), "Content-Length: 0", "Expect: 100-continue\r\nContent-Length: 1", 1)
		if _, err := io.WriteString(q.c, head); err != nil {
			t.Fatal(err)
		}
		q.read().want(http.StatusContinue) // it is being read
	}
	third.post("").want(http.StatusBadRequest)
	// The first of the two that completes is served.
	if _, err := io.WriteString(second.c, " "); err != nil {
		t.Fatal(err)
	}
	<-thinking
	second.read().want(http.StatusNoContent)
	h.wantClosed(t, nil)
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewPedanticRegistry()
	h := &script{next: []cwmp.Request{getDevice}}
	s := serve(t, h, acs.Options{Metrics: reg})
	if _, err := acs.New(acs.Options{Handler: h, Metrics: reg}); err != nil {
		t.Fatalf("second Server with the same registry: got %v, want nil", err)
	}
	p := newCPE(t, s)
	p.post(inform("1")).envelope("InformResponse")
	id := p.post("").envelope("GetParameterValues").ID
	gauge := func(cpe, acs int) string {
		return "# HELP uspgate_cwmp_sessions Open CWMP sessions by whose turn it is: " +
			"cpe (may send requests), acs (waits for a response).\n" +
			"# TYPE uspgate_cwmp_sessions gauge\n" +
			"uspgate_cwmp_sessions{state=\"acs\"} " + strconv.Itoa(acs) + "\n" +
			"uspgate_cwmp_sessions{state=\"cpe\"} " + strconv.Itoa(cpe) + "\n"
	}
	if err := testutil.GatherAndCompare(reg, strings.NewReader(gauge(0, 1)), "uspgate_cwmp_sessions"); err != nil {
		t.Fatal(err)
	}
	p.post(message(id, clientFault)).want(http.StatusNoContent)
	want := gauge(0, 0) + `# HELP uspgate_cwmp_faults_total CWMP faults sent (8xxx) and received (9xxx), by code.
# TYPE uspgate_cwmp_faults_total counter
uspgate_cwmp_faults_total{code="9005"} 1
# HELP uspgate_cwmp_sessions_total CWMP sessions that have ended, by reason.
# TYPE uspgate_cwmp_sessions_total counter
uspgate_cwmp_sessions_total{end_reason="regular"} 1
`
	err := testutil.GatherAndCompare(reg, strings.NewReader(want),
		"uspgate_cwmp_sessions", "uspgate_cwmp_faults_total", "uspgate_cwmp_sessions_total")
	if err != nil {
		t.Fatal(err)
	}
	if n, err := testutil.GatherAndCount(reg, "uspgate_cwmp_rpc_duration_seconds"); err != nil || n != 1 {
		t.Fatalf("got %d series of rpc durations, %v, want 1", n, err)
	}
	if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
		t.Fatalf("got %v, %v, want nothing to complain about", problems, err)
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	x := httptest.NewUnstartedServer(nil)
	x.StartTLS() // for its certificate
	t.Cleanup(x.Close)
	h := &script{}
	s := serve(t, h, acs.Options{TLS: &tls.Config{Certificates: x.TLS.Certificates, MinVersion: tls.VersionTLS12}})
	p := newCPE(t, s)
	p.dial = func() net.Conn {
		d := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}
		c, err := d.DialContext(t.Context(), "tcp", s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	p.post(inform("1")).envelope("InformResponse")
	p.cookie = "" // the connection is known below TLS too
	p.post("").want(http.StatusNoContent)
	h.wantClosed(t, nil)
	if !h.infos[0].Remote.Addr().IsLoopback() {
		t.Fatalf("got %v, want a loopback address", h.infos[0].Remote)
	}
}

func TestNewNeedsAHandler(t *testing.T) {
	t.Parallel()
	if _, err := acs.New(acs.Options{}); err == nil {
		t.Fatal("got nil, want an error")
	}
}

func TestRunNeedsListen(t *testing.T) {
	t.Parallel()
	s, err := acs.New(acs.Options{Handler: &script{}})
	if err != nil {
		t.Fatal(err)
	}
	if s.Addr() != "" || s.Run(t.Context()) == nil {
		t.Fatal("got an address, or nil from Run, want neither")
	}
}

// A POST may come in by way of another node before Run has begun.
func TestExchangeBeforeRun(t *testing.T) {
	t.Parallel()
	h := &script{}
	h.init()
	s, err := acs.New(acs.Options{Handler: h})
	if err != nil {
		t.Fatal(err)
	}
	a := s.Exchange(t.Context(), acs.Exchange{Body: []byte(inform("1"))})
	cookie, _, _ := strings.Cut(a.Header.Get("Set-Cookie"), ";")
	end := s.Exchange(t.Context(), acs.Exchange{Header: http.Header{"Cookie": {cookie}}})
	if a.Status != http.StatusOK || end.Status != http.StatusNoContent {
		t.Fatalf("got %d and %d, want a whole session", a.Status, end.Status)
	}
	h.wantClosed(t, nil)
}
