// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing

import (
	"sync"
	"time"
)

// steering are the addresses that have a step to take. The workers start with
// the first and end with the last; they block on the Queue's Acquire only.
type steering struct {
	mu      sync.Mutex
	list    []*owned
	workers int
	claims  int      // under way
	waiting []*owned // for room to claim
}

// schedule has a worker steer soon. Any lock may be held.
func (o *owned) schedule() {
	for {
		switch s := o.sched.Load(); s {
		case schedQueued, schedAgain:
			return
		case schedRunning:
			if o.sched.CompareAndSwap(s, schedAgain) {
				return
			}
		default:
			if o.sched.CompareAndSwap(s, schedQueued) {
				o.e.r.steerSoon(o)
				return
			}
		}
	}
}

func (r *Router) steerSoon(o *owned) {
	s := &r.steering
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, o)
	if s.workers < r.o.ClaimWorkers && r.begin() {
		s.workers++
		go r.steerer()
	}
}

func (r *Router) steerer() {
	defer r.end()
	s := &r.steering
	for {
		s.mu.Lock()
		if len(s.list) == 0 || r.closed() {
			s.workers--
			s.mu.Unlock()
			return
		}
		o := s.list[0]
		s.list[0] = nil
		if s.list = s.list[1:]; len(s.list) == 0 {
			s.list = nil
		}
		s.mu.Unlock()
		o.sched.Store(schedRunning)
		o.steer()
		if !o.sched.CompareAndSwap(schedRunning, schedIdle) {
			o.sched.Store(schedQueued)
			r.steerSoon(o)
		}
	}
}

// claimRoom takes the place of one claim, or puts o in line for one.
func (s *steering) claimRoom(o *owned, limit int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.claims >= limit {
		s.waiting = append(s.waiting, o)
		return false
	}
	s.claims++
	return true
}

func (s *steering) claimOver() {
	s.mu.Lock()
	s.claims--
	var o *owned
	if len(s.waiting) > 0 {
		o = s.waiting[0]
		s.waiting[0] = nil
		if s.waiting = s.waiting[1:]; len(s.waiting) == 0 {
			s.waiting = nil
		}
	}
	s.mu.Unlock()
	if o != nil {
		o.schedule()
	}
}

// at has the address steered at a time, or earlier.
func (o *owned) at(due time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.due != 0 && o.due <= due {
		return
	}
	o.due = due
	d := max(0, due-o.e.r.now())
	if o.timer == nil {
		o.timer = time.AfterFunc(d, o.fire)
	} else {
		o.timer.Reset(d)
	}
}

func (o *owned) fire() {
	if !o.e.r.begin() {
		return
	}
	defer o.e.r.end()
	o.mu.Lock()
	o.due = 0
	o.mu.Unlock()
	o.schedule()
}
