// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package ws

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// lingerBytes bounds what is read and thrown away from a peer that was told to
// go and goes on sending.
const lingerBytes = 1 << 20

// errViolation is a peer that does not keep to RFC 6455.
var errViolation = errors.New("violation of RFC 6455")

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

// take handles the next frame and reports whether another may follow; otherwise
// the cause is noted.
func (l *link) take() bool {
	err := l.frame()
	if err != nil {
		l.ending.Because(err)
	}
	return err == nil
}

// frame reads one frame: a Record is one binary message [R-WS.14, R-WS.15],
// however fragmented [R-WS.14b].
func (l *link) frame() error {
	h, err := l.wire.header()
	if err != nil {
		return l.readError(err)
	}
	switch {
	case h.opcode&controlBit != 0:
		return l.control(h)
	case (h.opcode == opContinuation) != l.inside:
		return l.readError(violation("opcode %d within a message %v", h.opcode, l.inside))
	case h.opcode == opText: // [R-WS.16]
		l.metrics.Received(mtp.ErrMalformed)
		return fmt.Errorf("ws: text frame: %w", mtp.ErrMalformed)
	case h.length > l.opts.MaxRecord-len(l.message):
		l.metrics.Received(mtp.ErrTooLarge)
		l.unparsed = true
		return fmt.Errorf("ws: read: %w", mtp.ErrTooLarge)
	}
	data, err := l.wire.payload(l.message, h)
	if err != nil {
		return l.readError(err)
	}
	l.inside = !h.final
	if l.inside {
		l.message = data
		return nil
	}
	l.message = nil
	return l.accept(data)
}

// accept hands a message to the router; what does not parse is ErrMalformed
// [R-WS.16].
func (l *link) accept(data []byte) error {
	rec, err := usp.NewRecord(data)
	if err != nil {
		l.metrics.Received(err)
		return fmt.Errorf("ws: read: %w", err)
	}
	l.token++
	l.wire.activity.Store(activityAccepting)
	l.port.Accept(rec, mtp.Hint{}, l.token)
	l.wire.activity.Store(activityHeard)
	return nil
}

// control handles a control frame [R-WS.13]. A Close frame is an error, which
// ends the Link; the answer to it is goodbye's.
func (l *link) control(h header) error {
	var space [maxControl]byte
	data, err := l.wire.payload(space[:0], h)
	if err != nil {
		return l.readError(err)
	}
	l.wire.activity.Store(activityHeard)
	switch h.opcode {
	case opPing: // the writer answers [R-WS.18]
		l.mu.Lock()
		l.pongs, l.pong = true, bytes.Clone(data)
		l.mu.Unlock()
		l.box.Poke()
	case opClose:
		closed, err := closeError(data)
		if err != nil {
			return l.readError(err)
		}
		l.peerEnd = true
		return fmt.Errorf("ws: closed by the peer: %w", closed)
	}
	return nil
}

// closeError decodes the payload of a Close frame [RFC 6455 5.5.1, 7.4].
func closeError(data []byte) (*websocket.CloseError, error) {
	if len(data) == 0 {
		return &websocket.CloseError{Code: websocket.CloseNoStatusReceived}, nil
	}
	if len(data) == 1 {
		return nil, violation("Close frame of one byte")
	}
	closed := &websocket.CloseError{Code: int(binary.BigEndian.Uint16(data)), Text: string(data[2:])}
	if !mayClose(closed.Code) || !utf8.ValidString(closed.Text) {
		return nil, violation("Close frame with status %d, %q", closed.Code, closed.Text)
	}
	return closed, nil
}

// mayClose reports whether a peer may send code [RFC 6455 7.4].
func mayClose(code int) bool {
	switch code {
	case websocket.CloseNoStatusReceived, websocket.CloseAbnormalClosure, 1004:
		return false
	}
	return code >= websocket.CloseNormalClosure && code <= websocket.CloseTryAgainLater || code >= 3000 && code <= 4999
}

// linger reads on until the peer has closed, the timeout has passed or it has
// sent too much.
func (l *link) linger() {
	if err := l.wire.SetReadDeadline(time.Now().Add(l.opts.CloseTimeout)); err != nil {
		return
	}
	for !l.unparsed && !l.peerEnd {
		h, err := l.wire.header() // what is left of the last frame is skipped
		if err != nil {
			break
		}
		if h.opcode == opClose {
			l.peerEnd = true
		}
	}
	if !l.peerEnd {
		// What comes cannot be parsed any more: end our side and wait for theirs.
		l.wire.closeWrite()
		_, _ = io.CopyN(io.Discard, l.wire, lingerBytes) // the connection is closed next, whatever comes
	}
}

// readError sorts the errors of reading: a violation of the protocol, which is
// ours to answer, or the network.
func (l *link) readError(err error) error {
	if errors.Is(err, errViolation) {
		l.unparsed = true
		return fmt.Errorf("ws: read: %w", err)
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
