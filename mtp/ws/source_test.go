// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package ws_test

import (
	"errors"
	"net/netip"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/listen"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/mtp/ws"
)

// TestSourceAddresses: connections come from all addresses that serve, and one
// that does not costs nothing.
func TestSourceAddresses(t *testing.T) {
	t.Parallel()
	requireLinux(t)
	froms := make(chan netip.Addr, 100)
	addr := acceptor(t, func(c *peerConn) { froms <- listen.AddressOf(c.RemoteAddr()) })
	sources := []netip.Addr{
		netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("127.0.0.3"),
		netip.MustParseAddr("192.0.2.7"), // not ours
		netip.MustParseAddr("::1"),       // of another family
	}
	mtptest.Start(t, newClient(t, ws.ClientOptions{
		URL: "ws://" + addr, Endpoint: "os::a", SourceAddresses: sources,
		Retry: mtp.BackoffOptions{Interval: time.Millisecond, Multiplier: 1000},
	}), mtptest.NewRecorder(t))
	seen := map[netip.Addr]bool{}
	for len(seen) < 2 {
		from := <-froms
		if !slices.Contains(sources[:2], from) {
			t.Fatalf("source: got %v, want one of %v", from, sources[:2])
		}
		seen[from] = true
	}
}

func TestNoSourceAddress(t *testing.T) {
	t.Parallel()
	attempts := make(chan error, 100)
	mtptest.Start(t, newClient(t, ws.ClientOptions{
		URL: "ws://127.0.0.1:1", Endpoint: "os::a", SourceAddresses: []netip.Addr{netip.MustParseAddr("192.0.2.7")},
		GiveUp: func(err error) error {
			attempts <- err
			return nil
		},
	}), mtptest.NewRecorder(t))
	if err := <-attempts; !errors.Is(err, syscall.EADDRNOTAVAIL) {
		t.Fatalf("dial: got %v, want %v", err, syscall.EADDRNOTAVAIL)
	}
}

// requireLinux skips where not all of 127.0.0.0/8 is this host.
func requireLinux(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("needs addresses like 127.0.0.2")
	}
}
