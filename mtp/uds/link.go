// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package uds

import (
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// lingerBytes bounds what is read and thrown away from a peer that was told to
// go and goes on sending.
const lingerBytes = 1 << 20

var (
	errStalled = errors.New("uds: the peer takes nothing")
	errPanic   = errors.New("uds: panic")
)

// link is one connection in either role. Its reader, the goroutine in live,
// owns it; what is written goes through the writer of box.
type link struct {
	opts     *LinkOptions
	metrics  *mtp.KindMetrics
	wire     *wire
	box      *mtp.Outbox
	port     mtp.Port // set before the reader and the writer begin
	ending   mtp.Ending
	token    mtp.Token
	remote   string
	endpoint usp.EndpointID // as it was claimed, for logs
	ended    bool           // the peer has ended its side; reader only

	mu     sync.Mutex
	failed bool // the reader has to end
	said   bool // the peer has been told, and waited for
}

// newLink wraps a connection whose peer is known.
func newLink(w *wire, o *LinkOptions, m *mtp.KindMetrics) *link {
	l := &link{opts: o, metrics: m, wire: w}
	l.box = mtp.NewOutbox(mtp.OutboxOptions{
		MaxRecords: o.QueueRecords, MaxBytes: o.QueueBytes,
		Write: l.write, Finish: l.finish, Abort: w.kill, Metrics: m,
	})
	return l
}

// Enqueue implements mtp.Link. The Hint says nothing here: a Link has one
// destination.
func (l *link) Enqueue(rec usp.Record, _ mtp.Hint, t mtp.Token) error {
	return l.box.Enqueue(rec, mtp.Hint{}, t)
}

// Ack implements mtp.Link. The MTP has no acknowledgement; what the peer may
// not send ends the connection, see replies.
func (l *link) Ack(_ mtp.Token, err error) {
	l.metrics.Received(err)
	if err != nil && replyTo(err).ack {
		l.fail(err)
	}
}

// Close implements mtp.Link: what is queued is written, an Error field where
// there is something to say, and our end; the reader ends with the peer's.
func (l *link) Close(cause error) {
	l.ending.Because(cause)
	l.box.Close(l.opts.CloseTimeout)
}

// ConnectRecord implements mtp.Connector.
func (l *link) ConnectRecord(from, to usp.EndpointID) usp.Record {
	return usp.NewUDSConnect(from, to)
}

// fail ends the Link for a fault of the peer, from any goroutine: the reader
// wakes up and tells the peer.
func (l *link) fail(cause error) {
	l.ending.Because(cause)
	l.mu.Lock()
	l.failed = true
	l.mu.Unlock()
	l.box.Fail()
	l.wire.halt(time.Unix(1, 0))
}

func (l *link) hasFailed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed
}

// introduce has the router take the Link, writes greeting, if any, before all
// else, after which live follows. On an error it has told the peer and closed the
// connection.
func (l *link) introduce(h mtp.Handler, p mtp.Peer, greeting []byte) error {
	l.remote, l.endpoint = p.Remote, p.Endpoint
	err := guard(func() error {
		port, err := h.LinkUp(l, p)
		if err != nil {
			return err
		}
		l.port = port
		l.ending.Linked(port)
		return nil
	})
	if err != nil {
		defer l.wire.kill()
		l.metrics.Rejected(mtp.RejectRouter)
		l.ending.Because(err)
		l.box.Discard()
		<-l.box.Done()
		l.goodbye()
		return fmt.Errorf("uds: link refused: %w", err)
	}
	l.metrics.LinkUp()
	l.wire.in.timeout = l.opts.FrameTimeout
	err = l.wire.flush(greeting)
	if err == nil {
		err = l.wire.readUntil(time.Time{})
	}
	if err != nil {
		l.ending.Because(&networkError{"handshake", err})
		l.box.Fail()
	}
	l.box.Start(l.port)
	if err := l.bindShared(p); err != nil {
		l.fail(err)
	}
	return nil
}

// bindShared tells the router the one Endpoint that is known to be reachable
// over a shared Link; on any other the Peer says it.
func (l *link) bindShared(p mtp.Peer) error {
	if !p.Shared || p.Endpoint == "" {
		return nil
	}
	return l.port.Bind(usp.Address{ID: p.Endpoint, Role: p.Role}, mtp.Hint{})
}

// live reads until the connection ends and tears down: when it returns Down has
// been called, the connection is closed and none of the Link's goroutines is
// alive. A panic below it ends this connection only.
//
// The frames of live, take and whoever calls live are kept small: they stand on
// the stack of every idle connection.
func (l *link) live() {
	defer l.teardown()
	for !l.hasFailed() {
		f, err := l.wire.in.next()
		if !l.take(f, err) {
			return
		}
	}
}

