// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package stomp

import (
	"crypto/tls"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// partingTimeout is how long a peer is told why its connection ends.
	partingTimeout = time.Second
	// lingerBytes bounds what is read and thrown away from a peer that has been
	// told to go and goes on sending.
	lingerBytes = 1 << 20
)

// conn is the connection with a peer. Whole frames are written to it, by the
// writer and by the goroutine that reads; a deadline applies to every piece, so
// that a slow peer may take its time and one that takes nothing is found out.
type conn struct {
	net.Conn
	writeTimeout time.Duration
	heard        atomic.Bool // anything has been read since somebody looked
	wrote        atomic.Bool // anything has been written since somebody looked
	parting      atomic.Bool // the last words are due
	mu           sync.Mutex  // writing
}

// send writes whole frames: head, then tail and a NUL, if there is one.
func (c *conn) send(head, tail []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.wrote.Load() {
		c.wrote.Store(true)
	}
	if err := c.write(head); err != nil || len(tail) == 0 {
		return err
	}
	if err := c.write(tail); err != nil {
		return err
	}
	return c.write([]byte{0})
}

// write gives every piece a deadline of its own; c.mu is held.
func (c *conn) write(p []byte) error {
	for len(p) > 0 {
		timeout := c.writeTimeout
		if c.parting.Load() {
			timeout = min(timeout, partingTimeout)
		}
		piece := p[:min(len(p), flushBytes)]
		if err := c.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
			return err
		}
		if _, err := c.Write(piece); err != nil {
			return err
		}
		p = p[len(piece):]
	}
	return nil
}

// farewell writes the last words and ends the writing side; linger follows.
func (c *conn) farewell(words []byte) error {
	c.parting.Store(true)
	_ = c.SetWriteDeadline(time.Now().Add(partingTimeout)) // for a write in progress; the connection ends anyhow
	if err := c.send(words, nil); err != nil {
		return err
	}
	return c.leave()
}

// linger reads on for a bounded while: closing with unread input would destroy
// what was written.
func (c *conn) linger(timeout time.Duration) {
	if c.SetReadDeadline(time.Now().Add(timeout)) == nil {
		_, _ = io.CopyN(io.Discard, c.Conn, lingerBytes) // the connection is closed next, whatever comes
	}
}

// leave ends the writing side: what the peer still sends does not destroy what
// it has not read yet.
func (c *conn) leave() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Close()
}

// kill ends the connection without a word and without waiting, even where a
// write hangs.
func (c *conn) kill() {
	if t, ok := c.Conn.(*tls.Conn); ok {
		_ = t.NetConn().Close()
		return
	}
	_ = c.Close()
}
