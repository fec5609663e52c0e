// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package listen

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/uspgate/uspgate/mtp"
)

// proxied is a connection from a trusted proxy. Its header is read by whoever
// first needs what is in it or behind it.
type proxied struct {
	net.Conn
	listener *listener

	once   sync.Once
	err    error    // of the header
	remote net.Addr // nil: that of Conn
	local  net.Addr // nil: that of Conn
	ahead  []byte   // read with the header and not yet by the owner

	mu       sync.Mutex
	limit    time.Time  // of the header while it is being read
	deadline time.Time  // for reading, as the owner wants it
	addr     netip.Addr // as counted
	gone     bool
}

// Read implements net.Conn. It is for one goroutine at a time.
func (c *proxied) Read(p []byte) (int, error) {
	c.once.Do(c.begin)
	if c.err != nil {
		return 0, c.err
	}
	if len(c.ahead) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.ahead)
	if c.ahead = c.ahead[n:]; len(c.ahead) == 0 {
		c.ahead = nil
	}
	return n, nil
}

// RemoteAddr implements net.Conn: the source that the proxy has named, its own
// address if it speaks for itself or has said nothing that makes sense.
func (c *proxied) RemoteAddr() net.Addr {
	c.once.Do(c.begin)
	if c.remote == nil {
		return c.Conn.RemoteAddr()
	}
	return c.remote
}

// LocalAddr implements net.Conn: the destination that the proxy has named.
func (c *proxied) LocalAddr() net.Addr {
	c.once.Do(c.begin)
	if c.local == nil {
		return c.Conn.LocalAddr()
	}
	return c.local
}

// CloseWrite ends the own side only.
func (c *proxied) CloseWrite() error { return closeWrite(c.Conn) }

// SyscallConn implements syscall.Conn, once all that was read with the header
// is consumed.
func (c *proxied) SyscallConn() (syscall.RawConn, error) {
	c.once.Do(c.begin)
	if c.err != nil {
		return nil, c.err
	}
	if len(c.ahead) > 0 {
		return nil, errors.ErrUnsupported
	}
	return syscallConn(c.Conn)
}

// Close implements net.Conn. It ends the wait for a header.
func (c *proxied) Close() error {
	c.mu.Lock()
	first := !c.gone
	c.gone = true
	addr := c.addr
	c.mu.Unlock()
	if first {
		c.listener.limits.give(addr)
	}
	return c.Conn.Close()
}

// SetDeadline implements net.Conn.
func (c *proxied) SetDeadline(t time.Time) error {
	if err := c.SetWriteDeadline(t); err != nil {
		return err
	}
	return c.SetReadDeadline(t)
}

// SetReadDeadline implements net.Conn; while the header is being read, the
// earlier one counts.
func (c *proxied) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	return c.applyDeadline()
}

// applyDeadline sets the deadline that counts now; c.mu is held.
func (c *proxied) applyDeadline() error {
	t := c.deadline
	if !c.limit.IsZero() && (t.IsZero() || t.After(c.limit)) {
		t = c.limit
	}
	return c.Conn.SetReadDeadline(t)
}

// until bounds reading by t, the zero Time by nothing.
func (c *proxied) until(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limit = t
	return c.applyDeadline()
}

// begin reads the header and counts the connection by its source. What it
// refuses is closed.
func (c *proxied) begin() {
	reason, err := c.header()
	if err == nil {
		return
	}
	c.err = fmt.Errorf("listen: %w", err)
	c.remote, c.local, c.ahead = nil, nil, nil
	c.listener.opts.Metrics.Rejected(reason)
	_ = c.Close() // why it is closed matters more
}

func (c *proxied) header() (mtp.Reject, error) {
	if err := c.until(time.Now().Add(c.listener.opts.HeaderTimeout)); err != nil {
		return mtp.RejectHandshake, err
	}
	h, err := readHeader(c.Conn)
	if err != nil {
		return mtp.RejectHandshake, err
	}
	if err := c.until(time.Time{}); err != nil {
		return mtp.RejectHandshake, err
	}
	c.remote, c.local, c.ahead = h.source, h.destination, h.rest
	if !c.know() {
		return mtp.RejectAddress, errAddress
	}
	return 0, nil
}

// know counts the connection by its source, unless it has been closed.
func (c *proxied) know() bool {
	source := c.remote
	if source == nil {
		source = c.Conn.RemoteAddr()
	}
	addr := AddressOf(source)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return true
	}
	if !c.listener.limits.know(addr) {
		return false
	}
	c.addr = addr
	return true
}
