// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package pipe is an MTP inside the process: two Transports joined back to
// back, for tests and demos without a network.
package pipe

import (
	"context"
	"fmt"
	"sync"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// DefaultQueue is how many Records may be outstanding in one direction.
const DefaultQueue = 64

// Side describes one end of a pipe.
type Side struct {
	// Peer is what the side is told about the other one.
	Peer mtp.Peer
	// Address is the Hint.ReplyTo of what the side sends; "": none.
	Address string
	// Queue bounds the Records outstanding; 0: DefaultQueue.
	Queue int
}

// New returns the two Transports. Their Link comes up once both run, and goes
// down for good when either ends.
func New(a, b Side) (x, y *Transport) {
	x, y = newTransport("a", a), newTransport("b", b)
	x.other, y.other = y, x
	return x, y
}

// Transport is one end of a pipe: an mtp.Transport and its only mtp.Link.
type Transport struct {
	side  Side
	id    string
	other *Transport

	ready, up, gone chan struct{}
	wake            chan struct{}

	// accept is held while the other end calls port.Accept, settle while
	// anything calls port.Settled; both are taken before port.Down.
	accept, settle sync.Mutex
	port           mtp.Port
	isDown         bool

	mu          sync.Mutex
	closed      bool
	queue       []item
	outstanding []mtp.Token
}

type item struct {
	rec  usp.Record
	hint mtp.Hint
	t    mtp.Token
}

func newTransport(id string, s Side) *Transport {
	if s.Queue <= 0 {
		s.Queue = DefaultQueue
	}
	return &Transport{
		side: s, id: id, ready: make(chan struct{}), up: make(chan struct{}), gone: make(chan struct{}),
		wake: make(chan struct{}, 1),
	}
}

// Name implements mtp.Transport.
func (t *Transport) Name() string { return "pipe" }

// Listen implements mtp.Transport; there is nothing to bind.
func (t *Transport) Listen(context.Context) error { return nil }

// Addr implements mtp.Transport.
func (t *Transport) Addr() string { return "pipe:" + t.id }

// Run implements mtp.Transport. It is called once.
func (t *Transport) Run(ctx context.Context, h mtp.Handler) error {
	close(t.ready)
	select {
	case <-t.other.ready:
	case <-ctx.Done():
		return nil
	}
	port, err := h.LinkUp(t, t.side.Peer)
	if err != nil {
		close(t.gone)
		return fmt.Errorf("pipe: %w", err)
	}
	t.port = port
	close(t.up)
	t.serve(ctx)
	t.end()
	<-ctx.Done()
	return nil
}

// serve forwards until either end goes.
func (t *Transport) serve(ctx context.Context) {
	select {
	case <-t.other.up:
	case <-t.other.gone:
		return
	case <-ctx.Done():
		return
	}
	for {
		t.forward()
		select {
		case <-t.wake:
		case <-t.other.gone:
			return
		case <-ctx.Done():
			return
		}
	}
}

// forward gives the other end what is queued.
func (t *Transport) forward() {
	for {
		t.mu.Lock()
		if len(t.queue) == 0 {
			t.mu.Unlock()
			return
		}
		next := t.queue[0]
		t.queue = t.queue[1:]
		t.mu.Unlock()
		t.other.accept.Lock()
		if !t.other.isDown {
			t.other.port.Accept(next.rec, mtp.Hint{ReplyTo: t.side.Address}, next.t)
		}
		t.other.accept.Unlock()
	}
}

// end takes the Link down.
func (t *Transport) end() {
	close(t.gone)
	t.accept.Lock()
	defer t.accept.Unlock()
	t.settle.Lock()
	defer t.settle.Unlock()
	t.isDown = true
	t.mu.Lock()
	t.closed = true
	rest := t.outstanding
	t.outstanding, t.queue = nil, nil
	t.mu.Unlock()
	for _, token := range rest {
		t.port.Settled(token, mtp.ErrLinkDown)
	}
	t.port.Down(mtp.ErrLinkDown)
}

// ID tells the ends apart in logs.
func (t *Transport) ID() string { return t.id }

// Enqueue implements mtp.Link.
func (t *Transport) Enqueue(rec usp.Record, hint mtp.Hint, token mtp.Token) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.closed:
		return mtp.ErrLinkDown
	case len(t.outstanding) >= t.side.Queue:
		return mtp.ErrFull
	}
	t.outstanding = append(t.outstanding, token)
	t.queue = append(t.queue, item{rec, hint, token})
	select {
	case t.wake <- struct{}{}:
	default:
	}
	return nil
}

// Ack implements mtp.Link: it settles the Record at the other end.
func (t *Transport) Ack(token mtp.Token, err error) { t.other.settled(token, err) }

func (t *Transport) settled(token mtp.Token, err error) {
	t.settle.Lock()
	defer t.settle.Unlock()
	if t.isDown {
		return
	}
	t.mu.Lock()
	found := false
	for i, o := range t.outstanding {
		if o == token {
			t.outstanding = append(t.outstanding[:i], t.outstanding[i+1:]...)
			found = true
			break
		}
	}
	t.mu.Unlock()
	if found {
		t.port.Settled(token, err)
	}
}

// Close implements mtp.Link; the pipe ends with its Run.
func (t *Transport) Close(error) {}

// ConnectRecord implements mtp.Connector with that of a Unix domain socket.
func (t *Transport) ConnectRecord(from, to usp.EndpointID) usp.Record {
	return usp.NewUDSConnect(from, to)
}
