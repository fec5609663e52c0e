// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package uds_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/mtp/uds"
	"github.com/uspgate/uspgate/usp"
)

// TestSocket_R_UDS_2: the file has the permissions and goes with the server.
func TestSocket_R_UDS_2(t *testing.T) {
	t.Parallel()
	for _, mode := range []fs.FileMode{0, 0o600, 0o666} {
		s := newServer(t, uds.ServerOptions{Mode: mode})
		running := mtptest.Start(t, s, mtptest.NewRecorder(t))
		if mode == 0 {
			mode = 0o660
		}
		info, err := os.Lstat(s.Addr())
		if err != nil || info.Mode() != fs.ModeSocket|mode {
			t.Fatalf("socket: got %v %v, want %v", info, err, fs.ModeSocket|mode)
		}
		running.Stop(t)
		if _, err := os.Lstat(s.Addr()); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("after the end: got %v, want no socket", err)
		}
	}
}

// TestSocketOwner: it is given away, by name or number; the superuser may.
func TestSocketOwner(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only the superuser gives files away")
	}
	s := newServer(t, uds.ServerOptions{Owner: "root", Group: "12345"})
	mtptest.Start(t, s, mtptest.NewRecorder(t))
	info, err := os.Lstat(s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	if st := info.Sys().(*syscall.Stat_t); st.Uid != 0 || st.Gid != 12345 {
		t.Fatalf("owner: got %d:%d, want 0:12345", st.Uid, st.Gid)
	}
	s = newServer(t, uds.ServerOptions{Owner: "no-such-user"})
	if err := s.Listen(t.Context()); err == nil {
		t.Fatal("Listen: got nil, want an error")
	}
	if _, err := os.Lstat(s.Addr()); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("after the error: got %v, want no socket", err)
	}
}

