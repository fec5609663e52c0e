// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing

import (
	"sync/atomic"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// out is one Record inside the Router: from Accept, or from its reading from
// the buffer, until nothing is owed for it any more. It is owned by the holder
// of its lane's lock; the ingress Port's list and the egress Port's slots point
// to it meanwhile. Outs are pooled.
type out struct {
	rec  usp.Record
	hint mtp.Hint // meant for Links of the Transport via
	via  string
	// trunk is the Transport of the trunk over which it came, empty if it did not.
	trunk string
	at    time.Duration // since Router.base, when accepted
	// fence is that of the Forward by which it came from another node, else 0.
	fence uint64
	lane  atomic.Pointer[lane] // nil: a Connect Record made here

	// The ingress; in is nil once it is acknowledged, or if there is none.
	in             *port
	inToken        mtp.Token
	inPrev, inNext *out // Port.unacked

	// The egress.
	sender     *endpoint // whose address is known
	pair       *pair     // of a Record from an Agent to a Controller
	order      uint64    // of enqueueing, per Port
	err        error     // outcome given to Settled
	prev, next *out      // lane.flight

	// The buffer.
	num    uint64 // its place in the lane
	seq    uint64
	putErr error

	flags outFlags

	settledNext *out // lane.settled
	storedNext  *out // lane.stored
}

// outFlags say how far a Record has come.
type outFlags uint16

const (
	flagFlying  outFlags = 1 << iota // on a Link, or was: it is in lane.flight
	flagPutting                      // a Put of it is under way
	flagStored                       // it is in the buffer, as seq
	flagRefused                      // the buffer has refused it while it was flying
	flagSettled                      // the Link has given the outcome
	flagFailed                       // and it must be sent again
	flagMoving                       // it is being moved to the lane of its sender
	flagOrphan                       // its lane has done with it; only the Link has not
	flagHeld                         // the buffer has no room for it, or had none
)

func (o *out) has(f outFlags) bool { return o.flags&f != 0 }

// newOut returns a clean out.
func (r *Router) newOut() *out {
	o, _ := r.outs.Get().(*out)
	if o == nil {
		o = new(out)
	}
	return o
}

// free takes o back. Nothing may refer to it.
func (r *Router) free(o *out) {
	*o = out{}
	r.outs.Put(o)
}

// flight is the list of Records on their way, in the order of enqueueing.
type flight struct{ head, tail *out }

func (f *flight) push(o *out) {
	o.prev, o.next = f.tail, nil
	if f.tail == nil {
		f.head = o
	} else {
		f.tail.next = o
	}
	f.tail = o
}

func (f *flight) remove(o *out) {
	if o.prev == nil {
		f.head = o.next
	} else {
		o.prev.next = o.next
	}
	if o.next == nil {
		f.tail = o.prev
	} else {
		o.next.prev = o.prev
	}
	o.prev, o.next = nil, nil
}

// inbox is a stack of outcomes that whoever holds the lane's lock takes in one
// go. Pushing never blocks.
type inbox struct{ top atomic.Pointer[out] }

func (b *inbox) empty() bool { return b.top.Load() == nil }

func (b *inbox) pushSettled(o *out) {
	for {
		top := b.top.Load()
		o.settledNext = top
		if b.top.CompareAndSwap(top, o) {
			return
		}
	}
}

// takeSettled returns the chain of what was pushed, oldest first.
func (b *inbox) takeSettled() *out {
	var oldest *out
	for o := b.top.Swap(nil); o != nil; {
		o.settledNext, oldest, o = oldest, o, o.settledNext
	}
	return oldest
}

func (b *inbox) pushStored(o *out) {
	for {
		top := b.top.Load()
		o.storedNext = top
		if b.top.CompareAndSwap(top, o) {
			return
		}
	}
}

func (b *inbox) takeStored() *out {
	var oldest *out
	for o := b.top.Swap(nil); o != nil; {
		o.storedNext, oldest, o = oldest, o, o.storedNext
	}
	return oldest
}

// ackItem is one Link.Ack to be called without a lock.
type ackItem struct {
	link  mtp.Link
	token mtp.Token
	err   error
}

// effects are what a holder of a lane's lock leaves to do after unlocking.
type effects struct {
	first  [4]ackItem // acks, without allocating for a few
	n      int        // of first
	rest   []ackItem
	closes []*port // replaced by a newer Link
	pump   bool
	notify bool
}

// ack gives the outcome of o to its ingress, once.
func (fx *effects) ack(o *out, err error) {
	p := o.in
	if p == nil {
		return
	}
	if o.has(flagHeld) {
		o.lane.Load().letGo(o)
	}
	o.in = nil
	p.release(o)
	item := ackItem{p.link, o.inToken, err}
	if fx.n == len(fx.first) {
		fx.rest = append(fx.rest, item)
		return
	}
	fx.first[fx.n] = item
	fx.n++
}

// run does what is left, and forgets it; l is the lane, unlocked.
func (fx *effects) run(r *Router, l *lane) {
	for _, a := range fx.first[:fx.n] {
		a.link.Ack(a.token, a.err)
	}
	for _, a := range fx.rest {
		a.link.Ack(a.token, a.err)
	}
	for _, p := range fx.closes {
		p.link.Close(mtp.ErrReplaced)
	}
	if fx.pump {
		r.schedule(l)
	}
	if fx.notify {
		r.watchers.dispatch()
	}
	fx.n, fx.rest, fx.closes, fx.pump, fx.notify = 0, nil, nil, false, false
}
