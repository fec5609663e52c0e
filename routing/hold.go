// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing

import (
	"errors"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing/buffer"
	"github.com/uspgate/uspgate/usp"
)

// A Record that the buffer has no room for is held: in its place in the lane, not
// acknowledged, until there is room or its Link's time is up (Peer.MaxHold). What
// comes for the lane meanwhile queues up behind it.

// held is what a lane holds.
type held struct {
	queue  flight // by num
	shared int    // of Records for which others may have to wait, see shares
	// num counts what the lane has taken in, stored is that of the last that is in
	// the buffer: what is older does not go there any more.
	num, stored uint64
	put         uint64 // the last that was given to the buffer
}

func (h *held) empty() bool { return h.queue.head == nil }

// next is the place in the lane of what comes now.
func (h *held) next() uint64 {
	h.num++
	return h.num
}

// insert puts o into its place.
func (h *held) insert(o *out) {
	after := h.queue.tail
	for after != nil && after.num > o.num {
		after = after.prev
	}
	switch {
	case after == nil:
		h.queue.unshift(o)
	case after.next == nil:
		h.queue.push(o)
	default:
		o.prev, o.next = after, after.next
		after.next.prev, after.next = o, o
	}
}

// fits asks the buffer, if it can tell.
func (l *lane) fits(o *out) error {
	if q := l.ep.r.holds.roomer; q != nil {
		return q.Fits(l.key(), o.rec.Len())
	}
	return nil
}

// place puts a Record that is in hand into the buffer, or holds it.
func (l *lane) place(o *out, fx *effects) {
	if err := l.fits(o); err != nil {
		l.full(o, err, fx)
		return
	}
	l.put(o)
}

// full takes a Record that is in hand, and for which there is no room.
func (l *lane) full(o *out, err error, fx *effects) {
	if permanent(err) {
		l.refuse(o, err, fx)
	} else if why := l.holdOn(o); why != holdWaits {
		l.giveUp(o, why, fx)
	}
}

// holdOn holds o, or says why not.
func (l *lane) holdOn(o *out) holdResult {
	r, p := l.ep.r, o.in
	now := r.now()
	switch {
	case l.away != nil:
		return holdNot // what is under way for the buffer is not to get in line again
	case p.hold <= 0:
		return holdNot
	case now-o.at >= p.hold:
		return holdLate
	case o.num < l.held.stored:
		return holdOvertaken
	}
	if !o.has(flagHeld) {
		if l.shares(p) && l.held.shared >= max(1, r.o.WindowRecords/8) {
			return holdLane
		}
		if why := p.holdOne(o); why != holdWaits {
			return why
		}
		o.flags |= flagHeld
		if l.shares(p) {
			l.held.shared++
		}
	}
	if !r.holds.add(r, l, o.at+p.hold) {
		return holdEnd
	}
	l.held.insert(o)
	return holdWaits
}

// shares reports that the Link is used for other addresses, too: it is shared, or
// that of a Controller, who has many Agents.
func (l *lane) shares(p *port) bool { return p.peer.Shared || l.ep.addr.Role == usp.RoleAgent }

// letGo ends the holding of o, which is in no queue any more.
func (l *lane) letGo(o *out) {
	o.flags &^= flagHeld
	if l.shares(o.in) {
		l.held.shared--
	}
	o.in.letGo(o)
}

// giveUp answers a Record for which there has been no room.
func (l *lane) giveUp(o *out, why holdResult, fx *effects) {
	r := l.ep.r
	r.metrics.held(why)
	if r.holds.roomer != nil { // another has counted it itself
		r.metrics.dropped.Dropped(buffer.ReasonFull, 1)
	}
	l.refuse(o, mtp.ErrBusy, fx)
}

// retry sends or stores what is held, as far as that goes; mu is held.
func (l *lane) retry(fx *effects) {
	for o := l.held.queue.head; o != nil && l.away == nil; o = l.held.queue.head {
		num := o.num
		switch {
		case l.live:
			l.held.queue.remove(o)
			l.sendHeld(o, fx)
		case l.puts > 0 && num < l.held.put, l.fits(o) != nil:
			return // what is newer may be stored meanwhile
		default:
			l.held.queue.remove(o)
			l.put(o)
		}
		l.outcomes(fx)
		if first := l.held.queue.head; first != nil && first.num <= num {
			return // back in its place
		}
	}
}

// sendHeld sends a Record that was held.
func (l *lane) sendHeld(o *out, fx *effects) {
	if err := l.admit(o); err != nil {
		l.refuse(o, err, fx)
		return
	}
	err := l.send(o)
	if err == nil {
		l.ep.r.metrics.held(holdSent)
		l.letGo(o)
		return
	}
	full := errors.Is(err, mtp.ErrFull)
	if !full {
		l.link.dead.Store(true)
	}
	l.spill(fx, !full)
	l.place(o, fx)
}