// TestStaleSocket: one that nobody answers at is replaced, whatever else is
// there is not.
func TestStaleSocket(t *testing.T) {
	t.Parallel()
	path := socketPath(t)
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	if err := newServer(t, uds.ServerOptions{Listen: path}).Listen(t.Context()); !errors.Is(err, syscall.EADDRINUSE) {
		t.Fatalf("Listen where somebody answers: got %v, want %v", err, syscall.EADDRINUSE)
	}
	ln.SetUnlinkOnClose(false)
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	s, hub := start(t, uds.ServerOptions{Listen: path})
	shakeHands(t, s.Addr(), mtptest.Agent)
	hub.Link()

	file := filepath.Join(filepath.Dir(path), "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(filepath.Dir(path), "link")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, link} {
		if err := newServer(t, uds.ServerOptions{Listen: path}).Listen(t.Context()); err == nil {
			t.Fatalf("Listen at %s: got nil, want an error", filepath.Base(path))
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != "precious" {
			t.Fatalf("%s: got %q %v, want it untouched", filepath.Base(path), got, err)
		}
	}
}

// TestMaxConnections: one too many is closed at once, whoever does not finish
// its handshake counts too, and room comes back.
func TestMaxConnections(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	s, hub := start(t, uds.ServerOptions{MaxConnections: 2, LinkOptions: uds.LinkOptions{Metrics: reg}})
	dial(t, s.Addr())
	first := shakeHands(t, s.Addr(), mtptest.Agent)
	p := hub.Link()
	wantEnd(t, dial(t, s.Addr()))
	wantRejected(t, reg, "connections", 1)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	_ = p.WaitDown()
	for { // the count follows Down
		conn := dial(t, s.Addr())
		send(t, conn, hello(mtptest.Agent))
		if _, _, err := nextField(conn); err == nil {
			break
		}
	}
	hub.Link()
}

// TestDrainOfHandshakes: who has not said who it is does not hold the end up.
func TestDrainOfHandshakes(t *testing.T) {
	t.Parallel()
	s := newServer(t, uds.ServerOptions{})
	running := mtptest.Start(t, s, mtptest.NewRecorder(t))
	conn := dial(t, s.Addr())
	send(t, conn, []byte("_US"))
	running.Stop(t)
	wantEnd(t, conn)
}

// TestOptions: what is refused.
func TestOptions(t *testing.T) {
	t.Parallel()
	own := uds.LinkOptions{Presents: mtptest.Agent}
	for name, o := range map[string]uds.ServerOptions{
		"nobody":          {Listen: "/x"},
		"no path":         {LinkOptions: own},
		"abstract":        {LinkOptions: own, Listen: "@x"},
		"long path":       {LinkOptions: own, Listen: "/" + strings.Repeat("x", 103)},
		"bad Endpoint ID": {LinkOptions: uds.LinkOptions{Presents: "a b"}, Listen: "/x"},
		"bad mode":        {LinkOptions: own, Listen: "/x", Mode: fs.ModeSticky | 0o600},
	} {
		if _, err := uds.NewServer(o); err == nil {
			t.Errorf("%s: got nil, want an error", name)
		}
	}
	if _, err := uds.NewClient(uds.ClientOptions{LinkOptions: own}); err == nil {
		t.Error("a client without URL: got nil, want an error")
	}
	for role, want := range map[usp.Role]string{
		usp.RoleAgent: "/var/run/usp/broker_controller_path", usp.RoleController: "/var/run/usp/broker_agent_path",
	} {
		s, err := uds.NewServer(uds.ServerOptions{LinkOptions: uds.LinkOptions{Presents: mtptest.Agent, Role: role}})
		if err != nil || s.Addr() != want || s.Name() != "uds" {
			t.Errorf("for peers with the role %v: got %v %v, want %s", role, s, err, want)
		}
	}
	c := newClient(t, uds.ClientOptions{URL: "unix:///run/x"})
	if c.Addr() != "/run/x" || c.Listen(context.Background()) != nil {
		t.Errorf("client: got %s, want /run/x", c.Addr())
	}
}

// scripted is a listener that gives what it is told to.
type scripted struct {
	net.Listener
	accepts chan func() (net.Conn, error)
	closed  chan struct{}
}

func (l *scripted) Accept() (net.Conn, error) {
	select {
	case f := <-l.accepts:
		return f()
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *scripted) Close() error {
	close(l.closed)
	return nil
}

// TestAcceptRests: a server that has no descriptors left goes on later, one whose
// socket fails says so.
func TestAcceptRests(t *testing.T) {
	t.Parallel()
	ln := &scripted{accepts: make(chan func() (net.Conn, error), 8), closed: make(chan struct{})}
	failing := func(err error) func() (net.Conn, error) {
		return func() (net.Conn, error) { return nil, &net.OpError{Op: "accept", Net: "unix", Err: err} }
	}
	own, other := net.Pipe()
	ln.accepts <- failing(os.NewSyscallError("accept4", syscall.EMFILE))
	ln.accepts <- failing(os.NewSyscallError("accept4", syscall.ENFILE))
	ln.accepts <- func() (net.Conn, error) { return own, nil }
	s := newServer(t, uds.ServerOptions{LinkOptions: uds.LinkOptions{CloseTimeout: 50 * time.Millisecond}})
	s.Use(ln)
	hub, done := mtptest.NewRecorder(t), make(chan error, 1)
	go func() { done <- s.Run(context.WithoutCancel(t.Context()), hub) }()
	send(t, other, hello(mtptest.Agent))
	if kind, _ := readField(t, other); kind != handshakeType {
		t.Fatalf("after the rest: got field %d, want a Handshake", kind)
	}
	p := hub.Link()
	ln.accepts <- failing(io.ErrUnexpectedEOF)
	if err := <-done; !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatalf("Run: got %v, want %v", err, io.ErrUnexpectedEOF)
	}
	if err := p.WaitDown(); !errors.Is(err, mtp.ErrDraining) {
		t.Fatalf("cause: got %v, want %v", err, mtp.ErrDraining)
	}
}
