// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package soap

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// source reads a document in pieces and turns them into UTF-8.
type source struct {
	r      io.Reader // of characters in the encoding, or of bytes
	latin1 bool
	piece  int // bytes that are read at least, unless the document ends
	buf    []byte
	// carry is how many bytes at the beginning of buf are the first of a
	// character.
	carry int
	ended bool
}

// newSource returns a source of the document in r. Its first piece says what
// the encoding is.
func newSource(r io.Reader, contentType string, lim Limits, piece int) (*source, error) {
	const sniff = 512 // of which the XML declaration has 256
	in := &limited{r: r, left: lim.MaxBytes, max: lim.MaxBytes}
	head := make([]byte, sniff)
	n, err := io.ReadFull(in, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, failed(err)
	}
	head = head[:n]
	cs := charsetOf(head, contentType)
	rest := io.MultiReader(strings.NewReader(string(head[cs.skip:])), in)
	if cs.enc != nil {
		rest = cs.enc.NewDecoder().Reader(rest)
	}
	return &source{r: rest, latin1: cs.latin1, piece: piece, buf: make([]byte, max(piece, utf8.UTFMax))}, nil
}

// limited fails with ErrLimit once more than left bytes have come.
type limited struct {
	r         io.Reader
	left, max int64
}

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, fmt.Errorf("%w: envelope of more than %d bytes", ErrLimit, l.max)
	}
	return n, err //nolint:wrapcheck // a Reader passes io.EOF on
}

func failed(err error) error {
	if errors.Is(err, ErrLimit) {
		return err
	}
	return fmt.Errorf("soap: read envelope: %w", err)
}

// appendTo writes rest to b, and then as much of the document as rest has, but
// at least a piece. It returns false if nothing was left.
func (src *source) appendTo(b *strings.Builder, rest string) (grown bool, err error) {
	if src.ended {
		return false, nil
	}
	want := max(src.piece, len(rest))
	b.Grow(len(rest) + want)
	b.WriteString(rest)
	for enough := len(rest) + max(want-utf8.UTFMax, 1); b.Len() < enough && !src.ended; {
		if err := src.read(b); err != nil {
			return false, err
		}
	}
	return b.Len() > len(rest), nil
}

// read writes one buffer of the document to b.
func (src *source) read(b *strings.Builder) error {
	n, err := io.ReadFull(src.r, src.buf[src.carry:])
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		src.ended = true
	case err != nil:
		return failed(err)
	}
	p := src.buf[:src.carry+n]
	src.carry = 0
	if !src.latin1 {
		end := len(p)
		if !src.ended {
			end -= incomplete(p)
		}
		if utf8.Valid(p[:end]) {
			b.Write(p[:end])
			src.carry = copy(src.buf, p[end:])
			return nil
		}
		src.latin1 = true // [quirk 17]
	}
	for _, c := range p {
		b.WriteRune(rune(c))
	}
	return nil
}

// incomplete returns how many bytes at the end of p are the first of a
// character of which the others are not there.
func incomplete(p []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(p); n++ {
		if c := p[len(p)-n]; utf8.RuneStart(c) {
			if !utf8.FullRune(p[len(p)-n:]) {
				return n
			}
			return 0
		}
	}
	return 0
}
