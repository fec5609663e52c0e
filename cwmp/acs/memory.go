// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs

import (
	"errors"
	"sync"
	"time"
)

// errMemory: no room for a body.
var errMemory = errors.New("acs: no memory for a body")

// memory counts the bytes of all bodies that are read or answered. Strangers get
// half of it; a body of a session waits until there is room, and one of these at a
// time may go beyond, so that they do not wait for each other.
type memory struct {
	limit int64

	mu    sync.Mutex
	used  int64
	owner *share        // goes beyond
	wake  chan struct{} // closed when something is given back; nil: nobody waits
}

// share is what one body has. It is for one goroutine.
type share struct {
	m       *memory
	bytes   int64
	session bool
	until   time.Time // waits no longer
}

// grow takes n bytes more, n may be negative.
func (s *share) grow(n int64) error {
	m := s.m
	m.mu.Lock()
	defer m.mu.Unlock()
	for n > 0 {
		switch {
		case !s.session:
			if m.used+n > m.limit/2 {
				return errMemory
			}
		case m.used+n > m.limit && m.owner != s:
			if m.owner != nil {
				if !m.wait(s.until) {
					return errMemory
				}
				continue
			}
			m.owner = s
		}
		break
	}
	m.add(s, n)
	return nil
}

func (m *memory) add(s *share, n int64) {
	s.bytes += n
	m.used += n
	if n < 0 && m.wake != nil {
		close(m.wake)
		m.wake = nil
	}
}

// wait waits for something to be given back; m.mu is held, but not meanwhile.
func (m *memory) wait(until time.Time) bool {
	if m.wake == nil {
		m.wake = make(chan struct{})
	}
	wake := m.wake
	m.mu.Unlock()
	defer m.mu.Lock()
	t := time.NewTimer(time.Until(until))
	defer t.Stop()
	select {
	case <-wake:
		return true
	case <-t.C:
		return false
	}
}

// free gives all back.
func (s *share) free() {
	m := s.m
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.owner == s {
		m.owner = nil
	}
	m.add(s, -s.bytes)
}

// keep gives back what is above n.
func (s *share) keep(n int64) {
	if s.m == nil || s.bytes <= n {
		return
	}
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if s.m.owner == s {
		s.m.owner = nil
	}
	s.m.add(s, n-s.bytes)
}
