// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package buffer

import (
	"context"
	"errors"

	"github.com/uspgate/uspgate/usp"
)

// ErrNotOwned is what a Queue that several nodes share says of a Lane whose
// address this node has not acquired, or has lost to another one.
var ErrNotOwned = errors.New("buffer: the address is not acquired here")

// Owned is a Queue that several nodes share: each address has one of them that
// writes, reads and removes its Lanes. Who that is, is decided elsewhere; an
// Acquire elsewhere takes the address away from a node that still believes to
// have it: its next Put is not acknowledged but fails with ErrNotOwned.
type Owned interface {
	Queue
	// Acquire makes this node the owner of to's Lanes, loads what waits in them
	// and returns those in which something does; from then on Depth and Lanes show
	// it. Of one that it has already it
	// loads them anew. It may block on I/O until ctx ends; if it fails, to is not
	// acquired.
	Acquire(ctx context.Context, to usp.Address) ([]Lane, error)
	// Release forgets to, once what is under way for it is done, and writes what
	// has been removed. It does not wait for that.
	Release(to usp.Address)
}
