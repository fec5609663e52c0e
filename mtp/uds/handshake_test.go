// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package uds_test

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/mtp/uds"
	"github.com/uspgate/uspgate/usp"
)

// fakeServer is a socket on which the test plays the server.
func fakeServer(t *testing.T) (path string, accept func() net.Conn) {
	t.Helper()
	path = socketPath(t)
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatalf("listen: got %v, want nil", err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	return path, func() net.Conn {
		conn, err := ln.Accept()
		if err != nil {
			t.Fatalf("accept: got %v, want nil", err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
}

// client runs a Client with quick retries.
func client(t *testing.T, o uds.ClientOptions) *mtptest.Recorder {
	t.Helper()
	o.Retry.Interval, o.CloseTimeout = 10*time.Millisecond, 200*time.Millisecond
	peer := mtptest.NewRecorder(t)
	mtptest.Start(t, newClient(t, o), peer)
	return peer
}

// TestClientHandshake_R_UDS_16: the client speaks first, ignores Records until
// the server has answered [R-UDS.20], and shows one Endpoint.
func TestClientHandshake_R_UDS_16(t *testing.T) {
	t.Parallel()
	path, accept := fakeServer(t)
	peer := client(t, uds.ClientOptions{URL: path, LinkOptions: uds.LinkOptions{
		Presents: mtptest.Agent, Role: usp.RoleController, Order: 3, NoConnectRecords: true, Name: "to-broker",
	}})
	conn := accept()
	if kind, value := readField(t, conn); kind != handshakeType || string(value) != string(mtptest.Agent) {
		t.Fatalf("first field: got %d %q, want a Handshake of %s", kind, value, mtptest.Agent)
	}
	ignored := mtptest.Record(mtptest.Controller, mtptest.Agent, "too early", 0)
	taken := mtptest.Record(mtptest.Controller, mtptest.Agent, "in time", 0)
	send(t, conn, append(append(record(ignored), hello(mtptest.Controller)...), record(taken)...))
	p := peer.Link()
	wantRecord(t, p, taken)
	want := mtp.Peer{
		Kind: mtp.UDS, Listener: "to-broker", Remote: path, Loopback: true, Endpoint: mtptest.Controller,
		Role: usp.RoleController, Presents: mtptest.Agent, NoConnectRecords: true, Order: 3,
	}
	got := p.Peer
	got.Identity = mtp.Identity{}
	if !equalPeers(got, want) {
		t.Fatalf("Peer: got %+v, want %+v", got, want)
	}
}

func equalPeers(a, b mtp.Peer) bool {
	return a.Kind == b.Kind && a.Listener == b.Listener && a.Remote == b.Remote && a.Loopback == b.Loopback &&
		a.Endpoint == b.Endpoint && a.Role == b.Role && a.Presents == b.Presents && a.Shared == b.Shared &&
		a.NoConnectRecords == b.NoConnectRecords && a.Order == b.Order
}

// TestClientOtherEndpoint_R_UDS_21: a server that is not the expected one is
// told so, left, and tried again [R-UDS.5].
func TestClientOtherEndpoint_R_UDS_21(t *testing.T) {
	t.Parallel()
	path, accept := fakeServer(t)
	client(t, uds.ClientOptions{URL: path, Peer: mtptest.Controller})
	for range 2 {
		conn := accept()
		readField(t, conn)
		send(t, conn, hello("self::impostor"))
		wantError(t, conn, "the Handshake names another Endpoint than expected")
	}
}

// TestClientTimeout_R_UDS_18: a server that does not answer is left.
func TestClientTimeout_R_UDS_18(t *testing.T) {
	t.Parallel()
	path, accept := fakeServer(t)
	client(t, uds.ClientOptions{URL: path, LinkOptions: uds.LinkOptions{HandshakeTimeout: 50 * time.Millisecond}})
	conn := accept()
	readField(t, conn)
	send(t, conn, record(mtptest.Record("a", "b", "not a Handshake", 0)))
	wantError(t, conn, "no Handshake came in time")
	if uds.DefaultHandshakeTimeout != 30*time.Second {
		t.Fatalf("default: got %v, want 30 s", uds.DefaultHandshakeTimeout)
	}
}

// TestServerTimeout: so is a client, however busy it is with something else.
func TestServerTimeout(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	s, _ := start(t, uds.ServerOptions{LinkOptions: uds.LinkOptions{
		HandshakeTimeout: 50 * time.Millisecond, Metrics: reg,
	}})
	conn := dial(t, s.Addr())
	wantError(t, conn, "no Handshake came in time")
	wantRejected(t, reg, "handshake", 1)
}

// TestRetry_R_UDS_5: every wait of a client is one of 1 to 5 seconds, also after
// many failures.
func TestRetry_R_UDS_5(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, uds.ClientOptions{
			URL: "/nowhere/to/be/found",
			GiveUp: func() mtp.GiveUpFunc {
				last, n := time.Now(), 0
				return func(error) error {
					wait := time.Since(last)
					if last = time.Now(); n > 0 && (wait < time.Second || wait > 5*time.Second) {
						t.Errorf("wait %d: got %v, want 1 to 5 s", n, wait)
					}
					if n++; n > 200 {
						return io.EOF
					}
					return nil
				}
			}(),
		})
		if err := c.Run(t.Context(), mtptest.NewRecorder(t)); !errors.Is(err, io.EOF) {
			t.Fatalf("Run: got %v, want %v", err, io.EOF)
		}
	})
}

// TestRefusedByRouter: the peer is told, and no Handshake is sent.
func TestRefusedByRouter(t *testing.T) {
	t.Parallel()
	hub := mtptest.NewRecorder(t)
	hub.Refuse = func(mtp.Peer) error { return mtp.ErrForbidden }
	s := newServer(t, uds.ServerOptions{LinkOptions: uds.LinkOptions{CloseTimeout: 100 * time.Millisecond}})
	mtptest.Start(t, s, hub)
	conn := dial(t, s.Addr())
	send(t, conn, hello(mtptest.Agent))
	wantError(t, conn, "not allowed for this Endpoint")
}

// TestGateway: without Presents the own Endpoint ID is named and many Endpoints
// are shown.
func TestGateway(t *testing.T) {
	t.Parallel()
	s, hub := start(t, uds.ServerOptions{LinkOptions: uds.LinkOptions{Endpoint: "proto::gateway"}})
	conn := dial(t, s.Addr())
	send(t, conn, hello(mtptest.Agent))
	if _, value := readField(t, conn); string(value) != "proto::gateway" {
		t.Fatalf("Handshake: got %q, want that of the gateway", value)
	}
	if p := hub.Link(); p.Peer.Presents != "" || p.Peer.Shared {
		t.Fatalf("Peer: got %+v, want one peer to which many are shown", p.Peer)
	}
}

// TestTrunk: a shared Link is bound to the Endpoint of the Handshake where that
// is allowed, and speaks for the configured ones.
func TestTrunk(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		patterns []string
		claim    usp.EndpointID
		bound    int
		any      bool
	}{
		"anybody":           {nil, "proto::other-gateway", 1, true},
		"some, itself not":  {[]string{"os::00D09E-*"}, "proto::other-gateway", 0, false},
		"some, itself also": {[]string{"os::00D09E-*"}, "os::00D09E-gw", 1, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, hub := start(t, uds.ServerOptions{LinkOptions: uds.LinkOptions{Shared: true, Patterns: tt.patterns}})
			conn := shakeHands(t, s.Addr(), tt.claim)
			p := hub.Link()
			if !p.Peer.Shared || p.Peer.Identity.Any != tt.any {
				t.Fatalf("Peer: got %+v, want a trunk with Any %v", p.Peer, tt.any)
			}
			raw := mtptest.Record("os::00D09E-1", mtptest.Controller, "x", 0)
			send(t, conn, record(raw)) // behind the Bind, which is over when this arrives
			wantRecord(t, p, raw)
			if got := len(p.Bound()); got != tt.bound {
				t.Fatalf("bound: got %d Endpoints, want %d", got, tt.bound)
			}
		})
	}
}

