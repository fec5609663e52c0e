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

// readBody appends the body of r to dst, inflated. limit bounds it as sent;
// blank bodies count as empty. It always reads the body before anything is
// answered, so a client that waits for 100 Continue gets it [quirk 33].
func (s *Server) readBody(dst []byte, r *http.Request, c *conn, limit int64) ([]byte, error) {
	if r.Body == http.NoBody || r.ContentLength == 0 {
		return dst, nil
	}
	if r.ContentLength > limit {
		return dst, errBodyTooLarge
	}
	p := &pacer{r: r.Body, c: c, pause: s.opts.BodyTimeout, until: time.Now().Add(s.opts.MaxBodyTime)}
	defer c.readWithin(0)
	body, err := inflate(p, r.Header.Get("Content-Encoding"), limit, s.opts.MaxInflatedBytes)
	if err != nil {
		return dst, err
	}
	hint := min(r.ContentLength, 64*kib)
	dst, err = readAll(dst, body, int(hint))
	if err != nil {
		return dst, err
	}
	if len(bytes.Trim(dst, " \t\r\n\x00")) == 0 {
		return dst[:0], nil
	}
	return dst, nil
}

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

func readAll(dst []byte, r io.Reader, hint int) ([]byte, error) {
	if free := cap(dst) - len(dst); free < hint+512 {
		dst = append(make([]byte, 0, len(dst)+hint+512), dst...)
	}
	for {
		if len(dst) == cap(dst) {
			dst = append(dst, 0)[:len(dst)]
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
