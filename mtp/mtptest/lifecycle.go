// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mtptest

import (
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/uspgate/uspgate/mtp"
)

func testFragmentation(t *testing.T, s Suite) {
	t.Helper()
	hub := NewRecorder(t)
	server := s.serve(t, Options{}, hub)
	conn := s.connection(t, server)
	south := hub.Link()
	first, second := Record(Agent, Controller, "in pieces", 3000), Record(Agent, Controller, "whole", 0)
	write(t, conn, s.Fragments(first))
	write(t, conn, s.Frame(second))
	wantRecord(t, south.Next(), first)
	wantRecord(t, south.Next(), second)
}

func testMalformed(t *testing.T, s Suite) {
	t.Helper()
	hub := NewRecorder(t)
	server := s.serve(t, Options{CloseTimeout: 200 * time.Millisecond}, hub)
	for name, input := range s.Malformed {
		t.Run(name, func(t *testing.T) {
			conn := s.connection(t, server)
			south := hub.Link()
			good := Record(Agent, Controller, "good", 0)
			write(t, conn, s.Frame(good))
			wantRecord(t, south.Next(), good)
			write(t, conn, input)
			if err := south.WaitDown(); err == nil {
				t.Fatalf("cause: got nil, want an error")
			}
		})
	}
}

// testHalfClose: a peer that has ended its side without a word is gone.
func testHalfClose(t *testing.T, s Suite) {
	t.Helper()
	hub := NewRecorder(t)
	server := s.serve(t, Options{}, hub)
	conn := s.connection(t, server)
	south := hub.Link()
	last := Record(Agent, Controller, "last words", 0)
	write(t, conn, s.Frame(last))
	half, ok := conn.(interface{ CloseWrite() error })
	if !ok {
		t.Fatalf("%T: got no CloseWrite, want one", conn)
	}
	if err := half.CloseWrite(); err != nil {
		t.Fatalf("CloseWrite: got %v, want nil", err)
	}
	wantRecord(t, south.Next(), last)
	if err := south.WaitDown(); err == nil {
		t.Fatal("cause: got nil, want an error")
	}
	if _, err := south.Enqueue(last, s.hint(Agent)); !errors.Is(err, mtp.ErrLinkDown) {
		t.Fatalf("Enqueue after Down: got %v, want %v", err, mtp.ErrLinkDown)
	}
}

// testSlowReader: a peer that reads nothing fills its own queue; ErrFull goes
// away with the next Settled, the neighbour notices nothing, and what the peer
// never took comes back in order.
func testSlowReader(t *testing.T, s Suite) {
	t.Helper()
	const queued = 16
	hub := NewRecorder(t)
	server := s.serve(t, Options{QueueRecords: queued, CloseTimeout: 100 * time.Millisecond}, hub)
	conn := s.connection(t, server)
	slow := hub.Link()
	record := Record(Controller, Agent, "flood", 256<<10)
	fill(t, slow, record, s.hint(Agent))

	peer := NewRecorder(t)
	s.dial(t, server, Options{Endpoint: Neighbour}, peer)
	other, north := hub.Link(), peer.Link()
	hello := Record(Controller, Neighbour, "hello", 0)
	wantSettled(t, other, other.Send(hello, s.hint(Neighbour)))
	wantRecord(t, north.Next(), hello)

	// The peer reads a while: room appears.
	reader := make(chan struct{})
	go func() { // ends when the connection is closed below
		defer close(reader)
		buf := make([]byte, 64<<10)
		for {
			if _, err := conn.Read(buf); err != nil {
				return
			}
		}
	}()
	for range 2 * queued {
		slow.Send(record, s.hint(Agent))
	}
	if err := conn.Close(); err != nil {
		t.Fatalf("Close: got %v, want nil", err)
	}
	<-reader
	if err := slow.WaitDown(); err == nil {
		t.Fatal("cause: got nil, want an error")
	}
}

func testReconnect(t *testing.T, s Suite) {
	t.Helper()
	p := s.pair(t, Options{})
	addr := p.server.Transport.Addr()
	p.server.Stop(t)
	if err := p.north.WaitDown(); err == nil {
		t.Fatal("cause: got nil, want an error")
	}
	p.server = p.suite.serve(t, Options{Listen: addr}, p.hub)
	p.south, p.north = p.hub.Link(), p.peer.Link()
	again := Record(Agent, Controller, "again", 0)
	p.north.Send(again, s.hint(Controller))
	wantRecord(t, p.south.Next(), again)
}

