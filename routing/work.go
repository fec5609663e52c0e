// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing

import (
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/routing/buffer"
)

// States of lane.sched.
const (
	schedIdle int32 = iota
	schedQueued
	schedRunning
	schedAgain // and has to run once more
)

// schedule has a worker pump l soon. The workers start with the first lane in
// the queue and end with the last; none of them waits for a peer.
func (r *Router) schedule(l *lane) {
	for {
		switch s := l.sched.Load(); s {
		case schedQueued, schedAgain:
			return
		case schedRunning:
			if l.sched.CompareAndSwap(s, schedAgain) {
				return
			}
		default:
			if l.sched.CompareAndSwap(s, schedQueued) {
				r.enqueue(l)
				return
			}
		}
	}
}

func (r *Router) enqueue(l *lane) {
	r.work.mu.Lock()
	r.work.lanes = append(r.work.lanes, l)
	start := r.work.workers < r.o.DrainWorkers && !r.work.closed
	if start {
		r.work.workers++
		r.work.wg.Go(r.worker)
	}
	r.work.mu.Unlock()
}

// worker pumps lanes until none is left.
func (r *Router) worker() {
	for {
		r.work.mu.Lock()
		if len(r.work.lanes) == 0 || r.work.closed {
			r.work.workers--
			r.work.mu.Unlock()
			return
		}
		l := r.work.lanes[0]
		r.work.lanes[0] = nil
		if r.work.lanes = r.work.lanes[1:]; len(r.work.lanes) == 0 {
			r.work.lanes = nil
		}
		r.work.mu.Unlock()
		l.sched.Store(schedRunning)
		l.pump()
		if !l.sched.CompareAndSwap(schedRunning, schedIdle) {
			l.sched.Store(schedQueued)
			r.enqueue(l)
		}
	}
}

// bufferFailed notes what the buffer said to the lane; mu is held.
func (l *lane) bufferFailed(op string, err error) {
	l.ep.r.noteBuffer(op, err)
	if l.away == nil && l.ep.owned != nil && errors.Is(err, buffer.ErrNotOwned) {
		l.ep.owned.taken()
	}
}

// noteBuffer logs a failure of the buffer, at most once a second; a full one
// is counted by the buffer itself.
func (r *Router) noteBuffer(op string, err error) {
	if errors.Is(err, buffer.ErrFull) || permanent(err) {
		return
	}
	now := int64(r.now())
	last := r.bufferNoted.Load()
	if last != 0 && now-last < int64(time.Second) || !r.bufferNoted.CompareAndSwap(last, max(now, 1)) {
		return
	}
	r.log.Error("the buffer failed", zap.String("op", op), zap.Error(err))
}
