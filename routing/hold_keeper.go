// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/uspgate/uspgate/routing/buffer"
)

// holdPace is the least time between two rounds of the keeper.
const holdPace = 5 * time.Millisecond

// holds are the lanes in which something is held. Its lock comes after that of a
// lane.
type holds struct {
	roomer  buffer.Roomer // the Buffer, if it is one
	records atomic.Int64
	bytes   atomic.Int64
	wake    chan struct{}

	mu    sync.Mutex
	lanes map[*lane]struct{}
	due   time.Duration // when the keeper looks next, 0 while it does not run
}

const never = time.Duration(1<<63 - 1)

// add has the keeper look after l, and at due at the latest. It is false after the
// end.
func (h *holds) add(r *Router, l *lane, due time.Duration) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.due == 0 {
		if !r.begin() {
			return false
		}
		h.due = due
		go r.keepHeld() // begin counts it
	} else if due < h.due {
		h.due = due
		select {
		case h.wake <- struct{}{}:
		default:
		}
	}
	h.lanes[l] = struct{}{}
	return true
}

func (h *holds) forget(l *lane) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.lanes, l)
}

// some are the lanes to be looked after; if there are none the keeper ends.
func (h *holds) some() []*lane {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.lanes) == 0 {
		h.due = 0
		return nil
	}
	h.due = never
	lanes := make([]*lane, 0, len(h.lanes))
	for l := range h.lanes {
		lanes = append(lanes, l)
	}
	return lanes
}

// next notes when the keeper looks again, at due or sooner.
func (h *holds) next(due time.Duration) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.due = min(h.due, due)
	return h.due
}

// over reports that no more is to be held.
func (h *holds) over(o *Options, size int64) bool {
	return h.records.Load() >= int64(o.HoldRecords) || h.bytes.Load()+size > o.HoldBytes
}

// keepHeld is the keeper, a goroutine that lives while something is held: it looks
// when there is room, when something has been held for long enough, and now and
// then where the buffer does not tell.
func (r *Router) keepHeld() {
	defer r.end()
	var room <-chan struct{}
	if q := r.holds.roomer; q != nil {
		room = q.Room()
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for lanes := r.holds.some(); lanes != nil; lanes = r.holds.some() {
		due := r.now() + r.o.RetryAfter
		ended := r.ctx.Err() != nil
		for _, l := range lanes {
			due = min(due, l.tend(ended))
		}
		timer.Reset(max(r.holds.next(due)-r.now(), holdPace))
		select {
		case <-timer.C:
			continue
		case <-r.holds.wake:
		case <-room:
		case <-r.ctx.Done():
			continue
		}
		timer.Reset(holdPace)
		select {
		case <-timer.C:
		case <-r.ctx.Done():
		}
	}
}
