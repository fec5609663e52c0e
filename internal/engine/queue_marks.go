// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"slices"
	"sort"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/uspgate/uspgate/routing/buffer"
)

// marker writes the MARK stream where it is a log of this node's own.
type marker struct {
	ordinal uint64
	size    int64 // bytes of the stream, and of its last complete set of marks
	full    int64
	recalls bool // what had ended at the start is known
	failing bool
}

// markBytes bounds one message of the MARK stream.
const markBytes = 512 << 10

// laneMark is the mark of a Lane at one moment.
type laneMark struct {
	lane buffer.Lane
	mark
}

// writeMarks writes the marks of the Lanes of group and of those that are dirty. What
// can not be written stays dirty: the items are durable, and a mark that is
// behind is caught up at the next start.
func (q *Queue) writeMarks(group []*batch) {
	q.mu.Lock()
	added := storedIn(group)
	marks := q.takeMarks(added)
	floor := q.maxSeq
	head := q.kept.head
	q.mu.Unlock()
	if len(marks) == 0 {
		q.clear(head)
		return
	}
	err := q.e.dead()
	if err == nil {
		_, err = q.publishMarks(floor, marks)
	}
	if err == nil {
		err = q.durable(logMarks)
	}
	if err == nil {
		q.clear(head)
		err = q.renewMarks(added)
	} else {
		q.e.unanswered(err)
		q.mu.Lock()
		for i := range marks {
			q.dirty[marks[i].lane] = max(q.dirty[marks[i].lane], marks[i].high)
		}
		q.mu.Unlock()
		poke(q.stir)
	}
	if err != nil && !q.marks.failing {
		q.log.Error("marks can not be written; they will be", zap.Error(err))
	}
	q.marks.failing = err != nil
}

// clear notes that the marks of whatever is gone before head are durable.
func (q *Queue) clear(head uint64) {
	q.mu.Lock()
	q.kept.cleared = head
	q.mu.Unlock()
}

// renewMarks writes the marks of every Lane of which the log has something and rids the
// stream of what is older, if it has become long. Of the others only the floor is
// remembered: their seqs go on above it. added is what is stored, and not visible yet.
func (q *Queue) renewMarks(added map[buffer.Lane][]uint64) error {
	if q.marks.size < 4*q.marks.full+q.e.o.tending.markBytes {
		return nil
	}
	if err := q.recallEnded(); err != nil {
		return err
	}
	q.mu.Lock()
	var marks []laneMark
	q.g.Each(func(l *buffer.Line[place]) bool {
		marks = append(marks, laneMark{l.Lane, q.markOf(l.Lane, 0, added[l.Lane])})
		return true
	})
	for lane, high := range q.dirty {
		if q.g.Line(lane) == nil {
			q.kept.end(lane, high)
		}
	}
	for lane, e := range q.kept.ended {
		if q.g.Line(lane) == nil {
			marks = append(marks, laneMark{lane, q.markOf(lane, e.high, nil)})
		}
	}
	floor := q.maxSeq
	q.mu.Unlock()
	before := q.marks.size
	first, err := q.publishMarks(floor, marks)
	if err != nil {
		return err
	}
	if err := q.durable(logMarks); err != nil {
		return err
	}
	stream, err := q.e.js.Stream(q.ctx, logMarks)
	if err != nil {
		return err
	}
	if err := stream.Purge(q.ctx, jetstream.WithPurgeSequence(first)); err != nil {
		return err
	}
	q.marks.size -= before
	q.marks.full = q.marks.size
	return nil
}

// recallEnded notes, once, the Lanes that had ended before the start: the marks have
// them.
func (q *Queue) recallEnded() error {
	if q.marks.recalls {
		return nil
	}
	err := q.e.messages(q.ctx, logMarks, 1, 0, func(_ uint64, b []byte) {
		_, _, _ = eachMark(b, func(encoded []byte, k *mark) { // damage was logged at the start
			lane, ok := decodeLane(encoded)
			q.mu.Lock()
			if ok && q.g.Line(lane) == nil {
				q.kept.end(lane, k.high)
			}
			q.mu.Unlock()
		})
	})
	q.marks.recalls = err == nil
	return err
}

// storedIn are the seqs of the items that a group has stored.
func storedIn(group []*batch) map[buffer.Lane][]uint64 {
	added := make(map[buffer.Lane][]uint64)
	for _, b := range group {
		for _, t := range b.parts {
			for _, p := range t.puts {
				if t.err == nil && p.moved == nil {
					added[p.line.Lane] = append(added[p.line.Lane], p.seq)
				}
			}
		}
	}
	return added
}

// takeMarks makes the marks that are due, with those of added.
func (q *Queue) takeMarks(added map[buffer.Lane][]uint64) []laneMark {
	marks := make([]laneMark, 0, len(added)+len(q.dirty))
	for lane, seqs := range added {
		marks = append(marks, laneMark{lane, q.markOf(lane, q.dirty[lane], seqs)})
	}
	for lane, high := range q.dirty {
		if _, ok := added[lane]; !ok {
			if q.g.Line(lane) == nil {
				high = q.kept.end(lane, high)
			}
			marks = append(marks, laneMark{lane, q.markOf(lane, high, nil)})
		}
	}
	clear(q.dirty)
	return marks
}

// markOf makes the mark of a Lane of which seqs are stored behind its Entries.
func (q *Queue) markOf(lane buffer.Lane, high uint64, seqs []uint64) mark {
	var entries []buffer.Entry[place]
	if l := q.g.Line(lane); l != nil {
		entries, high = l.Entries(), max(high, l.High)
	}
	first := high + 1
	switch {
	case len(entries) > 0:
		first = entries[0].Seq
	case len(seqs) > 0:
		first = seqs[0]
	}
	if len(seqs) > 0 {
		high = max(high, seqs[len(seqs)-1])
	}
	m := mark{high: high, removed: first - 1}
	if n := uint64(len(entries) + len(seqs)); high-m.removed != n {
		m.holes = holesOf(m.removed, high, func(yield func(uint64) bool) {
			for i := range entries {
				if !yield(entries[i].Seq) {
					return
				}
			}
			slices.Values(seqs)(yield)
		})
	}
	return m
}

// publishMarks writes marks in as many messages as they need, at least one, and
// returns the sequence of the first.
func (q *Queue) publishMarks(floor uint64, marks []laneMark) (first uint64, err error) {
	msg := newMarkMessage(q.marks.ordinal+1, floor)
	for i := 0; ; i++ {
		if i < len(marks) {
			msg.add(&marks[i].lane, &marks[i].mark)
		}
		if len(msg.b) < markBytes && i < len(marks)-1 {
			continue
		}
		b := msg.bytes()
		ack, err := q.e.js.Publish(q.ctx, logMarks, b)
		if err != nil {
			return first, err
		}
		if first == 0 {
			first = ack.Sequence
		}
		q.marks.ordinal++
		q.marks.size += int64(len(b))
		if i >= len(marks)-1 {
			return first, nil
		}
		msg = newMarkMessage(q.marks.ordinal+1, floor)
	}
}

// search is where seq is, or would be.
func search(entries []buffer.Entry[place], seq uint64) int {
	return sort.Search(len(entries), func(i int) bool { return entries[i].Seq >= seq })
}
