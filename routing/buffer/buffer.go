// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package buffer is the Caching Function of an MTP Proxy: it keeps Records for
// Endpoints that are not there, in order and bounded.
//
// Queue is the contract, Memory an implementation that a restart empties;
// the durable one is in internal/engine. All of them pass buffertest.
package buffer

import (
	"context"
	"errors"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// ErrFull refuses a Put: a limit on Records, bytes or free space is reached.
var ErrFull = errors.New("buffer: full")

// Item is one waiting Record.
type Item struct {
	To     usp.Address
	Record usp.Record
	Hint   mtp.Hint  // as the Record would have been enqueued
	At     time.Time // when it was accepted
}

// Depth is what waits for one address.
type Depth struct {
	Records int
	Bytes   int64
	Oldest  time.Time // zero when nothing waits
}

// Queue keeps Items first in, first out per address. Safe for concurrent use.
type Queue interface {
	// Put stores item and calls settled exactly once, from any goroutine: nil
	// once the item is as durable as the Queue makes it, ErrFull if it was not
	// taken. Items of one address are stored in the order of the Put calls.
	Put(item Item, settled func(error))
	// Drain gives the items of to, oldest first, to f one after the other and
	// removes each when f has returned nil. It returns nil when none is left,
	// f's first error otherwise; that item stays the oldest. One Drain per
	// address at a time.
	Drain(ctx context.Context, to usp.Address, f func(Item) error) error
	// Depth is answered from memory.
	Depth(to usp.Address) Depth
	// Addresses lists every address with something waiting, in no order.
	Addresses() []usp.Address
	// Purge drops everything that waits for to and returns how many Records.
	Purge(to usp.Address) (int, error)
}
