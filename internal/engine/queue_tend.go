// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"bytes"
	"errors"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/uspgate/uspgate/routing/buffer"
)

const (
	sweepEvery = 10 * time.Second
	moveBytes  = 4 << 20 // are moved at once
)

// tending is how the log and the marks are kept small.
type tending struct {
	every      time.Duration // looked at so often
	purgeBytes int64         // of messages that are done with are purged at once
	deadBytes  int64         // beyond twice what waits are borne in the log, then its head is moved to its end
	markBytes  int64         // beyond four times what all marks take, they are written anew
}

func (t tending) withDefaults() tending {
	def(&t.every, time.Second)
	def(&t.purgeBytes, 4<<20)
	def(&t.deadBytes, 64<<20)
	def(&t.markBytes, 16<<20)
	return t
}

// tend drops what has expired, also where nobody reads, and rids the log of what
// is done with, until the Queue ends.
func (q *Queue) tend() {
	tick := time.NewTicker(q.e.o.tending.every)
	defer tick.Stop()
	swept := time.Now()
	failing := false
	for {
		select {
		case <-q.ended:
			return
		case <-tick.C:
		}
		if now := time.Now(); now.Sub(swept) >= sweepEvery {
			swept = now
			q.mu.Lock()
			q.g.Sweep(now)
			q.mu.Unlock()
		}
		err := errors.Join(q.purgeLog(), q.moveHead())
		if err != nil && q.ctx.Err() == nil && !failing {
			q.log.Error("the log of the buffer can not be shortened", zap.Error(err))
		}
		failing = err != nil
	}
}

// purgeLog purges what is done with, once the marks that say so are durable: what
// a mark does not say to be gone is missed.
func (q *Queue) purgeLog() error {
	q.mu.Lock()
	upTo, freed := q.kept.cleared, q.kept.freed
	q.mu.Unlock()
	if freed < q.e.o.tending.purgeBytes || upTo <= 1 {
		return nil
	}
	stream, err := q.e.js.Stream(q.ctx, logStream)
	if err != nil {
		return err
	}
	if err := stream.Purge(q.ctx, jetstream.WithPurgeSequence(upTo)); err != nil {
		return err
	}
	q.mu.Lock()
	q.kept.freed -= freed
	q.kept.purged(upTo)
	q.mu.Unlock()
	return q.blocks.refresh() // while one that has gone is open it takes its space
}

// moveHead stores once more what still waits at the head of a log that has become
// long, so that the head can be purged.
func (q *Queue) moveHead() error {
	for moved := 0; moved < moveBytes; {
		q.mu.Lock()
		need := q.kept.total > 2*q.kept.live+q.e.o.tending.deadBytes && len(q.pending) == 0 && !q.closed
		head := place{msg: q.kept.head}
		if need {
			head.size = q.kept.msgs[0].bytes
		}
		q.mu.Unlock()
		if !need {
			return nil
		}
		puts, err := q.waitingAt(head)
		if err != nil {
			return err
		}
		if len(puts) == 0 {
			if q.lostMessage(head.msg) == 0 {
				return nil // all of it was removed meanwhile
			}
			continue
		}
		if err := q.move(puts); err != nil {
			return err
		}
		moved += int(head.size)
	}
	return nil
}

// waitingAt makes puts of what waits in a message; none if there is nothing, or
// nothing that could be read.
func (q *Queue) waitingAt(at place) ([]*put, error) {
	for range tries {
		b, err := q.at(q.ctx, at)
		if err != nil && !errors.Is(err, errLost) {
			return nil, err
		}
		if err == nil {
			if puts := q.movable(at.msg, b); len(puts) > 0 {
				return puts, nil
			}
		}
		q.batches.forget(at.msg)
	}
	return nil, nil
}

// move stores puts and waits for it.
func (q *Queue) move(puts []*put) error {
	done := make(chan error, len(puts))
	for _, p := range puts {
		p.settled = func(_ uint64, err error) { done <- err }
	}
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return nil
	}
	q.pending = append(q.pending, puts...)
	q.mu.Unlock()
	poke(q.wake)
	for range puts {
		if err := <-done; err != nil {
			return err
		}
	}
	poke(q.stir) // where it was may be purged
	return nil
}

// movable makes puts of those items of a message that still wait there.
func (q *Queue) movable(msg uint64, b []byte) []*put {
	var puts []*put
	q.mu.Lock()
	defer q.mu.Unlock()
	_, _ = eachItem(b, func(off, size int, s *stored) { // what is damaged is not among them
		lane, ok := decodeLane(s.lane)
		l := q.g.Line(lane)
		if !ok || l == nil {
			return
		}
		at, entries := place{msg, uint32(off), uint32(size)}, l.Entries()
		if i := search(entries, s.seq); i < len(entries) && entries[i].Seq == s.seq && entries[i].Ref == at {
			puts = append(puts, &put{
				line: l, seq: s.seq, from: at, moved: bytes.Clone(b[off+4 : off+size-4]),
			})
		}
	})
	return puts
}

// lostMessage drops what should be in a message that is not there, and returns how many
// Records it was.
func (q *Queue) lostMessage(msg uint64) (lost int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var lines []*buffer.Line[place]
	q.g.Each(func(l *buffer.Line[place]) bool {
		lines = append(lines, l)
		return true
	})
	for _, l := range lines {
		for _, e := range slices.Clone(l.Entries()) {
			if e.Ref.msg == msg {
				q.dropLost(l, &e)
				lost++
			}
		}
	}
	return lost
}