// TestPatterns bound who may connect.
func TestPatterns(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	s, hub := start(t, uds.ServerOptions{LinkOptions: uds.LinkOptions{Patterns: []string{"os::00D09E-*"}, Metrics: reg}})
	conn := dial(t, s.Addr())
	send(t, conn, hello("os::012345-1"))
	wantError(t, conn, "not allowed for this Endpoint")
	wantRejected(t, reg, "identity", 1)
	shakeHands(t, s.Addr(), "os::00D09E-1")
	hub.Link()
}

// TestCredentials: the kernel knows who connects.
func TestCredentials(t *testing.T) {
	t.Parallel()
	uid, gid := uint32(os.Getuid()), uint32(os.Getgid())
	tests := map[string]struct {
		uids, gids []uint32
		allowed    bool
	}{
		"nobody in particular": {nil, nil, true},
		"the user":             {[]uint32{uid + 1, uid}, nil, true},
		"the group":            {[]uint32{uid + 1}, []uint32{gid}, true},
		"another user":         {[]uint32{uid + 1}, nil, false},
		"another group":        {nil, []uint32{gid + 1}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg := prometheus.NewRegistry()
			s, hub := start(t, uds.ServerOptions{LinkOptions: uds.LinkOptions{
				AllowUIDs: tt.uids, AllowGIDs: tt.gids, Metrics: reg,
			}})
			if !tt.allowed {
				wantError(t, dial(t, s.Addr()), "not allowed for this Endpoint")
				wantRejected(t, reg, "auth", 1)
				return
			}
			shakeHands(t, s.Addr(), mtptest.Agent)
			if got := hub.Link().Peer; got.Identity.Name == "" || got.Remote == "" {
				t.Fatalf("Peer: got %+v, want the user in Identity.Name and the process in Remote", got)
			}
		})
	}
}

