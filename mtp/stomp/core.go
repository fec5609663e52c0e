// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package stomp

import (
	"fmt"
	"net"
	"runtime/debug"
	"strings"
	"sync/atomic"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// core is what the Links of both roles have in common. One goroutine, that of
// the connection, reads.
type core struct {
	opts    *LinkOptions
	metrics *mtp.KindMetrics
	conn    conn
	reader  reader
	flow    flow
	port    mtp.Port // of the goroutine that reads; nil until up
	pulse   pulse
	// accepting is set while the router does not take a Record yet.
	accepting atomic.Bool
	// replyTo is the last reply-to-dest, and rawReplyTo as it was on the wire, for
	// the next is mostly the same; of the goroutine that reads.
	replyTo, rawReplyTo string
}

func (c *core) init(raw net.Conn, o *LinkOptions, m *mtp.KindMetrics) {
	c.opts, c.metrics = o, m
	c.conn.Conn, c.conn.writeTimeout = raw, o.WriteTimeout
	c.reader = reader{
		src: raw, heard: &c.conn.heard, maxHeader: o.MaxHeader, maxHeaders: o.MaxHeaders, maxBody: o.MaxRecord,
	}
}

// take hands the Record in a SEND or MESSAGE to the router, with where its sender
// wants the answer if that is anywhere special. It is a Record whatever
// its content-type and destination; one that does not parse is dropped
// [R-MTP.5].
func (c *core) take(rec *usp.Record, replyTo string, t mtp.Token) {
	c.accepting.Store(true)
	// How long the router takes is not the peer's fault; a connection that is gone
	// fails with the next read, too.
	_ = c.reader.disarm()
	c.port.Accept(*rec, mtp.Hint{ReplyTo: replyTo}, t)
	c.accepting.Store(false)
}

// learnReplyTo reads reply-to-dest [R-STOMP.23].
func (c *core) learnReplyTo(f *frame) error {
	if f.is(hdrReplyToDest, c.rawReplyTo) {
		return nil
	}
	replyTo, err := f.kept(hdrReplyToDest)
	if err != nil {
		return err
	}
	c.replyTo, c.rawReplyTo = replyTo, replyTo
	if !f.is(hdrReplyToDest, replyTo) {
		c.rawReplyTo = f.literal(hdrReplyToDest)
	}
	return nil
}

// Enqueue implements mtp.Link.
func (c *core) Enqueue(rec usp.Record, hint mtp.Hint, t mtp.Token) error {
	return c.flow.enqueue(&rec, hint.Destination, t)
}

// Ack implements mtp.Link.
func (c *core) Ack(t mtp.Token, err error) { c.flow.ack(t, err) }

// Close implements mtp.Link.
func (c *core) Close(cause error) { c.flow.close(cause) }

// send implements carrier.
func (c *core) send(head, tail []byte) error { return c.conn.send(head, tail) }

// stop implements carrier.
func (c *core) stop() { c.conn.kill() }

// rescue is deferred by what reads: what a peer makes panic costs its
// connection only.
func (c *core) rescue(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("stomp: panic: %v", r)
		c.opts.Log.Error("panic while reading", zap.Any("panic", r), zap.ByteString("stack", debug.Stack()))
	}
}

// way is how Records of one sender reach one Endpoint: the next one mostly goes
// the same way. It reuses its memory, and keeps no Record alive.
type way struct {
	from, to, dest string
	head           []byte // of a frame, ready but for what is different each time
}

// leads reports whether e goes this way.
func (w *way) leads(e *entry) bool {
	return len(w.head) > 0 && w.from == string(e.from) && w.to == string(e.to) && w.dest == e.dest
}

// turn makes it the way of e.
func (w *way) turn(e *entry) {
	if w.from != string(e.from) {
		w.from = strings.Clone(string(e.from))
	}
	if w.to != string(e.to) {
		w.to = strings.Clone(string(e.to))
	}
	if w.dest != e.dest {
		w.dest = strings.Clone(e.dest)
	}
}
