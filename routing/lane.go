// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing/buffer"
	"github.com/uspgate/uspgate/usp"
)

// lane is the state machine of one address, or of one counterpart of it where
// the peer has a Link of its own per counterpart (Peer.Presents):
//
//	live      Records go straight to the Link; the buffer has none of them.
//	spilling  every Record goes to the buffer; there is no Link to drain to yet.
//	draining  every Record goes to the buffer, which is read onto the Link.
//
// It leaves live by copying whatever is under way into the buffer, before any
// newer Record, and comes back only when the buffer is empty and no Put is
// under way. So the buffer, while there is one, holds everything undelivered
// in order, and what a dying Link leaves behind is already where it belongs.
type lane struct {
	ep   *endpoint
	from usp.EndpointID // the counterpart; empty: all of them

	// Outcomes on their way to the holder of mu.
	settled, stored inbox
	sched           atomic.Int32         // of the pump, see schedule
	waiting         atomic.Pointer[port] // in line there for room
	offered         atomic.Pointer[port] // has made room for this lane
	links           atomic.Pointer[[]binding]
	behind          atomic.Bool // main still has Records of the counterpart

	mu     sync.Mutex
	away   *away  // nil: the address is this node's
	fence  uint64 // by which it is, 0 where there is only one node
	live   bool
	link   *port     // the Link in use, nil if there is none
	hint   *mtp.Hint // its default Hint
	held   held      // for which the buffer has no room
	flight flight
	flying int    // of these, not settled
	puts   int    // Puts under way
	copies int    // of these, of Records in flight
	sp     *spill // nil while live and never spilled since
	recent *recent
}

// binding is one Link that reaches the lane's address.
type binding struct {
	p    *port
	hint *mtp.Hint // nil: the zero Hint
	// via is the place of the Link's Transport among those of a static route
	// that has made the binding, see Route.rank; 0: Bind, or a Record, made it.
	via uint8
}

// Errors of the Router's own, as the peer's MTP sees them.
var (
	errLoop = classError{mtp.ErrUnroutable, "routing: the Endpoint is on the Link that the Record came from"}
	errSelf = classError{mtp.ErrForbidden, "routing: from_id and to_id are equal"}
	// Those of the passage from trunk to trunk.
	errReverse = classError{mtp.ErrUnroutable, "routing: the way back to from_id is another than the Record came"}
	errLinks   = classError{mtp.ErrBusy, "routing: too many Links of the Endpoint or the identity"}
	errTransit = classError{mtp.ErrUnroutable, "routing: from trunk to trunk without a route that has transit"}
)

// classError is a constant error of one of the classes of package mtp.
type classError struct {
	class error
	text  string
}

func (e classError) Error() string { return e.text }
func (e classError) Unwrap() error { return e.class }

// key names the lane in the buffer.
func (l *lane) key() buffer.Lane { return buffer.Lane{To: l.ep.addr, From: l.from} }

// unlock empties the inboxes, unlocks, and does what is left. Every holder of
// mu ends with it.
func (l *lane) unlock(fx *effects) {
	for {
		l.outcomes(fx)
		l.mu.Unlock()
		if l.settled.empty() && l.stored.empty() || !l.mu.TryLock() {
			break
		}
	}
	fx.run(l.ep.r, l)
}

// kick has the inboxes emptied, by this goroutine or by the holder of mu.
func (l *lane) kick() {
	if l.mu.TryLock() {
		var fx effects
		l.unlock(&fx)
	}
}

// outcomes handles what is in the inboxes.
func (l *lane) outcomes(fx *effects) {
	for o := l.settled.takeSettled(); o != nil; {
		next := o.settledNext
		o.settledNext = nil
		l.onSettled(o, fx)
		o = next
	}
	for o := l.stored.takeStored(); o != nil; {
		next := o.storedNext
		o.storedNext = nil
		l.onStored(o, fx)
		o = next
	}
	if l.from == "" {
		l.ep.catchUp()
	}
}

