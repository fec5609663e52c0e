// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mtptest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// Timeout is how long the waits of this package last before they fail the test.
const Timeout = time.Minute

// Received is one Record that a Link gave to Port.Accept.
type Received struct {
	Record usp.Record
	Hint   mtp.Hint
	Token  mtp.Token
}

// Settlement is the outcome of one token that was enqueued.
type Settlement struct {
	Token mtp.Token
	Err   error
}

// Recorder is an mtp.Handler that notes everything and checks the contract of
// package mtp on the way: one Accept at a time, every token settled once and
// none unknown, ErrLinkDown in the order of Enqueue, all settled before Down
// and nothing after it. A breach fails the test. Safe for concurrent use.
type Recorder struct {
	// Refuse, if set before use, is asked at LinkUp; an error refuses the Link.
	Refuse func(mtp.Peer) error
	// OnLinkUp, if set before use, is called within LinkUp with the new Port.
	OnLinkUp func(*Port)
	// Hold, if set before use, has the Port keep what it accepts until
	// Port.Release: Accept blocks while as many Records are unacknowledged as
	// Window says. Otherwise every Record is acknowledged at once.
	Hold   bool
	Window int

	t     testing.TB
	links chan *Port
}

// NewRecorder returns a Recorder that takes every Link.
func NewRecorder(tb testing.TB) *Recorder {
	tb.Helper()
	return &Recorder{t: tb, links: make(chan *Port, 4096)}
}

// LinkUp implements mtp.Handler.
func (r *Recorder) LinkUp(l mtp.Link, p mtp.Peer) (mtp.Port, error) {
	if r.Refuse != nil {
		if err := r.Refuse(p); err != nil {
			return nil, err
		}
	}
	port := &Port{
		Link: l, Peer: p, recorder: r,
		received: newQueue[Received](), settled: newQueue[Settlement](),
		down: make(chan struct{}), bound: make(map[usp.Address]mtp.Hint), present: make(map[usp.Address]bool),
		window: make(chan struct{}, max(r.Window, 1)),
	}
	if r.OnLinkUp != nil {
		r.OnLinkUp(port)
	}
	r.links <- port
	return port, nil
}

// Link waits for the next Link that came up.
func (r *Recorder) Link() *Port {
	r.t.Helper()
	select {
	case p := <-r.links:
		return p
	case <-time.After(Timeout):
		r.t.Fatalf("no Link came up within %v", Timeout)
		return nil
	}
}

// Links is how many Links have come up and not been fetched by Link.
func (r *Recorder) Links() int { return len(r.links) }

// Port is the Recorder's end of one Link.
type Port struct {
	Link mtp.Link
	Peer mtp.Peer

	recorder *Recorder
	received *queue[Received]
	settled  *queue[Settlement]
	down     chan struct{}
	window   chan struct{}

	enqueue   sync.Mutex // keeps the order of tokens that of Enqueue
	mu        sync.Mutex
	cause     error
	accepting bool
	next      mtp.Token
	order     []mtp.Token // enqueued and not settled
	bound     map[usp.Address]mtp.Hint
	present   map[usp.Address]bool
	held      []mtp.Token
	refuse    func(usp.Record) error
}

// RefuseRecords has f decide on the outcome of every further Record.
func (p *Port) RefuseRecords(f func(usp.Record) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = f
}

// Enqueue gives raw to the Link with a new token and returns that.
func (p *Port) Enqueue(raw []byte, hint mtp.Hint) (mtp.Token, error) {
	rec, err := usp.NewRecord(raw)
	if err != nil {
		return 0, fmt.Errorf("mtptest: %w", err)
	}
	p.enqueue.Lock()
	defer p.enqueue.Unlock()
	p.mu.Lock()
	p.next++
	t := p.next
	p.order = append(p.order, t) // before, for it may be settled within Enqueue
	p.mu.Unlock()
	if err := p.Link.Enqueue(rec, hint, t); err != nil {
		p.forget(t)
		p.mu.Lock()
		p.next--
		p.mu.Unlock()
		return 0, err
	}
	return t, nil
}

// forget removes a token that is not outstanding any more and returns the
// place it had, -1 if none.
func (p *Port) forget(t mtp.Token) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := slices.Index(p.order, t)
	if at >= 0 {
		p.order = slices.Delete(p.order, at, at+1)
	}
	return at
}

// Send is Enqueue that waits for room.
func (p *Port) Send(raw []byte, hint mtp.Hint) mtp.Token {
	p.recorder.t.Helper()
	deadline := time.Now().Add(Timeout)
	for {
		t, err := p.Enqueue(raw, hint)
		if err == nil {
			return t
		}
		if !errors.Is(err, mtp.ErrFull) || time.Now().After(deadline) {
			p.recorder.t.Fatalf("Enqueue: got %v, want nil", err)
		}
		p.settled.changed(10 * time.Millisecond)
	}
}

