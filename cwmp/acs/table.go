// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs

import (
	"net/netip"
	"sync"

	"github.com/uspgate/uspgate/cwmp"
)

// table is all sessions of a Server, and the gate through which POSTs go in.
type table struct {
	mu       sync.Mutex
	byCookie map[string]*session // also ended ones, for Options.EndGrace
	byDevice map[cwmp.DeviceID]*session
	bySource map[netip.Addr]*session // the first of a list of open ones, by session.next
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
	t.bySource = make(map[netip.Addr]*session)
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

// take takes a slot; it returns why not, or "". Above the limit there are some for
// who may have a spare one; of these a CPE has to be expected.
func (t *table) take(spare bool) (reason string, lobby bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.draining:
		return rejectDraining, false
	case t.taken < t.limit:
	case spare && t.taken < t.limit+max(1, t.limit/spareSlots):
		lobby = true
	default:
		return rejectSessions, false
	}
	t.taken++
	return "", lobby
}

// spareSlots is which part of the limit may be above it.
const spareSlots = 16

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
	s.source = s.info.Remote.Addr()
	if s.next = t.bySource[s.source]; s.next != nil {
		s.next.prev = s
	}
	t.bySource[s.source] = s
	return prev
}

// leaveSource takes s out of the list of its source; t.mu is held.
func (t *table) leaveSource(s *session) {
	switch {
	case s.prev != nil:
		s.prev.next = s.next
	case s.next != nil:
		t.bySource[s.source] = s.next
	default:
		delete(t.bySource, s.source)
	}
	if s.next != nil {
		s.next.prev = s.prev
	}
	s.next, s.prev = nil, nil
}

// inSession reports whether a session is open from a.
func (t *table) inSession(a netip.Addr) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.bySource[a] != nil
}

// only returns the session of a if that has just one.
func (t *table) only(a netip.Addr) *session {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.bySource[a]; s != nil && s.next == nil {
		return s
	}
	return nil
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
	t.leaveSource(s)
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