// noteStored notes that o is in the buffer: what is older and not there would get
// behind it.
func (l *lane) noteStored(o *out, fx *effects) {
	if o.has(flagHeld) {
		l.ep.r.metrics.held(holdStored)
	}
	if o.num <= l.held.stored {
		return
	}
	l.held.stored = o.num
	for h := l.held.queue.head; h != nil && h.num < o.num; h = l.held.queue.head {
		l.held.queue.remove(h)
		l.giveUp(h, holdOvertaken, fx)
	}
}

// release gives up what is held for which rid reports why; mu is held.
func (l *lane) release(fx *effects, rid func(*out) holdResult) {
	for o := l.held.queue.head; o != nil; {
		next := o.next
		if why := rid(o); why != holdWaits {
			l.held.queue.remove(o)
			l.giveUp(o, why, fx)
		}
		o = next
	}
}

// moveHeld puts what is held in line for another node.
func (l *lane) moveHeld() {
	for o := l.held.queue.head; o != nil; o = l.held.queue.head {
		l.held.queue.remove(o)
		l.letGo(o)
		l.ep.r.metrics.held(holdMoved)
		l.away.queue.push(o)
	}
}

// tend is the keeper's: it tries again, gives up what has been held for too long,
// and returns when that is to be done next; never if nothing is held any more.
func (l *lane) tend(end bool) (due time.Duration) {
	var fx effects
	l.mu.Lock()
	defer l.unlock(&fx)
	l.outcomes(&fx)
	l.retry(&fx)
	now := l.ep.r.now()
	due = never
	l.release(&fx, func(o *out) holdResult {
		till := o.at + o.in.hold
		switch {
		case end:
			return holdEnd
		case till <= now:
			return holdLate
		}
		due = min(due, till)
		return holdWaits
	})
	if l.held.empty() {
		l.ep.r.holds.forget(l)
	}
	return due
}

// holdOne takes o into what its Link may have held, or says why not: a part of the
// window, so that who is gone costs the others on the Link nothing.
func (p *port) holdOne(o *out) holdResult {
	size := int64(o.rec.Len())
	in, h := &p.in, &p.r.holds
	in.mu.Lock()
	defer in.mu.Unlock()
	records, bytes := p.holdLimits()
	switch {
	case p.stalls && !in.down && !in.released: // the next one waits, see stalled
	case in.held > 0 && (in.held >= records || in.heldBytes+size > bytes):
		return holdLink
	case h.over(&p.r.o, size):
		return holdTotal
	}
	in.held++
	in.heldBytes += size
	h.records.Add(1)
	h.bytes.Add(size)
	return holdWaits
}

func (p *port) letGo(o *out) {
	size := int64(o.rec.Len())
	in, h := &p.in, &p.r.holds
	in.mu.Lock()
	in.held--
	in.heldBytes -= size
	h.records.Add(-1)
	h.bytes.Add(-size)
	if !in.armed && !in.down {
		p.arm(p.r.o.SpillAfter)
	}
	in.mu.Unlock()
	in.room.Signal()
}

func (p *port) holdLimits() (records int, bytes int64) {
	return max(1, p.r.o.WindowRecords/4), p.r.o.WindowBytes / 4
}

// stalled reports that the Link is not to be read; in.mu is held.
func (p *port) stalled() bool {
	in := &p.in
	if !p.stalls || in.held == 0 {
		return false
	}
	records, bytes := p.holdLimits()
	return in.held >= records || in.heldBytes >= bytes || p.r.holds.over(&p.r.o, 0)
}

// Release implements mtp.Releaser.
func (p *port) Release() {
	p.in.mu.Lock()
	p.in.released = true
	p.in.mu.Unlock()
	p.in.room.Broadcast()
}

// leaveHeld gives up what is held of a Link that is down, if its peer sends it
// again: it would come twice, and behind what is newer.
func (p *port) leaveHeld() {
	if !p.peer.Acks {
		return
	}
	in, lanes := &p.in, make(map[*lane]struct{})
	in.mu.Lock()
	if in.held > 0 {
		for o := in.head; o != nil; o = o.inNext {
			if l := o.lane.Load(); l != nil {
				lanes[l] = struct{}{}
			}
		}
	}
	in.mu.Unlock()
	for l := range lanes {
		var fx effects
		l.mu.Lock()
		l.outcomes(&fx)
		l.release(&fx, func(o *out) holdResult {
			if o.in == p {
				return holdGone
			}
			return holdWaits
		})
		l.unlock(&fx)
	}
}
