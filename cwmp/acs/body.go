// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// Failures of reading a body, each with its HTTP status in bodyStatus.
var (
	errBodyTooLarge = errors.New("acs: body too large")
	errBodyEncoding = errors.New("acs: unknown Content-Encoding")
	errBodyCorrupt  = errors.New("acs: corrupt compressed body")
)

func bodyStatus(err error) int {
	switch {
	case errors.Is(err, errBodyTooLarge):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, errBodyEncoding):
		return http.StatusUnsupportedMediaType
	case errors.Is(err, os.ErrDeadlineExceeded):
		return http.StatusRequestTimeout
	default:
		return http.StatusBadRequest
	}
}

// pacer reads a body, with a deadline for each pause and one for the whole.
type pacer struct {
	r     io.Reader
	c     *conn
	pause time.Duration
	until time.Time // of the whole body
	armed time.Time
}

func (p *pacer) Read(b []byte) (int, error) {
	// A deadline that is a little early costs less than one for each read.
	if now := time.Now(); now.Sub(p.armed) > p.pause/8 {
		p.armed = now
		p.c.readWithin(max(min(p.pause, p.until.Sub(now)), time.Nanosecond))
	}
	return p.r.Read(b)
}

// readBody appends the body of the POST to dst, inflated; blank bodies count as
// empty. It always reads the body before anything is answered, so a client that
// waits for 100 Continue gets it [quirk 33]. Of a body of more than piece bytes, unless
// that is 0, dst has the beginning only, and more is what follows; the deadline for
// reading is to be taken back when that is read.
func (x *exchange) readBody(dst []byte, piece int) (body []byte, more *rest, err error) {
	r, o := x.r, &x.srv.opts
	if r.Body == http.NoBody || r.ContentLength == 0 {
		return dst, nil, nil
	}
	limit, within := x.limits()
	if r.ContentLength > limit {
		return dst, nil, errBodyTooLarge
	}
	until := time.Now().Add(within)
	x.room.session, x.room.until = x.live, until
	p := &pacer{r: r.Body, c: x.c, pause: o.BodyTimeout, until: until}
	encoding := r.Header.Get("Content-Encoding")
	need := int64(cap(dst))
	if encoding != "" {
		need += inflateBytes
	}
	if err := x.room.grow(need); err != nil {
		return dst, nil, err
	}
	in, err := inflate(p, encoding, limit, min(o.MaxInflatedBytes, limit))
	if err != nil {
		return dst, nil, err
	}
	for whole := false; !whole; {
		dst, whole, err = x.readAll(dst, in, piece)
		switch {
		case err != nil:
			return dst, nil, err
		case len(bytes.Trim(dst, " \t\r\n\x00")) == 0:
			dst = dst[:0]
		case !whole:
			return dst, &rest{x: x, r: in}, nil
		}
	}
	return dst, nil, nil
}

// rest is the part of a large body that is decoded as it comes. What is decoded is
// not larger, so the memory that is counted grows with what has come.
type rest struct {
	x     *exchange
	r     io.Reader
	bytes int64
	err   error // but io.EOF
}

// Read implements io.Reader.
func (t *rest) Read(b []byte) (int, error) {
	n, err := t.r.Read(b)
	t.bytes += int64(n)
	if err == nil || errors.Is(err, io.EOF) {
		if full := t.x.room.grow(int64(n)); full != nil {
			err = full
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		t.err = err
	}
	return n, err //nolint:wrapcheck // a Reader passes io.EOF on
}

// inflateBytes is what a decompressor takes.
const inflateBytes = 48 * kib

// inflate returns r decoded, bounded to limit bytes of r and, where it is
// compressed, to inflated bytes of output.
func inflate(r io.Reader, encoding string, limit, inflated int64) (io.Reader, error) {
	in := &bounded{r: r, left: limit}
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "", "identity":
		return in, nil
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, corrupt(err)
		}
		return &bounded{r: z, left: inflated, packed: true}, nil
	case "deflate":
		// The RFC says zlib, many senders mean bare deflate.
		br := bufio.NewReader(in)
		head, err := br.Peek(2)
		if err != nil {
			return nil, corrupt(err)
		}
		if head[0]&0x0f != 8 || (uint(head[0])<<8|uint(head[1]))%31 != 0 {
			return &bounded{r: flate.NewReader(br), left: inflated, packed: true}, nil
		}
		z, err := zlib.NewReader(br)
		if err != nil {
			return nil, corrupt(err)
		}
		return &bounded{r: z, left: inflated, packed: true}, nil
	default:
		return nil, errBodyEncoding
	}
}

func corrupt(err error) error {
	if errors.Is(err, errBodyTooLarge) || errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	return errors.Join(errBodyCorrupt, err)
}

// bounded fails with errBodyTooLarge once more than left bytes have come.
type bounded struct {
	r      io.Reader
	left   int64
	packed bool
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, errBodyTooLarge
	}
	if err != nil && b.packed && !errors.Is(err, io.EOF) {
		return n, corrupt(err)
	}
	return n, err //nolint:wrapcheck // a Reader passes io.EOF on
}

// streamBytes is how large a body of a session is that is decoded as it comes.
const streamBytes = 64 * kib

// readAll reads r into dst; if piece is not 0 no more than about so much, and whole is
// false then. What it takes of the memory grows with what has come, not with what
// was announced.
func (x *exchange) readAll(dst []byte, r io.Reader, piece int) (body []byte, whole bool, err error) {
	for {
		if len(dst) == cap(dst) {
			if piece > 0 && len(dst) >= piece {
				return dst, false, nil
			}
			more := int64(max(512, cap(dst)))
			if hint := x.r.ContentLength - int64(len(dst)); hint > 0 && hint < more {
				more = hint + 1 // for the io.EOF
			}
			if err := x.room.grow(more); err != nil {
				return dst, false, err
			}
			dst = append(make([]byte, 0, int64(cap(dst))+more), dst...)
		}
		n, err := r.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		if errors.Is(err, io.EOF) {
			return dst, true, nil
		}
		if err != nil {
			return dst, false, err //nolint:wrapcheck // looked at by bodyStatus
		}
	}
}