// TestClientCredentials: a client looks at the server's process in the same way.
func TestClientCredentials(t *testing.T) {
	t.Parallel()
	path, accept := fakeServer(t)
	client(t, uds.ClientOptions{URL: path, LinkOptions: uds.LinkOptions{AllowUIDs: []uint32{uint32(os.Getuid()) + 1}}})
	wantError(t, accept(), "not allowed for this Endpoint")
}

// TestAuth: it sees the process and the claim, and its Identity bounds.
func TestAuth(t *testing.T) {
	t.Parallel()
	s, hub := start(t, uds.ServerOptions{Auth: func(c uds.Credentials, claimed usp.EndpointID) (mtp.Identity, error) {
		if c.UID != uint32(os.Getuid()) || c.PID != int32(os.Getpid()) {
			t.Errorf("Credentials: got %v, want those of this process", c)
		}
		if claimed == "os::refused" {
			return mtp.Identity{}, errors.New("no")
		}
		return mtp.Identity{Method: "password", IDs: []usp.EndpointID{mtptest.Agent}}, nil
	}})
	for _, id := range []usp.EndpointID{"os::refused", mtptest.Neighbour} {
		conn := dial(t, s.Addr())
		send(t, conn, hello(id))
		wantError(t, conn, "not allowed for this Endpoint")
	}
	shakeHands(t, s.Addr(), mtptest.Agent)
	if got := hub.Link().Peer.Identity; !got.Allows(mtptest.Agent) || got.Allows(mtptest.Neighbour) {
		t.Fatalf("Identity: got %+v, want the one of Auth", got)
	}
}

// wantRejected waits until n connections have been counted as turned away.
func wantRejected(t *testing.T, reg *prometheus.Registry, reason string, n float64) {
	t.Helper()
	vec := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "uspgate_connections_rejected_total", Help: "Connections turned away before they became a Link.",
	}, []string{"mtp", "reason"})
	err := reg.Register(vec)
	already, ok := errors.AsType[prometheus.AlreadyRegisteredError](err)
	if !ok {
		t.Fatalf("metrics: got %v, want them registered", err)
	}
	counter := already.ExistingCollector.(*prometheus.CounterVec).WithLabelValues(string(mtp.UDS), reason)
	deadline := time.Now().Add(mtptest.Timeout)
	for testutil.ToFloat64(counter) != n {
		if time.Now().After(deadline) {
			t.Fatalf("rejected for %s: got %v, want %v", reason, testutil.ToFloat64(counter), n)
		}
		<-time.After(5 * time.Millisecond)
	}
}
