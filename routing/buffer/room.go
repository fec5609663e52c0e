// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package buffer

import (
	"sync/atomic"
	"time"

	"github.com/uspgate/uspgate/mtp"
)

// Roomer is a Queue that tells when there is room again, for those who have a
// Record in hand that it does not take. Without it they have to try. Safe for
// concurrent use.
type Roomer interface {
	Queue
	// Fits reports whether a Put of a Record of size bytes into lane would be
	// taken now, as far as the limits go: nil, ErrFull, or mtp.ErrTooLarge if
	// there will never be room for it. It neither counts nor takes anything.
	Fits(lane Lane, size int) error
	// Room gets a value after room has been made, if Fits or Put has said ErrFull
	// before. It is one channel, for one reader.
	Room() <-chan struct{}
}

// room is the channel of Room.
type room struct {
	c      chan struct{}
	wanted *atomic.Bool
}

func newRoom() room { return room{make(chan struct{}, 1), new(atomic.Bool)} }

func (r *room) want() { r.wanted.Store(true) }

// made says that something has gone.
func (r *room) made() {
	if r.wanted.Load() && r.wanted.CompareAndSwap(true, false) {
		select {
		case r.c <- struct{}{}:
		default:
		}
	}
}

// Want has Room get a value with the next Made: for bounds of the Queue's own, as
// for Records that are not stored yet. Both may be called without its lock.
func (g *Ledger[R]) Want() { g.room.want() }

// Made says that there is room within such a bound.
func (g *Ledger[R]) Made() { g.room.made() }

// Room is Roomer's; it may be called without the lock of the Queue.
func (g *Ledger[R]) Room() <-chan struct{} { return g.room.c }

// Fits is Roomer's. What has expired makes room at once.
func (g *Ledger[R]) Fits(lane Lane, size int, now time.Time) error {
	if int64(size) > g.limits.MaxBytes || int64(size) > g.limits.TotalBytes {
		return mtp.ErrTooLarge
	}
	if l := g.lines[lane]; l != nil {
		g.expire(l, now)
	}
	if _, ok := g.placeFor(lane, int64(size), now); !ok {
		g.room.want()
		return ErrFull
	}
	return nil
}

// placeFor reports whether size bytes more are taken, and how many Records of the
// Lane have to go for that first, as the policy allows. Where all Lanes together are
// full it drops what has expired, at most once a second.
func (g *Ledger[R]) placeFor(lane Lane, size int64, now time.Time) (drop int, ok bool) {
	if size > g.limits.MaxBytes {
		return 0, false
	}
	for {
		var freed int64
		if l := g.lines[lane]; l != nil {
			if drop, freed, ok = g.spare(l, size); !ok {
				return 0, false
			}
		}
		if g.records-drop < g.limits.TotalRecords && g.bytes-freed+size <= g.limits.TotalBytes {
			return drop, true
		}
		if now.Sub(g.swept) < time.Second {
			return 0, false
		}
		g.Sweep(now)
		drop = 0
	}
}

// spare is how many of the oldest Records have to go, and how many bytes that are,
// for the Line to take size bytes more. Those of a session context stay.
func (g *Ledger[R]) spare(l *Line[R], size int64) (records int, bytes int64, ok bool) {
	fits := func() bool {
		return l.Len()+l.reserved-records < g.limits.MaxRecords && l.bytes+l.held-bytes+size <= g.limits.MaxBytes
	}
	if g.limits.Overflow == DropOldest {
		for entries := l.Entries(); len(entries) > 0 && !fits(); entries = entries[1:] {
			if entries[0].Session == 0 {
				records++
				bytes += int64(entries[0].Size)
			}
		}
	}
	return records, bytes, fits()
}

// dropOldest drops n Records that are of no session context.
func (g *Ledger[R]) dropOldest(l *Line[R], n int, now time.Time) {
	for i := l.head; n > 0; n-- {
		for l.entries[i].Session != 0 {
			i++
		}
		first := i == l.head
		g.dropAt(l, i, ReasonOldest, now)
		if first {
			i = l.head
		}
	}
	g.Tidy(l)
}
