// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing

import (
	"errors"
	"time"

	"github.com/uspgate/uspgate/mtp"
)

// away is what a lane has while its address is not this node's: it uses neither
// Links nor the buffer. Records go to the owner's node, where there is a way, and
// are kept here until that has answered: in order, unacknowledged, and so
// bounded by the windows of the Links that they came from.
type away struct {
	queue flight // to be sent, oldest first
	// via is the Link to the owner, nil if there is none now; fence, that of the
	// owner.
	via   *port
	fence uint64
	// sentVia and sentFence are those of what is in flight: all of it settles
	// before another way is taken.
	sentVia   *port
	sentFence uint64
	failed    bool // something in flight has to be sent again
	// announce are the pairs that the owner has to know first [R-MTP.8].
	announce []*pair
	// settling: what the lane had under way when it was this node's still is.
	// lost: the buffer is not to be touched any more.
	settling, lost bool
	// rising: the address becomes this node's; nothing leaves here before.
	rising bool
}

// again reports whether a Record that had this outcome at another node, or on a
// Link that this node does not use any more, is sent again.
func again(err error) bool { return errors.Is(err, ErrMoved) || errors.Is(err, mtp.ErrLinkDown) }

// holdBack takes a Record for an address that is not this node's.
func (l *lane) holdBack(o *out, fx *effects) {
	l.away.queue.push(o)
	l.flush(fx)
}

// flush sends what it can to the owner's node.
func (l *lane) flush(fx *effects) {
	a := l.away
	if a.settling || a.failed || a.rising || a.queue.head == nil && len(a.announce) == 0 {
		return
	}
	p := a.via
	switch {
	case p == nil || p.dead.Load():
		a.via = nil
		l.ep.owned.schedule()
		return
	case l.flying > 0 && (a.sentVia != p || a.sentFence != a.fence):
		return // the outcome brings us back
	}
	a.sentVia, a.sentFence = p, a.fence
	for len(a.announce) > 0 {
		if !l.across(p, func() error { return l.show(p, a.announce[0]) }) {
			return
		}
		a.announce = a.announce[1:]
	}
	for o := a.queue.head; o != nil; o = a.queue.head {
		a.queue.remove(o)
		if o.pair == nil {
			if err := l.pairUp(o); err != nil {
				l.refuse(o, err, fx)
				continue
			}
		}
		if !l.across(p, func() error { return l.sendAcross(p, o) }) {
			a.queue.unshift(o)
			return
		}
	}
}

// across calls f, which enqueues on the Link to another node, as try does.
func (l *lane) across(p *port, f func() error) bool {
	err := f()
	if errors.Is(err, mtp.ErrFull) && l.waiting.Swap(p) != p {
		p.wait(l)
		err = f()
	}
	if err != nil && !errors.Is(err, mtp.ErrFull) {
		p.dead.Store(true)
		l.away.via = nil
		l.ep.owned.schedule()
	}
	return err == nil
}

// sendAcross forwards o and notes it as flying.
func (l *lane) sendAcross(p *port, o *out) error {
	if err := l.introduce(p, o); err != nil {
		return err
	}
	t := p.take(o)
	if err := p.node.Forward(l.forwarded(o), t); err != nil && p.cancel(t) {
		return err
	}
	l.flies(o)
	return nil
}

// forwarded is o as it goes to the owner.
func (l *lane) forwarded(o *out) Forward {
	return Forward{
		To: l.ep.addr, Fence: l.away.fence, Record: o.rec,
		Hint: o.hint, Via: o.via, Trunk: o.trunk, Sealed: o.in != nil && o.in.sealed,
		Leg: o.sender.homeLeg(), Age: l.ep.r.now() - o.at,
	}
}

// onAway handles the outcome of a Record that is not in the buffer.
func (l *lane) onAway(o *out, fx *effects) {
	a := l.away
	if again(o.err) {
		o.flags |= flagFailed
		a.failed = true
		fx.pump = true
		if errors.Is(o.err, ErrMoved) {
			l.ep.owned.refused(a.sentFence)
		}
		return
	}
	if o.err == nil && o.in != nil {
		l.ep.r.metrics.relayed(l.ep.r.now() - o.at)
	}
	l.flight.remove(o)
	fx.ack(o, outcome(o.err))
	l.ep.r.free(o)
	fx.pump = fx.pump || a.queue.head != nil || a.failed || a.settling || a.rising
}

// refuse answers a Record that is nowhere but in hand.
func (l *lane) refuse(o *out, err error, fx *effects) {
	if !errors.Is(err, ErrMoved) {
		l.ep.r.metrics.refused(err)
	}
	fx.ack(o, err)
	l.ep.r.free(o)
}

// nextAway is next for a lane that is away.
func (l *lane) nextAway(fx *effects) step {
	a, sp := l.away, l.sp
	if l.copies > 0 {
		return stepNone
	}
	if a.settling && sp != nil {
		if sp.sort != nil {
			return stepSort
		}
		if l.reap(); sp.due > sp.removed && !a.lost {
			if sp.paused {
				return stepNone
			}
			return stepRemove
		}
	}
	if l.flying > 0 || l.puts > 0 {
		if !a.settling && !a.failed && !a.rising {
			l.flush(fx)
		}
		return stepNone
	}
	if a.settling || a.failed {
		l.takeBack(fx)
	}
	if a.rising {
		l.takeUp(fx)
		return l.next()
	}
	l.flush(fx)
	return stepNone
}

