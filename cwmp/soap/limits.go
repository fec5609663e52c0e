// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package soap

import "errors"

// Errors of decoding. Each is wrapped with the place in the document.
var (
	// ErrMalformed: not an envelope that even a tolerant reader understands.
	ErrMalformed = errors.New("soap: malformed envelope")
	// ErrLimit: one of Limits was exceeded.
	ErrLimit = errors.New("soap: limit exceeded")
)

// Limits bounds what Decode takes from a peer. A zero field means its default.
type Limits struct {
	// MaxBytes is the greatest size of an envelope; default 32 MiB.
	MaxBytes int64
	// MaxDepth is the deepest nesting of elements; default 32.
	MaxDepth int
	// MaxParams is the greatest number of entries in all lists of an envelope;
	// default 200,000.
	MaxParams int
	// MaxName is the longest parameter name in bytes; default 1,024.
	MaxName int
	// MaxValue is the longest single value in bytes; default 1 MiB.
	MaxValue int
}

func (l Limits) withDefaults() Limits {
	if l.MaxBytes <= 0 {
		l.MaxBytes = 32 << 20
	}
	if l.MaxDepth <= 0 {
		l.MaxDepth = 32
	}
	if l.MaxParams <= 0 {
		l.MaxParams = 200_000
	}
	if l.MaxName <= 0 {
		l.MaxName = 1024
	}
	if l.MaxValue <= 0 {
		l.MaxValue = 1 << 20
	}
	return l
}
