// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing

import (
	"github.com/uspgate/uspgate/routing/buffer"
)

// sorts reports whether Records that wait in the lane of all counterparts may
// belong into lanes of their own: a Controller that was reached over one Link
// may come back with one per Agent.
func (l *lane) sorts() bool { return l.from == "" && l.ep.lanes.Load() > 0 }

// belongs reports whether an Item is for the lane of its sender: if it has one
// or, where only such lanes have Links, is to get one.
func (l *lane) belongs(item *buffer.Item) bool {
	return l.sorts() && (l.link == nil || l.ep.own(item.Record.Header().From) != nil)
}

// sortOut takes such an Item. One Record is moved at a time, so that one that
// is not taken stays ahead of the next.
func (l *lane) sortOut(item *buffer.Item) {
	l.ep.laneFor(item.Record.Header().From)
	if o := l.fromItem(item); o != nil {
		o.flags |= flagFlying | flagMoving
		l.flight.push(o)
		l.flying++
		l.hold(o)
		l.sp.sort, l.sp.sorting = o, true
	}
}

// sort moves a Record to the lane of its sender. It is settled here once it is
// stored there.
func (l *lane) sort(sp *spill) {
	o := sp.sort
	sp.sort = nil
	own := l.ep.own(o.rec.Header().From)
	var fx effects
	own.mu.Lock()
	own.outcomes(&fx)
	own.takeOver(l, o, &fx)
	own.unlock(&fx)
}

// takeOver puts a Record of main behind what this lane has. It is the pump of
// main that calls it, which has nothing else in hand of this lane.
func (l *lane) takeOver(main *lane, o *out, fx *effects) {
	if l.live {
		l.spill(fx, true)
	}
	r := l.ep.r
	moved := r.newOut()
	moved.lane.Store(l)
	moved.rec, moved.hint, moved.via, moved.trunk, moved.at = o.rec, o.hint, o.via, o.trunk, o.at
	if l.sp == nil {
		l.sp = &spill{more: true}
	}
	moved.flags |= flagPutting
	l.puts++
	r.o.Buffer.Put(buffer.Item{
		Lane: l.key(), Record: o.rec, Hint: o.hint, Via: o.via, Trunk: o.trunk, At: r.base.Add(o.at),
	}, func(seq uint64, err error) {
		o.err = err
		main.settled.pushSettled(o)
		main.kick()
		moved.seq, moved.putErr = seq, err
		l.stored.pushStored(moved)
		l.kick()
	})
}
