// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing

import (
	"errors"
	"slices"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing/buffer"
	"github.com/uspgate/uspgate/usp"
)

// spill is what a lane keeps while it is not live.
type spill struct {
	// more: the buffer may have Items after cursor.
	more   bool
	cursor uint64 // Seq up to which Items have been read
	ahead  []buffer.Item
	// skip are Seqs that were delivered although an older one was not.
	skip []uint64
	// records and bytes are stored and in flight: the drain's window.
	records int
	bytes   int64
	failed  bool // something in flight has to be sent again
	// due is the Seq up to which Items are done with, removed up to which the
	// buffer has been told so.
	due, removed uint64
	// announce are the pairs whose Connect Records go first [R-MTP.8].
	announce []*pair
	paused   bool
	swept    bool
	// sort is to be moved to the lane of its sender, or is being moved.
	sort    *out
	sorting bool
	purges  int // of the buffer, while this was in use
}

// step is what the pump has to do without the lock.
type step uint8

const (
	stepNone step = iota
	stepRemove
	stepRead
	stepSort
)

// pump carries the lane on as far as it goes without waiting for a peer.
func (l *lane) pump() {
	offered := l.offered.Swap(nil)
	for {
		var fx effects
		l.mu.Lock()
		l.outcomes(&fx)
		var do step
		if l.away != nil {
			do = l.nextAway(&fx)
		} else {
			do = l.next()
		}
		sp := l.sp
		fx.pump = false
		l.retry(&fx)
		l.unlock(&fx)
		switch do {
		case stepRemove:
			l.remove(sp)
		case stepRead:
			l.read(sp)
		case stepSort:
			l.sort(sp)
		case stepNone:
			if offered != nil && l.waiting.Load() != offered {
				offered.pass() // there is room that this lane did not need
			}
			return
		}
	}
}

// roomFor is called when the Link of p, for which the lane stood in line, has
// made room.
func (l *lane) roomFor(p *port) {
	l.waiting.CompareAndSwap(p, nil)
	if before := l.offered.Swap(p); before != nil && before != p {
		before.pass()
	}
	p.r.schedule(l)
}

// next decides, under the lock, and sends what can be sent.
func (l *lane) next() step {
	sp := l.sp
	if l.live || sp == nil || l.copies > 0 {
		return stepNone // with copies under way their Seqs are not known yet
	}
	if l.reap(); sp.due > sp.removed {
		if sp.paused {
			return stepNone
		}
		return stepRemove
	}
	if sp.failed {
		if l.flying > 0 {
			return stepNone // the rest of the Link's outcomes first
		}
		l.rewind()
		if l.link == nil || !l.link.dead.Load() {
			l.pause() // the peer was busy, or the buffer full
		}
	}
	if !l.switchLink() || l.link == nil && !l.sorts() {
		return stepNone
	}
	if sp.paused {
		return stepNone
	}
	if !l.sendAhead() {
		return stepNone
	}
	if sp.sort != nil {
		return stepSort
	}
	return l.refill()
}

// reap takes what is done with off the front of the flight.
func (l *lane) reap() {
	for o := l.flight.head; o != nil; {
		next := o.next
		if o.has(flagStored) {
			if !o.has(flagSettled) || o.has(flagFailed) {
				return
			}
			l.sp.due = o.seq
			l.drop(o)
		}
		o = next
	}
}

// rewind goes back to the first Record that failed. Everything has settled.
func (l *lane) rewind() {
	sp, first := l.sp, true
	sp.ahead, sp.more, sp.failed = nil, true, false
	for o := l.flight.head; o != nil; {
		next := o.next
		switch {
		case first && o.has(flagFailed):
			sp.cursor, first = o.seq-1, false
		case !o.has(flagFailed):
			sp.skip = append(sp.skip, o.seq)
		}
		l.drop(o)
		o = next
	}
	slices.Sort(sp.skip)
	sp.skip = slices.Compact(sp.skip)
}

// hold counts a stored Record that is in flight, drop ends that.
func (l *lane) hold(o *out) {
	l.sp.records++
	l.sp.bytes += int64(o.rec.Len())
}

func (l *lane) drop(o *out) {
	l.sp.records--
	l.sp.bytes -= int64(o.rec.Len())
	l.flight.remove(o)
	l.ep.r.free(o)
}

// switchLink takes the Link that is to be used now; it is false while Records
// are still under way on the one before.
func (l *lane) switchLink() bool {
	p, hint := l.choose()
	if p != l.link {
		if l.flying > 0 {
			return false
		}
		l.link = p
		l.sp.announce, l.sp.paused = l.pairsFor(p), false
	}
	l.hint = hint
	return true
}

// sendAhead sends Connect Records, then what has been read, up to a Record that
// is to be moved to a lane of its own; it is false if the lane has to wait.
func (l *lane) sendAhead() bool {
	sp := l.sp
	for len(sp.announce) > 0 {
		if !l.try(func() error { return l.show(l.link, sp.announce[0]) }) {
			return false
		}
		sp.announce = sp.announce[1:]
	}
	for len(sp.ahead) > 0 && sp.sort == nil {
		if sp.sorting {
			return false
		}
		if l.belongs(&sp.ahead[0]) {
			if l.flying > 0 {
				return false // what went before may come back
			}
			l.sortOut(&sp.ahead[0])
			sp.ahead = sp.ahead[1:]
			continue
		}
		o := l.fromItem(&sp.ahead[0])
		if o == nil {
			sp.ahead = sp.ahead[1:]
			continue
		}
		if !l.try(func() error { return l.send(o) }) {
			l.ep.r.free(o)
			return false
		}
		l.hold(o)
		sp.ahead = sp.ahead[1:]
	}
	return true
}

