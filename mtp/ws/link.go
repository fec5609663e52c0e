// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package ws

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

var (
	errSilent  = errors.New("ws: the peer has been silent for more than two keep-alive intervals")
	errStalled = errors.New("ws: the peer takes nothing")
	errPanic   = errors.New("ws: panic")
)

// What the reader is doing, for the keeper.
const (
	activityQuiet     uint32 = iota // nothing heard since the last visit
	activityHeard                   // something heard
	activityAccepting               // in Port.Accept: it is us who do not listen
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
	endpoint usp.EndpointID // as far as it was known at first, for logs
	token    mtp.Token

	refused atomic.Bool // a Record was refused in a way that ends the Link
	resting atomic.Bool // the reader is woken to begin anew; written under mu
	slot    int         // of the keeper
	silent  int         // visits without a sign of life; keeper only
	seq     uint32      // of the wire at the last visit; keeper only
	seen    uint32      // waits of the wire at the last look; keeper only

	// Reader only.
	message  []byte // what has come of a fragmented message
	inside   bool   // of one
	peerEnd  bool   // the peer has sent a Close frame
	unparsed bool   // what follows cannot be parsed

	mu       sync.Mutex
	fresh    uint32 // waits of the wire when the reader began
	over     bool   // the reader has ended
	pings    bool   // a Ping is due
	pongs    bool   // a Pong is due, with pong
	pong     []byte
	finished bool // finish has waited for the peer's Close frame
}

// newLink wraps a connection whose handshake is over.
func newLink(w *wire, o *LinkOptions, m *mtp.KindMetrics, id usp.EndpointID) *link {
	l := &link{opts: o, metrics: m, wire: w, endpoint: id}
	w.waitWithoutBuffer()
	l.box = mtp.NewOutbox(mtp.OutboxOptions{
		MaxRecords: o.QueueRecords, MaxBytes: o.QueueBytes,
		Write: l.write, Finish: l.finish, Abort: w.kill, Metrics: m,
	})
	return l
}

// Enqueue implements mtp.Link. The Hint says nothing to WebSocket: a Link has
// one destination.
func (l *link) Enqueue(rec usp.Record, _ mtp.Hint, t mtp.Token) error {
	return l.box.Enqueue(rec, mtp.Hint{}, t)
}

// Ack implements mtp.Link. WebSocket has no acknowledgement; what the peer may
// not send ends the session, see replies.
func (l *link) Ack(_ mtp.Token, err error) {
	l.metrics.Received(err)
	if err != nil && replyTo(err).ack {
		l.fail(err)
	}
}

// Close implements mtp.Link: what is queued is written, a Close frame follows,
// and the reader ends with the peer's own or after the timeout [R-WS.8].
func (l *link) Close(cause error) {
	l.ending.Because(cause)
	l.box.Close(l.opts.CloseTimeout)
}

// ConnectRecord implements mtp.Connector.
func (l *link) ConnectRecord(from, to usp.EndpointID) usp.Record {
	return usp.NewWebSocketConnect(from, to)
}

// fail ends the Link for a fault of the peer, from any goroutine: the reader
// wakes up and says good-bye.
func (l *link) fail(cause error) {
	l.ending.Because(cause)
	l.refused.Store(true)
	l.box.Fail()
	_ = l.wire.SetReadDeadline(time.Unix(1, 0)) // fails only if the connection is gone already
}

