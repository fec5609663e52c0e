// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package stomp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/uspgate/uspgate/mtp"
)

const (
	// bufferSize is that of the pooled buffers; headers of a frame fit in one.
	bufferSize = 16 << 10
	// idleSize is what an idle connection reads into.
	idleSize = 128
	// chunkSize is how much of a large body is asked for, and has time, at once.
	chunkSize = 64 << 10
	// restAfter is how long a connection is silent before its stack is replaced
	// by a small one.
	restAfter = 2 * time.Second
	// maxLengthDigits bounds content-length.
	maxLengthDigits = 18
)

// scratch is what reading a frame needs. It is borrowed while there is anything
// in it.
type scratch struct {
	data  [bufferSize]byte
	frame frame
}

// scratches are shared by all readers of the process. It holds no state.
var scratches = sync.Pool{New: func() any { return new(scratch) }}

// source is what a reader reads from.
type source interface {
	io.Reader
	SetReadDeadline(t time.Time) error
}

// reader splits what a peer sends into frames. It is for one goroutine. Memory
// is used for what has arrived, never for what a header promises.
type reader struct {
	src                            source
	heard                          *atomic.Bool // set by everything that comes
	maxHeader, maxHeaders, maxBody int
	// timeout is for the headers of a frame and for every chunk of its body; 0:
	// whoever has set a deadline keeps it.
	timeout time.Duration
	// rest, if set, has next return errRest after as long a silence, once per
	// frame that was read.
	rest time.Duration

	buf     *scratch // nil while nothing is buffered
	r, w    int      // buffered: buf.data[r:w]
	armed   bool     // a deadline of ours is set
	passed  int      // bytes of a body under this deadline
	worked  bool     // a frame was read since the last rest
	resting bool     // the deadline is that of rest
	moved   bool     // something was read under it
	idle    [idleSize]byte
}

// next reads a frame, past the ends of line between frames, which are
// heart-beats. What it returns is good until the next call. Errors are
// violationErrors, where the size of the body wraps mtp.ErrTooLarge, or those
// of the connection.
func (r *reader) next() (*frame, error) {
	for {
		for r.r < r.w && (r.buf.data[r.r] == '\n' || r.buf.data[r.r] == '\r') {
			r.r++
		}
		if r.r < r.w {
			r.worked, r.moved = true, true
			return r.frame()
		}
		r.release()
		if err := r.await(); err != nil {
			return nil, err
		}
	}
}

// errRest says that the peer is silent: the goroutine that reads may be
// exchanged for one with a small stack, which calls next again. The stack of an
// idle connection is the largest part of its memory, and never shrinks to the
// size of a new one.
var errRest = errors.New("stomp: silent")

// await reads what comes after a silence of any length.
func (r *reader) await() error {
	if err := r.disarm(); err != nil {
		return err
	}
	if r.worked && r.rest > 0 && !r.resting {
		// Left alone until it has passed: one timer per rest, not per frame.
		r.resting, r.moved = true, false
		if err := r.src.SetReadDeadline(time.Now().Add(r.rest)); err != nil {
			return err
		}
	}
	// The call that an idle connection waits in: few frames are below it.
	n, err := r.src.Read(r.idle[:])
	if n > 0 {
		r.heard.Store(true)
		r.buf, _ = scratches.Get().(*scratch)
		r.r, r.w = 0, copy(r.buf.data[:], r.idle[:n])
		return nil
	}
	if err == nil || !r.resting || !errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	r.resting = false
	if r.moved {
		return nil
	}
	r.worked = false
	if err := r.src.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	return errRest
}

// release gives the buffer back; nothing is in it.
func (r *reader) release() {
	if r.buf == nil {
		return
	}
	r.buf.frame = frame{}
	scratches.Put(r.buf)
	r.buf, r.r, r.w = nil, 0, 0
}

// fill reads more behind what is buffered, at least one byte.
func (r *reader) fill() error {
	n, err := r.some(r.buf.data[r.w:])
	if n == 0 {
		return err
	}
	r.w += n
	return nil
}

