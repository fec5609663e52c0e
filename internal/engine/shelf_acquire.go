// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/uspgate/uspgate/routing/buffer"
	"github.com/uspgate/uspgate/usp"
)

// Release implements buffer.Owned.
func (q *SharedQueue) Release(to usp.Address) {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.owned[to]
	if s == nil {
		return
	}
	_, dirty := q.dirty[s]
	delete(q.dirty, s)
	s.over, s.due = true, s.due || dirty
	switch {
	case s.busy: // the worker ends it
	case s.due && !s.lost && !q.closed:
		q.begin(s)
	default:
		q.forget(s)
	}
}

// Acquire implements buffer.Owned.
func (q *SharedQueue) Acquire(ctx context.Context, to usp.Address) ([]buffer.Lane, error) {
	q.Release(to) //nolint:contextcheck // what it writes has the Queue's
	if err := q.idle(ctx, to); err != nil {
		return nil, err
	}
	s := &shelf{to: to, subject: shelfPrefix + shelfToken(to), live: make(map[uint64]int)}
	fence, cancel := context.WithTimeout(ctx, shelfTry)
	ack, err := q.e.js.PublishMsg(fence, &nats.Msg{Subject: s.subject, Data: appendBatchHeader(nil)})
	cancel()
	if err != nil {
		return nil, fmt.Errorf("engine: acquiring: %w", err)
	}
	s.last = ack.Sequence
	items, err := q.load(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("engine: acquiring: %w", err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil, errQueueClosed
	}
	q.owned[to] = s
	var lanes []buffer.Lane
	for i := range items {
		it := &items[i]
		if !slices.Contains(lanes, it.lane) {
			lanes = append(lanes, it.lane)
		}
		l := q.g.Open(it.lane)
		q.g.Restore(l, &it.entry)
		s.live[it.entry.Ref.msg]++
	}
	if s.due { // there are batches, of which nothing may be left
		s.due = false
		q.dirty[s] = struct{}{}
		poke(q.stir)
	}
	return lanes, nil
}

// idle waits until nothing is under way for to.
func (q *SharedQueue) idle(ctx context.Context, to usp.Address) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		q.mu.Lock()
		busy := q.owned[to] != nil
		q.mu.Unlock()
		if !busy {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// shelfItem is one item that waits.
type shelfItem struct {
	lane  buffer.Lane
	entry buffer.Entry[place]
}

// load reads what waits for an address before its last message, in order. What turns
// out to be damaged is counted, listed and logged.
func (q *SharedQueue) load(ctx context.Context, s *shelf) ([]shelfItem, error) {
	mark, err := q.mark(ctx, s.to)
	if err != nil {
		return nil, err
	}
	s.floor, s.mark, s.spoilt = mark.floor, *mark, maps.Clone(mark.spoilt)
	s.removed = make(map[buffer.Lane]*removed, len(mark.lanes))
	for lane, r := range mark.lanes {
		s.removed[lane] = r.clone()
	}
	var list []shelfItem
	var before uint64
	for next := uint64(1); ; next = max(s.floor, before+1) {
		m, err := q.data.GetMsg(ctx, next, jetstream.WithGetMsgSubject(s.subject))
		if err != nil {
			return nil, err
		}
		last := m.Sequence >= s.last
		if want := batchBefore(m.Header); want > before && want >= s.floor {
			q.missing(s, want, 1) // at least
		} else if last && mark.high > before && mark.high >= s.floor {
			q.missing(s, mark.high, 1)
		}
		if last {
			return list, nil
		}
		if before, s.due = m.Sequence, true; before >= s.floor {
			list = q.unpack(s, m, list)
		}
	}
}

// unpack appends what waits of a batch.
func (q *SharedQueue) unpack(s *shelf, m *jetstream.RawStreamMsg, list []shelfItem) []shelfItem {
	damaged, err := eachItem(m.Data, func(off, size int, st *stored) {
		lane, ok := decodeLane(st.lane)
		seq := m.Sequence<<shelfShift | (st.seq - 1)
		if r := s.removed[lane]; !ok || lane.To != s.to || r != nil && r.has(seq) {
			return
		}
		list = append(list, shelfItem{lane, buffer.Entry[place]{
			Seq: seq, At: st.at, Session: st.session, Size: uint32(st.recordLen()),
			Ref: place{msg: m.Sequence, off: uint32(off), size: uint32(size)},
		}})
	})
	if err != nil {
		damaged = 1 // at least
	}
	if damaged > 0 {
		q.missing(s, m.Sequence, damaged)
	}
	return list
}

// batchBefore is the message behind which one was written, 0 for one that was written
// by Acquire.
func batchBefore(h nats.Header) uint64 {
	n, err := strconv.ParseUint(h.Get(jetstream.ExpectedLastSubjSeqHeader), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// missing notes that the store has lost Records of a batch, of whatever Lane, unless that
// has been reported.
func (q *SharedQueue) missing(s *shelf, batch uint64, records int) {
	more := records - s.spoilt[batch]
	if more <= 0 {
		return
	}
	s.spoilt[batch], s.due = records, true
	q.mu.Lock()
	defer q.mu.Unlock()
	lane := buffer.Lane{To: s.to}
	q.g.Missing(lane, batch<<shelfShift, more, time.Now())
	logDamage(q.log, lane, batch<<shelfShift, more)
}
