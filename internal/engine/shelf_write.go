// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
	"go.uber.org/zap"

	"github.com/uspgate/uspgate/internal/store"
	"github.com/uspgate/uspgate/routing/buffer"
)

// begin has the worker of a shelf be there; mu is held.
func (q *SharedQueue) begin(s *shelf) {
	if s.busy {
		return
	}
	s.busy = true
	waits := !s.over // of what is given up the next owner is not to come first
	q.wg.Go(func() {
		if waits {
			q.slots <- struct{}{}
			defer func() { <-q.slots }()
		}
		q.work(s)
	})
}

// work writes what there is to write of one address: a batch of what is pending, then
// the mark if that is due, and so on.
func (q *SharedQueue) work(s *shelf) {
	for {
		list, message, mark := q.next(s)
		if len(list) == 0 && mark == nil {
			return
		}
		if len(list) > 0 {
			seq, err := q.store(s, message)
			q.stored(s, list, seq, err)
			for i, p := range list {
				if err != nil {
					p.settled(0, err)
				} else {
					p.settled(seq<<shelfShift|uint64(i), nil)
				}
			}
		}
		if mark != nil {
			q.tidy(s, mark)
		}
	}
}

// next is what the worker writes next. Once that is nothing the worker has gone.
func (q *SharedQueue) next(s *shelf) (list []*shelved, message []byte, mark *shelfMark) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if list, message = q.take(s); len(list) == 0 {
		mark = q.marking(s)
	}
	if len(list) == 0 && mark == nil {
		s.busy, s.pending = false, nil
		if s.over {
			q.forget(s)
		}
	}
	return list, message, mark
}

// take makes a batch of what is pending; mu is held.
func (q *SharedQueue) take(s *shelf) (list []*shelved, message []byte) {
	limit := min(batchBytes, int(q.e.conn.MaxPayload())-shelfHead)
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

// store writes a batch, ErrNotOwned if another node has written one. It goes on until
// it knows.
func (q *SharedQueue) store(s *shelf, message []byte) (uint64, error) {
	if q.isLost(s) {
		return 0, buffer.ErrNotOwned
	}
	id := nuid.Next() // by which a second try is known, if the first was stored after all
	for {
		ctx, cancel := context.WithTimeout(q.ctx, shelfTry)
		ack, err := q.e.js.PublishMsg(ctx, &nats.Msg{Subject: s.subject, Data: message},
			jetstream.WithMsgID(id), jetstream.WithExpectLastSequencePerSubject(s.last))
		cancel()
		switch {
		case err == nil:
			return ack.Sequence, nil
		case q.ctx.Err() != nil:
			return 0, errQueueClosed
		case errors.Is(kvError(err), store.ErrConflict):
			// Also while the first try is under way, and after it in some cases.
			newest, known, err := q.conflict(s, id)
			if known {
				return newest, err
			}
			if err == nil && newest < s.last && q.behind(s, newest) {
				continue
			}
		case isFull(err):
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

// isFull reports that a limit of the stream, of the account or of a server is
// reached.
func isFull(err error) bool {
	api, ok := errors.AsType[*jetstream.APIError](err)
	return errors.Is(kvError(err), store.ErrFull) ||
		ok && (api.ErrorCode == errAccountFull || api.ErrorCode == errServerFull)
}

const (
	errAccountFull jetstream.ErrorCode = 10002
	errServerFull  jetstream.ErrorCode = 10023
)

func (q *SharedQueue) isLost(s *shelf) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return s.lost
}

// conflict is what has become of the batch id, if the newest on its subject tells: it
// is that one, or somebody else's. If nothing is known that one is the last, or it is
// from before, or 0 for none, as the store has lost the end.
func (q *SharedQueue) conflict(s *shelf, id string) (seq uint64, known bool, err error) {
	ctx, cancel := context.WithTimeout(q.ctx, shelfTry)
	defer cancel()
	m, err := q.data.GetLastMsgForSubject(ctx, s.subject)
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return 0, false, nil
	case err != nil:
		return 0, false, err
	case m.Sequence <= s.last:
		return m.Sequence, false, nil
	case id != "" && m.Header.Get(jetstream.MsgIDHeader) == id:
		return m.Sequence, true, nil
	default:
		return 0, true, buffer.ErrNotOwned
	}
}

// stored notes what has come of a batch.
func (q *SharedQueue) stored(s *shelf, list []*shelved, seq uint64, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case err == nil:
		s.last, s.since = seq, time.Time{}
		q.dirty[s] = struct{}{} // the mark says up to where there are batches
		poke(q.stir)
	case errors.Is(err, buffer.ErrNotOwned):
		s.over, s.lost = true, true
	case errors.Is(err, buffer.ErrFull):
		q.full = time.Now().Add(shelfFull)
	}
	for i, p := range list {
		q.bytes -= p.size
		q.g.Made()
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
	for _, l := range q.lines(s) {
		q.g.Forget(l)
	}
	delete(q.owned, s.to)
}

// lines are those of a shelf; mu is held.
func (q *SharedQueue) lines(s *shelf) []*buffer.Line[place] {
	var lines []*buffer.Line[place]
	q.g.Each(func(l *buffer.Line[place]) bool {
		if l.Lane.To == s.to {
			lines = append(lines, l)
		}
		return true
	})
	return lines
}
