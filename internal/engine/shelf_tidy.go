// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/uspgate/uspgate/internal/store"
	"github.com/uspgate/uspgate/usp"
)

// tend has what was removed be written, soon after.
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
		for s := range q.dirty {
			s.due = true
			q.begin(s)
		}
		clear(q.dirty)
		q.mu.Unlock()
		if closed {
			return
		}
	}
}

// marking is the mark that is to be written of a shelf, nil for none; mu is held.
func (q *SharedQueue) marking(s *shelf) *shelfMark {
	if !s.due || s.lost || q.owned[s.to] != s {
		return nil
	}
	s.due = false
	mark := newShelfMark()
	mark.floor = s.last
	for msg := range s.live {
		mark.floor, mark.high = min(mark.floor, msg), max(mark.high, msg)
	}
	for batch, records := range s.spoilt {
		if batch >= mark.floor && len(mark.spoilt) < maxSpoilt {
			mark.spoilt[batch] = records
		}
	}
	s.spoilt = maps.Clone(mark.spoilt)
	for lane, r := range s.removed {
		if l := q.g.Line(lane); l != nil && l.Len() > 0 {
			r.low = max(r.low, l.Entries()[0].Seq-1)
		}
		first := mark.floor << shelfShift
		maps.DeleteFunc(r.middle, func(seq uint64, _ struct{}) bool { return seq <= r.low || seq < first })
		if r.low < first && len(r.middle) == 0 {
			delete(s.removed, lane) // it goes with the batches
			continue
		}
		mark.lanes[lane] = r.clone()
	}
	return mark
}

// tidy writes a mark, and purges what is before its floor. If that fails it is done
// with the next; if there is none the Records are found again, and come twice.
func (q *SharedQueue) tidy(s *shelf, mark *shelfMark) {
	if mark.same(&s.mark) && mark.floor == s.floor {
		return
	}
	ctx, cancel := context.WithTimeout(q.ctx, shelfTry)
	defer cancel()
	m := &nats.Msg{Subject: markPrefix + shelfToken(s.to), Data: mark.encode(), Header: nats.Header{}}
	m.Header.Set(jetstream.MsgRollup, jetstream.MsgRollupSubject)
	_, err := q.e.js.PublishMsg(ctx, m, jetstream.WithExpectLastSequenceForSubject(s.last, s.subject))
	if errors.Is(kvError(err), store.ErrConflict) {
		newest, known, unknown := q.conflict(s, "")
		switch {
		case known:
			q.mu.Lock()
			s.over, s.lost = true, true
			q.mu.Unlock()
			return
		case unknown == nil && newest < s.last:
			q.behind(s, newest)
			q.again(s)
			poke(q.stir)
			return
		}
	}
	if err != nil {
		q.log.Warn("what was delivered could not be noted", zap.Stringer("address", s.to), zap.Error(err))
		q.again(s)
		return
	}
	if s.mark = *mark; mark.floor == s.floor {
		return
	}
	err = q.data.Purge(ctx, jetstream.WithPurgeSubject(s.subject), jetstream.WithPurgeSequence(mark.floor))
	if err != nil {
		q.log.Warn("what was delivered could not be removed", zap.Stringer("address", s.to), zap.Error(err))
		q.again(s)
		return
	}
	s.floor = mark.floor
}

// again has the mark of a shelf be written once more, with the next that is removed.
func (q *SharedQueue) again(s *shelf) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !s.over {
		q.dirty[s] = struct{}{}
	}
}

// mark reads that of an address.
func (q *SharedQueue) mark(ctx context.Context, to usp.Address) (*shelfMark, error) {
	none := newShelfMark()
	m, err := q.data.GetLastMsgForSubject(ctx, markPrefix+shelfToken(to))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return none, nil
	}
	if err != nil {
		return nil, fmt.Errorf("marks: %w", err)
	}
	mark, err := parseShelfMark(m.Data)
	if err != nil {
		q.log.Error("what was delivered comes again", zap.Stringer("address", to), zap.Error(err))
		return none, nil
	}
	return mark, nil
}