// take deals with one field and reports whether another may follow; otherwise
// the cause is noted.
func (l *link) take(f field, err error) bool {
	if err == nil {
		switch f.kind {
		case fieldRecord:
			err = l.record(f)
		case fieldError: // [R-UDS.25]
			err = l.wire.in.peerError(f)
		case fieldHandshake: // [R-UDS.19]
			err = l.wire.in.skip(f)
		default: // [R-UDS.15]
			err = l.wire.in.skip(f)
		}
	}
	if err == nil {
		return true
	}
	err = readError(err)
	l.ending.Because(err)
	l.ended = isNetwork(err) && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF))
	if errors.Is(err, mtp.ErrMalformed) || errors.Is(err, mtp.ErrTooLarge) {
		l.metrics.Received(err)
	}
	return false
}

// record hands over the Record in f.
func (l *link) record(f field) error {
	if f.size > l.opts.MaxRecord {
		return fmt.Errorf("uds: a Record of %d bytes: %w", f.size, mtp.ErrTooLarge)
	}
	data, err := l.wire.in.value(f)
	if err != nil {
		return err
	}
	rec, err := usp.NewRecord(data)
	if err != nil {
		return fmt.Errorf("uds: read: %w", err) // [R-UDS.23]
	}
	// How long the router takes is not the peer's fault.
	if err := l.wire.in.disarm(); err != nil {
		return err
	}
	l.token++
	l.port.Accept(rec, mtp.Hint{}, l.token)
	return nil
}

// write sends a batch; only the writer of box calls it.
func (l *link) write(batch []mtp.Outgoing) error {
	err := l.wire.send(batch)
	if err == nil {
		return nil
	}
	if isTimeout(err) {
		l.ending.Because(&networkError{"write", errStalled})
	}
	// What the peer said before it went is still read.
	mtp.Release(l.port)
	l.wire.halt(time.Now().Add(l.opts.CloseTimeout))
	return err
}

// finish is the end of a graceful close, by the writer of box.
func (l *link) finish() {
	l.mu.Lock()
	r := replyTo(l.ending.Cause())
	l.said = true
	l.mu.Unlock()
	l.tell(r)
	l.wire.halt(time.Now().Add(l.opts.CloseTimeout))
}

// tell says r and ends our side.
func (l *link) tell(r reply) {
	if r.text != "" {
		if err := l.wire.flush(appendFrame(nil, fieldError, r.text)); err != nil {
			return // it cannot be told, or has gone
		}
	}
	l.wire.closeWrite()
}

// teardown is deferred by live.
func (l *link) teardown() {
	if p := recover(); p != nil {
		l.ending.Because(panicked(p))
	}
	defer l.wire.kill()
	l.box.Fail()
	if isNetwork(l.ending.Cause()) && !l.ended {
		l.wire.kill()
	}
	l.wire.hurry(time.Now().Add(l.opts.CloseTimeout))
	<-l.box.Done()
	l.wire.in.release()
	l.port.Down(l.ending.Cause())
	l.metrics.LinkDown()
	l.goodbye()
}

// goodbye tells the peer why the Link ends, unless finish has or there is
// nobody, and waits a bounded while for its end, because closing a socket with
// unread input would have it read an error instead of what was written.
func (l *link) goodbye() {
	l.mu.Lock()
	cause, said := l.ending.Cause(), l.said
	l.mu.Unlock()
	if said || l.ended || isNetwork(cause) || errors.Is(cause, errPeer) {
		return
	}
	l.wire.hurry(time.Now().Add(l.opts.CloseTimeout))
	l.tell(replyTo(cause))
	l.wire.halt(time.Now().Add(l.opts.CloseTimeout))
	_, _ = io.CopyN(io.Discard, l.wire.conn, lingerBytes) // the connection is closed next, whatever comes
}

// guard runs f; a panic in it becomes an error, so that it ends one connection
// only.
func guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = panicked(p)
		}
	}()
	return f()
}

// panicked is the error for a panic, with its stack.
func panicked(p any) error { return fmt.Errorf("%w: %v: %s", errPanic, p, debug.Stack()) }

// logger is made when needed: one per idle connection would cost more than the
// connection.
func (l *link) logger() *zap.Logger {
	return l.opts.Log.With(zap.String("remote", l.remote), zap.String("endpoint_id", string(l.endpoint)))
}