// introduce has the router take the Link, after which live follows. On an
// error it has closed the connection.
func (l *link) introduce(h mtp.Handler, p mtp.Peer) error {
	err := guard(func() error {
		port, err := h.LinkUp(l, p)
		if err != nil {
			return err
		}
		l.port = port
		l.ending.Linked(port)
		l.box.Start(port)
		return nil
	})
	if err != nil {
		defer l.wire.kill()
		l.metrics.Rejected(mtp.RejectRouter)
		l.ending.Because(err)
		l.box.Discard()
		<-l.box.Done()
		l.goodbye()
		return fmt.Errorf("ws: link refused: %w", err)
	}
	l.metrics.LinkUp()
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

// live reads until the connection ends and tears down: when it returns false
// Down has been called, the connection is closed and none of the Link's
// goroutines is alive. When it returns true the reader has rested, and live is
// to be called again by a new goroutine. A panic below it ends this connection
// only.
//
// The frames of live, loop and whoever calls live are kept small: they stand on
// the stack of every idle connection.
func (l *link) live() (rested bool) {
	defer l.teardown(&rested)
	return l.loop()
}

// loop waits for the peer, and handles frame after frame as long as some are
// there; it reports whether it has rested.
func (l *link) loop() (rested bool) {
	for !l.refused.Load() {
		if l.wire.ahead == nil {
			if err := l.wire.wait(); err != nil {
				return l.woken(err)
			}
			if l.resting.Load() { // too late: there is something to do
				l.rest()
			}
		}
		if !l.take() {
			return false
		}
	}
	return false
}

// woken is the end of a wait by err; it reports whether that was to rest.
func (l *link) woken(err error) (rested bool) {
	if l.rest() {
		l.begin()
		return true
	}
	l.ending.Because(&networkError{"read", err})
	return false
}

// teardown is deferred by live.
func (l *link) teardown(rested *bool) {
	if p := recover(); p != nil {
		l.ending.Because(panicked(p))
		*rested = false
	}
	if *rested {
		return
	}
	l.stopResting()
	defer l.wire.release()
	defer l.wire.kill()
	l.box.Fail()
	if isNetwork(l.ending.Cause()) {
		l.wire.kill()
	}
	_ = l.wire.SetWriteDeadline(time.Now().Add(l.opts.CloseTimeout)) // fails only if the connection is gone
	<-l.box.Done()
	l.port.Down(l.ending.Cause())
	l.metrics.LinkDown()
	l.goodbye()
}

// goodbye says why the Link ends, if the peer can still read it, and waits a
// bounded while for the peer's own Close frame, because closing a socket with
// unread input would destroy what was written [RFC 6455 7.1.1].
func (l *link) goodbye() {
	cause := l.ending.Cause()
	if isNetwork(cause) && !l.wire.saidClose() {
		return
	}
	r := replyTo(cause)
	if code, ok := peerCode(cause); ok {
		r.code, r.text = code, ""
	}
	err := l.wire.closeFrame(r.code, r.text, l.opts.CloseTimeout)
	if err != nil && !errors.Is(err, errCloseSent) {
		return
	}
	if !l.peerEnd && !l.waited() {
		l.linger()
	}
}

// waited reports whether finish has waited for the peer already.
func (l *link) waited() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.finished
}

// write is the Outbox's: control frames that are due, then the Records.
func (l *link) write(batch []mtp.Outgoing) error {
	var due [2]control
	err := l.wire.send(l.controls(due[:0]), batch)
	if err != nil && !errors.Is(err, errCloseSent) {
		l.ending.Because(&networkError{"write", err})
		l.wire.kill() // the reader ends
	}
	return err
}

// finish is the Outbox's: all has been written, say good-bye and give the peer
// a while to do the same.
func (l *link) finish() {
	l.mu.Lock()
	r := replyTo(l.ending.Cause())
	l.finished = true
	l.mu.Unlock()
	err := l.wire.closeFrame(r.code, r.text, l.opts.CloseTimeout)
	if err == nil || errors.Is(err, errCloseSent) {
		err = l.wire.SetReadDeadline(time.Now().Add(l.opts.CloseTimeout))
	}
	if err != nil {
		l.wire.kill()
	}
}

// controls takes what is due.
func (l *link) controls(dst []control) []control {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pongs {
		dst = append(dst, control{opPong, l.pong})
		l.pongs, l.pong = false, nil
	}
	if l.pings {
		dst = append(dst, control{opPing, nil})
		l.pings = false
	}
	return dst
}

// logger is made when needed: one per idle connection would cost more than the
// connection.
func (l *link) logger() *zap.Logger {
	log := l.opts.Log
	if l.wire.masked { // a server's Log says it
		log = log.With(zap.String("listener", l.opts.Name))
	}
	return log.With(
		zap.Stringer("remote", l.wire.RemoteAddr()), zap.String("endpoint_id", string(l.endpoint)))
}
