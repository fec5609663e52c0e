// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package connreq_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"github.com/uspgate/uspgate/cwmp/connreq"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cpe is a CPE's Connection Request port that answers with the bytes of a list,
// one for each request, and closes the connection after those that end with
// hangUp.
type cpe struct {
	addr  string
	mu    sync.Mutex
	reqs  []*http.Request
	conns int
}

const hangUp = "\x00"

func newCPE(t *testing.T, answers ...string) *cpe {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cpe{addr: l.Addr().String()}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			c.mu.Lock()
			c.conns++
			c.mu.Unlock()
			wg.Go(func() { c.serve(conn, answers) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		wg.Wait()
	})
	return c
}

func (c *cpe) serve(conn net.Conn, answers []string) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	for {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		c.mu.Lock()
		c.reqs = append(c.reqs, req)
		n := len(c.reqs)
		c.mu.Unlock()
		a := answers[min(n, len(answers))-1]
		if _, err := io.WriteString(conn, strings.TrimSuffix(a, hangUp)); err != nil || strings.HasSuffix(a, hangUp) {
			return
		}
	}
}

// connections is how many there were.
func (c *cpe) connections() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.conns
}

func (c *cpe) target() connreq.Target {
	return connreq.Target{URL: "http://" + c.addr + "/cr?x=1&y=%20", Username: "acs", Password: "secret"}
}

// local is options for a CPE on loopback that does not answer for long.
func local() connreq.Options {
	return connreq.Options{
		Guard: connreq.Guard{AllowLoopback: true}, RetryWait: time.Millisecond, Retries: -1, Timeout: 10 * time.Second,
	}
}

func status(line, header string) string {
	return "HTTP/1.1 " + line + "\r\n" + header + "Content-Length: 0\r\n\r\n"
}

func challenge(fields string) string {
	return status("401 Unauthorized", "WWW-Authenticate: "+fields+"\r\n")
}

// answered is how an attempt ends at a CPE with these answers, and on how many
// connections.
type answered struct {
	name    string
	answers []string
	want    error
	conns   int
}

