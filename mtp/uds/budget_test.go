// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package uds_test

import (
	"bytes"
	"io"
	"net"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/mtp/uds"
	"github.com/uspgate/uspgate/usp"
)

// TestRelayAllocs: one Record from one connection to another costs its own
// bytes.
func TestRelayAllocs(t *testing.T) { //nolint:paralleltest // AllocsPerRun counts the whole process
	const batch, budget = 64, 1.2 // the bytes, and a rest for the runtime
	relay := newRelay(256)
	s := newServer(t, uds.ServerOptions{LinkOptions: uds.LinkOptions{CloseTimeout: 10 * time.Millisecond}})
	mtptest.Start(t, s, relay)
	from := shakeHands(t, s.Addr(), mtptest.Agent)
	relay.wait(1)
	to := shakeHands(t, s.Addr(), mtptest.Neighbour)
	relay.wait(2)
	frames := bytes.Repeat(record(mtptest.Record("os::a", "os::b", "x", benchRecord)), batch)
	out := make([]byte, len(frames))
	got := testing.AllocsPerRun(200, func() {
		if _, err := from.Write(frames); err != nil {
			t.Fatalf("write: got %v, want nil", err)
		}
		if _, err := io.ReadFull(to, out); err != nil {
			t.Fatalf("read: got %v, want nil", err)
		}
	}) / batch
	if got > budget && !raceDetector { // it empties pools at random
		t.Fatalf("allocations per Record: got %.2f, want at most %v", got, budget)
	}
}

// TestIdleConnection: what an idle connection costs, with its goroutine. The
// race detector makes everything larger: the budget is for the product.
func TestIdleConnection(t *testing.T) { //nolint:paralleltest // it reads the memory of the whole process
	const connections, budget = 500, 6000 // 4096 of it are the stack
	s, hub := start(t, uds.ServerOptions{LinkOptions: uds.LinkOptions{CloseTimeout: 10 * time.Millisecond}})
	conns := make([]net.Conn, 0, connections)
	open := func(n int) {
		for range n {
			conns = append(conns, shakeHands(t, s.Addr(), usp.EndpointID("os::a-"+strconv.Itoa(len(conns)))))
			hub.Link()
		}
	}
	bare := bareConnection(t)
	open(50)
	before, goroutines := used(), runtime.NumGoroutine()
	open(connections)
	each := (used() - before) / connections
	if got := each - bare; got > budget && !raceDetector {
		t.Errorf("idle connection: got %d bytes (%d with the test's half of %d), want at most %d", got, each, bare, budget)
	}
	t.Logf("idle connection: %d bytes beside the test's half of %d", each-bare, bare)
	if got := runtime.NumGoroutine() - goroutines; got > connections {
		t.Errorf("goroutines for %d connections: got %d, want one each", connections, got)
	}
}

// bareConnection is the cost of the client's half: a net.Conn and a Recorder's
// Port.
func bareConnection(t *testing.T) int {
	t.Helper()
	const n = 100 // which the backlog of a listener that accepts nothing holds
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", socketPath(t))
	if err != nil {
		t.Fatalf("listen: got %v, want nil", err)
	}
	defer ln.Close()
	hub := mtptest.NewRecorder(t)
	before := used()
	keep := make([]any, 0, 2*n)
	for range n {
		c := dial(t, ln.Addr().String())
		if _, err := hub.LinkUp(nil, mtp.Peer{}); err != nil {
			t.Fatalf("LinkUp: got %v, want nil", err)
		}
		keep = append(keep, c, hub.Link())
	}
	each := (used() - before) / n
	runtime.KeepAlive(keep)
	return each
}

// used is heap and stacks in bytes after a collection.
func used() int {
	for range 5 { // each halves a stack that has become too large
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc + m.StackInuse)
}
