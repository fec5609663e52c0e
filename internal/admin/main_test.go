// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package admin_test

import (
	"context"
	"io"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/uspgate/uspgate/internal/admin"
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing"
	"github.com/uspgate/uspgate/usp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// link is a Link of a peer that takes everything.
type link struct{ port mtp.Port }

func (l *link) Enqueue(_ usp.Record, _ mtp.Hint, t mtp.Token) error {
	go l.port.Settled(t, nil)
	return nil
}
func (*link) Ack(mtp.Token, error) {}
func (*link) Close(error)          {}

// router knows an Agent that is there, one that is awaited, and has one of
// each thing that the API can show.
func router(t *testing.T) *routing.Router {
	t.Helper()
	r, err := routing.New(routing.Options{
		Routes: []routing.Route{
			{Match: "os::00D09E-later", Role: usp.RoleAgent},
			{
				Match: "ops::*", Via: "up", Fallback: []string{"up2"}, Destination: "usp/{endpoint_id}",
				AllowFrom: []string{"self::*"},
			},
		},
		Rules:   []routing.Rule{{From: "self::guest", Role: usp.RoleAgent, Deny: true}},
		Aliases: []routing.Alias{{Alias: "self::nick", Endpoint: "os::00D09E-1"}},
	})
	if err != nil {
		t.Fatalf("routing.New: got %v, want nil", err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = r.Run(ctx)
	}()
	l := &link{}
	if l.port, err = r.LinkUp(l, mtp.Peer{
		Kind: mtp.WebSocket, Listener: "ws", Remote: "192.0.2.1:4711", Endpoint: "os::00D09E-1", Role: usp.RoleAgent,
		Identity: mtp.Identity{Method: "password", IDs: []usp.EndpointID{"os::00D09E-1"}},
	}); err != nil {
		t.Fatalf("LinkUp: got %v, want nil", err)
	}
	t.Cleanup(func() {
		l.port.Down(nil)
		cancel()
		<-done
	})
	return r
}

// serve runs a Server until the test ends.
func serve(t *testing.T, o admin.Options) *admin.Server {
	t.Helper()
	if o.Router == nil {
		o.Router = router(t)
	}
	if o.Devices == nil {
		o.Devices = &devices{}
	}
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	if o.TokenFile == "" {
		o.TokenFile = filepath.Join(t.TempDir(), "data", "admin.token")
	}
	s, err := admin.New(o)
	if err != nil {
		t.Fatalf("New: got %v, want nil", err)
	}
	if err := s.Listen(t.Context()); err != nil {
		t.Fatalf("Listen: got %v, want nil", err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: got %v, want nil", err)
		}
	})
	return s
}

// reply is what came back.
type reply struct {
	status int
	header http.Header
	body   string
}

// ask sends a request; change may be nil.
func ask(t *testing.T, s *admin.Server, token, path string, change func(*http.Request)) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.Addr()+path, http.NoBody)
	if err != nil {
		t.Fatalf("request: got %v, want nil", err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if change != nil {
		change(req)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatalf("%s: got %v, want an answer", path, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s: got %v, want an answer", path, err)
	}
	return reply{resp.StatusCode, resp.Header, string(body)}
}

// tokenOf makes a token file and returns its content and path.
func tokenOf(t *testing.T) (token, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "admin.token")
	write(t, path, "0123456789abcdef\n")
	return "0123456789abcdef", path
}