// some returns at least one byte or an error; an error that comes with bytes
// comes again.
func (r *reader) some(p []byte) (int, error) {
	for range 100 {
		n, err := r.src.Read(p)
		if n > 0 {
			r.heard.Store(true)
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.ErrNoProgress
}

// frame reads the frame that begins at r.
func (r *reader) frame() (*frame, error) {
	size, err := r.section()
	if err != nil {
		return nil, err
	}
	f := &r.buf.frame
	if err := f.parse(r.buf.data[r.r:r.r+size], r.maxHeaders); err != nil {
		return nil, err
	}
	n, known, err := r.length(f)
	if err != nil {
		return nil, err
	}
	switch {
	case !known:
		return f, r.untilNUL(f, size)
	case size+n+1 <= bufferSize:
		return f, r.small(f, size, n)
	default:
		return f, r.large(f, size, n)
	}
}

// section reads command and headers, and returns their size with the empty line.
func (r *reader) section() (int, error) {
	for line, lines := 0, 0; ; { // line begins at r.r+line
		b := r.buf.data[r.r:r.w]
		i := bytes.IndexByte(b[line:], '\n')
		switch {
		case i < 0 && lines == 0 && len(b) >= maxCommand:
			return 0, violation("unknown command")
		case i < 0 && len(b) >= r.maxHeader:
			return 0, violation("the headers are larger than %d bytes", r.maxHeader)
		case i < 0:
			if err := r.more(); err != nil {
				return 0, err
			}
			continue
		}
		end := line + i + 1
		if end > r.maxHeader {
			return 0, violation("the headers are larger than %d bytes", r.maxHeader)
		}
		if i == 0 || i == 1 && b[line] == '\r' {
			return end, nil
		}
		if lines++; lines > r.maxHeaders+1 {
			return 0, violation("more than %d headers", r.maxHeaders)
		}
		line = end
	}
}

// length is what content-length says, if it is known how long the body is.
func (r *reader) length(f *frame) (n int, known bool, err error) {
	digits := f.values[hdrContentLength]
	if !f.has(hdrContentLength) {
		return 0, false, nil
	}
	if len(digits) == 0 || len(digits) > maxLengthDigits {
		return 0, false, violation("content-length is not a number")
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false, violation("content-length is not a number")
		}
		n = 10*n + int(c-'0')
	}
	return n, true, r.allowed(f, n)
}

// allowed checks the size of a body, as far as it is known.
func (r *reader) allowed(f *frame, n int) error {
	switch {
	case n > 0 && !f.command.hasBody():
		return violation("a body in a frame that has none")
	case n > r.maxBody:
		return &violationError{text: fmt.Sprintf("the body is larger than %d bytes", r.maxBody), cause: mtp.ErrTooLarge}
	}
	return nil
}

var errNoNUL = &violationError{text: "no NUL at the end of a body"}

// small takes a body that fits in the buffer, behind its headers.
func (r *reader) small(f *frame, size, n int) error {
	total := size + n + 1
	if r.w-r.r < total {
		if r.r+total > bufferSize {
			r.compact()
		}
		for r.w-r.r < total {
			if err := r.more(); err != nil {
				return err
			}
		}
		// The headers may have moved.
		if err := f.parse(r.buf.data[r.r:r.r+size], r.maxHeaders); err != nil {
			return err
		}
	}
	start := r.r + size
	if r.buf.data[start+n] != 0 {
		return errNoNUL
	}
	f.body = bytes.Clone(r.buf.data[start : start+n])
	r.r = start + n + 1
	return nil
}

// large takes a body that does not; the headers stay where they are.
func (r *reader) large(f *frame, size, n int) error {
	have := r.buf.data[r.r+size : r.w] // less than n+1
	body := append(make([]byte, 0, min(n+1, max(chunkSize, 2*len(have)))), have...)
	r.r = r.w
	for len(body) < n+1 {
		if len(body) == cap(body) {
			grown := make([]byte, len(body), min(n+1, 2*cap(body)))
			copy(grown, body)
			body = grown
		}
		if err := r.arm(); err != nil {
			return err
		}
		m, err := r.some(body[len(body):min(cap(body), len(body)+chunkSize)])
		if m == 0 {
			return err
		}
		body = body[:len(body)+m]
		r.passed += m
	}
	if body[n] != 0 {
		return errNoNUL
	}
	f.body = body[:n:n]
	return nil
}

// untilNUL takes a body without content-length.
func (r *reader) untilNUL(f *frame, size int) error {
	start := r.r + size
	if i := bytes.IndexByte(r.buf.data[start:r.w], 0); i >= 0 {
		f.body = bytes.Clone(r.buf.data[start : start+i])
		r.r = start + i + 1
		return r.allowed(f, i)
	}
	if r.compact() {
		if err := f.parse(r.buf.data[:size], r.maxHeaders); err != nil {
			return err
		}
	}
	var body []byte
	for {
		part := r.buf.data[size:r.w]
		i := bytes.IndexByte(part, 0)
		if i >= 0 {
			part = part[:i]
		}
		if err := r.allowed(f, len(body)+len(part)); err != nil {
			return err
		}
		if body = append(body, part...); i >= 0 {
			f.body, r.r = body, size+i+1
			return nil
		}
		r.w = size // the headers stay where they are
		if err := r.arm(); err != nil {
			return err
		}
		if err := r.fill(); err != nil {
			return err
		}
		r.passed += r.w - size
	}
}

// more reads more of a frame, which may move in the buffer.
func (r *reader) more() error {
	if r.w == bufferSize {
		r.compact()
	}
	if err := r.arm(); err != nil {
		return err
	}
	return r.fill()
}

// compact moves what is buffered to the front and reports whether it had to.
func (r *reader) compact() bool {
	if r.r == 0 {
		return false
	}
	r.w = copy(r.buf.data[:], r.buf.data[r.r:r.w])
	r.r = 0
	return true
}

// arm sets the deadline of a frame that is not complete, if there is none yet
// or its body has come on.
func (r *reader) arm() error {
	if r.timeout <= 0 || r.armed && r.passed < chunkSize {
		return nil
	}
	r.armed, r.resting, r.passed = true, false, 0
	return r.src.SetReadDeadline(time.Now().Add(r.timeout))
}

// disarm takes the deadline back: between frames a peer may be silent.
func (r *reader) disarm() error {
	if !r.armed {
		return nil
	}
	r.armed = false
	return r.src.SetReadDeadline(time.Time{})
}
