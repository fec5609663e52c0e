// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing

import (
	"context"
	"math"

	"github.com/uspgate/uspgate/routing/buffer"
)

// ShowQueue returns the oldest of what waits in a lane of the buffer, at most
// limit Items, in order. It takes nothing out. What of it is being sent may be
// gone by the time of the return. It may block on I/O until ctx ends; the error
// is the Queue's: buffer.ErrNotOwned, say, if the address is another node's.
func (r *Router) ShowQueue(ctx context.Context, lane buffer.Lane, limit int) ([]buffer.Item, error) {
	if limit <= 0 {
		return nil, nil
	}
	return r.o.Buffer.Read(ctx, r.canonLane(lane), 0, limit, math.MaxInt64)
}

// PurgeQueue drops all that waits in a lane of the buffer, and returns how many
// Records it was. What is on a Link already is delivered all the same, and not
// sent again if that fails; Records that come meanwhile are not touched. Errors are
// those of ShowQueue.
func (r *Router) PurgeQueue(ctx context.Context, lane buffer.Lane) (int, error) {
	lane = r.canonLane(lane)
	l := r.laneOf(lane)
	if l == nil {
		return r.o.Buffer.Purge(ctx, lane)
	}
	var fx effects
	l.mu.Lock()
	l.outcomes(&fx) //nolint:contextcheck // what follows from an outcome is the Router's own
	n, err := r.o.Buffer.Purge(ctx, lane)
	if sp := l.sp; sp != nil && err == nil {
		// All that has been read and not been sent was in the buffer. The cursor
		// stays: what is under way is not to be read again.
		sp.ahead, sp.more, fx.pump = nil, true, true
		sp.purges++
	}
	l.unlock(&fx)
	return n, err
}

// Drops lists the last Records that were given up while they waited, oldest
// first; none if the Queue does not remember them.
func (r *Router) Drops() []buffer.Drop {
	if q, ok := r.o.Buffer.(buffer.Lister); ok {
		return q.Dropped()
	}
	return nil
}

// canonLane is the lane that an alias stands for.
func (r *Router) canonLane(l buffer.Lane) buffer.Lane {
	l.To.ID, l.From = r.canon(l.To.ID), r.canon(l.From)
	return l
}

// laneOf is the lane that reads this line of the buffer, nil if none does.
func (r *Router) laneOf(b buffer.Lane) *lane {
	e := r.table.get(b.To)
	switch {
	case e == nil:
		return nil
	case b.From == "":
		return &e.main
	default:
		return e.own(b.From)
	}
}