// empty reports that nothing is on its way and nothing waits; mu is held.
func (l *lane) empty() bool {
	return l.flight.head == nil && l.held.empty() && l.puts == 0 && l.settled.empty() && l.stored.empty() && l.clean() &&
		(l.away == nil || l.away.queue.head == nil)
}

// accept takes a Record from a Port.
func (l *lane) accept(o *out) {
	var fx effects
	l.mu.Lock()
	l.outcomes(&fx)
	if own := l.ep.lane(o.rec.Header().From); own != l {
		l.unlock(&fx) // opened meanwhile
		o.lane.Store(own)
		own.accept(o)
		return
	}
	if o.fence != l.fence && o.fence != 0 {
		l.refuse(o, ErrMoved, &fx)
	} else if err := l.admit(o); err != nil {
		l.refuse(o, err, &fx)
	} else {
		l.forward(o, &fx)
	}
	l.unlock(&fx)
}

// admit refuses what can not be carried.
func (l *lane) admit(o *out) error {
	switch {
	case l.ep.gone.Load():
		return mtp.ErrBusy
	case l.link == nil:
		if !l.ep.known.Load() {
			l.ep.r.metrics.misses.Inc()
			return mtp.ErrUnroutable
		}
	case l.link == o.in:
		return errLoop
	case o.trunk != "" && l.link.name != "":
		if err := l.passes(l.link, o.trunk); err != nil {
			return err
		}
	}
	if l.link != nil && l.link.peer.MaxRecord > 0 && o.rec.Len() > l.link.peer.MaxRecord {
		return mtp.ErrTooLarge
	}
	return l.pairUp(o)
}

// forward sends o, or puts it into the buffer behind everything older.
func (l *lane) forward(o *out, fx *effects) {
	o.num = l.held.next()
	if l.retry(fx); !l.held.empty() {
		l.full(o, buffer.ErrFull, fx)
		return
	}
	if l.live {
		err := l.send(o)
		if err == nil {
			return
		}
		full := errors.Is(err, mtp.ErrFull)
		if !full {
			l.link.dead.Store(true)
		}
		l.spill(fx, !full)
	} else if l.away != nil {
		l.holdBack(o, fx)
		return
	}
	l.place(o, fx)
}

// send hands o to the Link in use and notes it as flying.
func (l *lane) send(o *out) error {
	p := l.link
	if err := l.introduce(p, o); err != nil {
		return err
	}
	t := p.take(o)
	if err := p.link.Enqueue(o.rec, l.hintFor(o), t); err != nil && p.cancel(t) {
		return err
	}
	l.flies(o)
	return nil
}

// flies notes that a Link has taken o.
func (l *lane) flies(o *out) {
	o.flags |= flagFlying
	l.flight.push(o)
	l.flying++
	if h := o.rec.Header(); h.Type == usp.RecordDisconnect {
		l.parted(h)
	}
}

// hintFor is the Hint of o if it was meant for this binding, the Link's
// default otherwise [R-MTP.2].
func (l *lane) hintFor(o *out) mtp.Hint {
	if o.hint.Destination != "" && o.via == l.link.peer.Listener {
		return o.hint
	}
	if l.hint != nil {
		return *l.hint
	}
	return mtp.Hint{}
}

// spill leaves live: what is flying is copied into the buffer, in order. Those
// whose copy the buffer has refused before are tried again only if all is set.
func (l *lane) spill(fx *effects, all bool) {
	l.live = false
	if l.sp == nil {
		l.sp = &spill{more: true}
	}
	for o := l.flight.head; o != nil; o = o.next {
		l.sp.failed = l.sp.failed || o.has(flagFailed)
		if !o.has(flagPutting|flagStored) && (all || !o.has(flagRefused)) {
			o.flags |= flagPutting
			l.copies++
			l.puts++
			l.store(o)
		}
	}
	fx.pump = true
}

