// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package listen

import (
	"net/netip"
	"sync"

	"github.com/uspgate/uspgate/mtp"
)

// limits counts the open connections of a listener.
type limits struct {
	total, perAddress int // 0 and less: no bound

	mu     sync.Mutex
	open   int
	byAddr map[netip.Addr]int // empty without a bound per address
}

// take counts a connection in, or tells what there are too many of. The zero
// address is none: such a connection counts in all only.
func (l *limits) take(a netip.Addr) (mtp.Reject, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.total > 0 && l.open >= l.total {
		return mtp.RejectConnections, false
	}
	if !l.takeAddress(a) {
		return mtp.RejectAddress, false
	}
	l.open++
	return 0, true
}

// know counts the address of a connection that was taken without.
func (l *limits) know(a netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.takeAddress(a)
}

// takeAddress counts an address in; l.mu is held.
func (l *limits) takeAddress(a netip.Addr) bool {
	if l.perAddress <= 0 || !a.IsValid() {
		return true
	}
	if l.byAddr[a] >= l.perAddress {
		return false
	}
	l.byAddr[a]++
	return true
}

// give counts a connection out.
func (l *limits) give(a netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
	if l.perAddress <= 0 || !a.IsValid() {
		return
	}
	if l.byAddr[a]--; l.byAddr[a] == 0 {
		delete(l.byAddr, a)
	}
}
