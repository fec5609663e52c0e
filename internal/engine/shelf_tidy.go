// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/uspgate/uspgate/internal/store"
	"github.com/uspgate/uspgate/routing/buffer"
	"github.com/uspgate/uspgate/usp"
)

// shelfMark is what has been removed of an address.
//
//	mark: "UM" version 0  body  CRC-32C of body (4)
//	body: floor (uvarint)  lane low (uvarint) ...
//
// Of the batches before floor nothing is left, nor of a Lane up to its low. A Lane
// that has no low, or one before floor, has none that matters.
type shelfMark struct {
	floor uint64
	lows  map[buffer.Lane]uint64
}

const shelfMarkHead = "UM\x01\x00"

func (m *shelfMark) encode() []byte {
	b := binary.AppendUvarint([]byte(shelfMarkHead), m.floor)
	for lane, low := range m.lows {
		b = appendLane(b, &lane)
		b = binary.AppendUvarint(b, low)
	}
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[len(shelfMarkHead):], castagnoli()))
}

var errShelfMark = errors.New("engine: the mark of an address is damaged")

// parseShelfMark is what encode has made.
func parseShelfMark(b []byte) (*shelfMark, error) {
	b, ok := bytes.CutPrefix(b, []byte(shelfMarkHead))
	if !ok || len(b) < 4 {
		return nil, errShelfMark
	}
	body, sum := b[:len(b)-4], b[len(b)-4:]
	if crc32.Checksum(body, castagnoli()) != binary.LittleEndian.Uint32(sum) {
		return nil, errShelfMark
	}
	d := decoder{b: body}
	m := &shelfMark{floor: d.uvarint(), lows: make(map[buffer.Lane]uint64)}
	for len(d.b) > 0 && !d.bad {
		lane := d.readLane()
		m.lows[lane] = d.uvarint()
	}
	if d.bad {
		return nil, errShelfMark
	}
	return m, nil
}

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
	mark := &shelfMark{floor: s.last, lows: make(map[buffer.Lane]uint64)}
	for msg := range s.live {
		mark.floor = min(mark.floor, msg)
	}
	for lane, low := range s.removed {
		if l := q.g.Line(lane); l != nil && l.Len() > 0 {
			low = l.Entries()[0].Seq - 1 // what was dropped in the middle is behind it
		}
		if low < mark.floor<<shelfShift {
			delete(s.removed, lane) // it goes with the batches
			continue
		}
		mark.lows[lane] = low
	}
	return mark
}

// tidy writes a mark, and purges what is before its floor. If that fails it is done
// with the next; if there is none the Records are found again, and come twice.
func (q *SharedQueue) tidy(s *shelf, mark *shelfMark) {
	if mark.floor == s.floor && len(mark.lows) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(q.ctx, shelfTry)
	defer cancel()
	m := &nats.Msg{Subject: markPrefix + shelfToken(s.to), Data: mark.encode(), Header: nats.Header{}}
	m.Header.Set(jetstream.MsgRollup, jetstream.MsgRollupSubject)
	_, err := q.e.js.PublishMsg(ctx, m, jetstream.WithExpectLastSequenceForSubject(s.last, s.subject))
	if errors.Is(kvError(err), store.ErrConflict) {
		if _, known, lost := q.conflict(s, ""); known && lost != nil {
			q.mu.Lock()
			s.over, s.lost = true, true
			q.mu.Unlock()
			return
		}
	}
	if err != nil {
		q.log.Warn("what was delivered could not be noted", zap.Stringer("address", s.to), zap.Error(err))
		q.again(s)
		return
	}
	if mark.floor == s.floor {
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
	none := &shelfMark{lows: make(map[buffer.Lane]uint64)}
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
