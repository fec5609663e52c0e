// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package files

import (
	"net/netip"
	"sync"
	"sync/atomic"
)

// admission bounds the transfers, in all and per address.
type admission struct {
	max, maxPerAddress int

	mu     sync.Mutex
	all    map[*transfer]struct{}
	byAddr map[netip.Prefix]int
}

func (a *admission) init(limit, perAddress int) {
	a.max, a.maxPerAddress = limit, perAddress
	a.all = make(map[*transfer]struct{})
	a.byAddr = make(map[netip.Prefix]int)
}

// neighbourhood is what counts as one address: an IPv6 host has a whole /64. The
// zero Prefix is none.
func neighbourhood(a netip.Addr) netip.Prefix {
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, err := a.WithZone("").Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// take counts t in, or says why not: reasonTransfers or reasonAddress.
func (a *admission) take(t *transfer) (reason string) {
	p := neighbourhood(t.remote.Addr())
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.all) >= a.max {
		return reasonTransfers
	}
	if p.IsValid() {
		if a.byAddr[p] >= a.maxPerAddress {
			return reasonAddress
		}
		a.byAddr[p]++
	}
	a.all[t] = struct{}{}
	return ""
}

func (a *admission) give(t *transfer) {
	p := neighbourhood(t.remote.Addr())
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.all, t)
	if !p.IsValid() {
		return
	}
	if a.byAddr[p]--; a.byAddr[p] == 0 {
		delete(a.byAddr, p)
	}
}

// stopAll stops every transfer.
func (a *admission) stopAll(cause error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for t := range a.all {
		t.stop(cause)
	}
}

// room is what uploads may take in all.
type room struct {
	max  int64
	used atomic.Int64
}

func (r *room) reserve(n int64) bool {
	if r.used.Add(n) > r.max {
		r.used.Add(-n)
		return false
	}
	return true
}

func (r *room) release(n int64) { r.used.Add(-n) }

// gate counts the requests until it is closed.
type gate struct {
	idle chan struct{} // closed when it is closed and there are none

	mu     sync.Mutex
	n      int
	closed bool
}

// enter is false once the gate is closed.
func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.n++
	return true
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.n--; g.closed && g.n == 0 {
		close(g.idle)
	}
}

// close is to be called once.
func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed = true; g.n == 0 {
		close(g.idle)
	}
}