// testRefused: nothing is called for a Link that LinkUp refused, and its client
// tries again.
func testRefused(t *testing.T, s Suite) {
	t.Helper()
	hub, peer := NewRecorder(t), NewRecorder(t)
	refusals := make(chan mtp.Peer, 1)
	hub.Refuse = func(peer mtp.Peer) error {
		select {
		case refusals <- peer:
			return mtp.ErrBusy
		default:
			return nil
		}
	}
	s.dial(t, s.serve(t, Options{}, hub), Options{}, peer)
	south := hub.Link()
	select {
	case <-refusals:
	default:
		t.Fatal("the first Link was not refused")
	}
	hello := Record(Controller, Agent, "hello", 0)
	south.Send(hello, s.hint(Agent))
	if south.Peer.Kind == "" || south.Peer.Listener == "" {
		t.Fatalf("Peer: got %+v, want Kind and Listener", south.Peer)
	}
}

// testEnqueueWithinLinkUp: a router sends Connect Records from LinkUp.
func testEnqueueWithinLinkUp(t *testing.T, s Suite) {
	t.Helper()
	p := &pair{suite: s, hub: NewRecorder(t), peer: NewRecorder(t)}
	first := Record(Controller, Agent, "first", 0)
	p.hub.OnLinkUp = func(port *Port) {
		if _, err := port.Enqueue(first, s.hint(Agent)); err != nil {
			t.Errorf("Enqueue within LinkUp: got %v, want nil", err)
		}
	}
	p.connect(t, Options{})
	wantRecord(t, p.north.Next(), first)
	wantSettled(t, p.south, 1)
}

// testClose: what is queued goes out first, then the Link ends with the cause.
func testClose(t *testing.T, s Suite) {
	t.Helper()
	p := s.pair(t, Options{})
	cause := fmt.Errorf("test: %w", mtp.ErrReplaced)
	last := Record(Controller, Agent, "last", 0)
	token := p.south.Send(last, s.hint(Agent))
	p.south.Link.Close(cause)
	p.south.Link.Close(errors.New("too late"))
	wantRecord(t, p.north.Next(), last)
	wantSettled(t, p.south, token)
	if err := p.south.WaitDown(); !errors.Is(err, mtp.ErrReplaced) {
		t.Fatalf("cause: got %v, want %v", err, cause)
	}
	if s.Connectionless {
		return
	}
	if err := p.north.WaitDown(); err == nil {
		t.Fatal("cause at the peer: got nil, want an error")
	}
}

// testDrain: a server that stops leaves no token unsettled, even where the peer
// takes nothing; the Recorder checks the order.
func testDrain(t *testing.T, s Suite) {
	t.Helper()
	p := s.pair(t, Options{QueueRecords: 16, CloseTimeout: 100 * time.Millisecond})
	if s.Dial != nil {
		s.connection(t, p.server)
		fill(t, p.hub.Link(), Record(Controller, Agent, "flood", 256<<10), s.hint(Agent))
	}
	p.server.Stop(t)
	if err := p.south.WaitDown(); !errors.Is(err, mtp.ErrDraining) {
		t.Fatalf("cause: got %v, want %v", err, mtp.ErrDraining)
	}
	if err := p.north.WaitDown(); err == nil {
		t.Fatal("cause at the peer: got nil, want an error")
	}
}

// connection is one that the test writes and reads by hand.
func (s Suite) connection(t *testing.T, server *Running) net.Conn {
	t.Helper()
	conn := s.Dial(t, server.Transport.Addr(), Agent)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func write(t *testing.T, conn net.Conn, b []byte) {
	t.Helper()
	if _, err := conn.Write(b); err != nil {
		t.Fatalf("write: got %v, want nil", err)
	}
}

// fill enqueues until the queue is full and nothing more moves.
func fill(t *testing.T, p *Port, record []byte, hint mtp.Hint) {
	t.Helper()
	deadline := time.Now().Add(Timeout)
	for still := 0; still < 10; {
		switch _, err := p.Enqueue(record, hint); {
		case err == nil:
			still = 0
		case !errors.Is(err, mtp.ErrFull) || time.Now().After(deadline):
			t.Fatalf("Enqueue: got %v, want %v", err, mtp.ErrFull)
		default:
			still++
			p.settled.changed(10 * time.Millisecond)
		}
	}
}
