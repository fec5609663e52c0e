// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package admin_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/uspgate/uspgate/internal/admin"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatalf("write: got %v, want nil", err)
	}
}

// TestTokenMade: the first start makes a token that only its owner can read,
// the second takes it.
func TestTokenMade(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "new", "admin.token")
	core, logs := observer.New(zap.InfoLevel)
	r := router(t)
	first := serve(t, admin.Options{TokenFile: path, Router: r, Log: zap.New(core)})
	token, err := admin.ReadToken(path)
	if err != nil || len(token) != 64 {
		t.Fatalf("token: got %q, %v, want 64 characters", token, err)
	}
	for file, want := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: got %v, %v, want mode %v", file, info, err, want)
		}
	}
	second := serve(t, admin.Options{TokenFile: path, Router: r, Log: zap.New(core)})
	for name, s := range map[string]*admin.Server{"first": first, "second": second} {
		if got := ask(t, s, token, "/api/v1/version", nil); got.status != http.StatusOK {
			t.Errorf("%s: got %d %s, want 200", name, got.status, got.body)
		}
	}
	if got := logs.FilterMessage("token made").Len(); got != 1 {
		t.Errorf("tokens made: got %d, want 1", got)
	}
	for _, e := range logs.All() {
		if strings.Contains(fmt.Sprint(e), token) {
			t.Errorf("log: got the token, want it secret")
		}
	}
}

// TestBadToken: a file that holds no token keeps the API from starting, and a
// token that others can read is worth a warning.
func TestBadToken(t *testing.T) {
	t.Parallel()
	vectors := map[string]string{
		"":                               "no token of at least 16",
		"short\n":                        "no token of at least 16",
		"0123456789abcdef 0123456789":    "more than a token",
		strings.Repeat("x", 5000):        "too long",
		"0123456789abcdef\x000123456789": "more than a token",
	}
	for text, want := range vectors {
		path := filepath.Join(t.TempDir(), "token")
		write(t, path, text)
		s, err := admin.New(admin.Options{Listen: "127.0.0.1:0", TokenFile: path, Router: router(t), Devices: &devices{}})
		if err != nil {
			t.Fatalf("New: got %v, want nil", err)
		}
		if err := s.Listen(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: got %v, want an error with %q", text, err, want)
		}
	}
	_, path := tokenOf(t)
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zap.WarnLevel)
	serve(t, admin.Options{TokenFile: path, Log: zap.New(core)})
	if got := logs.FilterMessage("others on this host can read the token").Len(); got != 1 {
		t.Errorf("warnings: got %d, want 1", got)
	}
}

// TestOptions: what is missing is said at once.
func TestOptions(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]admin.Options{
		"no router":      {TokenFile: "x", Devices: &devices{}},
		"no devices":     {TokenFile: "x", Router: router(t)},
		"no token file":  {Router: router(t), Devices: &devices{}},
		"negative limit": {TokenFile: "x", Router: router(t), Devices: &devices{}, MaxConnections: -1},
	} {
		if _, err := admin.New(o); err == nil {
			t.Errorf("%s: got nil, want an error", name)
		}
	}
}