// takeBack puts what has failed in front of what waits. Everything has settled.
func (l *lane) takeBack(fx *effects) {
	a := l.away
	var failed flight
	for o := l.flight.head; o != nil; {
		next := o.next
		l.flight.remove(o)
		switch {
		case o.has(flagStored): // it is in the buffer
			l.ep.r.free(o)
		case o.in == nil:
			l.ep.r.free(o)
		default:
			o.flags, o.err, o.pair = 0, nil, nil
			failed.push(o)
		}
		o = next
	}
	for o := failed.tail; o != nil; o = failed.tail {
		failed.remove(o)
		a.queue.unshift(o)
	}
	if a.settling {
		l.sp = nil
	}
	a.settling, a.failed, a.lost = false, false, false
	l.notOurs(fx)
	l.ep.owned.schedule()
}

// notOurs gives back what other nodes have forwarded under a fence by which this
// one does not own the address.
func (l *lane) notOurs(fx *effects) {
	for o := l.away.queue.head; o != nil; {
		next := o.next
		if o.fence != 0 && (o.fence != l.fence || o.in.dead.Load()) {
			l.away.queue.remove(o)
			l.refuse(o, ErrMoved, fx)
		}
		o = next
	}
}

// setWay has the lane use a Link to the owner; nil: none.
func (l *lane) setWay(p *port, fence uint64) {
	var fx effects
	l.mu.Lock()
	defer l.unlock(&fx)
	l.outcomes(&fx)
	a := l.away
	if a == nil || a.rising || a.via == p && (a.fence == fence || p == nil) {
		return
	}
	a.via, a.fence, a.announce = p, fence, nil
	if p != nil {
		l.ep.forgetNodes()
		a.announce = l.pairsFor(p)
	}
	fx.pump = true
}

// giveWay ends the use of Links and, once nothing is under way, of the buffer;
// at once if the address is lost.
func (l *lane) giveWay(lost bool) {
	var fx effects
	l.mu.Lock()
	defer l.unlock(&fx)
	l.outcomes(&fx)
	l.fence = 0
	fx.pump = true
	if a := l.away; a != nil {
		a.rising, a.via = false, nil
		a.lost = a.lost || lost
		l.notOurs(&fx)
		return
	}
	if l.live && !lost {
		if l.link.replaced.Load() {
			l.spillRecent()
		}
		l.spill(&fx, true)
	}
	l.away = &away{settling: true, lost: lost}
	l.moveHeld()
	l.live, l.link, l.hint, l.recent = false, nil, nil, nil
}

// expect has the lane keep everything, also what comes under fence, until rise.
func (l *lane) expect(fence uint64) {
	var fx effects
	l.mu.Lock()
	defer l.unlock(&fx)
	l.outcomes(&fx)
	l.fence = fence
	if l.away != nil {
		l.away.via = nil
	}
}

// rise lets the lane use Links and the buffer, as soon as nothing of it is on
// its way to where it went before.
func (l *lane) rise() {
	var fx effects
	l.mu.Lock()
	defer l.unlock(&fx)
	l.outcomes(&fx)
	if l.away != nil {
		l.away.rising, fx.pump = true, true
	}
}

// takeUp makes a lane of this node of it: what has been kept goes first.
func (l *lane) takeUp(fx *effects) {
	l.notOurs(fx)
	queue := l.away.queue
	l.away, l.sp = nil, nil
	l.relink(fx)
	for o := queue.head; o != nil; o = queue.head {
		queue.remove(o)
		if err := l.admit(o); err != nil {
			l.refuse(o, err, fx)
			continue
		}
		l.forward(o, fx)
	}
}

// orphan has the lane not wait any more for what is on a Link: what is in the
// buffer will come again, the senders of the rest hear that they may repeat it.
func (l *lane) orphan() {
	var fx effects
	l.mu.Lock()
	defer l.unlock(&fx)
	l.outcomes(&fx)
	if l.away == nil || !l.away.settling {
		return
	}
	l.away.lost = true // so nothing is removed any more
	fx.pump = true
	for o := l.flight.head; o != nil; {
		next := o.next
		if !o.has(flagPutting | flagMoving) {
			l.flight.remove(o)
			fx.ack(o, mtp.ErrBusy)
			if o.has(flagSettled) {
				l.ep.r.free(o)
			} else {
				o.flags |= flagOrphan
				l.flying--
			}
		}
		o = next
	}
}

// handedOver reports that nothing is under way since giveWay.
func (l *lane) handedOver() bool {
	var fx effects
	l.mu.Lock()
	defer l.unlock(&fx)
	l.outcomes(&fx)
	return l.puts == 0 && (l.away == nil || !l.away.settling)
}

// needs reports that Records wait for the address to have an owner.
func (l *lane) needs() bool {
	var fx effects
	l.mu.Lock()
	defer l.unlock(&fx)
	l.outcomes(&fx)
	return l.away != nil && (l.away.queue.head != nil || l.away.failed)
}

// expire refuses what has been kept for too long.
func (l *lane) expire(limit time.Duration, fx *effects) {
	for o := l.away.queue.head; o != nil && o.at <= limit; o = l.away.queue.head {
		l.away.queue.remove(o)
		l.refuse(o, mtp.ErrBusy, fx)
	}
}

// handedOver is that of every lane; main goes first, which may move Records to the
// others.
func (e *endpoint) handedOver() bool {
	ok := true
	e.eachLane(func(l *lane) { ok = l.handedOver() && ok })
	return ok
}

func (e *endpoint) needs() bool {
	needs := false
	e.eachLane(func(l *lane) { needs = needs || l.needs() })
	return needs
}

// unshift puts o first.
func (f *flight) unshift(o *out) {
	o.prev, o.next = nil, f.head
	if f.head == nil {
		f.tail = o
	} else {
		f.head.prev = o
	}
	f.head = o
}
