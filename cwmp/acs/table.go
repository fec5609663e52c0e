// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs

import (
	"sync"

	"github.com/uspgate/uspgate/cwmp"
)

// table is all sessions of a Server, and the gate through which POSTs go in.
type table struct {
	mu       sync.Mutex
	byCookie map[string]*session // also ended ones, for Options.EndGrace
	byDevice map[cwmp.DeviceID]*session
	limit    int
	taken    int // slots: open sessions, and POSTs that may become one
	draining bool
	drained  chan struct{}
	closed   bool
	posts    sync.WaitGroup
}

func (t *table) init(limit int) {
	t.byCookie = make(map[string]*session)
	t.byDevice = make(map[cwmp.DeviceID]*session)
	t.drained = make(chan struct{})
	t.limit = limit
}

// enter lets a goroutine in that close will wait for; leave must follow if it
// returns true.
func (t *table) enter() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false
	}
	t.posts.Add(1)
	return true
}

func (t *table) leave() { t.posts.Done() }

// close lets nobody in any more and waits for those inside.
func (t *table) close() {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.posts.Wait()
}

// take takes a slot; it returns why not, or "".
func (t *table) take() (reason string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.draining:
		return rejectDraining
	case t.taken >= t.limit:
		return rejectSessions
	}
	t.taken++
	return ""
}

// give returns a slot.
func (t *table) give() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.taken--
	t.checkDrained()
}

func (t *table) checkDrained() {
	if t.draining && t.taken == 0 {
		select {
		case <-t.drained:
		default:
			close(t.drained)
		}
	}
}

// drain refuses new sessions from now on; the channel is closed when none is
// open.
func (t *table) drain() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.draining = true
	t.checkDrained()
	return t.drained
}

// put enters s, which has a slot, and returns the session it replaces.
func (t *table) put(s *session) (prev *session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	prev = t.byDevice[s.device]
	t.byCookie[s.id] = s
	t.byDevice[s.device] = s
	return prev
}

func (t *table) get(cookie string) *session {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.byCookie[cookie]
}

// end takes the slot of s back, and forgets it unless keep.
func (t *table) end(s *session, keep bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byDevice[s.device] == s {
		delete(t.byDevice, s.device)
	}
	if !keep {
		delete(t.byCookie, s.id)
	}
	t.taken--
	t.checkDrained()
}

// forget removes what end has kept.
func (t *table) forget(s *session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.byCookie, s.id)
}

func (t *table) all() []*session {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]*session, 0, len(t.byCookie))
	for _, s := range t.byCookie {
		all = append(all, s)
	}
	return all
}
