// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/uspgate/uspgate/routing/buffer"
)

// errMoving: it can not be told now whose the address is.
var errMoving = errors.New("engine: the address may be another node's")

// Read implements buffer.Queue. What turns out to be damaged is dropped, counted,
// listed and logged; what follows it is read all the same.
func (q *SharedQueue) Read(
	ctx context.Context, lane buffer.Lane, after uint64, records int, size int64,
) ([]buffer.Item, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		q.mu.Lock()
		s, err := q.owned[lane.To], q.has(lane.To)
		entries := slices.Clone(q.g.Read(lane, after, records, size, time.Now()))
		q.mu.Unlock()
		if err != nil || len(entries) == 0 {
			return nil, err
		}
		items, err := q.fetch(ctx, s, lane, entries)
		if len(items) > 0 {
			return items, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// fetch reads entries up to the first that can not be read now.
func (q *SharedQueue) fetch(
	ctx context.Context, s *shelf, lane buffer.Lane, entries []buffer.Entry[place],
) ([]buffer.Item, error) {
	items := make([]buffer.Item, 0, len(entries))
	var batch []byte
	var have uint64
	for i := range entries {
		e := &entries[i]
		if e.Ref.msg != have {
			m, err := q.data.GetMsg(ctx, e.Ref.msg)
			switch {
			case err == nil:
				batch = m.Data
			case errors.Is(err, jetstream.ErrMsgNotFound):
				if err := q.mine(ctx, s); err != nil {
					return items, err
				}
				batch = nil
			default:
				return items, fmt.Errorf("engine: queue: %w", err)
			}
			have = e.Ref.msg
		}
		it, err := shelvedItem(batch, lane, e)
		if err != nil {
			q.damaged(lane, e)
			continue
		}
		items = append(items, it)
	}
	return items, nil
}

// shelvedItem makes the item of an entry from its batch.
func shelvedItem(batch []byte, lane buffer.Lane, e *buffer.Entry[place]) (buffer.Item, error) {
	if uint64(e.Ref.off)+uint64(e.Ref.size) > uint64(len(batch)) {
		return buffer.Item{}, errLost
	}
	var st stored
	if err := st.decode(batch[e.Ref.off : e.Ref.off+e.Ref.size]); err != nil {
		return buffer.Item{}, err
	}
	it, err := st.item(lane)
	it.Seq = e.Seq
	return it, err
}

// mine is nil if no other node has acquired the address: what is not there is lost
// then, and not removed by that one.
func (q *SharedQueue) mine(ctx context.Context, s *shelf) error {
	m, err := q.data.GetLastMsgForSubject(ctx, s.subject)
	if err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
		return fmt.Errorf("engine: queue: %w", err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case s.over:
		return buffer.ErrNotOwned
	case err != nil || m.Sequence <= s.last:
		return nil
	case s.busy: // it may be what is being written
		return errMoving
	default:
		s.over, s.lost = true, true
		q.forget(s)
		return buffer.ErrNotOwned
	}
}

// damaged drops an entry that the store does not have any more, unless it has been
// removed meanwhile.
func (q *SharedQueue) damaged(lane buffer.Lane, e *buffer.Entry[place]) {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.g.Line(lane)
	if l == nil {
		return
	}
	entries := l.Entries()
	if i := search(entries, e.Seq); i == len(entries) || entries[i].Seq != e.Seq {
		return
	}
	q.dropDamaged(l, e)
}

// dropDamaged drops an entry that is damaged; mu is held.
func (q *SharedQueue) dropDamaged(l *buffer.Line[place], e *buffer.Entry[place]) {
	lane, seq := l.Lane, e.Seq
	if s := q.owned[lane.To]; s != nil {
		s.spoilt[e.Ref.msg]++
	}
	q.g.Drop(l, seq, buffer.ReasonDamaged, time.Now())
	logDamage(q.log, lane, seq, 1)
}

// behind notes that the newest batch in the store is older than the last. If that has
// been so for shelfBehind the store has lost the end: what was there is dropped, and it
// goes on from the newest.
func (q *SharedQueue) behind(s *shelf, newest uint64) bool {
	if s.since.IsZero() {
		s.since = time.Now()
	}
	if time.Since(s.since) < shelfBehind {
		return false
	}
	s.since = time.Time{}
	q.mu.Lock()
	defer q.mu.Unlock()
	s.last = newest
	for _, l := range q.lines(s) {
		for _, e := range slices.Clone(l.Entries()) {
			if e.Ref.msg > newest {
				q.dropDamaged(l, &e)
			}
		}
	}
	return true
}
