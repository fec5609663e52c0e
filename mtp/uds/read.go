// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package uds

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/uspgate/uspgate/mtp"
)

const (
	// idleSize is the buffer in which a reader waits for the next frame.
	idleSize = 64
	// trustSize is how much memory a length is believed at once; beyond it
	// memory grows with what has arrived.
	trustSize = 64 << 10
)

// errLate is the deadline of a field that has begun.
var errLate = fmt.Errorf("uds: the rest of a frame did not come in time: %w", mtp.ErrMalformed)

// field is one field whose value is still to be read or skipped.
type field struct {
	kind fieldType
	size int
}

// reader splits the stream into fields. It is for one goroutine.
//
// It reads ahead: into a few bytes of its own while little comes, which keeps an
// idle connection cheap, and into a borrowed buffer once these were filled.
type reader struct {
	wire      *wire
	maxFrame  uint32
	maxFields int
	// timeout bounds the arrival of one field from its first byte on; 0: none.
	timeout time.Duration

	left   uint32 // bytes of the frame behind the current field
	fields int    // of the frame, the current one included
	inside bool   // a frame has begun and not ended
	armed  bool   // the deadline of timeout is set

	ahead  *[]byte // borrowed; nil: own
	own    [idleSize]byte
	r, n   int  // of it [r:n] is read but not consumed
	likely bool // the last read filled its buffer, more is waiting
}

// next reads the header of the next field, and of its frame before the first
// one; the value of the last field has been read or skipped. Errors of the
// network are those of the connection, io.EOF between frames being its end;
// others wrap mtp.ErrMalformed or mtp.ErrTooLarge.
func (r *reader) next() (field, error) {
	if err := r.disarm(); err != nil {
		return field{}, err
	}
	if r.left == 0 {
		r.inside = false
		if err := r.frame(); err != nil {
			return field{}, err
		}
	}
	switch {
	case r.fields >= r.maxFields:
		return field{}, fmt.Errorf("%w: more than %d fields", errFraming, r.maxFields)
	case r.left < fieldHeader:
		return field{}, fmt.Errorf("%w: %d bytes too many", errFraming, r.left)
	}
	r.fields++
	if err := r.gather(fieldHeader); err != nil {
		return field{}, err
	}
	kind, size, err := fieldLength(r.take(fieldHeader), r.left)
	if err != nil {
		return field{}, err
	}
	r.left -= fieldHeader + size
	return field{kind, int(size)}, nil
}

// frame reads the header of a frame.
func (r *reader) frame() error {
	err := r.gather(frameHeader)
	if err != nil {
		return err
	}
	if r.left, err = frameLength(r.take(frameHeader)); err != nil {
		return err
	}
	if r.left > r.maxFrame {
		return fmt.Errorf("uds: a frame of %d bytes: %w", r.left, mtp.ErrTooLarge)
	}
	r.fields, r.inside = 0, true
	return nil
}

// value reads the value of f into a slice of its own. Memory grows with what
// has arrived, not with what a header promises.
func (r *reader) value(f field) ([]byte, error) {
	if f.size <= bufferSize/2 || f.size <= r.n-r.r {
		if err := r.gather(f.size); err != nil {
			return nil, err
		}
		return bytes.Clone(r.take(f.size)), nil
	}
	b := make([]byte, min(f.size, trustSize))
	n := copy(b, r.take(r.n-r.r))
	r.r, r.n, r.likely = 0, 0, false
	r.release()
	if err := r.arm(); err != nil {
		return nil, err
	}
	for n < f.size {
		if n == len(b) {
			b = append(make([]byte, 0, min(2*n, f.size)), b...)
			b = b[:cap(b)]
		}
		m, err := r.wire.conn.Read(b[n:])
		if n += m; m == 0 && err != nil {
			return nil, r.late(unexpected(err))
		}
	}
	return b, nil
}

