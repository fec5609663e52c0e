// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/uspgate/uspgate/routing/buffer"
)

// Times of the way to the store.
const (
	ackWait   = 3 * time.Second        // until the outcome of a publish counts as unknown
	findWait  = 2 * time.Second        // for one attempt to learn it
	retryWait = 200 * time.Millisecond // between attempts to learn it
	markWait  = 25 * time.Millisecond  // a mark without an item waits so long for others
)

// batch is what was pending at one moment. It goes from publish over await to
// finish, each of which has one goroutine: while one batch is being made durable
// the next is being published, and the marks of the one before are.
type batch struct{ parts []*part }

// part is one message.
type part struct {
	payload []byte
	puts    []*put
	ack     jetstream.PubAckFuture
	sent    time.Time
	msg     uint64 // the sequence in the stream
	err     error
	absent  bool // with err: it is certain that it was not stored
}

// publish sends what is pending, until the Queue is closed.
func (q *Queue) publish(next chan<- *batch) {
	defer close(next)
	for {
		q.mu.Lock()
		puts, closed := q.takePending(), q.closed
		q.mu.Unlock()
		if len(puts) == 0 {
			if closed || q.ctx.Err() != nil {
				return
			}
			select {
			case <-q.wake:
			case <-q.ctx.Done():
			}
			continue
		}
		b := &batch{parts: q.divide(puts)}
		for _, p := range b.parts {
			p.send(q)
		}
		next <- b
	}
}

// takePending takes what fits into a batch.
func (q *Queue) takePending() []*put {
	n, size := 0, 0
	for n < len(q.pending) && n < batchRecords && (n == 0 || size < batchBytes) {
		p := q.pending[n]
		size += max(p.size, len(p.moved))
		n++
	}
	puts := q.pending[:n:n]
	if q.pending = q.pending[n:]; len(q.pending) == 0 {
		q.pending = nil
	}
	return puts
}

// divide makes the messages, in order.
func (q *Queue) divide(puts []*put) []*part {
	var parts []*part
	var t *part
	for _, p := range puts {
		size := itemSize(&p.item) + len(p.moved)
		if t == nil || len(t.payload)+size > q.maxItem {
			t = &part{payload: appendBatchHeader(make([]byte, 0, batchHeader+size))}
			parts = append(parts, t)
		}
		off := len(t.payload)
		t.payload = appendItem(t.payload, p)
		p.at = place{off: uint32(off), size: uint32(len(t.payload) - off)}
		t.puts = append(t.puts, p)
	}
	return parts
}

func (p *part) send(q *Queue) {
	p.sent = time.Now()
	p.ack, p.err = q.e.js.PublishAsync(logStream, p.payload)
	p.absent = p.err != nil
}

// await takes batches to where their items are durable, or are known not to be.
func (q *Queue) await(from <-chan *batch, next chan<- *batch) {
	defer close(next)
	for b := range from {
		group := rest(b, from)
		q.secure(group)
		for _, b := range group {
			next <- b
		}
	}
}

// rest is b with the batches behind it that are there already.
func rest(b *batch, from <-chan *batch) []*batch {
	group := []*batch{b}
	for len(group) <= cap(from) {
		select {
		case b, ok := <-from:
			if !ok {
				return group
			}
			group = append(group, b)
		default:
			return group
		}
	}
	return group
}

// secure waits for what the store says of batches, and makes what it has taken
// durable: one fsync for all that were published during the one before.
func (q *Queue) secure(group []*batch) {
	var taken []*part
	for _, b := range group {
		for _, p := range b.parts {
			if p.err == nil {
				p.wait(q)
			}
			if p.err == nil {
				taken = append(taken, p)
			}
		}
	}
	if len(taken) == 0 {
		return
	}
	if err := q.durable(logStream); err != nil {
		q.e.unanswered(err) // a second fsync would say nothing of what the first has not written
		for _, p := range taken {
			p.err = err
		}
	}
}

// wait waits for the outcome of the publish, and if there is none looks for it. A
// store that has failed tells nobody: then it is not known, and the sender is to
// repeat it.
func (p *part) wait(q *Queue) {
	tick := time.NewTicker(retryWait)
	defer tick.Stop()
	for known := false; !known; {
		select {
		case ack := <-p.ack.Ok():
			p.msg = ack.Sequence
			q.last = max(q.last, p.msg)
			return
		case p.err = <-p.ack.Err():
			known = true
		case <-tick.C:
			known = time.Since(p.sent) >= ackWait || q.e.dead() != nil || q.e.renewed(p.sent)
			if known {
				p.err = nats.ErrTimeout
			}
		case <-q.ctx.Done():
			p.err = errQueueClosed
			return
		}
	}
	if refused, ok := errors.AsType[*jetstream.APIError](p.err); ok && refused != nil {
		p.absent = true // JetStream has looked at it
		return
	}
	if q.e.dead() == nil && !q.e.renewed(p.sent) {
		q.e.unanswered(p.err) // has JetStream started anew
		q.log.Warn("the store does not answer", zap.String("stream", logStream), zap.Error(p.err))
	}
	for q.ctx.Err() == nil && !q.e.conn.IsClosed() && q.e.dead() == nil {
		found, err := q.find(p)
		if err == nil {
			if p.absent = !found; found {
				p.err = nil
			}
			return
		}
		q.e.unanswered(err)
		select {
		case <-time.After(retryWait):
		case <-q.ctx.Done():
		}
	}
}

