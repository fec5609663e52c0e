// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package ws

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"time"

	"github.com/gorilla/websocket"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// lingerBytes bounds what is read and thrown away from a peer that was told to
// go and goes on sending.
const lingerBytes = 1 << 20

// networkError is the end of a connection that takes nothing more.
type networkError struct {
	op  string
	err error
}

func (e *networkError) Error() string { return "ws: " + e.op + ": " + e.err.Error() }
func (e *networkError) Unwrap() error { return e.err }

func isNetwork(err error) bool {
	_, ok := errors.AsType[*networkError](err)
	return ok
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

// take hands over the Record in one binary message [R-WS.14, R-WS.15], and
// reports whether another may follow; otherwise the cause is noted.
func (l *link) take(kind int, r io.Reader, err error) bool {
	if err != nil {
		l.because(l.readError(err))
		return false
	}
	rec, err := l.record(kind, r)
	if err != nil {
		l.because(err)
		return false
	}
	l.token++
	l.activity.Store(activityAccepting)
	l.port.Accept(rec, mtp.Hint{}, l.token)
	l.activity.Store(activityHeard)
	return true
}

// record reads a Record; text frames and what does not parse are ErrMalformed
// [R-WS.16].
func (l *link) record(kind int, r io.Reader) (usp.Record, error) {
	if kind != websocket.BinaryMessage {
		l.metrics.Received(mtp.ErrMalformed)
		return usp.Record{}, fmt.Errorf("ws: text frame: %w", mtp.ErrMalformed)
	}
	data, err := l.message(r)
	if err != nil {
		return usp.Record{}, l.readError(err)
	}
	rec, err := usp.NewRecord(data)
	if err != nil {
		l.metrics.Received(err)
		return usp.Record{}, fmt.Errorf("ws: read: %w", err)
	}
	return rec, nil
}

// message reads one message, however fragmented [R-WS.14b], into a slice of its
// own. Memory grows with what has arrived, not with what a header promises.
func (l *link) message(r io.Reader) ([]byte, error) {
	borrowed := l.wire.buffers.get()
	defer l.wire.buffers.put(borrowed)
	buf := *borrowed
	for n := 0; ; {
		m, err := r.Read(buf[n:])
		n += m
		switch {
		case errors.Is(err, io.EOF) && n > len(*borrowed) && n > len(buf)/4*3:
			return buf[:n:n], nil
		case errors.Is(err, io.EOF):
			return bytes.Clone(buf[:n]), nil
		case err != nil:
			return nil, err
		}
		if m > 0 {
			l.activity.Store(activityHeard) // a large Record on a slow line is a sign of life
		}
		if n == len(buf) {
			buf = append(buf, make([]byte, min(n, l.opts.MaxRecord-n+1))...)
		}
	}
}

// onPing has the writer answer [R-WS.18].
func (l *link) onPing(data string) error {
	l.activity.Store(activityHeard)
	l.mu.Lock()
	l.pongs, l.pong = true, []byte(data)
	l.mu.Unlock()
	l.box.Poke()
	return nil
}

func (l *link) onPong(string) error {
	l.activity.Store(activityHeard)
	return nil
}

// onClose leaves the answer to goodbye.
func (l *link) onClose(int, string) error {
	l.peerEnd = true
	return nil
}

// linger reads on until the peer has closed, the timeout has passed or it has
// sent too much.
func (l *link) linger() {
	if err := l.conn.SetReadDeadline(time.Now().Add(l.opts.CloseTimeout)); err != nil {
		return
	}
	for {
		if _, _, err := l.conn.NextReader(); err != nil {
			break
		}
	}
	if !l.peerEnd {
		// What comes cannot be parsed any more: end our side and wait for theirs.
		l.wire.closeWrite()
		_, _ = io.CopyN(io.Discard, l.wire, lingerBytes) // the connection is closed next, whatever comes
	}
}

// readError sorts the library's errors: a Close frame of the peer, a violation
// that the library has answered or that is ours to answer, or the network.
func (l *link) readError(err error) error {
	if closed, ok := errors.AsType[*websocket.CloseError](err); ok && closed.Code != websocket.CloseAbnormalClosure {
		return fmt.Errorf("ws: closed by the peer: %w", closed)
	}
	if errors.Is(err, websocket.ErrReadLimit) {
		l.metrics.Received(mtp.ErrTooLarge)
		return fmt.Errorf("ws: read: %w", mtp.ErrTooLarge)
	}
	return &networkError{"read", err}
}

// peerCode is the status to echo to the Close frame that ended the Link.
func peerCode(cause error) (int, bool) {
	closed, ok := errors.AsType[*websocket.CloseError](cause)
	if !ok || isNetwork(cause) {
		return 0, false
	}
	return closed.Code, true
}
