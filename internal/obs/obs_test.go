// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package obs_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/uspgate/uspgate/internal/obs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestServer(t *testing.T) {
	t.Parallel()
	s := obs.NewServer("127.0.0.1:0", obs.NewRegistry("v1"))
	if err := s.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	base := "http://" + s.Addr()
	if code, _ := get(t, base+"/healthz"); code != http.StatusOK {
		t.Errorf("healthz: got %d, want 200", code)
	}
	if code, _ := get(t, base+"/readyz"); code != http.StatusServiceUnavailable {
		t.Errorf("readyz before ready: got %d, want 503", code)
	}
	s.SetReady(true)
	if code, _ := get(t, base+"/readyz"); code != http.StatusOK {
		t.Errorf("readyz: got %d, want 200", code)
	}
	if _, body := get(t, base+"/metrics"); !strings.Contains(body, `uspgate_build_info{go_version="`) {
		t.Errorf("metrics: got no build info in\n%s", body)
	}
	if code, _ := get(t, base+"/debug/pprof/symbol"); code != http.StatusOK {
		t.Errorf("pprof from this host: got %d, want 200", code)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("got %v at the end, want nil", err)
	}
}

// A part that is not ready is named with its reason.
func TestReadyAsksTheParts(t *testing.T) {
	t.Parallel()
	var failure error
	check := obs.Check{Name: "engine", Ready: func() error { return failure }}
	s := obs.NewServer("127.0.0.1:0", obs.NewRegistry("v1"), check)
	s.SetReady(true)
	ask := func() (int, string) {
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/readyz", http.NoBody))
		return w.Code, w.Body.String()
	}
	if code, body := ask(); code != http.StatusOK {
		t.Errorf("got %d %q, want 200", code, body)
	}
	failure = errors.New("the disk is full")
	if code, body := ask(); code != http.StatusServiceUnavailable || !strings.Contains(body, "engine: the disk is full") {
		t.Errorf("got %d %q, want 503 with the reason", code, body)
	}
}

func TestProfilesAreForThisHost(t *testing.T) {
	t.Parallel()
	h := obs.NewServer("127.0.0.1:0", obs.NewRegistry("v1")).Handler()
	for remote, want := range map[string]int{
		"127.0.0.1:5": http.StatusOK, "[::1]:5": http.StatusOK, "192.0.2.1:5": http.StatusForbidden, "": http.StatusForbidden,
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/debug/pprof/symbol", http.NoBody)
		r.RemoteAddr = remote
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("from %q: got %d, want %d", remote, w.Code, want)
		}
	}
}

func TestLogIsNotFlooded(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log, err := obs.NewLogger(&out, "info", "json")
	if err != nil {
		t.Fatal(err)
	}
	for range 100_000 {
		log.Info("again")
	}
	if got := strings.Count(out.String(), "\n"); got > 10_000 {
		t.Errorf("got %d lines of 100,000 equal ones, want a sample", got)
	}
}

func TestLogger(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log, err := obs.NewLogger(&out, "warn", "json")
	if err != nil {
		t.Fatal(err)
	}
	log.Info("not this")
	log.Warn("this")
	if got := out.String(); strings.Contains(got, "not this") || !strings.Contains(got, `"msg":"this"`) {
		t.Errorf("got %q, want the warning only", got)
	}
	if _, err := obs.NewLogger(&out, "loud", "json"); err == nil {
		t.Error("level loud was accepted")
	}
}
