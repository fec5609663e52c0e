// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
	"go.uber.org/zap"

	"github.com/uspgate/uspgate/internal/store"
	"github.com/uspgate/uspgate/routing/buffer"
	"github.com/uspgate/uspgate/usp"
)

// flush stores what is pending for one address, a batch at a time.
func (q *SharedQueue) flush(s *shelf) {
	q.slots <- struct{}{}
	defer func() { <-q.slots }()
	for {
		list, message := q.take(s)
		if len(list) == 0 {
			return
		}
		seq, err := q.store(s.subject, message, s.last)
		q.stored(s, list, seq, err)
		for i, p := range list {
			if err != nil {
				p.settled(0, err)
			} else {
				p.settled(seq<<shelfShift|uint64(i), nil)
			}
		}
	}
}

// take makes a batch of what is pending.
func (q *SharedQueue) take(s *shelf) (list []*shelved, message []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	limit := min(batchBytes, int(q.e.conn.MaxPayload())-1024)
	size := batchHeader
	for _, p := range s.pending {
		n := itemSize(&p.item) + itemFrame
		if len(list) > 0 && (size+n > limit || len(list) == batchRecords) {
			break
		}
		size += n
		list = append(list, p)
	}
	s.pending = s.pending[len(list):]
	if len(list) == 0 {
		s.busy, s.pending = false, nil
		if s.over {
			q.forget(s)
		}
		return nil, nil
	}
	message = appendBatchHeader(make([]byte, 0, size))
	for i, p := range list {
		off := len(message)
		message = appendItem(message, &put{item: p.item, seq: uint64(i) + 1, low: 1})
		p.at = place{off: uint32(off), size: uint32(len(message) - off)}
	}
	return list, message
}

// store writes a message behind the one that is last, ErrNotOwned if another is.
// It goes on until it knows.
func (q *SharedQueue) store(subject string, message []byte, last uint64) (uint64, error) {
	id := nuid.Next() // by which a second try is known, if the first was stored after all
	for {
		ctx, cancel := context.WithTimeout(q.ctx, shelfTry)
		ack, err := q.e.js.PublishMsg(ctx, &nats.Msg{Subject: subject, Data: message},
			jetstream.WithMsgID(id), jetstream.WithExpectLastSequencePerSubject(last))
		cancel()
		switch {
		case err == nil:
			return ack.Sequence, nil
		case q.ctx.Err() != nil:
			return 0, errQueueClosed
		case errors.Is(kvError(err), store.ErrConflict):
			// Also while the first try is under way, and after it in some cases.
			if seq, known, err := q.conflict(subject, id, last); known {
				return seq, err
			}
		case errors.Is(kvError(err), store.ErrFull):
			return 0, buffer.ErrFull
		}
		q.log.Warn("the buffer of the cluster does not take anything now", zap.Error(err))
		t := time.NewTimer(shelfAgain)
		select {
		case <-t.C:
		case <-q.ctx.Done():
			t.Stop()
		}
	}
}

// conflict is what has become of the message id, if the newest on its subject tells:
// it is that one, or somebody else's, or nothing has come after last yet.
func (q *SharedQueue) conflict(subject, id string, last uint64) (seq uint64, known bool, err error) {
	ctx, cancel := context.WithTimeout(q.ctx, shelfTry)
	defer cancel()
	m, err := q.data.GetLastMsgForSubject(ctx, subject)
	switch {
	case err != nil, m.Sequence <= last:
		return 0, false, nil // it is asked again
	case m.Header.Get(jetstream.MsgIDHeader) == id:
		return m.Sequence, true, nil
	default:
		return 0, true, buffer.ErrNotOwned
	}
}

// stored notes what has come of a batch.
func (q *SharedQueue) stored(s *shelf, list []*shelved, seq uint64, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if errors.Is(err, buffer.ErrNotOwned) {
		s.over = true
	}
	if err == nil {
		s.last = seq
	}
	for i, p := range list {
		q.bytes -= p.size
		if err != nil {
			q.g.Cancel(p.line, p.size)
			continue
		}
		p.at.msg = seq
		s.live[seq]++
		q.g.Commit(p.line, &buffer.Entry[place]{
			Seq: seq<<shelfShift | uint64(i), At: p.item.At.UnixNano(),
			Session: buffer.SessionKey(p.item.Record.Header()), Ref: p.at, Size: uint32(p.size),
		})
	}
}

// forget leaves out the Lanes of a shelf; mu is held, and nothing is under way.
func (q *SharedQueue) forget(s *shelf) {
	if q.owned[s.to] != s {
		return
	}
	var lines []*buffer.Line[place]
	q.g.Each(func(l *buffer.Line[place]) bool {
		if l.Lane.To == s.to {
			lines = append(lines, l)
		}
		return true
	})
	for _, l := range lines {
		q.g.Forget(l)
	}
	delete(q.owned, s.to)
}

// Release implements buffer.Owned.
func (q *SharedQueue) Release(to usp.Address) {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.owned[to]
	if s == nil {
		return
	}
	s.over = true
	if mark := q.tidying(s); mark != nil && !q.closed {
		delete(q.dirty, s)
		q.wg.Go(func() { q.tidy(mark) })
	}
	if !s.busy {
		q.forget(s)
	}
}

// Acquire implements buffer.Owned.
func (q *SharedQueue) Acquire(ctx context.Context, to usp.Address) ([]buffer.Lane, error) {
	q.Release(to) //nolint:contextcheck // what it writes has the Queue's
	if err := q.idle(ctx, to); err != nil {
		return nil, err
	}
	s := &shelf{
		to: to, subject: shelfPrefix + shelfToken(to), live: make(map[uint64]int),
		removed: make(map[buffer.Lane]uint64),
	}
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
	q.dirty[s] = struct{}{} // messages of which nothing is left
	poke(q.stir)
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

// load reads what waits for an address before its last message, in order.
func (q *SharedQueue) load(ctx context.Context, s *shelf) ([]shelfItem, error) {
	var list []shelfItem
	var lows map[buffer.Lane]uint64
	next := uint64(1)
	for {
		m, err := q.data.GetMsg(ctx, next, jetstream.WithGetMsgSubject(s.subject))
		if err != nil {
			return nil, err
		}
		if m.Sequence >= s.last {
			return list, nil
		}
		if lows == nil {
			if lows, err = q.lows(ctx, s.to); err != nil {
				return nil, err
			}
		}
		next = m.Sequence + 1
		damaged, err := eachItem(m.Data, func(off, size int, st *stored) {
			lane, ok := decodeLane(st.lane)
			seq := m.Sequence<<shelfShift | (st.seq - 1)
			if !ok || lane.To != s.to || seq <= lows[lane] {
				return
			}
			list = append(list, shelfItem{lane, buffer.Entry[place]{
				Seq: seq, At: st.at, Session: st.session, Size: uint32(st.recordLen()),
				Ref: place{msg: m.Sequence, off: uint32(off), size: uint32(size)},
			}})
		})
		if err != nil || damaged > 0 {
			q.log.Error("waiting Records are damaged", zap.Stringer("address", s.to), zap.Int("records", damaged),
				zap.Uint64("message", m.Sequence), zap.Error(err))
		}
	}
}
