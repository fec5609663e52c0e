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
// waits for 100 Continue gets it [quirk 33].
func (x *exchange) readBody(dst []byte) ([]byte, error) {
	r, o := x.r, &x.srv.opts
	if r.Body == http.NoBody || r.ContentLength == 0 {
		return dst, nil
	}
	limit, within := x.limits()
	if r.ContentLength > limit {
		return dst, errBodyTooLarge
	}
	until := time.Now().Add(within)
	x.room.session, x.room.until = x.live, until
	p := &pacer{r: r.Body, c: x.c, pause: o.BodyTimeout, until: until}
	defer x.c.readWithin(0)
	encoding := r.Header.Get("Content-Encoding")
	need := int64(cap(dst))
	if encoding != "" {
		need += inflateBytes
	}
	if err := x.room.grow(need); err != nil {
		return dst, err
	}
	body, err := inflate(p, encoding, limit, min(o.MaxInflatedBytes, limit))
	if err != nil {
		return dst, err
	}
	dst, err = x.readAll(dst, body)
	if err != nil {
		return dst, err
	}
	if len(bytes.Trim(dst, " \t\r\n\x00")) == 0 {
		return dst[:0], nil
	}
	return dst, nil
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

// readAll reads r into dst. What it takes of the memory grows with what has come,
// not with what was announced.
func (x *exchange) readAll(dst []byte, r io.Reader) ([]byte, error) {
	for {
		if len(dst) == cap(dst) {
			more := int64(max(512, cap(dst)))
			if hint := x.r.ContentLength - int64(len(dst)); hint > 0 && hint < more {
				more = hint + 1 // for the io.EOF
			}
			if err := x.room.grow(more); err != nil {
				return dst, err
			}
			dst = append(make([]byte, 0, int64(cap(dst))+more), dst...)
		}
		n, err := r.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		if errors.Is(err, io.EOF) {
			return dst, nil
		}
		if err != nil {
			return dst, err //nolint:wrapcheck // looked at by bodyStatus
		}
	}
}