// TestAccess: who may come in, and with which words the others are sent away.
func TestAccess(t *testing.T) {
	t.Parallel()
	token, path := tokenOf(t)
	s := serve(t, admin.Options{TokenFile: path})
	auth := func(v string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", v) }
	}
	host := func(v string) func(*http.Request) { return func(r *http.Request) { r.Host = v } }
	method := func(v string) func(*http.Request) { return func(r *http.Request) { r.Method = v } }
	const version = "/api/v1/version"
	vectors := []struct {
		name, path string
		change     func(*http.Request)
		status     int
		says       string
	}{
		{"right", version, nil, 200, "go_version"},
		{"scheme in small letters", version, auth("bearer " + token), 200, "go_version"},
		{"no token", version, func(r *http.Request) { r.Header.Del("Authorization") }, 401, "does not bear"},
		{"wrong token", version, auth("Bearer 0123456789abcdeF"), 401, "does not bear"},
		{"beginning of the token", version, auth("Bearer " + token[:15]), 401, "does not bear"},
		{"empty token", version, auth("Bearer "), 401, "does not bear"},
		{"token as password", version, func(r *http.Request) { r.SetBasicAuth("x", token) }, 401, "does not bear"},
		{"token in the query", version + "?access_token=" + token, auth(""), 401, "does not bear"},
		{"localhost", version, host("localhost:7557"), 200, "go_version"},
		{"IPv6", version, host("[::1]:7557"), 200, "go_version"},
		{"IPv6 without port", version, host("[::1]"), 200, "go_version"},
		{"rebound name", version, host("evil.example:7557"), 421, "127.0.0.1 or localhost"},
		{"rebound address", version, host("192.0.2.1"), 421, "127.0.0.1 or localhost"},
		{"rebound name like ours", version, host("localhost.evil.example"), 421, "127.0.0.1 or localhost"},
		{"nothing there", "/api/v1/", nil, 404, "openapi.json"},
		{"nothing there, no token", "/api/v1/", auth(""), 401, "does not bear"},
		{"other method", version, method(http.MethodPost), 405, "GET only"},
		{"unknown parameter", version + "?x=1", nil, 400, "is not known here"},
		{"parameter twice", "/api/v1/endpoints?endpoint_id=a&endpoint_id=b", nil, 400, "more than once"},
		{"not a query", "/api/v1/endpoints?endpoint_id=%zz", nil, 400, "not one"},
		{"explain nobody", "/api/v1/routes/explain", nil, 400, "endpoint_id"},
		{"explain a wrong role", "/api/v1/routes/explain?endpoint_id=a&role=x", nil, 400, "not a role"},
		{"large header", version, auth("Bearer " + strings.Repeat("x", 32<<10)), 431, ""},
	}
	for _, v := range vectors {
		got := ask(t, s, token, v.path, v.change)
		if got.status != v.status || !strings.Contains(got.body, v.says) {
			t.Errorf("%s: got %d %s, want %d with %q", v.name, got.status, got.body, v.status, v.says)
		}
		if v.status == 431 {
			continue // the library's own answer
		}
		if got.header.Get("Access-Control-Allow-Origin") != "" || got.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: got headers %v, want no CORS and no caching", v.name, got.header)
		}
		if failed := new(struct{ Error string }); v.status != 200 &&
			(json.Unmarshal([]byte(got.body), failed) != nil || failed.Error == "") {
			t.Errorf("%s: got %s, want JSON with an error", v.name, got.body)
		}
	}
}

// TestRefusalsAreLogged: once a second at most, without what was tried.
func TestRefusalsAreLogged(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zap.WarnLevel)
	s := serve(t, admin.Options{Log: zap.New(core)})
	began := time.Now()
	for range 20 {
		ask(t, s, "guess-guess-guess-guess", "/api/v1/version", nil)
	}
	most := 1 + int(time.Since(began)/time.Second)
	all := logs.FilterMessage("a request without the right token").All()
	if len(all) < 1 || len(all) > most || strings.Contains(fmt.Sprint(all), "guess") {
		t.Errorf("log: got %v, want 1 to %d entries without the guess", all, most)
	}
}

// TestMaxConnections: one too many is closed at once.
func TestMaxConnections(t *testing.T) {
	t.Parallel()
	token, path := tokenOf(t)
	s := serve(t, admin.Options{TokenFile: path, MaxConnections: 1})
	dial := func() net.Conn {
		c, err := net.Dial("tcp", s.Addr())
		if err != nil {
			t.Fatalf("dial: got %v, want nil", err)
		}
		t.Cleanup(func() { _ = c.Close() })
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		return c
	}
	first := dial()
	fmt.Fprintf(first, "GET /api/v1/version HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n\r\n", token)
	resp, err := http.ReadResponse(bufio.NewReader(first), nil)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("first: got %v, %v, want 200", resp, err)
	}
	_ = resp.Body.Close()
	if n, err := dial().Read(make([]byte, 1)); err == nil || n > 0 {
		t.Errorf("second: got %d bytes, %v, want closed", n, err)
	} else if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("second: got %v, want closed at once", err)
	}
}

// TestListenTaken: an address that somebody has is an error of Listen.
func TestListenTaken(t *testing.T) {
	t.Parallel()
	_, path := tokenOf(t)
	first := serve(t, admin.Options{TokenFile: path})
	s, err := admin.New(admin.Options{Listen: first.Addr(), TokenFile: path, Router: router(t), Devices: &devices{}})
	if err != nil {
		t.Fatalf("New: got %v, want nil", err)
	}
	if err := s.Listen(t.Context()); err == nil {
		t.Errorf("Listen: got nil, want an error")
	}
}