func (tc answered) run(t *testing.T) {
	t.Parallel()
	c := newCPE(t, tc.answers...)
	err := connreq.New(local()).Wake(t.Context(), c.target())
	if !errors.Is(err, tc.want) || (tc.want == nil) != (err == nil) {
		t.Fatalf("got %v, want %v", err, tc.want)
	}
	if c.connections() != tc.conns {
		t.Fatalf("got %d connections, want %d", c.conns, tc.conns)
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	digest := challenge(`Digest realm="r", nonce="n"`)
	for _, tc := range []answered{
		{"200 at once", []string{status("200 OK", "")}, nil, 1},
		{"204", []string{digest, "HTTP/1.1 204 No Content\r\n\r\n"}, nil, 1},
		{"503, in a session", []string{digest, status("503 Busy", "")}, connreq.ErrInSession, 1},
		{"401 twice", []string{digest}, connreq.ErrCredentials, 1},
		{"403", []string{digest, status("403 Forbidden", "")}, connreq.ErrCredentials, 1},
		{"Basic is not answered", []string{challenge(`Basic realm="r"`)}, connreq.ErrCredentials, 1},
		{"unknown algorithm", []string{challenge(`Digest realm="r", nonce="n", algorithm=X-9`)}, connreq.ErrCredentials, 1},
		{"no challenge", []string{status("401 Unauthorized", "")}, connreq.ErrCredentials, 1},
		{"redirect", []string{status("302 Found", "Location: http://127.0.0.1:1/\r\n")}, connreq.ErrAnswer, 1},
		{"404", []string{digest, status("404 Not Found", "")}, connreq.ErrAnswer, 1},
		{"no answer at all", []string{hangUp}, connreq.ErrUnreachable, 1},
		{"not HTTP", []string{"SSH-2.0-dropbear\r\n" + hangUp}, connreq.ErrUnreachable, 1},
		{"stale nonce", []string{
			digest, challenge(`Digest realm="r", nonce="n2", stale=TRUE`), status("200 OK", ""),
		}, nil, 1},
		{"stale for ever", []string{challenge(`Digest realm="r", nonce="n", stale=true`)}, connreq.ErrCredentials, 1},
		{"no second guess", []string{digest, digest, status("200 OK", "")}, connreq.ErrCredentials, 1},
		{"endless header", []string{"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 70<<10)}, connreq.ErrAnswer, 1},
	} {
		t.Run(tc.name, tc.run)
	}
}

// TestQuirk78Connections: what becomes of the connection after the challenge.
func TestQuirk78Connections(t *testing.T) {
	t.Parallel()
	digest := challenge(`Digest realm="r", nonce="n"`)
	for _, tc := range []answered{
		{"200 without a length, left open", []string{digest, "HTTP/1.1 200 OK\r\n\r\n"}, nil, 1},
		{"closed after the 401", []string{digest + hangUp, status("200 OK", "")}, nil, 2},
		{"closed after the 401, announced", []string{
			status("401 Unauthorized", "Connection: close\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"n\"\r\n") + hangUp,
			status("200 OK", ""),
		}, nil, 2},
		{"HTTP/1.0", []string{
			"HTTP/1.0 401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"n\"\r\n\r\n" + hangUp,
			"HTTP/1.0 200 OK\r\n\r\n" + hangUp,
		}, nil, 2},
		{"body after the 401", []string{
			"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"n\"\r\nContent-Length: 5\r\n\r\nsorry",
			status("200 OK", ""),
		}, nil, 1},
		{"nonce of a connection that is gone", []string{digest + hangUp, digest, status("200 OK", "")}, nil, 2},
	} {
		t.Run(tc.name, tc.run)
	}
}

// TestQuirk80Zone: an IPv6 zone is of the CPE's own; and its address may not be
// called.
func TestQuirk80Zone(t *testing.T) {
	t.Parallel()
	c := newCPE(t, status("200 OK", ""))
	_, port, _ := net.SplitHostPort(c.addr)
	client := connreq.New(local())
	err := client.Wake(t.Context(), connreq.Target{URL: "http://[::ffff:127.0.0.1%eth0]:" + port + "/x%20y"})
	if err != nil || c.reqs[0].Host != "[::ffff:127.0.0.1]:"+port || c.reqs[0].RequestURI != "/x%20y" {
		t.Fatalf("got %v, %+v, want a request without the zone", err, c.reqs)
	}
	for _, host := range []string{"[fe80::1%eth0]", "[fe80::1%25eth0]", "[fe80::1]"} {
		u := "http://" + host + ":7547/x"
		if err := client.Wake(t.Context(), connreq.Target{URL: u}); !errors.Is(err, connreq.ErrForbidden) {
			t.Errorf("%s: got %v, want ErrForbidden", u, err)
		}
	}
}

func TestBasicIfAllowed(t *testing.T) {
	t.Parallel()
	c := newCPE(t, challenge(`Basic realm="r"`), status("200 OK", ""))
	o := local()
	o.AllowBasic = true
	if err := connreq.New(o).Wake(t.Context(), c.target()); err != nil {
		t.Fatal(err)
	}
	if u, p, ok := c.reqs[1].BasicAuth(); !ok || u != "acs" || p != "secret" {
		t.Fatalf("got %q %q %v, want the login", u, p, ok)
	}
}

func TestNoLogin(t *testing.T) {
	t.Parallel()
	c := newCPE(t, challenge(`Digest realm="r", nonce="n"`))
	err := connreq.New(local()).Wake(t.Context(), connreq.Target{URL: "http://" + c.addr})
	if !errors.Is(err, connreq.ErrCredentials) || len(c.reqs) != 1 || c.reqs[0].RequestURI != "/" {
		t.Fatalf("got %v after %d requests, want ErrCredentials after 1", err, len(c.reqs))
	}
}

func TestRetries(t *testing.T) {
	t.Parallel()
	o := local()
	o.Retries = 2
	c := newCPE(t, hangUp, hangUp, status("200 OK", ""))
	if err := connreq.New(o).Wake(t.Context(), c.target()); err != nil {
		t.Fatalf("third attempt: got %v, want nil", err)
	}
	c = newCPE(t, hangUp)
	err := connreq.New(o).Wake(t.Context(), c.target())
	if !errors.Is(err, connreq.ErrUnreachable) || c.connections() != 3 {
		t.Fatalf("got %v after %d connections, want ErrUnreachable after 3", err, c.connections())
	}
	c = newCPE(t, status("503 Busy", ""))
	if err := connreq.New(o).Wake(t.Context(), c.target()); !errors.Is(err, connreq.ErrInSession) || c.connections() != 1 {
		t.Fatalf("got %v after %d connections, want ErrInSession after 1", err, c.connections())
	}
}

func TestSilentCPE(t *testing.T) {
	t.Parallel()
	c := newCPE(t, "") // takes the request and says nothing
	o := local()
	o.Timeout = 50 * time.Millisecond
	if err := connreq.New(o).Wake(t.Context(), c.target()); !errors.Is(err, connreq.ErrUnreachable) {
		t.Fatalf("got %v, want ErrUnreachable", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("why")
	time.AfterFunc(20*time.Millisecond, func() { cancel(why) })
	if err := connreq.New(local()).Wake(ctx, c.target()); !errors.Is(err, why) {
		t.Fatalf("got %v, want the cause of the context", err)
	}
}

func TestURLs(t *testing.T) {
	t.Parallel()
	c := connreq.New(local())
	for _, u := range []string{"", "/cr", "https://192.0.2.1/cr", "ftp://192.0.2.1/", "http://", "http://%zz", "x:1"} {
		if err := c.Wake(t.Context(), connreq.Target{URL: u}); !errors.Is(err, connreq.ErrForbidden) {
			t.Errorf("%q: got %v, want ErrForbidden", u, err)
		}
	}
}

func TestGuardOnTheDialledAddress(t *testing.T) {
	t.Parallel()
	c := newCPE(t, status("200 OK", ""))
	_, port, _ := net.SplitHostPort(c.addr)
	for _, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0", "[::]"} {
		err := connreq.New(connreq.Options{Retries: -1}).Wake(t.Context(), connreq.Target{URL: "http://" + host + ":" + port})
		if !errors.Is(err, connreq.ErrForbidden) {
			t.Errorf("%s: got %v, want ErrForbidden", host, err)
		}
	}
	if c.connections() != 0 {
		t.Fatalf("got %d connections, want none", c.connections())
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewPedanticRegistry()
	o := local()
	o.Metrics = reg
	client := connreq.New(o)
	_ = client.Wake(t.Context(), newCPE(t, status("200 OK", "")).target())
	_ = client.Wake(t.Context(), newCPE(t, status("503 Busy", "")).target())
	_ = client.Wake(t.Context(), newCPE(t, hangUp).target())
	want := `# HELP uspgate_connreq_total Connection Requests by method and result.
# TYPE uspgate_connreq_total counter
uspgate_connreq_total{method="http",result="busy"} 1
uspgate_connreq_total{method="http",result="ok"} 1
uspgate_connreq_total{method="http",result="unreachable"} 1
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want)); err != nil {
		t.Fatal(err)
	}
}
