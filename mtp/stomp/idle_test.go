// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package stomp_test

import (
	"bytes"
	"fmt"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/mtp/stomp"
	"github.com/uspgate/uspgate/usp"
)

// quiet is a Handler that keeps nothing and answers every Record with one.
type quiet struct{ settled chan error }

func (q *quiet) LinkUp(l mtp.Link, _ mtp.Peer) (mtp.Port, error) { return &quietPort{q, l}, nil }

type quietPort struct {
	*quiet
	link mtp.Link
}

func (*quietPort) Bind(usp.Address, mtp.Hint) error { return nil }
func (*quietPort) Unbind(usp.Address)               {}
func (*quietPort) Presence(usp.Address, bool)       {}
func (*quietPort) Down(error)                       {}

func (p *quietPort) Accept(rec usp.Record, _ mtp.Hint, t mtp.Token) {
	p.link.Ack(t, nil)
	answer := usp.NewNoSession(rec.Header().To, rec.Header().From, "", []byte("answer"))
	if err := p.link.Enqueue(answer, mtp.Hint{}, t); err != nil {
		p.settled <- err
	}
}

func (p *quietPort) Settled(_ mtp.Token, err error) { p.settled <- err }

// TestIdleConnection: what an idle client costs that has sent and received a
// Record and has agreed on heart-beats, with its goroutine. The race detector
// makes everything larger: the budget is for the product.
func TestIdleConnection(t *testing.T) { //nolint:paralleltest // it reads the memory of the whole process
	const clients, budget = 400, 5500
	hub := &quiet{make(chan error, 1)}
	s, err := stomp.NewServer(stomp.ServerOptions{
		LinkOptions: stomp.LinkOptions{CloseTimeout: 10 * time.Millisecond}, Listen: "127.0.0.1:0", Role: usp.RoleAgent,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.RestAfter(100 * time.Millisecond)
	mtptest.Start(t, s, hub)
	conns := make([]net.Conn, 0, 2*clients)
	defer func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	answers := make([]byte, 4096)
	open := func(n int) {
		for range n {
			c, err := new(net.Dialer).DialContext(t.Context(), "tcp", s.Addr())
			if err != nil {
				t.Fatal(err)
			}
			conns = append(conns, c)
			id := usp.EndpointID(fmt.Sprintf("os::00D09E-%d", len(conns)))
			_, err = c.Write(bytes.Join([][]byte{
				connectFrame(id, "heart-beat:60000,60000"), subscribeFrame("0", agentDest(id)),
				sendFrame(record(id, controller, 1)),
			}, nil))
			if err != nil {
				t.Fatal(err)
			}
			if err := <-hub.settled; err != nil {
				t.Fatal(err)
			}
			if _, err := c.Read(answers); err != nil {
				t.Fatal(err)
			}
		}
	}
	open(50)
	before, goroutines := used(), runtime.NumGoroutine()
	open(clients)
	var each int
	for deadline := time.Now().Add(mtptest.Timeout); ; { // until the readers have rested
		if each = (used() - before) / clients; each <= budget || raceDetector || time.Now().After(deadline) {
			break
		}
		<-time.After(10 * time.Millisecond)
	}
	t.Logf("idle client: %d bytes with the test's half", each)
	if each > budget && !raceDetector {
		t.Errorf("idle client: got %d bytes, want at most %d", each, budget)
	}
	if got := runtime.NumGoroutine() - goroutines; got > clients {
		t.Errorf("goroutines for %d clients: got %d, want one each", clients, got)
	}
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
