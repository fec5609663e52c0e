// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/uspgate/uspgate/routing/buffer"
)

// open makes the streams, and loads what waits in them.
func (q *Queue) open(ctx context.Context) error {
	begin, cancel := context.WithTimeout(ctx, q.e.o.Start)
	defer cancel()
	for _, name := range []string{logStream, logMarks} {
		_, err := q.e.js.CreateOrUpdateStream(begin, jetstream.StreamConfig{
			Name: name, Subjects: []string{name}, Storage: jetstream.FileStorage, AllowDirect: true,
			Discard: jetstream.DiscardNew, Replicas: 1,
		})
		if err != nil {
			return err
		}
	}
	return q.load(ctx)
}

// loader gathers what the streams have.
type loader struct {
	q     *Queue
	lines map[string]*loaded // by the encoded lane
}

// loaded is one Lane.
type loaded struct {
	lane buffer.Lane
	mark
	low  uint64 // the highest low of its items
	last uint64 // the highest seq
	line *buffer.Line[place]
}

func (q *Queue) load(ctx context.Context) error {
	ld := &loader{q: q, lines: make(map[string]*loaded)}
	began := time.Now()
	if err := ld.marks(ctx); err != nil {
		return err
	}
	damaged := 0
	err := q.e.messages(ctx, logStream, 1, 0, func(seq uint64, b []byte) {
		q.kept.pin(seq, len(b))
		defer q.kept.unpin(seq)
		q.last = seq
		n, err := eachItem(b, func(off, size int, s *stored) {
			ld.item(place{seq, uint32(off), uint32(size)}, s)
		})
		if damaged += n; err != nil {
			damaged++
		}
	})
	if err != nil {
		return err
	}
	missing := 0
	for key, l := range ld.lines {
		missing += ld.settle(l)
		delete(ld.lines, key)
	}
	q.kept.cleared = q.kept.head
	log := q.log.Info
	if damaged+missing > 0 {
		log = q.log.Error
	}
	log("the buffer is loaded", zap.Int("lanes", len(q.g.Lanes())), zap.Int64("bytes", q.kept.live),
		zap.Int("damaged", damaged), zap.Int("missing", missing), zap.Duration("took", time.Since(began)))
	return nil
}

// marks loads the MARK stream. One that is missing there leaves older marks, which
// know less of what has been removed: it may come again.
func (ld *loader) marks(ctx context.Context) error {
	q := ld.q
	damaged := 0
	err := q.e.messages(ctx, logMarks, 1, 0, func(_ uint64, b []byte) {
		ordinal, floor, err := eachMark(b, func(lane []byte, k *mark) {
			if l := ld.at(lane); l != nil {
				l.mark = *k
			}
		})
		if err != nil {
			damaged++
			return
		}
		if q.marks.ordinal != 0 && ordinal != q.marks.ordinal+1 {
			damaged++
		}
		q.marks.ordinal, q.maxSeq = ordinal, max(q.maxSeq, floor)
		q.marks.size += int64(len(b))
	})
	if damaged > 0 {
		q.log.Error("marks of the buffer are damaged; Records that were delivered may come again",
			zap.Int("messages", damaged))
	}
	return err
}

// at is the Lane of that encoded name, nil if it is none.
func (ld *loader) at(lane []byte) *loaded {
	l := ld.lines[string(lane)]
	if l == nil {
		name, ok := decodeLane(lane)
		if !ok {
			return nil
		}
		l = &loaded{lane: name}
		ld.lines[string(lane)] = l
	}
	return l
}

func (ld *loader) item(at place, s *stored) {
	l := ld.at(s.lane)
	if l == nil {
		return
	}
	l.low, l.last = max(l.low, s.low), max(l.last, s.seq)
	if l.gone(s.seq) {
		return
	}
	if l.line == nil {
		l.line = ld.q.g.Open(l.lane)
	}
	ld.q.kept.hold(at, 0)
	ld.q.g.Restore(l.line, &buffer.Entry[place]{
		Seq: s.seq, At: s.at, Session: s.session, Ref: at,
		Size: uint32(s.recordLen()),
	})
}

// settle has all of a Lane: what is missing is reported.
func (ld *loader) settle(l *loaded) int {
	q := ld.q
	high := max(l.high, l.last)
	q.maxSeq = max(q.maxSeq, high)
	removed := l.removed
	if l.low > 0 {
		removed = max(removed, l.low-1)
	}
	var entries []buffer.Entry[place]
	if l.line != nil {
		l.line.High, l.line.Next = high, high+1
		q.g.Settle(l.line, func(a, b *buffer.Entry[place]) bool { return a.Ref.msg > b.Ref.msg })
		q.g.Remove(l.lane, removed)
		entries = l.line.Entries()
	}
	missing := 0
	now := time.Now()
	for _, h := range holesOf(removed, high, func(yield func(uint64) bool) {
		for i := range entries {
			if !yield(entries[i].Seq) {
				return
			}
		}
	}) {
		for _, lost := range without(h, l.holes) {
			missing += int(lost.n)
			q.g.Missing(l.lane, lost.first, int(lost.n), now)
			logDamage(q.log, l.lane, lost.first, int(lost.n))
		}
	}
	if missing > 0 {
		q.dirty[l.lane] = high // so that it is reported once
		poke(q.stir)
	}
	return missing
}

// without is what of h is in none of known.
func without(h hole, known []hole) []hole {
	rest := []hole{h}
	for _, k := range known {
		rest = slices.Collect(func(yield func(hole) bool) {
			for _, r := range rest {
				if k.first > r.first && !yield(hole{r.first, min(r.first+r.n, k.first) - r.first}) {
					return
				}
				if end := r.first + r.n; k.first+k.n < end {
					from := max(r.first, k.first+k.n)
					if !yield(hole{from, end - from}) {
						return
					}
				}
			}
		})
	}
	return rest
}
