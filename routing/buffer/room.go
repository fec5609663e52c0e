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
	if l := g.lines[lane]; l != nil && !g.mayTake(l, int64(size)) || !g.totalRoom(int64(size), now) {
		g.room.want()
		return ErrFull
	}
	return nil
}

// mayTake reports whether the Line takes size bytes more, once the policy has
// made what room it may.
func (g *Ledger[R]) mayTake(l *Line[R], size int64) bool {
	records, bytes := l.Len()+l.reserved, l.bytes+l.held
	if g.limits.Overflow == DropOldest {
		for _, e := range l.Entries() {
			if records < g.limits.MaxRecords && bytes+size <= g.limits.MaxBytes {
				break
			}
			if e.Session == 0 {
				records--
				bytes -= int64(e.Size)
			}
		}
	}
	return records < g.limits.MaxRecords && bytes+size <= g.limits.MaxBytes
}
