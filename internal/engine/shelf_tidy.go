// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/uspgate/uspgate/routing/buffer"
	"github.com/uspgate/uspgate/usp"
)

// shelfMark is what is to be written of what has been removed.
type shelfMark struct {
	s     *shelf
	to    usp.Address
	floor uint64 // messages before it have nothing left
	purge bool
	lows  map[buffer.Lane]uint64
}

// tend writes what has been removed, soon after.
func (q *SharedQueue) tend() {
	for {
		select {
		case <-q.stir:
		case <-q.ctx.Done():
			return
		}
		q.mu.Lock()
		closed := q.closed
		q.mu.Unlock()
		if !closed {
			t := time.NewTimer(shelfTidy)
			select {
			case <-t.C:
			case <-q.ctx.Done():
				t.Stop()
				return
			}
		}
		q.mu.Lock()
		marks := make([]*shelfMark, 0, len(q.dirty))
		for s := range q.dirty {
			if mark := q.tidying(s); mark != nil {
				marks = append(marks, mark)
			}
		}
		clear(q.dirty)
		q.mu.Unlock()
		for _, mark := range marks {
			q.slots <- struct{}{}
			q.wg.Go(func() {
				defer func() { <-q.slots }()
				q.tidy(mark)
			})
		}
		if closed {
			return
		}
	}
}

// tidying is what there is to write of a shelf, nil for nothing; mu is held.
func (q *SharedQueue) tidying(s *shelf) *shelfMark {
	if q.owned[s.to] != s { // released, and written then
		return nil
	}
	mark := &shelfMark{s: s, to: s.to, floor: s.last, lows: make(map[buffer.Lane]uint64)}
	for msg := range s.live {
		mark.floor = min(mark.floor, msg)
	}
	mark.purge = mark.floor > s.floor
	s.floor = max(s.floor, mark.floor)
	for lane, low := range s.removed {
		if l := q.g.Line(lane); l != nil && l.Len() > 0 {
			low = l.Entries()[0].Seq - 1 // what was dropped in the middle is behind it
		}
		if low < mark.floor<<shelfShift {
			delete(s.removed, lane) // it goes with the messages
			continue
		}
		mark.lows[lane] = low
	}
	if !mark.purge && len(mark.lows) == 0 {
		return nil
	}
	return mark
}

// tidy writes it. If that fails the Records are found again, and come twice.
func (q *SharedQueue) tidy(mark *shelfMark) {
	ctx, cancel := context.WithTimeout(q.ctx, shelfTry)
	defer cancel()
	if len(mark.lows) > 0 {
		if _, err := q.e.js.Publish(ctx, markPrefix+shelfToken(mark.to), appendLows(nil, mark.lows)); err != nil {
			q.log.Warn("what was delivered could not be noted", zap.Stringer("address", mark.to), zap.Error(err))
			return
		}
	}
	if !mark.purge {
		return
	}
	err := q.data.Purge(ctx, jetstream.WithPurgeSubject(shelfPrefix+shelfToken(mark.to)),
		jetstream.WithPurgeSequence(mark.floor))
	if err != nil {
		q.log.Warn("what was delivered could not be removed", zap.Stringer("address", mark.to), zap.Error(err))
		q.mu.Lock()
		defer q.mu.Unlock()
		mark.s.floor = 0 // the next time
	}
}

func appendLows(b []byte, lows map[buffer.Lane]uint64) []byte {
	for lane, low := range lows {
		b = appendLane(b, &lane)
		b = binary.AppendUvarint(b, low)
	}
	return b
}

// lows is how far the Lanes of an address have been removed.
func (q *SharedQueue) lows(ctx context.Context, to usp.Address) (map[buffer.Lane]uint64, error) {
	s, err := q.e.js.Stream(ctx, markStream)
	if err != nil {
		return nil, fmt.Errorf("marks: %w", err)
	}
	lows := make(map[buffer.Lane]uint64)
	m, err := s.GetLastMsgForSubject(ctx, markPrefix+shelfToken(to))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return lows, nil
	}
	if err != nil {
		return nil, fmt.Errorf("marks: %w", err)
	}
	d := decoder{b: m.Data}
	for len(d.b) > 0 && !d.bad {
		lane := d.readLane()
		low := d.uvarint()
		if !d.bad {
			lows[lane] = low
		}
	}
	return lows, nil
}