// Next waits for the next Record that the Link accepted.
func (p *Port) Next() Received {
	p.recorder.t.Helper()
	r, ok := p.received.next(Timeout)
	if !ok {
		p.recorder.t.Fatalf("no Record arrived within %v", Timeout)
	}
	return r
}

// Settlement waits for the next outcome.
func (p *Port) Settlement() Settlement {
	p.recorder.t.Helper()
	s, ok := p.settled.next(Timeout)
	if !ok {
		p.recorder.t.Fatalf("nothing was settled within %v", Timeout)
	}
	return s
}

// Release acknowledges the oldest n held Records with err.
func (p *Port) Release(n int, err error) {
	for range n {
		p.mu.Lock()
		if len(p.held) == 0 {
			p.mu.Unlock()
			return
		}
		t := p.held[0]
		p.held = p.held[1:]
		p.mu.Unlock()
		p.Link.Ack(t, err)
		<-p.window
	}
}

// releaseNewest acknowledges the n newest held Records, newest first.
func (p *Port) releaseNewest(n int) {
	p.mu.Lock()
	newest := slices.Clone(p.held[len(p.held)-n:])
	p.held = p.held[:len(p.held)-n]
	p.mu.Unlock()
	slices.Reverse(newest)
	for _, t := range newest {
		p.Link.Ack(t, nil)
		<-p.window
	}
}

// Held is how many Records wait for Release.
func (p *Port) Held() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.held)
}

// Bound returns what the Link has bound.
func (p *Port) Bound() map[usp.Address]mtp.Hint {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.bound)
}

// WaitDown waits for Down and returns its cause.
func (p *Port) WaitDown() error {
	p.recorder.t.Helper()
	select {
	case <-p.down:
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.cause
	case <-time.After(Timeout):
		p.recorder.t.Fatalf("the Link did not go down within %v", Timeout)
		return nil
	}
}

// IsDown reports whether Down was called.
func (p *Port) IsDown() bool {
	select {
	case <-p.down:
		return true
	default:
		return false
	}
}

// Accept implements mtp.Port.
func (p *Port) Accept(rec usp.Record, hint mtp.Hint, t mtp.Token) {
	p.mu.Lock()
	p.live("Accept")
	if p.accepting {
		p.recorder.t.Errorf("Accept was called by two goroutines at a time")
	}
	p.accepting = true
	refuse := p.refuse
	p.mu.Unlock()
	p.received.put(Received{Record: rec, Hint: hint, Token: t})
	if p.recorder.Hold {
		p.mu.Lock()
		p.held = append(p.held, t)
		p.mu.Unlock()
		select {
		case p.window <- struct{}{}:
		case <-p.recorder.t.Context().Done():
		}
	} else {
		var err error
		if refuse != nil {
			err = refuse(rec)
		}
		p.Link.Ack(t, err)
	}
	p.mu.Lock()
	p.accepting = false
	p.mu.Unlock()
}

// Settled implements mtp.Port.
func (p *Port) Settled(t mtp.Token, err error) {
	p.mu.Lock()
	p.live("Settled")
	p.mu.Unlock()
	switch at := p.forget(t); {
	case at < 0:
		p.recorder.t.Errorf("Settled(%d): not outstanding", t)
	case at > 0 && errors.Is(err, mtp.ErrLinkDown):
		p.recorder.t.Errorf("Settled(%d, ErrLinkDown) while %d tokens enqueued before it are outstanding", t, at)
	}
	p.settled.put(Settlement{Token: t, Err: err})
}

// Bind implements mtp.Port.
func (p *Port) Bind(a usp.Address, hint mtp.Hint) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.live("Bind")
	if !p.Peer.Identity.Allows(a.ID) {
		return mtp.ErrForbidden
	}
	p.bound[a] = hint
	return nil
}

// Unbind implements mtp.Port.
func (p *Port) Unbind(a usp.Address) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.live("Unbind")
	delete(p.bound, a)
}

// Presence implements mtp.Port.
func (p *Port) Presence(a usp.Address, present bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.live("Presence")
	p.present[a] = present
}

// Present returns what the Link has told by Presence.
func (p *Port) Present() map[usp.Address]bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.present)
}

// Down implements mtp.Port.
func (p *Port) Down(cause error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.live("Down")
	if len(p.order) > 0 {
		p.recorder.t.Errorf("Down with %d tokens outstanding, the first is %d", len(p.order), p.order[0])
	}
	p.cause = cause
	close(p.down)
}

// live checks that Down has not been called; p.mu is held.
func (p *Port) live(method string) {
	select {
	case <-p.down:
		p.recorder.t.Errorf("%s was called after Down", method)
	default:
	}
}
