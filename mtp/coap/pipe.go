// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package coap

import (
	"bytes"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

// pipeDatagrams is how many datagrams wait for a session; more are dropped, as
// a full socket would.
const pipeDatagrams = 64

// pipe is the net.PacketConn of one DTLS session on the socket of all.
type pipe struct {
	n    *node
	addr netip.AddrPort
	in   chan []byte

	closing sync.Once
	closed  chan struct{}

	mu      sync.Mutex
	timer   *time.Timer
	expired chan struct{} // closed when the read deadline has passed
}

func newPipe(n *node, addr netip.AddrPort) *pipe {
	return &pipe{
		n: n, addr: addr, in: make(chan []byte, pipeDatagrams),
		closed: make(chan struct{}), expired: make(chan struct{}),
	}
}

// feed gives the session a datagram.
func (p *pipe) feed(b []byte) {
	select {
	case p.in <- bytes.Clone(b):
	default:
	}
}

// ReadFrom implements net.PacketConn.
func (p *pipe) ReadFrom(b []byte) (int, net.Addr, error) {
	p.mu.Lock()
	expired := p.expired
	p.mu.Unlock()
	select {
	case <-expired:
		return 0, nil, os.ErrDeadlineExceeded
	default:
	}
	select {
	case d := <-p.in:
		return copy(b, d), p.RemoteAddr(), nil
	case <-p.closed:
		return 0, nil, net.ErrClosed
	case <-expired:
		return 0, nil, os.ErrDeadlineExceeded
	}
}

// WriteTo implements net.PacketConn.
func (p *pipe) WriteTo(b []byte, _ net.Addr) (int, error) {
	return p.n.conn.WriteToUDPAddrPort(b, p.addr)
}

// Close implements net.PacketConn.
func (p *pipe) Close() error {
	p.closing.Do(func() { close(p.closed) })
	return p.SetReadDeadline(time.Time{})
}

// LocalAddr implements net.PacketConn.
func (p *pipe) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(p.n.local) }

// RemoteAddr is the peer's address.
func (p *pipe) RemoteAddr() net.Addr { return net.UDPAddrFromAddrPort(p.addr) }

// SetDeadline implements net.PacketConn.
func (p *pipe) SetDeadline(t time.Time) error { return p.SetReadDeadline(t) }

// SetWriteDeadline implements net.PacketConn; no write blocks.
func (p *pipe) SetWriteDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.PacketConn.
func (p *pipe) SetReadDeadline(t time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
	select {
	case <-p.expired:
		p.expired = make(chan struct{})
	default:
	}
	expired := p.expired
	switch wait := time.Until(t); {
	case t.IsZero():
	case wait <= 0:
		close(expired)
	default:
		p.timer = time.AfterFunc(wait, func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			select {
			case <-expired:
			default:
				close(expired)
			}
		})
	}
	return nil
}
