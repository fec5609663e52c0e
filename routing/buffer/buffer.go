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

// Lane names one first-in-first-out line of Records: those for one address
// or, where the peer has a Link of its own per counterpart, those of them that
// come from one Endpoint.
type Lane struct {
	To   usp.Address
	From usp.EndpointID // empty: from whomever
}

// Item is one waiting Record.
type Item struct {
	Lane   Lane
	Record usp.Record
	// Hint is that with which the Record would have been enqueued on a Link of
	// the Transport named Via; it means nothing on any other. The zero Hint
	// leaves the choice to the Link that carries the Record in the end.
	Hint mtp.Hint
	Via  string
	// Trunk names the Transport of the shared Link over which the Record came,
	// if it came over one: it does not go back there. It has to be kept.
	Trunk string
	At    time.Time // when it was accepted
	// Seq is given by the Queue: greater than that of every Item put into the
	// Lane before, and never used again. Put ignores it.
	Seq uint64
}

// Depth is what waits in one Lane.
type Depth struct {
	Records int
	Bytes   int64
	Oldest  time.Time // zero when nothing waits
}

// Queue keeps Items first in, first out per Lane. Safe for concurrent use.
//
// A reader walks a Lane with Read, as far ahead as it likes, and takes Items
// out with Remove once their outcome is known; what was read and not removed
// is there again for the next reader, also after a restart where the Queue is
// durable. There is one reader per Lane at a time, any number of writers.
type Queue interface {
	// Put stores item and calls settled exactly once, from any goroutine and
	// possibly before Put returns: with the item's Seq once it is as durable as
	// the Queue makes it, from when on Read and Depth see it, or with an error,
	// ErrFull where a limit is reached, if it was not taken. Items of one Lane
	// are stored in the order of the Put calls. Put does not block on I/O.
	Put(item Item, settled func(seq uint64, err error))
	// Read returns the oldest Items of lane with a Seq greater than after, in
	// order: at most records of them and, beyond the first, at most bytes bytes
	// of Records. None is no error. It may block on I/O until ctx ends.
	Read(ctx context.Context, lane Lane, after uint64, records int, bytes int64) ([]Item, error)
	// Remove takes out every Item of lane up to and with upTo; what is not
	// there any more is no error. It may block on I/O until ctx ends.
	Remove(ctx context.Context, lane Lane, upTo uint64) error
	// Depth is answered from memory.
	Depth(lane Lane) Depth
	// Lanes lists every Lane with something waiting, in no order.
	Lanes() []Lane
	// Purge drops everything that waits in lane and returns how many Records.
	Purge(ctx context.Context, lane Lane) (int, error)
}
