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

// TestIdleConnection: what an idle connection costs, with its goroutine, when
// its peer has never sent anything and when it has sent a Record. The race
// detector makes everything larger: the budget is for the product.
func TestIdleConnection(t *testing.T) { //nolint:paralleltest // it reads the memory of the whole process
	const connections, budget = 500, 5000 // 2048 of it are the stack, the rest is torn in places
	s := newServer(t, ws.ServerOptions{LinkOptions: ws.LinkOptions{CloseTimeout: 10 * time.Millisecond}})
	s.LookEvery(100 * time.Millisecond)
	hub := &quiet{links: make(chan struct{}), records: make(chan struct{})}
	mtptest.Start(t, s, hub)
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	open := func(n int) {
		for range n {
			c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", s.Addr())
			if err != nil {
				t.Fatalf("dial: got %v, want nil", err)
			}
			conns = append(conns, c)
			_, err = fmt.Fprintf(c, "GET /usp?eid=os::a-%d HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
				"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\n"+
				"Sec-WebSocket-Protocol: v1.usp\r\n\r\n", len(conns))
			if err != nil {
				t.Fatalf("write: got %v, want nil", err)
			}
			<-hub.links
		}
	}
	bare := bareConnection(t)
	open(50)
	before, goroutines := used(), runtime.NumGoroutine()
	open(connections)
	check := func(what string) {
		var got int
		for deadline := time.Now().Add(mtptest.Timeout); ; { // until the readers have rested
			got = (used()-before)/connections - bare
			if got <= budget || raceDetector || time.Now().After(deadline) {
				break
			}
			<-time.After(10 * time.Millisecond)
		}
		if got > budget && !raceDetector {
			t.Errorf("idle connection, %s: got %d bytes beside the test's half of %d, want at most %d", what, got, bare, budget)
		}
		t.Logf("idle connection, %s: %d bytes beside the test's half of %d", what, got, bare)
	}
	check("nothing sent")
	rec := frame(finalBit|opBinary, mtptest.Record("os::a", "os::b", "x", benchRecord))
	for _, c := range conns {
		if _, err := c.Write(rec); err != nil {
			t.Fatalf("write: got %v, want nil", err)
		}
		<-hub.records
	}
	check("a Record sent")
	if got := runtime.NumGoroutine() - goroutines; got > connections {
		t.Errorf("goroutines for %d connections: got %d, want one each", connections, got)
	}
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
func bareConnection(t *testing.T) int {
	t.Helper()
	const n = 200
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: got %v, want nil", err)
	}
	defer ln.Close()
	before := used()
	keep := make([]any, 0, n)
	for range n {
		c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", ln.Addr().String())
		if err != nil {
			t.Fatalf("dial: got %v, want nil", err)
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
