// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package connreq_test

import (
	"bufio"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
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

func hexMD5(s string) string {
	h := md5.Sum([]byte(s))
	return hex.EncodeToString(h[:])
}

func hexSHA(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:])
}

// fields takes a Digest header apart.
func fields(t *testing.T, h string) map[string]string {
	t.Helper()
	rest, ok := strings.CutPrefix(h, "Digest ")
	if !ok {
		t.Fatalf("got Authorization %q, want Digest", h)
	}
	m := map[string]string{}
	for p := range strings.SplitSeq(rest, ", ") {
		k, v, _ := strings.Cut(p, "=")
		m[k] = strings.Trim(v, `"`)
	}
	return m
}

const uri = "/cr?x=1&y=%20"

func TestDigest(t *testing.T) {
	t.Parallel()
	const realm = `Digest realm="TR069 Client", nonce="n1"`
	for _, tc := range []struct {
		name, challenge, algorithm string
		qop, opaque                bool
		hash                       func(string) string
	}{
		{"with qop", realm + `, qop="auth", algorithm=MD5`, "MD5", true, false, hexMD5},
		{"without qop and opaque", realm, "MD5", false, false, hexMD5},
		{"opaque and domain", realm + `, domain="/", opaque="o1", qop="auth"`, "MD5", true, true, hexMD5},
		{"auth-int offered too, blanks", realm + `, qop="auth-int, auth"`, "MD5", true, false, hexMD5},
		{"lower-case, mistyped algorithm", "d" + realm[1:] + ", algorithm=MD", "MD5", false, false, hexMD5},
		{"unknown qop", realm + `, qop="undefined"`, "MD5", false, false, hexMD5},
		{"SHA-256", realm + `, qop="auth", algorithm=SHA-256`, "SHA-256", true, false, hexSHA},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := newCPE(t, challenge(tc.challenge), status("200 OK", ""))
			if err := connreq.New(local()).Wake(t.Context(), c.target()); err != nil {
				t.Fatal(err)
			}
			if len(c.reqs) != 2 || c.conns != 1 || c.reqs[0].Header.Get("Authorization") != "" {
				t.Fatalf("got %d requests on %d connections, want 2 on 1, the first without credentials", len(c.reqs), c.conns)
			}
			if r := c.reqs[1]; r.Method != http.MethodGet || r.RequestURI != uri || r.Host != c.addr {
				t.Fatalf("got %s %s of %s, want GET with the query and Host with the port", r.Method, r.RequestURI, r.Host)
			}
			f := fields(t, c.reqs[1].Header.Get("Authorization"))
			ha1, ha2 := tc.hash("acs:TR069 Client:secret"), tc.hash("GET:"+uri)
			want := tc.hash(ha1 + ":n1:" + ha2)
			if tc.qop {
				want = tc.hash(ha1 + ":n1:" + f["nc"] + ":" + f["cnonce"] + ":auth:" + ha2)
			}
			_, nc := f["nc"]
			_, cnonce := f["cnonce"]
			if f["response"] != want || f["uri"] != uri || f["username"] != "acs" || f["realm"] != "TR069 Client" ||
				nc != tc.qop || cnonce != tc.qop || (f["qop"] == "auth") != tc.qop || f["algorithm"] != tc.algorithm {
				t.Fatalf("got %v, want response %s, qop %v", f, want, tc.qop)
			}
			if o, ok := f["opaque"]; ok != tc.opaque || tc.opaque && o != "o1" {
				t.Fatalf("got opaque %q, want it echoed if there is one", o)
			}
		})
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	digest := challenge(`Digest realm="r", nonce="n"`)
	for _, tc := range []struct {
		name    string
		answers []string
		want    error
		conns   int
	}{
		{"200 at once", []string{status("200 OK", "")}, nil, 1},
		{"204", []string{digest, "HTTP/1.1 204 No Content\r\n\r\n"}, nil, 1},
		{"200 without a length, left open", []string{digest, "HTTP/1.1 200 OK\r\n\r\n"}, nil, 1},
		{"503, in a session", []string{digest, status("503 Busy", "")}, connreq.ErrInSession, 1},
		{"401 twice", []string{digest}, connreq.ErrCredentials, 1},
		{"403", []string{digest, status("403 Forbidden", "")}, connreq.ErrCredentials, 1},
		{"Basic is not answered", []string{challenge(`Basic realm="r"`)}, connreq.ErrCredentials, 1},
		{"unknown algorithm", []string{challenge(`Digest realm="r", nonce="n", algorithm=X-9`)}, connreq.ErrCredentials, 1},
		{"no challenge", []string{status("401 Unauthorized", "")}, connreq.ErrCredentials, 1},
		{"redirect", []string{status("302 Found", "Location: http://127.0.0.1:1/\r\n")}, connreq.ErrAnswer, 1},
		{"404", []string{digest, status("404 Not Found", "")}, connreq.ErrAnswer, 1},
		{"closed after the 401 [quirk 78]", []string{digest + hangUp, status("200 OK", "")}, nil, 2},
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
		{"no answer at all", []string{hangUp}, connreq.ErrUnreachable, 1},
		{"not HTTP", []string{"SSH-2.0-dropbear\r\n" + hangUp}, connreq.ErrUnreachable, 1},
		{"endless header", []string{"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 70<<10)}, connreq.ErrAnswer, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := newCPE(t, tc.answers...)
			err := connreq.New(local()).Wake(t.Context(), c.target())
			if !errors.Is(err, tc.want) || (tc.want == nil) != (err == nil) {
				t.Fatalf("got %v, want %v", err, tc.want)
			}
			if c.conns != tc.conns {
				t.Fatalf("got %d connections, want %d", c.conns, tc.conns)
			}
		})
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
	if err := connreq.New(o).Wake(t.Context(), c.target()); !errors.Is(err, connreq.ErrUnreachable) || c.conns != 3 {
		t.Fatalf("got %v after %d connections, want ErrUnreachable after 3", err, c.conns)
	}
	c = newCPE(t, status("503 Busy", ""))
	if err := connreq.New(o).Wake(t.Context(), c.target()); !errors.Is(err, connreq.ErrInSession) || c.conns != 1 {
		t.Fatalf("got %v after %d connections, want ErrInSession after 1", err, c.conns)
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
	if c.conns != 0 {
		t.Fatalf("got %d connections, want none", c.conns)
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
