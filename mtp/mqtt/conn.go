// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt

import (
	"net"
	"sync"
	"time"
)

// flushBytes is how much a conn collects before it writes anyway.
const flushBytes = 64 << 10

// conn is a client's connection. The broker and the link write whole packets to
// it; between hold and release they are collected into one write.
type conn struct {
	net.Conn
	writeTimeout time.Duration
	closed       func() // gives the connection's place back
	link         *link  // set once, by the goroutine that reads

	mu   sync.Mutex
	held bool
	buf  []byte
	once sync.Once
}

// Write takes whole packets.
func (c *conn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.held {
		return c.writeOut(p)
	}
	c.buf = append(c.buf, p...)
	return len(p), c.flushFull()
}

// hold collects what is written until release.
func (c *conn) hold() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = true
}

// release writes what has been collected.
func (c *conn) release() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = false
	return c.flush()
}

// sync writes what has been collected and goes on collecting.
func (c *conn) sync() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.flush()
}

// encode has f append a packet to what is collected.
func (c *conn) encode(f func([]byte) []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.buf = f(c.buf)
	return c.flushFull()
}

func (c *conn) flushFull() error {
	if len(c.buf) < flushBytes {
		return nil
	}
	return c.flush()
}

// flush writes c.buf; c.mu is held.
func (c *conn) flush() error {
	if len(c.buf) == 0 {
		return nil
	}
	_, err := c.writeOut(c.buf)
	if c.buf = c.buf[:0]; cap(c.buf) > flushBytes || !c.held {
		c.buf = nil
	}
	return err
}

func (c *conn) writeOut(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.writeTimeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// SetDeadline sets that of reading: the broker means the keep-alive, and
// writing has a deadline of its own.
func (c *conn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// Close closes the connection once.
func (c *conn) Close() error {
	err := c.Conn.Close()
	c.once.Do(c.closed)
	return err
}
