// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/routing/buffer"
)

// Read implements buffer.Queue. What turns out to be damaged is dropped, counted,
// listed and logged; what follows it is read all the same.
func (q *Queue) Read(
	ctx context.Context, lane buffer.Lane, after uint64, records int, bytes int64,
) ([]buffer.Item, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		q.mu.Lock()
		entries := slices.Clone(q.g.Read(lane, after, records, bytes, time.Now()))
		q.mu.Unlock()
		if len(entries) == 0 {
			return nil, nil
		}
		items, err := q.fetch(ctx, lane, entries)
		if len(items) > 0 {
			return items, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// fetch reads entries up to the first that can not be read now.
func (q *Queue) fetch(ctx context.Context, lane buffer.Lane, entries []buffer.Entry[place]) ([]buffer.Item, error) {
	items := make([]buffer.Item, 0, len(entries))
	for i := range entries {
		e := &entries[i]
		it, err := q.item(ctx, lane, e)
		switch {
		case err == nil:
			items = append(items, it)
		case errors.Is(err, errLost):
			q.lost(lane, e)
		default:
			return items, err
		}
	}
	return items, nil
}

// item reads an item, from its block where that can be. What is not found there is
// asked of JetStream before it counts as lost.
func (q *Queue) item(ctx context.Context, lane buffer.Lane, e *buffer.Entry[place]) (it buffer.Item, err error) {
	for range tries {
		b, err := q.blocks.item(e.Ref)
		if err == nil && b != nil {
			it, err = decodeItem(b, lane, e.Seq)
		}
		if err == nil && b != nil {
			return it, nil
		}
		q.blocks.forget(e.Ref.msg)
	}
	for range tries {
		var b []byte
		if b, err = q.at(ctx, e.Ref); err == nil {
			it, err = decodeItem(b, lane, e.Seq)
		}
		if !errors.Is(err, errLost) {
			return it, err
		}
		q.batches.forget(e.Ref.msg)
	}
	return it, err
}

// tries is how often an item is looked for: what is known of its place, or was read, may
// be from before.
const tries = 2

// decodeItem makes the item of a frame, if it is the one that is meant.
func decodeItem(b []byte, lane buffer.Lane, seq uint64) (buffer.Item, error) {
	var s stored
	if err := s.decode(b); err != nil {
		return buffer.Item{}, errLost
	}
	if l, ok := decodeLane(s.lane); !ok || l != lane || s.seq != seq {
		return buffer.Item{}, errLost
	}
	it, err := s.item(lane)
	if err != nil {
		return it, errLost
	}
	return it, nil
}

// lost drops an entry that the store does not have any more, unless it is gone or
// elsewhere by now.
func (q *Queue) lost(lane buffer.Lane, e *buffer.Entry[place]) {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.g.Line(lane)
	if l == nil {
		return
	}
	entries := l.Entries()
	if i := search(entries, e.Seq); i == len(entries) || entries[i].Seq != e.Seq || entries[i].Ref != e.Ref {
		return
	}
	q.dropLost(l, e)
}

func (q *Queue) dropLost(l *buffer.Line[place], e *buffer.Entry[place]) {
	q.g.Drop(l, e.Seq, buffer.ReasonDamaged, time.Now())
	logDamage(q.log, l.Lane, e.Seq, 1)
}

// logDamage says what the store has lost.
func logDamage(log *zap.Logger, lane buffer.Lane, seq uint64, records int) {
	log.Error("the store has lost Records that were waiting",
		zap.String("to", lane.To.String()), zap.String("from", string(lane.From)),
		zap.Uint64("seq", seq), zap.Int("records", records))
}