// skip leaves out the value of f.
func (r *reader) skip(f field) error {
	for size := f.size; size > 0; {
		if r.r == r.n {
			r.prepare(min(size, bufferSize))
			if err := r.fill(); err != nil {
				return err
			}
		}
		n := min(size, r.n-r.r)
		r.r += n
		size -= n
	}
	return nil
}

// take consumes n bytes that are there; they are valid until the next read.
func (r *reader) take(n int) []byte {
	b := r.buffer()[r.r : r.r+n]
	r.r += n
	return b
}

// gather reads until n bytes are there, at most bufferSize.
func (r *reader) gather(n int) error {
	for r.n-r.r < n {
		r.prepare(n)
		if err := r.fill(); err != nil {
			return err
		}
	}
	return nil
}

// prepare makes room for n bytes, and for as many more as are likely to come.
func (r *reader) prepare(n int) {
	empty := r.r == r.n
	switch {
	case r.ahead == nil && (n > idleSize || empty && r.likely):
		buf := r.wire.buffers.get()
		r.n = copy(*buf, r.own[r.r:r.n])
		r.r, r.ahead = 0, buf
	case empty:
		r.r, r.n = 0, 0
		if n <= idleSize && !r.likely {
			r.release()
		}
	default:
		r.n = copy(r.buffer(), r.buffer()[r.r:r.n])
		r.r = 0
	}
}

// buffer is what fill reads into.
func (r *reader) buffer() []byte {
	if r.ahead != nil {
		return *r.ahead
	}
	return r.own[:]
}

// release gives a borrowed buffer back, in which nothing may be left.
func (r *reader) release() {
	if r.ahead != nil {
		r.wire.buffers.put(r.ahead)
		r.ahead = nil
	}
}

// fill reads once, behind what is there.
func (r *reader) fill() error {
	within := r.inside || r.n > r.r
	if within {
		if err := r.arm(); err != nil {
			return err
		}
	}
	free := r.buffer()[r.n:]
	n, err := r.wire.conn.Read(free)
	r.likely = n == len(free)
	r.n += n
	switch {
	case n > 0:
		return nil // an error comes again with the next read
	case within:
		err = unexpected(err)
	}
	return r.late(err)
}

// arm sets the deadline of a field that has begun and waits for the network.
func (r *reader) arm() error {
	if r.armed || r.timeout <= 0 {
		return nil
	}
	r.armed = true
	return r.wire.readUntil(time.Now().Add(r.timeout))
}

// disarm takes it back.
func (r *reader) disarm() error {
	if !r.armed {
		return nil
	}
	r.armed = false
	return r.wire.readUntil(time.Time{})
}

// late says what a deadline means that arm has set.
func (r *reader) late(err error) error {
	if r.armed && isTimeout(err) {
		return fmt.Errorf("%w: %w", errLate, err)
	}
	return err
}

// unexpected makes an end within a frame an error.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	return ok && timeout.Timeout()
}

// maxErrorText bounds what is kept of an Error field, for the log.
const maxErrorText = 256

// errPeer is an Error field from the peer [R-UDS.25].
var errPeer = errors.New("uds: the peer sent an Error")

// peerError reads an Error field and returns it as an error.
func (r *reader) peerError(f field) error {
	text, err := r.value(field{f.kind, min(f.size, maxErrorText)})
	if err != nil {
		return readError(err)
	}
	return fmt.Errorf("%w: %q", errPeer, text)
}

// networkError is the end of a connection that takes nothing more.
type networkError struct {
	op  string
	err error
}

func (e *networkError) Error() string { return "uds: " + e.op + ": " + e.err.Error() }
func (e *networkError) Unwrap() error { return e.err }

func isNetwork(err error) bool {
	_, ok := errors.AsType[*networkError](err)
	return ok
}

// readError sorts an error of a reader: a fault of the peer, or the network.
func readError(err error) error {
	if errors.Is(err, mtp.ErrMalformed) || errors.Is(err, mtp.ErrTooLarge) || errors.Is(err, errPeer) {
		return err
	}
	return &networkError{"read", err}
}
