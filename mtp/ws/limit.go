// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package ws

import (
	"net"
	"net/netip"
	"sync"

	"github.com/uspgate/uspgate/mtp"
)

// limiter is a listener that counts the connections it has accepted, from the
// first packet to the close and through the handshake, and closes at once what
// is too many. A peer that never finishes its handshake counts too.
type limiter struct {
	net.Listener
	total      int // 0 and less: no bound
	perAddress int
	metrics    *mtp.KindMetrics

	mu     sync.Mutex
	open   int
	byAddr map[netip.Addr]int // empty without a bound per address
}

// Accept implements net.Listener.
func (l *limiter) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		addr := addressOf(conn.RemoteAddr())
		reason, ok := l.take(addr)
		if ok {
			return &counted{Conn: conn, limiter: l}, nil
		}
		l.metrics.Rejected(reason)
		_ = conn.Close() // nothing was said, nothing can be lost
	}
}

func (l *limiter) take(addr netip.Addr) (mtp.Reject, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.total > 0 && l.open >= l.total {
		return mtp.RejectConnections, false
	}
	if l.perAddress > 0 {
		if l.byAddr[addr] >= l.perAddress {
			return mtp.RejectAddress, false
		}
		l.byAddr[addr]++
	}
	l.open++
	return 0, true
}

func (l *limiter) release(addr netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
	if l.perAddress <= 0 {
		return
	}
	if l.byAddr[addr]--; l.byAddr[addr] == 0 {
		delete(l.byAddr, addr)
	}
}

// counted is a connection of a limiter.
type counted struct {
	net.Conn
	limiter *limiter
	once    sync.Once
}

// Close implements net.Conn.
func (c *counted) Close() error {
	c.once.Do(func() { c.limiter.release(addressOf(c.RemoteAddr())) })
	return c.Conn.Close()
}

// CloseWrite ends the own side only.
func (c *counted) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// addressOf returns the address without the port, the zero one if there is none.
func addressOf(a net.Addr) netip.Addr {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return tcp.AddrPort().Addr().Unmap()
}
