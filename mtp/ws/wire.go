// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package ws

import (
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"github.com/uspgate/uspgate/mtp"
)

const (
	// bufferSize is that of the pooled buffers for reading ahead and for
	// coalescing writes.
	bufferSize = 16 << 10
	// pieceSize bounds one write of a large Record, so that progress shows.
	pieceSize = 64 << 10
)

// errCloseSent: nothing may follow a Close frame [RFC 6455 5.5.1].
var errCloseSent = errors.New("ws: Close frame already sent")

// Buffers are what connections borrow while they read and write. Safe for
// concurrent use; the zero value is ready.
type Buffers struct{ pool sync.Pool }

func (p *Buffers) get() *[]byte {
	if b, ok := p.pool.Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, bufferSize)
	return &b
}

func (p *Buffers) put(b *[]byte) { p.pool.Put(b) }

// wire is the network connection after the handshake, and below the library
// during it. One read takes in many small frames and an idle connection keeps
// no buffer, see input.go; many frames go out in one write.
type wire struct {
	net.Conn
	buffers *Buffers
	masked  bool // client role

	input // one goroutine

	// seq is odd during a write to the socket and grows with each.
	seq atomic.Uint32

	mu     sync.Mutex // writing
	closed bool       // a Close frame has been sent
}

// Write implements net.Conn for the library, which shakes hands.
func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(p), w.flush(p)
}

// saidClose reports whether a Close frame has been sent.
func (w *wire) saidClose() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.closed
}

// control is a control frame to be sent.
type control struct {
	opcode byte
	data   []byte
}

// send writes the control frames and one binary frame per Record, unfragmented
// [R-WS.14, R-WS.14a, R-WS.15], in as few system calls as possible.
func (w *wire) send(controls []control, batch []mtp.Outgoing) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return errCloseSent
	}
	buf := w.buffers.get()
	defer w.buffers.put(buf)
	out := (*buf)[:0]
	var err error
	for i := range controls {
		if out, err = w.frame(out, controls[i].opcode, controls[i].data); err != nil {
			return err
		}
		w.closed = w.closed || controls[i].opcode == opClose
	}
	for i := range batch {
		if out, err = w.frame(out, opBinary, batch[i].Data); err != nil {
			return err
		}
	}
	return w.flush(out)
}

// frame appends a frame to out, which is flushed whenever it is full.
func (w *wire) frame(out []byte, opcode byte, data []byte) ([]byte, error) {
	if cap(out)-len(out) < maxHeader {
		if err := w.flush(out); err != nil {
			return nil, err
		}
		out = out[:0]
	}
	var m mask
	if w.masked {
		m = newMask()
	}
	out = appendHeader(out, opcode, len(data), w.masked, m)
	if !w.masked && len(data) > cap(out) {
		return out[:0], w.large(out, data)
	}
	for {
		n := min(cap(out)-len(out), len(data))
		start := len(out)
		out = append(out, data[:n]...)
		if w.masked {
			m.apply(out[start:])
		}
		if data = data[n:]; len(data) == 0 {
			return out, nil
		}
		if err := w.flush(out); err != nil {
			return nil, err
		}
		out = out[:0]
	}
}

// large writes what out holds and then data without copying it.
func (w *wire) large(out, data []byte) error {
	if err := w.flush(out); err != nil {
		return err
	}
	for len(data) > 0 {
		n := min(len(data), pieceSize)
		if err := w.flush(data[:n]); err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}

// flush writes b to the socket; w.mu is held.
func (w *wire) flush(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	w.seq.Add(1)
	defer w.seq.Add(1)
	_, err := w.Conn.Write(b)
	return err
}

// closeFrame sends a Close frame unless one has been sent, within timeout.
func (w *wire) closeFrame(code int, text string, timeout time.Duration) error {
	if err := w.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	return w.send([]control{{opClose, websocket.FormatCloseMessage(code, text)}}, nil)
}

// closeWrite tells the peer that nothing follows, if the connection can.
func (w *wire) closeWrite() {
	if half, ok := w.Conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // the connection is closed soon after
	}
}

// kill ends the connection without a word and without waiting, even where a
// write hangs.
func (w *wire) kill() {
	var err error
	if t, ok := w.Conn.(*tls.Conn); ok {
		err = t.NetConn().Close()
	} else {
		err = w.Close()
	}
	_ = err // it is gone in any case
}
