// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs

import (
	"net/netip"
	"sync"
)

// addresses counts the connections from each network address. Safe for concurrent
// use.
type addresses struct {
	mu   sync.Mutex
	open map[netip.Addr]int
}

// take counts c in, unless limit are open from a.
func (t *addresses) take(c *conn, a netip.Addr, limit int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open[a] >= limit || c.closed.Load() {
		return false
	}
	if t.open == nil {
		t.open = make(map[netip.Addr]int)
	}
	t.open[a]++
	c.counted = a
	return true
}

// give counts c out, which has closed.
func (t *addresses) give(c *conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !c.counted.IsValid() {
		return
	}
	if t.open[c.counted]--; t.open[c.counted] == 0 {
		delete(t.open, c.counted)
	}
}

// judge closes a connection that is one too many, once its address is known. Above
// MaxConns one may come from where a session is open, and above MaxConnsPerAddress
// as many again: a CPE may use one for each POST [quirk 39].
func (c *conn) judge() {
	s := c.srv
	limit := s.opts.MaxConnsPerAddress
	if !c.spare && limit <= 0 {
		return
	}
	a := c.addr().Addr()
	if s.trusts(a) {
		return
	}
	inSession := s.table.inSession(a)
	if c.spare && !inSession {
		s.met.reject(rejectConns)
		_ = c.Close()
		return
	}
	if inSession {
		limit *= 2
	}
	if limit > 0 && !s.perAddress.take(c, network(a), limit) {
		s.met.reject(rejectAddress)
		_ = c.Close()
	}
}