// find looks in the stream for the message of p. An empty batch goes behind it
// first, so that it is not on its way any more.
func (q *Queue) find(p *part) (bool, error) {
	ctx, cancel := context.WithTimeout(q.ctx, findWait)
	defer cancel()
	ack, err := q.e.js.Publish(ctx, logStream, appendBatchHeader(nil))
	if err != nil {
		return false, err
	}
	found := false
	err = q.e.messages(ctx, logStream, q.last+1, ack.Sequence, func(seq uint64, b []byte) {
		if !found && bytes.Equal(b, p.payload) {
			found, p.msg = true, seq
		}
	})
	if err == nil {
		q.last = ack.Sequence
	}
	return found, err
}

// durable waits until what stream has acknowledged is durable.
func (q *Queue) durable(stream string) error {
	done := make(chan error, 1)
	q.e.durable(stream, func(err error) { done <- err })
	if err := <-done; err != nil {
		return fmt.Errorf("making it durable: %w", err)
	}
	return nil
}

// finish writes the marks of what is durable, and of what has been removed, and
// settles.
func (q *Queue) finish(from <-chan *batch) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case b, ok := <-from:
			if !ok {
				q.writeMarks(nil)
				return
			}
			group := rest(b, from)
			q.writeMarks(group)
			for _, b := range group {
				q.settle(b)
			}
		case <-q.stir:
			timer.Reset(markWait)
		case <-timer.C:
			q.writeMarks(nil)
		}
	}
}

// settle ends the puts of b, in order.
func (q *Queue) settle(b *batch) {
	q.mu.Lock()
	for _, t := range b.parts {
		for i := len(t.puts) - 1; i >= 0 && t.err != nil; i-- {
			p := t.puts[i]
			p.err, p.absent = t.err, t.absent
			q.cancelPut(p)
		}
		if t.err == nil {
			q.commitPart(t)
		}
	}
	q.mu.Unlock()
	for _, t := range b.parts {
		for _, p := range t.puts {
			switch {
			case p.settled == nil:
			case p.err != nil:
				p.settled(0, p.err)
			default:
				p.settled(p.seq, nil)
			}
		}
	}
}

// commitPart makes the items of t visible. An item may leave at once, but not the
// message before its last item has come.
func (q *Queue) commitPart(t *part) {
	q.kept.pin(t.msg, len(t.payload))
	defer q.kept.unpin(t.msg)
	for _, p := range t.puts {
		p.at.msg = t.msg
		q.commitPut(t, p)
	}
}

// commitPut makes p visible, or if it was moved has it read from there.
func (q *Queue) commitPut(t *part, p *put) {
	q.kept.hold(p.at, len(t.payload))
	l := p.line
	if p.moved != nil {
		entries := l.Entries()
		i := search(entries, p.seq)
		if i < len(entries) && entries[i].Seq == p.seq && entries[i].Ref == p.from {
			q.kept.release(p.from)
			entries[i].Ref = p.at
		} else {
			q.kept.release(p.at) // removed meanwhile
			q.soil(l)            // which its mark has to say of this place, too
		}
		return
	}
	q.bytes -= p.size
	q.g.Made()
	l.High = max(l.High, p.seq)
	q.g.Commit(l, &buffer.Entry[place]{
		Seq: p.seq, At: p.item.At.UnixNano(), Session: buffer.SessionKey(p.item.Record.Header()), Ref: p.at,
		Size: uint32(p.size),
	})
}

// cancelPut takes p back. Its seq is used again if it is certain that it was not
// stored and none is after it.
func (q *Queue) cancelPut(p *put) {
	if p.moved != nil {
		return
	}
	q.bytes -= p.size
	q.g.Made()
	if l := p.line; p.absent && l.Next == p.seq+1 {
		l.Next = p.seq
	} else if !p.absent {
		l.High = max(l.High, p.seq)
	}
	q.soil(p.line) // the Line may end with this
	q.g.Cancel(p.line, p.size)
}
