// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package soap

import (
	"cmp"
	"strings"
	"unsafe"
)

// copies holds copies of texts, many in one piece of memory.
type copies struct {
	b strings.Builder
	// piece is the size of a piece; 0 is maxPiece.
	piece int
}

// maxPiece is how much memory a text that is kept may keep from being freed.
const maxPiece = 16 << 10

// newCopies returns copies for texts that are size bytes together at most.
func newCopies(size int) copies { return copies{piece: min(size, maxPiece)} }

// copy returns a copy of s, and s itself for nil.
func (c *copies) copy(s string) string {
	const most = maxPiece / 32 // the end of a piece is lost where a text does not fit
	switch {
	case c == nil:
		return s
	case s == "":
		return ""
	case len(s) > most:
		return strings.Clone(s)
	case c.b.Cap()-c.b.Len() < len(s):
		c.b = strings.Builder{}
		c.b.Grow(max(cmp.Or(c.piece, maxPiece), len(s)))
	}
	start := c.b.Len()
	c.b.WriteString(s)
	return c.b.String()[start:]
}

// view returns b as a string without copying. It may be used as long as b does
// not change, and no part of it may be kept.
func view(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b)) //nolint:gosec // G103: see the comment above
}
