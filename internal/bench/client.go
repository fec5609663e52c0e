// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/uspgate/uspgate/usp"
)

// Sizes of read buffers: of a client under load beside two Records, and of one
// that only shakes hands.
const (
	loadBuffer = 64 << 10
	idleBuffer = 512
)

// protocol is the client side of one MTP on one connection. Its methods are
// called by one goroutine at a time, but for frame.
type protocol interface {
	// open shakes hands and subscribes.
	open(c *client) error
	// connect is the Connect Record by which an Agent shows itself; false if
	// the MTP has none.
	connect(from, to usp.EndpointID) (usp.Record, bool)
	// frame wraps a Record as this client sends it.
	frame(rec []byte) frame
	// next finds the first frame in b, and appends to answers what has to be
	// sent back for it.
	next(b, answers []byte) (event, []byte, error)
}

// frame is a Record on the wire.
type frame struct {
	bytes  []byte
	record int   // offset of the Record
	ids    []int // offsets of packet identifiers of two bytes, none if nothing is acknowledged
}

// event is what a frame is to a Load.
type event struct {
	size   int    // of the frame; 0: there is none yet, more is needed
	record []byte // the Record in it, a view; nil if there is none
	acked  bool   // it acknowledges a Record
}

// client is one connection.
type client struct {
	conn     net.Conn
	r        *bufio.Reader
	proto    protocol
	datagram bool

	writing sync.Mutex
}

// dial connects and shakes hands within ctx.
func dial(ctx context.Context, url string, id identity, buffer int) (*client, error) {
	p, network, address, err := protocolFor(url, id)
	if err != nil {
		return nil, err
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	c := &client{conn: conn, r: bufio.NewReaderSize(conn, buffer), proto: p, datagram: network == "udp"}
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline) // if that fails, so will the handshake
	}
	if err := p.open(c); err != nil {
		_ = conn.Close() // the handshake's error says more
		return nil, fmt.Errorf("bench: handshake with %s: %w", address, err)
	}
	_ = conn.SetDeadline(time.Time{})
	return c, nil
}

// write sends frames that lie one behind the other, size bytes each, or one of
// any size. Datagrams are sent one by one.
func (c *client) write(b []byte, size int) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	if !c.datagram {
		_, err := c.conn.Write(b)
		return err
	}
	for len(b) > 0 {
		if _, err := c.conn.Write(b[:size]); err != nil {
			return err
		}
		b = b[size:]
	}
	return nil
}

// serve reads until the connection ends and tells take of every frame, and
// flushed after each portion of them.
func (c *client) serve(take func(event) error, flushed func()) error {
	if c.datagram {
		return c.serveDatagrams(take, flushed)
	}
	var answers []byte
	for {
		if _, err := c.r.Peek(1); err != nil {
			return ended(err)
		}
		b, _ := c.r.Peek(c.r.Buffered()) // what is there can be had
		used := 0
		answers = answers[:0]
		for used < len(b) {
			ev, more, err := c.proto.next(b[used:], answers)
			if err != nil {
				return err
			}
			if ev.size == 0 {
				break
			}
			answers = more
			if err := take(ev); err != nil {
				return err
			}
			used += ev.size
		}
		if len(answers) > 0 {
			if err := c.write(answers, len(answers)); err != nil {
				return ended(err)
			}
		}
		if used > 0 {
			flushed()
			_, _ = c.r.Discard(used) // it is there
		} else if _, err := c.r.Peek(len(b) + 1); err != nil {
			return ended(err)
		}
	}
}

func (c *client) serveDatagrams(take func(event) error, flushed func()) error {
	buf := make([]byte, loadBuffer)
	for {
		n, err := c.conn.Read(buf)
		if err != nil {
			return ended(err)
		}
		ev, answer, err := c.proto.next(buf[:n], nil)
		if err != nil {
			return err
		}
		if err := take(ev); err != nil {
			return err
		}
		if len(answer) > 0 {
			if err := c.write(answer, len(answer)); err != nil {
				return ended(err)
			}
		}
		flushed()
	}
}

// errEnded says that the other side has ended the connection.
var errEnded = errors.New("bench: the relay has ended the connection")

func ended(err error) error {
	if errors.Is(err, io.EOF) {
		return errEnded
	}
	return fmt.Errorf("bench: %w", err)
}
