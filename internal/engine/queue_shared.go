// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"errors"

	"github.com/uspgate/uspgate/routing/buffer"
	"github.com/uspgate/uspgate/usp"
)

// owners are the addresses that this node has acquired.
type owners map[usp.Address]*owner

// owner is one of them.
type owner struct {
	epoch uint64
	base  map[buffer.Lane]uint64
}

// owner returns that of to, or ErrNotOwned.
func (q *Queue) owner(to usp.Address) (owner, error) {
	if !q.o.Shared {
		return owner{}, nil
	}
	if o := q.owners[to]; o != nil {
		return *o, nil
	}
	return owner{}, buffer.ErrNotOwned
}

func itemSubject(int, *buffer.Lane) string { return "" }

func (q *Queue) openShared(context.Context) error { return errors.ErrUnsupported }

func (q *Queue) writeOwnedMarks(*batch, []laneMark) {}
