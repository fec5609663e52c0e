// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package ws

import (
	"io"
	"slices"
	"sync/atomic"
	"syscall"
)

// input is the reading half of a wire. Between frames nothing is buffered, and
// an idle connection keeps no buffer at all: it borrows one when there is
// something to read, until all that it held is consumed.
type input struct {
	ahead *[]byte // read and not consumed: (*ahead)[r:n]; nil if nothing
	r, n  int
	left  int // of the payload of the current frame
	lines headerLines

	// Waiting without a buffer; nil where that cannot be, within TLS for example.
	raw   syscall.RawConn
	ready func(fd uintptr) bool // w.readReady
	err   error                 // of readReady

	activity atomic.Uint32 // for the keeper, see link
	waits    atomic.Uint32 // even while the reader waits for a frame; grows
}

// headerLines follows the header of the server's answer to a handshake.
type headerLines struct {
	line bool // the current line is not empty
	done bool
}

// next returns how many bytes of p belong to the header.
func (h *headerLines) next(p []byte) int {
	for i, c := range p {
		switch {
		case c == '\n' && !h.line:
			h.done = true
			return i + 1
		case c == '\n':
			h.line = false
		case c != '\r':
			h.line = true
		}
	}
	return len(p)
}

// Read implements net.Conn. While a client shakes hands it ends with the
// header, so that no frame behind that gets into the library's buffers.
func (w *wire) Read(p []byte) (int, error) {
	if w.ahead == nil {
		if err := w.more(); err != nil {
			return 0, err
		}
	}
	chunk := (*w.ahead)[w.r:w.n]
	chunk = chunk[:min(len(p), len(chunk))]
	if w.masked && !w.lines.done {
		chunk = chunk[:w.lines.next(chunk)]
	}
	n := copy(p, chunk)
	w.skip(n)
	return n, nil
}

// waitWithoutBuffer has wait do so from now on, where the connection can.
func (w *wire) waitWithoutBuffer() {
	conn, ok := w.Conn.(syscall.Conn)
	if !ok || !canReadReady {
		return
	}
	if raw, err := conn.SyscallConn(); err == nil {
		w.raw, w.ready = raw, w.readReady
	}
}

// wait blocks until the peer has sent something, and reads it; nothing is
// buffered before. Its frame stands on the stack of every idle connection.
func (w *wire) wait() error {
	if w.waits.Load()&1 == 1 {
		w.waits.Add(1)
	}
	if w.raw == nil {
		return w.waitByte()
	}
	if err := w.raw.Read(w.ready); err != nil {
		return err
	}
	w.waits.Add(1)
	return w.err
}

// waitByte is wait for a connection that needs a buffer to wait: a small one.
func (w *wire) waitByte() error {
	one := make([]byte, 1)
	if _, err := io.ReadFull(w.Conn, one); err != nil {
		return err
	}
	w.waits.Add(1)
	w.ahead = w.buffers.get()
	w.r, w.n = 0, copy(*w.ahead, one)
	return nil
}

// more reads at least one byte more into the buffer, which has room.
func (w *wire) more() error {
	fresh := w.ahead == nil
	if fresh {
		w.ahead = w.buffers.get()
		w.r, w.n = 0, 0
	}
	n, err := w.Conn.Read((*w.ahead)[w.n:])
	w.n += n
	if n > 0 {
		if w.left > 0 {
			w.activity.Store(activityHeard) // a large Record on a slow line is a sign of life
		}
		return nil
	}
	if fresh {
		w.release()
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// peek returns the next n bytes, at most bufferSize, which stay where they are
// until the next call.
func (w *wire) peek(n int) ([]byte, error) {
	for w.n-w.r < n {
		if w.ahead != nil && w.r+n > len(*w.ahead) {
			w.n = copy(*w.ahead, (*w.ahead)[w.r:w.n])
			w.r = 0
		}
		if err := w.more(); err != nil {
			return nil, err
		}
	}
	if n == 0 {
		return nil, nil
	}
	return (*w.ahead)[w.r : w.r+n], nil
}

// skip consumes n bytes that are buffered.
func (w *wire) skip(n int) {
	if w.r += n; w.r == w.n {
		w.release()
	}
}

// release gives the buffer back.
func (w *wire) release() {
	if w.ahead != nil {
		w.buffers.put(w.ahead)
		w.ahead = nil
	}
	w.r, w.n = 0, 0
}

// into reads into p, without the way through the buffer where p is as large.
func (w *wire) into(p []byte) (int, error) {
	if w.ahead != nil || len(p) < bufferSize {
		return w.Read(p)
	}
	n, err := w.Conn.Read(p)
	if n > 0 {
		w.activity.Store(activityHeard)
		return n, nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return 0, err
}

// header skips what is left of the frame before and reads the header of the
// next one.
func (w *wire) header() (header, error) {
	for w.left > 0 {
		if w.ahead == nil {
			if err := w.more(); err != nil {
				return header{}, err
			}
		}
		n := min(w.left, w.n-w.r)
		w.left -= n
		w.skip(n)
	}
	b, err := w.peek(2)
	if err != nil {
		return header{}, err
	}
	size, err := headerSize(b, !w.masked)
	if err != nil {
		return header{}, err
	}
	if b, err = w.peek(size); err != nil {
		return header{}, err
	}
	h := parseHeader(b, !w.masked)
	w.left = h.length
	w.skip(size)
	return h, nil
}

// payload appends the payload of the frame to dst. Memory grows with what has
// arrived, not with what a header promises.
func (w *wire) payload(dst []byte, h header) ([]byte, error) {
	if h.length <= bufferSize {
		b, err := w.peek(h.length)
		if err != nil {
			return nil, err
		}
		if dst == nil {
			dst = make([]byte, 0, h.length)
		}
		begin := len(dst)
		dst = append(dst, b...)
		h.mask.apply(dst[begin:])
		w.skip(h.length)
		w.left = 0
		if h.length > 0 {
			w.activity.Store(activityHeard)
		}
		return dst, nil
	}
	for w.left > 0 {
		if len(dst) == cap(dst) {
			dst = slices.Grow(dst, min(max(len(dst), bufferSize), w.left))
		}
		room := dst[len(dst):min(cap(dst), len(dst)+w.left)]
		n, err := w.into(room)
		if err != nil {
			return nil, err
		}
		h.mask.apply(room[:n])
		dst = dst[:len(dst)+n]
		w.left -= n
	}
	return slices.Clip(dst), nil
}
