// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"sync"

	"github.com/uspgate/uspgate/routing"
	"github.com/uspgate/uspgate/usp"
)

// writes is what is to be written to the Store: for each address one thing after
// the other, for at most so many addresses at a time. Workers begin with the first
// and end with the last.
type writes struct {
	mu      sync.Mutex
	limit   int
	pending map[usp.Address]*pending
	asks    map[usp.Address]*asking // whose claim waits for the owner
	queue   []usp.Address           // whose turn it is
	ops     int
	workers int
	start   func() // begins a worker; nil before work and after
	over    bool
	group   sync.WaitGroup
}

// pending is what is to be done for one address.
type pending struct {
	ops     []*op
	running bool
	// held is what the watch said of this node's own claim while that was under
	// way.
	held    *record
	heldRev uint64
}

type opKind uint8

const (
	opClaim opKind = iota
	opAnnounce
	opRelease
)

type op struct {
	kind  opKind
	tries int

	by   *routing.Session // claim
	done func(routing.Ownership, error)
	ask  askState

	fence uint64 // announce, release
	info  routing.Info
}

// askState is how far the owner of an address has been asked to give it up.
type askState struct {
	fence    uint64 // that was asked about; 0: nobody was
	err      error
	revision uint64
}

func (w *writes) init(limit int) {
	w.limit = limit
	w.pending = make(map[usp.Address]*pending)
	w.asks = make(map[usp.Address]*asking)
}

// add queues an op; an Announce replaces the one that waits before it.
func (w *writes) add(o *Owners, a usp.Address, x *op) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return errNoLease
	}
	p := w.pending[a]
	if p == nil {
		p = &pending{}
		w.pending[a] = p
	}
	if n := len(p.ops); x.kind == opAnnounce && n > 0 && (n > 1 || !p.running) {
		if last := p.ops[n-1]; last.kind == opAnnounce && last.fence == x.fence {
			last.info = x.info
			return nil
		}
	}
	if w.ops >= o.n.o.MaxClaims {
		if len(p.ops) == 0 {
			delete(w.pending, a)
		}
		return errTooMany
	}
	w.ops++
	p.ops = append(p.ops, x)
	if !p.running {
		p.running = true
		w.turn(a)
	}
	return nil
}

// turn puts a in line; mu is held.
func (w *writes) turn(a usp.Address) {
	w.queue = append(w.queue, a)
	if w.start != nil && w.workers < w.limit {
		w.workers++
		w.start()
	}
}

// work lets the workers work until ctx ends; what waits then is refused.
func (o *Owners) work(ctx context.Context) {
	w := &o.writes
	w.mu.Lock()
	w.start = func() { w.group.Go(func() { w.worker(o, ctx) }) }
	for range min(len(w.queue), w.limit) {
		w.workers++
		w.start()
	}
	w.mu.Unlock()
	<-ctx.Done()
	w.mu.Lock()
	w.over, w.start = true, nil
	w.mu.Unlock()
	w.group.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.pending {
		for _, x := range p.ops {
			if x.kind == opClaim {
				o.n.teller.post(func(routing.PeerHandler) { x.done(routing.Ownership{}, errNoLease) })
			}
		}
	}
	w.pending = nil
}

func (w *writes) worker(o *Owners, ctx context.Context) {
	for {
		w.mu.Lock()
		if len(w.queue) == 0 || ctx.Err() != nil {
			w.workers--
			w.mu.Unlock()
			return
		}
		a := w.queue[0]
		if w.queue = w.queue[1:]; len(w.queue) == 0 {
			w.queue = nil
		}
		x := w.pending[a].ops[0]
		w.mu.Unlock()
		if o.do(ctx, a, x) {
			w.finish(o, a)
		}
	}
}

// finish takes the op that is done away and goes on to the next.
func (w *writes) finish(o *Owners, a usp.Address) {
	w.mu.Lock()
	p := w.pending[a]
	if p == nil {
		w.mu.Unlock()
		return
	}
	held, revision := p.held, p.heldRev
	p.held = nil
	p.ops = p.ops[1:]
	w.ops--
	if len(p.ops) > 0 {
		w.turn(a)
	} else {
		delete(w.pending, a)
	}
	w.mu.Unlock()
	if held != nil {
		o.apply(a, revision, held, nil)
	}
}

// hold keeps what the watch says of a claim of ours that is under way.
func (w *writes) hold(a usp.Address, revision uint64, r *record) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.pending[a]
	if p == nil || !p.running || p.ops[0].kind != opClaim {
		return false
	}
	p.held, p.heldRev = r, revision
	return true
}

// finish has nothing be claimed any more.
func (o *Owners) finish() {
	o.writes.mu.Lock()
	defer o.writes.mu.Unlock()
	o.writes.over = true
}
