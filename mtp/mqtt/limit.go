// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt

import (
	"net"
	"net/netip"
	"sync"

	"github.com/uspgate/uspgate/mtp"
)

// limiter counts the open connections, those without CONNECT included.
type limiter struct {
	total, perAddress int // 0 and less: no bound

	mu     sync.Mutex
	open   int
	byAddr map[netip.Addr]int // empty without a bound per address
}

// take counts a connection in, or tells what there are too many of.
func (l *limiter) take(a netip.Addr) (mtp.Reject, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.total > 0 && l.open >= l.total {
		return mtp.RejectConnections, false
	}
	if l.perAddress > 0 {
		if l.byAddr[a] >= l.perAddress {
			return mtp.RejectAddress, false
		}
		if l.byAddr == nil {
			l.byAddr = make(map[netip.Addr]int)
		}
		l.byAddr[a]++
	}
	l.open++
	return 0, true
}

// give counts it out.
func (l *limiter) give(a netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
	if l.perAddress <= 0 {
		return
	}
	if l.byAddr[a]--; l.byAddr[a] == 0 {
		delete(l.byAddr, a)
	}
}

func addressOf(a net.Addr) netip.Addr {
	if t, ok := a.(*net.TCPAddr); ok {
		return t.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

func loopback(a net.Addr) bool { return addressOf(a).IsLoopback() }
