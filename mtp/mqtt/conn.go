// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt

import (
	"net"
	"sync"
	"time"
)

// conn is the connection with a peer. Whole packets are written to it, by the
// library and by the flow; a deadline applies to every piece, so that a slow
// peer may take its time and one that takes nothing is found out.
type conn struct {
	net.Conn
	writeTimeout time.Duration
	gate         *gate // nil: the reader checks for itself
	closed       func()
	// link and heard belong to the goroutine that reads.
	link  *link
	heard bool // anything has been read
	wrong error
	// established is link once its CONNECT has been accepted; Server.mu guards it.
	established *link

	mu   sync.Mutex
	once sync.Once
}

// Read reads what the gate lets through. An MQTT 5 peer is told why the
// connection ends.
func (c *conn) Read(p []byte) (int, error) {
	if c.wrong != nil {
		return 0, c.refuse()
	}
	n, err := c.Conn.Read(p)
	if n == 0 || c.gate == nil {
		return n, err
	}
	c.heard = true
	ok, wrong := c.gate.pass(p[:n])
	if c.wrong = wrong; wrong == nil {
		return n, err
	}
	if ok == 0 {
		return 0, c.refuse()
	}
	return ok, nil
}

func (c *conn) refuse() error {
	if c.link != nil {
		c.link.violated(c.wrong)
	}
	return c.wrong
}

// Write takes whole packets.
func (c *conn) Write(p []byte) (int, error) {
	if err := c.send(p, nil); err != nil {
		return 0, err
	}
	return len(p), nil
}

// send writes tail immediately after head.
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
		if _, err := c.Conn.Write(piece); err != nil {
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

// SetDeadline sets that of reading: the library means the keep-alive, and
// writing has a deadline of its own.
func (c *conn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// Close closes the connection once.
func (c *conn) Close() error {
	err := c.Conn.Close()
	if c.closed != nil {
		c.once.Do(c.closed)
	}
	return err
}
