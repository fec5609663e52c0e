// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package files

import (
	"bufio"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"strings"
	"time"
)

// body is the body of an upload, as it comes.
type body struct {
	t    *transfer
	r    io.Reader
	pace pace
	left int64 // bytes that may come, and one
	// most, unless zero, is the longest time without any byte.
	most time.Duration
	err  error // why it ended, but for its end
}

func newBody(t *transfer, r *http.Request, limit int64) *body {
	return &body{t: t, r: r.Body, pace: newPace(&t.srv.opts), left: limit + 1}
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	switch {
	case b.err != nil:
		return 0, b.err
	case b.left <= 0:
		b.err = ErrTooLarge
		return 0, b.err
	}
	p = p[:min(int64(len(p)), b.left)]
	size, within := b.pace.step(len(p))
	if b.most > 0 {
		within = min(within, b.most)
	}
	at := time.Now()
	b.t.within(within, b.t.rc.SetReadDeadline)
	n, err := b.r.Read(p[:size])
	b.pace.did(n, time.Since(at))
	b.left -= int64(n)
	if err != nil {
		b.t.noReadDeadline()
		if err != io.EOF {
			b.err = b.failure(err)
			err = b.err
		}
	}
	return n, err
}

// failure tells a connection that broke from a body that is malformed.
func (b *body) failure(err error) error {
	var broken net.Error
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &broken) {
		return b.t.failure(err)
	}
	return fmt.Errorf("%w: %w", ErrMalformed, err)
}

// content is the file in the body: inflated, and taken out of a form. What is
// around the file is bounded here; its own size is by who reads it.
func (b *body) content(h http.Header, limit int64) (io.Reader, error) {
	r, err := b.inflated(h.Get("Content-Encoding"))
	if err != nil || !isForm(h) {
		return r, err
	}
	return formFile(&guard{r: r, left: limit + formOverhead, head: -1}, h.Get("Content-Type"))
}

func knownEncoding(encoding string) bool {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "", "identity", "gzip", "x-gzip", "deflate":
		return true
	default:
		return false
	}
}

// inflated undoes the Content-Encoding [quirk 47].
func (b *body) inflated(encoding string) (io.Reader, error) {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(b)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
		}
		return z, nil
	case "deflate":
		// Of zlib by the book, and without it as some do.
		r := bufio.NewReader(b)
		if head, _ := r.Peek(2); len(head) == 2 && head[0]&0x0f == 8 && (int(head[0])<<8|int(head[1]))%31 == 0 {
			z, err := zlib.NewReader(r)
			if err != nil {
				return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
			}
			return z, nil
		}
		return flate.NewReader(r), nil
	default:
		return b, nil
	}
}

func isForm(h http.Header) bool {
	kind := strings.TrimSpace(h.Get("Content-Type"))
	return len(kind) > 10 && strings.EqualFold(kind[:10], "multipart/")
}

// boundary reads the parameter also where the rest of the header is beyond
// reading.
func boundary(contentType string) string {
	if _, params, err := mime.ParseMediaType(contentType); err == nil {
		return params["boundary"]
	}
	const name = "boundary="
	i := strings.Index(strings.ToLower(contentType), name)
	if i < 0 || i+len(name) > len(contentType) {
		return ""
	}
	rest, _, _ := strings.Cut(contentType[i+len(name):], ";")
	return strings.Trim(strings.TrimSpace(rest), `"`)
}

// maxParts bounds the parts of a form that are not the file.
const maxParts = 32

// guard bounds what is read of a form, and of the heads of its parts, which are
// held in memory.
type guard struct {
	r    io.Reader
	left int64
	head int64 // that may come before the next part begins; negative: no bound
}

// Read implements io.Reader.
func (g *guard) Read(p []byte) (int, error) {
	most := g.left
	if g.head >= 0 {
		most = min(most, g.head)
	}
	if most <= 0 {
		return 0, ErrTooLarge
	}
	n, err := g.r.Read(p[:min(int64(len(p)), most)])
	g.left -= int64(n)
	if g.head >= 0 {
		g.head -= int64(n)
	}
	return n, err //nolint:wrapcheck // of the body
}

// formFile is the first part of a form that is a file, by its name or its type.
func formFile(g *guard, contentType string) (io.Reader, error) {
	mark := boundary(contentType)
	if mark == "" || len(mark) > 200 {
		return nil, fmt.Errorf("%w: no boundary", ErrMalformed)
	}
	form := multipart.NewReader(g, mark)
	for range maxParts {
		g.head = formOverhead
		part, err := form.NextRawPart()
		g.head = -1
		if err != nil {
			return nil, formError(err)
		}
		if part.FileName() != "" || part.FormName() == "" || part.Header.Get("Content-Type") != "" {
			return part, nil
		}
		if _, err = io.Copy(io.Discard, part); err != nil {
			return nil, formError(err)
		}
	}
	return nil, fmt.Errorf("%w: no file in the form", ErrMalformed)
}

func formError(err error) error {
	if errors.Is(err, ErrTooLarge) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrMalformed, err)
}
