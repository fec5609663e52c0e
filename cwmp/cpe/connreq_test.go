// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cpe_test

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/icholy/digest"

	"github.com/uspgate/uspgate/cwmp/cpe"
)

// listener runs a Listener on loopback and counts what it accepts.
func listener(t *testing.T, o cpe.ListenerOptions) (l *cpe.Listener, accepted func() int) {
	t.Helper()
	calls := make(chan struct{}, 1000)
	if o.Credentials == nil {
		o.Credentials = func() (string, string) { return "acs", "wake" }
	}
	o.Request = func() { calls <- struct{}{} }
	l, err := cpe.NewListener(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		if c, err := net.Dial("tcp", strings.Split(l.URL(), "/")[2]); err == nil {
			_ = c.Close()
			t.Error("the port is still open after Run")
		}
	})
	return l, func() int { return len(calls) }
}

// ask sends one request, with the Authorization header if there is one.
func ask(t *testing.T, method, url, authorization string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	tr := &http.Transport{DisableKeepAlives: true}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp
}

// answer makes the credentials for a challenge.
func answer(t *testing.T, resp *http.Response, change func(*digest.Challenge, *digest.Options)) string {
	t.Helper()
	chal, err := digest.FindChallenge(resp.Header)
	if err != nil {
		t.Fatal(err)
	}
	o := digest.Options{
		Method: http.MethodGet, URI: resp.Request.URL.RequestURI(), Username: "acs", Password: "wake", Count: 1,
	}
	if change != nil {
		change(chal, &o)
	}
	cred, err := digest.Digest(chal, o)
	if err != nil {
		t.Fatal(err)
	}
	return cred.String()
}

// Challenge, credentials, 200 and a call; the same credentials again are a
// replay, a higher nonce count is not.
func TestConnectionRequest(t *testing.T) {
	t.Parallel()
	l, accepted := listener(t, cpe.ListenerOptions{})
	first := ask(t, http.MethodGet, l.URL(), "")
	if first.StatusCode != http.StatusUnauthorized || accepted() != 0 {
		t.Fatalf("without credentials: got %d and %d calls, want 401 and none", first.StatusCode, accepted())
	}
	once := answer(t, first, nil)
	twice := answer(t, first, func(_ *digest.Challenge, o *digest.Options) { o.Count = 2 })
	for i, c := range []struct {
		authorization string
		status, calls int
	}{{once, 200, 1}, {once, 401, 1}, {twice, 200, 2}, {once, 401, 2}} {
		resp := ask(t, http.MethodGet, l.URL(), c.authorization)
		if resp.StatusCode != c.status || accepted() != c.calls {
			t.Errorf("request %d: got %d and %d calls, want %d and %d", i, resp.StatusCode, accepted(), c.status, c.calls)
		}
		if stale := strings.Contains(resp.Header.Get("WWW-Authenticate"), "stale=true"); stale != (c.status == 401) {
			t.Errorf("request %d: stale is %t", i, stale)
		}
	}
}

// What an ACS may do differently, and what it may not.
func TestConnectionRequestCredentials(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*digest.Challenge, *digest.Options)
		status int
	}{
		{"without qop", func(c *digest.Challenge, _ *digest.Options) { c.QOP = nil }, 200},
		{"absolute uri", func(_ *digest.Challenge, o *digest.Options) { o.URI = "http://cpe.example.net" + o.URI }, 200},
		{"other uri", func(_ *digest.Challenge, o *digest.Options) { o.URI = "/other" }, 401},
		{"wrong password", func(_ *digest.Challenge, o *digest.Options) { o.Password = "guess" }, 401},
		{"wrong user", func(_ *digest.Challenge, o *digest.Options) { o.Username = "root" }, 401},
		{"wrong method", func(_ *digest.Challenge, o *digest.Options) { o.Method = http.MethodPost }, 401},
		{"nonce of its own", func(c *digest.Challenge, _ *digest.Options) { c.Nonce = "65a0.00.00" }, 401},
		{"other realm", func(c *digest.Challenge, _ *digest.Options) { c.Realm = "x" }, 401},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l, accepted := listener(t, cpe.ListenerOptions{Realm: "TR069 Client"})
			resp := ask(t, http.MethodGet, l.URL(), answer(t, ask(t, http.MethodGet, l.URL(), ""), c.change))
			if resp.StatusCode != c.status || (accepted() == 1) != (c.status == 200) {
				t.Errorf("got %d and %d calls, want %d", resp.StatusCode, accepted(), c.status)
			}
		})
	}
}

func TestConnectionRequestRefused(t *testing.T) {
	t.Parallel()
	open := func() (string, string) { return "", "" }
	l, accepted := listener(t, cpe.ListenerOptions{Credentials: open, Status: http.StatusNoContent, Limit: 2})
	busy, _ := listener(t, cpe.ListenerOptions{Credentials: open, Busy: func() bool { return true }})
	for _, c := range []struct {
		name, method, url string
		status            int
	}{
		{"open", http.MethodGet, l.URL(), 204},
		{"query", http.MethodGet, l.URL() + "?id=1", 204},
		{"over the limit", http.MethodGet, l.URL(), 503},
		{"POST", http.MethodPost, l.URL(), 405},
		{"other path", http.MethodGet, l.URL() + "x", 404},
		{"in session", http.MethodGet, busy.URL(), 503},
	} {
		if got := ask(t, c.method, c.url, "").StatusCode; got != c.status {
			t.Errorf("%s: got %d, want %d", c.name, got, c.status)
		}
	}
	if got := accepted(); got != 2 {
		t.Errorf("accepted: got %d, want 2", got)
	}
}

func TestConnectionRequestURL(t *testing.T) {
	t.Parallel()
	a, _ := listener(t, cpe.ListenerOptions{})
	b, _ := listener(t, cpe.ListenerOptions{Address: "0.0.0.0:0", Path: "/cr"})
	c, _ := listener(t, cpe.ListenerOptions{Host: "cpe.example.net", Path: "/cr"})
	for _, u := range []struct{ got, prefix, suffix string }{
		{a.URL(), "http://127.0.0.1:", ""},
		{b.URL(), "http://127.0.0.1:", "/cr"},
		{c.URL(), "http://cpe.example.net:", "/cr"},
	} {
		if !strings.HasPrefix(u.got, u.prefix) || !strings.HasSuffix(u.got, u.suffix) {
			t.Errorf("URL: got %s, want %s…%s", u.got, u.prefix, u.suffix)
		}
	}
	if a.URL() == b.URL() {
		t.Error("two listeners have the same URL")
	}
	if _, err := cpe.NewListener(cpe.ListenerOptions{}); err == nil {
		t.Error("a listener without credentials was accepted")
	}
}
