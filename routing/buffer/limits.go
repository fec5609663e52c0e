// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package buffer

import (
	"errors"
	"time"
)

// Overflow says what a Queue does with a Record for which a Lane has no room.
type Overflow uint8

const (
	// RefuseNew refuses it with ErrFull: the sender hears of it.
	RefuseNew Overflow = iota
	// DropOldest drops the Lane's oldest Records without session context until
	// there is room: a sequence of session Records is never cut. If they alone
	// fill the Lane, the new Record is refused. The limits over all Lanes
	// refuse, too.
	DropOldest
)

// Defaults of Limits.
const (
	DefaultMaxRecords   = 1000
	DefaultMaxBytes     = 4 << 20
	DefaultMaxAge       = 24 * time.Hour
	DefaultTotalRecords = 1_000_000
	DefaultTotalBytes   = 256 << 20
)

// Limits bound a Queue.
type Limits struct {
	// MaxRecords and MaxBytes bound one Lane, that is one address. Defaults 1000 and 4 MiB.
	MaxRecords int
	MaxBytes   int64
	// MaxAge is how long a Record waits; what is older is dropped, together
	// with whatever follows of its session context. Default 24 h.
	MaxAge time.Duration
	// TotalRecords and TotalBytes bound all Lanes together. Defaults 1,000,000
	// and 256 MiB.
	TotalRecords int
	TotalBytes   int64
	// Overflow is what happens when a Lane is full. Default RefuseNew.
	Overflow Overflow
}

// withDefaults checks l and fills in what is zero.
func (l Limits) withDefaults() (Limits, error) {
	if l.MaxRecords < 0 || l.MaxBytes < 0 || l.MaxAge < 0 || l.TotalRecords < 0 || l.TotalBytes < 0 {
		return l, errors.New("buffer: a limit is negative")
	}
	if l.Overflow > DropOldest {
		return l, errors.New("buffer: unknown overflow policy")
	}
	def(&l.MaxRecords, DefaultMaxRecords)
	def(&l.MaxBytes, DefaultMaxBytes)
	def(&l.MaxAge, DefaultMaxAge)
	def(&l.TotalRecords, DefaultTotalRecords)
	def(&l.TotalBytes, DefaultTotalBytes)
	return l, nil
}

func def[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}