// spillOlder spills if the oldest Record in flight was accepted at or before
// limit.
func (l *lane) spillOlder(limit time.Duration) {
	var fx effects
	l.mu.Lock()
	l.outcomes(&fx)
	if o := l.flight.head; l.live && o != nil && o.at <= limit {
		l.spill(&fx, false)
	}
	if l.away != nil {
		l.expire(limit+l.ep.r.o.SpillAfter-l.ep.r.o.ClaimWait, &fx)
	}
	l.unlock(&fx)
}

// put gives a Record that is not in flight to the buffer.
func (l *lane) put(o *out) {
	if l.sp == nil {
		l.sp = &spill{more: true}
	}
	o.flags |= flagPutting
	l.held.put = max(l.held.put, o.num)
	l.puts++
	l.store(o)
}

// store calls Put; the outcome comes through the inbox.
func (l *lane) store(o *out) {
	r := l.ep.r
	r.o.Buffer.Put(buffer.Item{
		Lane: l.key(), Record: o.rec, Hint: o.hint, Via: l.viaOf(o), Trunk: o.trunk, At: r.base.Add(o.at),
	}, func(seq uint64, err error) {
		o.seq, o.putErr = seq, err
		l.stored.pushStored(o)
		l.kick()
	})
}

// viaOf is the Transport for which o is kept. For an address that is reached by
// a route it is that of the route: after a restart this tells its Records from
// those that wait for somebody who was at home here.
func (l *lane) viaOf(o *out) string {
	if o.via == "" {
		if rt := l.ep.onward(); rt != nil {
			return rt.Via
		}
	}
	return o.via
}

// choose returns the binding to use: the best of the lane's own or else of
// those that serve every counterpart.
func (l *lane) choose() (*port, *mtp.Hint) {
	p, hint := best(l.links.Load())
	if p == nil && l.from != "" {
		return best(l.ep.main.links.Load())
	}
	return p, hint
}

// best returns the binding that is preferred among those whose Link is not
// gone; links are in the order of their coming.
func best(links *[]binding) (*port, *mtp.Hint) {
	if links == nil {
		return nil, nil
	}
	var have *binding
	for i := len(*links) - 1; i >= 0; i-- {
		if b := &(*links)[i]; !b.p.dead.Load() && (have == nil || b.before(have)) {
			have = b
		}
	}
	if have == nil {
		return nil, nil
	}
	return have.p, have.hint
}

// before reports that b, which came earlier, is preferred to o all the same: by
// Peer.Order, then because the Endpoint has shown itself there, then by the
// order of its route. Of equal ones the newest is used, but nobody is moved from
// one trunk to another by turning up on it while the first is there.
func (b *binding) before(o *binding) bool {
	switch {
	case b.p.peer.Order != o.p.peer.Order:
		return b.p.peer.Order < o.p.peer.Order
	case b.via != o.via:
		return b.via < o.via
	default:
		return b.p.trunk() && o.p.trunk() && b.p.peer.Listener != o.p.peer.Listener
	}
}

// relink follows a change of the bindings. A lane with nothing under way and
// nothing waiting changes over at once; any other through the buffer, so that
// no Record is on two Links.
func (l *lane) relink(fx *effects) {
	if l.away != nil {
		return
	}
	p, hint := l.choose()
	if l.live && p != l.link && l.link.replaced.Load() {
		l.spillRecent()
	}
	switch {
	case p == l.link:
		l.hint = hint
	case l.flight.head == nil && l.puts == 0 && l.clean() && p != nil && !l.announces(p):
		l.link, l.hint, l.live, l.sp = p, hint, true, nil
		fx.pump = fx.pump || !l.held.empty()
	case l.live:
		l.spill(fx, true)
	default:
		if l.sp == nil {
			l.sp = &spill{more: true}
		}
		fx.pump = true
	}
}

// clean reports that the buffer has nothing of this lane.
func (l *lane) clean() bool { return l.ep.r.o.Buffer.Depth(l.key()).Records == 0 }

// update runs relink under the lock.
func (l *lane) update(fx *effects) {
	l.mu.Lock()
	l.outcomes(fx)
	l.relink(fx)
	l.unlock(fx)
}