// try calls f, which enqueues on the Link in use, and once more after getting
// in line if there is no room: only who stands in line hears of room.
func (l *lane) try(f func() error) bool {
	err := f()
	if errors.Is(err, mtp.ErrFull) && l.waiting.Swap(l.link) != l.link {
		l.link.wait(l)
		err = f()
	}
	if err != nil && !errors.Is(err, mtp.ErrFull) {
		l.link.dead.Store(true)
		l.switchLink()
		l.ep.r.schedule(l)
	}
	return err == nil
}

// fromItem makes an out of an Item; nil if it is not to be sent, which is
// noted as done.
func (l *lane) fromItem(item *buffer.Item) *out {
	r := l.ep.r
	o := r.newOut()
	o.rec, o.hint, o.via, o.trunk, o.seq = item.Record, item.Hint, item.Via, item.Trunk, item.Seq
	o.at = item.At.Sub(r.base)
	o.lane.Store(l)
	o.flags = flagStored
	i, done := slices.BinarySearch(l.sp.skip, item.Seq)
	if done {
		l.sp.skip = slices.Delete(l.sp.skip, i, i+1)
	}
	if done || l.unfit(o) {
		o.flags |= flagFlying | flagSettled
		l.flight.push(o)
		l.hold(o)
		return nil
	}
	return o
}

// unfit reports that the Link in use is not to carry o, and counts that. It also
// finds the pair of o: an Agent may have gone meanwhile, but its Records do not
// go without its Connect Record.
func (l *lane) unfit(o *out) bool {
	r, p := l.ep.r, l.link
	if p == nil {
		return false
	}
	if p.peer.MaxRecord > 0 && o.rec.Len() > p.peer.MaxRecord {
		r.metrics.dropped.Dropped(buffer.ReasonTooLarge, 1)
		return true
	}
	if err := l.passes(p, o.trunk); err != nil {
		r.metrics.dropped.Dropped(buffer.ReasonRefused, 1)
		r.metrics.refused(err)
		return true
	}
	if l.ep.addr.Role == usp.RoleController {
		o.pair = l.ep.pair(o.rec.Header().From)
	}
	return false
}

// refill reads on if there is room for more, or goes live.
func (l *lane) refill() step {
	sp := l.sp
	if l.reap(); sp.due > sp.removed {
		return stepRemove
	}
	o := &l.ep.r.o
	full := sp.records >= o.DrainRecords || sp.records > 0 && sp.bytes >= o.DrainBytes
	switch {
	case sp.more && !full:
		return stepRead
	case sp.records > 0 || l.puts > 0:
		return stepNone // an outcome will bring us back
	case l.clean():
		if l.link != nil {
			l.live, l.sp = true, nil
		}
		return stepNone
	case !sp.swept && sp.cursor > 0:
		// Something at or before the cursor is still there: what was delivered
		// and not removed.
		sp.swept, sp.due, sp.removed = true, sp.cursor, 0
		return stepRemove
	default:
		sp.swept, sp.cursor, sp.more = false, 0, true
		l.pause()
		return stepNone
	}
}

// read fetches Items after the cursor.
func (l *lane) read(sp *spill) {
	r := l.ep.r
	l.mu.Lock()
	var fx effects
	records, bytes, after, purges := sp.records, sp.bytes, sp.cursor, sp.purges
	sp.more = false // a Put that ends from now on sets it again
	l.unlock(&fx)
	items, err := r.o.Buffer.Read(r.ctx, l.key(), after,
		max(1, r.o.DrainRecords-records), max(1, r.o.DrainBytes-bytes))
	l.mu.Lock()
	if l.sp == sp && sp.cursor == after && sp.purges == purges {
		sp.ahead = append(sp.ahead, items...)
		if n := len(items); n > 0 {
			sp.cursor, sp.more = items[n-1].Seq, true
		}
		if err != nil {
			sp.more = true
			l.bufferFailed("read", err)
			l.pause()
		}
	}
	l.unlock(&fx)
}

// remove tells the buffer what is done with.
func (l *lane) remove(sp *spill) {
	r := l.ep.r
	l.mu.Lock()
	due := sp.due // only the pump changes it
	var fx effects
	l.unlock(&fx)
	err := r.o.Buffer.Remove(r.ctx, l.key(), due)
	l.mu.Lock()
	if l.sp == sp {
		if err == nil {
			sp.removed = due
		} else {
			l.bufferFailed("remove", err)
			l.pause()
		}
	}
	l.unlock(&fx)
}

// pause has the lane rest for RetryAfter.
func (l *lane) pause() {
	r, sp := l.ep.r, l.sp
	sp.paused = true
	time.AfterFunc(r.o.RetryAfter, func() {
		if !r.begin() {
			return
		}
		defer r.end()
		var fx effects
		l.mu.Lock()
		if l.sp == sp {
			sp.paused, fx.pump = false, true
		}
		l.unlock(&fx)
	})
}
