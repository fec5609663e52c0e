// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package ws_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/mtp/ws"
	"github.com/uspgate/uspgate/usp"
)

// TestRelayAllocs: one Record from one connection to another costs its own
// bytes and what the library allocates per message.
func TestRelayAllocs(t *testing.T) { //nolint:paralleltest // AllocsPerRun counts the whole process
	const batch, budget = 64, 1.5 // the bytes, and a rest for the runtime
	relay := newRelay(256)
	s := newServer(t, ws.ServerOptions{LinkOptions: ws.LinkOptions{CloseTimeout: 10 * time.Millisecond}})
	mtptest.Start(t, s, relay)
	from, _ := handshake(t, s.Addr(), "/usp?eid=os::a", nil)
	relay.wait(1)
	to, _ := handshake(t, s.Addr(), "/usp?eid=os::b", nil)
	relay.wait(2)
	frames := bytes.Repeat(frame(finalBit|opBinary, mtptest.Record("os::a", "os::b", "x", benchRecord)), batch)
	out := make([]byte, len(frames)-4*batch)
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

// idleBudget is for an idle connection in bytes: 2048 of it are the stack, and
// stacks of the same size lie apart.
const idleBudget = 5000

// TestIdleConnection: what an idle connection costs, with its goroutine, when
// its peer has never sent anything and when it has sent a Record. The race
// detector makes everything larger: the budget is for the product.
func TestIdleConnection(t *testing.T) { //nolint:paralleltest // it reads the memory of the whole process
	silent, spoken := idleConnections(t, 500)
	t.Logf("idle connection: %d bytes, %d after a Record", silent, spoken)
	if (silent > idleBudget || spoken > idleBudget) && !raceDetector {
		t.Errorf("idle connection: got %d bytes, %d after a Record, want at most %d", silent, spoken, idleBudget)
	}
}

// BenchmarkIdleConnection prints the same for more connections.
func BenchmarkIdleConnection(b *testing.B) {
	silent, spoken := idleConnections(b, 5000)
	for b.Loop() { // nothing is timed
	}
	b.ReportMetric(float64(silent), "B/silent-conn")
	b.ReportMetric(float64(spoken), "B/conn")
	b.ReportMetric(0, "ns/op")
}

// idleConnections opens n of them and returns what one costs in the server, heap
// and stack, before and after each has sent a Record.
func idleConnections(tb testing.TB, n int) (silent, spoken int) {
	tb.Helper()
	s := newServer(tb, ws.ServerOptions{LinkOptions: ws.LinkOptions{CloseTimeout: 10 * time.Millisecond}})
	s.LookEvery(100 * time.Millisecond)
	hub := &quiet{links: make(chan struct{}), records: make(chan struct{})}
	mtptest.Start(tb, s, hub)
	conns := make([]net.Conn, 0, n+50)
	tb.Cleanup(func() {
		for _, c := range conns {
			_ = c.Close()
		}
	})
	open := func(n int) {
		for range n {
			c, err := (&net.Dialer{}).DialContext(tb.Context(), "tcp", s.Addr())
			if err != nil {
				tb.Fatalf("dial: got %v, want nil", err)
			}
			conns = append(conns, c)
			_, err = fmt.Fprintf(c, "GET /usp?eid=os::a-%d HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
				"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\n"+
				"Sec-WebSocket-Protocol: v1.usp\r\n\r\n", len(conns))
			if err != nil {
				tb.Fatalf("write: got %v, want nil", err)
			}
			<-hub.links
		}
	}
	bare := bareConnection(tb)
	open(50)
	before, goroutines := used(), runtime.NumGoroutine()
	open(n)
	each := func() (got int) {
		for deadline := time.Now().Add(5 * time.Second); ; <-time.After(100 * time.Millisecond) { // until all have rested
			got = (used()-before)/n - bare
			if got <= idleBudget || raceDetector || time.Now().After(deadline) {
				return got
			}
		}
	}
	silent = each()
	rec := frame(finalBit|opBinary, mtptest.Record("os::a", "os::b", "x", benchRecord))
	for _, c := range conns {
		if _, err := c.Write(rec); err != nil {
			tb.Fatalf("write: got %v, want nil", err)
		}
		<-hub.records
	}
	spoken = each()
	if got := runtime.NumGoroutine() - goroutines; got > n {
		tb.Errorf("goroutines for %d connections: got %d, want one each", n, got)
	}
	return silent, spoken
}

// quiet is a Handler that keeps nothing of what it is told.
type quiet struct{ links, records chan struct{} }

func (q *quiet) LinkUp(l mtp.Link, _ mtp.Peer) (mtp.Port, error) {
	q.links <- struct{}{}
	return &quietPort{quiet: q, link: l}, nil
}

type quietPort struct {
	quiet *quiet
	link  mtp.Link
}

func (*quietPort) Bind(usp.Address, mtp.Hint) error { return nil }
func (*quietPort) Unbind(usp.Address)               {}
func (*quietPort) Presence(usp.Address, bool)       {}
func (*quietPort) Settled(mtp.Token, error)         {}
func (*quietPort) Down(error)                       {}

func (p *quietPort) Accept(_ usp.Record, _ mtp.Hint, t mtp.Token) {
	p.link.Ack(t, nil)
	p.quiet.records <- struct{}{}
}

// bareConnection is the cost of the client's half, a net.Conn.
func bareConnection(tb testing.TB) int {
	tb.Helper()
	const n = 200
	ln, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("listen: got %v, want nil", err)
	}
	defer ln.Close()
	before := used()
	keep := make([]any, 0, n)
	for range n {
		c, err := (&net.Dialer{}).DialContext(tb.Context(), "tcp", ln.Addr().String())
		if err != nil {
			tb.Fatalf("dial: got %v, want nil", err)
		}
		defer c.Close()
		keep = append(keep, c)
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
