// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package uds

import (
	"net"
	"sync"
	"time"

	"github.com/uspgate/uspgate/mtp"
)

const (
	// bufferSize is that of the pooled buffers for reading ahead and for
	// coalescing writes.
	bufferSize = 16 << 10
	// copySize is up to which size a Record is copied into the buffer; a larger
	// one is written from where it lies.
	copySize = 4 << 10
	// pieceSize bounds one write of a large Record, so that progress shows.
	pieceSize = 64 << 10
)

// buffers is a pool of byte slices of bufferSize.
type buffers struct{ pool sync.Pool }

func (p *buffers) get() *[]byte {
	if b, ok := p.pool.Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, bufferSize)
	return &b
}

func (p *buffers) put(b *[]byte) { p.pool.Put(b) }

// wire is one connection: reading it is for one goroutine, see reader, writing
// for one at a time; the deadlines are set from anywhere.
type wire struct {
	conn    net.Conn // TLS, or raw
	raw     net.Conn
	buffers *buffers
	stall   time.Duration
	in      reader

	// Writing.
	broken  bool      // a write has failed: what follows would not be a frame
	stalled time.Time // when the write deadline was set

	mu      sync.Mutex
	halted  bool // reading ends at a deadline that the reader does not move
	hurried bool // so does writing
}

func newWire(conn net.Conn, b *buffers, o *LinkOptions) *wire {
	w := &wire{conn: conn, raw: conn, buffers: b, stall: o.StallTimeout}
	w.in = reader{wire: w, maxFrame: uint32(min(o.MaxFrame, 1<<32-1)), maxFields: o.MaxFields}
	return w
}

// send writes one frame per Record [R-UDS.22], in as few system calls as
// possible.
func (w *wire) send(batch []mtp.Outgoing) error {
	buf := w.buffers.get()
	defer w.buffers.put(buf)
	out := (*buf)[:0]
	for i := range batch {
		data := batch[i].Data
		large := len(data) > copySize
		need := frameHeader + fieldHeader
		if !large {
			need += len(data)
		}
		if cap(out)-len(out) < need {
			if err := w.flush(out); err != nil {
				return err
			}
			out = out[:0]
		}
		out = appendFrameHeader(out, fieldRecord, len(data))
		if !large {
			out = append(out, data...)
			continue
		}
		if err := w.large(out, data); err != nil {
			return err
		}
		out = out[:0]
	}
	return w.flush(out)
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

// flush writes b to the socket.
func (w *wire) flush(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if w.broken {
		return net.ErrClosed
	}
	err := w.allow()
	if err == nil {
		_, err = w.conn.Write(b)
	}
	w.broken = err != nil
	return err
}

// allow gives the next write at least half of the stall timeout: setting a
// deadline for every write would cost more than it tells.
func (w *wire) allow() error {
	now := time.Now()
	if now.Sub(w.stalled) < w.stall/2 {
		return nil
	}
	w.stalled = now
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.hurried {
		return nil
	}
	return w.conn.SetWriteDeadline(now.Add(w.stall))
}

// readUntil sets the reader's own deadline, the zero time for none, unless
// reading has been told to end.
func (w *wire) readUntil(t time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.halted {
		return nil
	}
	return w.conn.SetReadDeadline(t)
}

// halt has reading end at t; the last call counts.
func (w *wire) halt(t time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.halted = true
	_ = w.conn.SetReadDeadline(t) // fails only if the connection is gone, which ends reading too
}

// hurry has writing end at t.
func (w *wire) hurry(t time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hurried = true
	_ = w.conn.SetWriteDeadline(t) // fails only if the connection is gone
}

// closeWrite tells the peer that nothing follows.
func (w *wire) closeWrite() {
	if half, ok := w.conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // the connection is closed soon after
	}
}

// kill ends the connection without a word and without waiting, even where a
// write hangs.
func (w *wire) kill() {
	_ = w.raw.Close() // it is gone in any case
}
