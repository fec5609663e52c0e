// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt

import (
	"net"
	"sync"
	"time"
)

// readAhead is how much is read in one go where more is waiting.
const readAhead = 16 << 10

// aheads are shared by all connections of the process. It holds no state.
var aheads = sync.Pool{New: func() any { return new([readAhead]byte) }}

// conn is the connection with a peer. Whole packets are written to it, by the
// writer and by the goroutine that reads; a deadline applies to every piece, so that a slow
// peer may take its time and one that takes nothing is found out.
type conn struct {
	net.Conn
	writeTimeout time.Duration
	// Of the goroutine that reads.
	heard bool // anything has been read
	more  bool // there may be more waiting than has been asked for
	ahead []byte
	buf   *[readAhead]byte // of ahead
	// established is the link once its CONNECT has been accepted; Server.mu guards it.
	established *link

	mu sync.Mutex
}

// Read reads. Where more is waiting than has been asked for it is read in one
// go; an idle connection has no buffer for that.
func (c *conn) Read(p []byte) (int, error) {
	if len(c.ahead) > 0 {
		return c.serve(p), nil
	}
	if !c.more || len(p) >= readAhead {
		n, err := c.Conn.Read(p)
		c.more, c.heard = n == len(p), c.heard || n > 0
		return n, err
	}
	c.buf, _ = aheads.Get().(*[readAhead]byte)
	n, err := c.Conn.Read(c.buf[:])
	if c.more = n == readAhead; n == 0 {
		c.release()
		return 0, err
	}
	c.ahead = c.buf[:n] // an err comes again with the next call
	return c.serve(p), nil
}

// serve gives what has been read ahead.
func (c *conn) serve(p []byte) int {
	n := copy(p, c.ahead)
	if c.ahead = c.ahead[n:]; len(c.ahead) == 0 {
		c.release()
	}
	return n
}

func (c *conn) release() {
	aheads.Put(c.buf)
	c.buf, c.ahead = nil, nil
}

// send writes whole packets, tail immediately after head.
func (c *conn) send(head, tail []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.write(head, c.writeTimeout); err != nil || len(tail) == 0 {
		return err
	}
	return c.write(tail, c.writeTimeout)
}

// try writes p if nobody is writing, and does not wait long for the peer.
func (c *conn) try(p []byte) {
	if c.mu.TryLock() {
		defer c.mu.Unlock()
		_ = c.write(p, partingTimeout) // the connection ends either way
	}
}

// partingTimeout is how long a peer is told why its connection is cut.
const partingTimeout = 100 * time.Millisecond

// write gives every piece a deadline of its own; c.mu is held.
func (c *conn) write(p []byte, timeout time.Duration) error {
	for len(p) > 0 {
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
