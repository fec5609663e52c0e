// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt

import (
	"sync"
	"time"

	"github.com/uspgate/uspgate/mtp"
)

const (
	// flushBytes is about how much goes into one write.
	flushBytes = 64 << 10
	// copyBytes is the size of a Record from which on it is not copied.
	copyBytes = 16 << 10
)

// batch is what a writer has encoded: whole packets, of which the last may have
// its payload in tail.
type batch struct {
	head, tail []byte
	done       []outcome // of what is over when the batch has been written
}

type outcome struct {
	number uint64 // of the entry
	token  mtp.Token
	err    error
	plain  bool
}

// batches are shared by all writers of the process: an idle link has none. It
// holds no state.
var batches = sync.Pool{New: func() any { return new(batch) }}

// wake starts the writer if there is something for it to do; f.mu is held.
func (f *flow) wake() {
	if f.running || f.state >= flowLeaving {
		return
	}
	if f.in.due() || f.sendable() || f.state == flowClosing && f.drained() {
		f.running = true
		f.wg.Add(1)
		go f.runFunc()
	}
}

// sendable reports whether an entry may be written: the window counts from the
// oldest one without PUBACK, so that packet ids never collide.
func (f *flow) sendable() bool {
	if !f.ready || f.next >= f.out.Len() || f.next >= f.o.window {
		return false
	}
	e := f.out.At(f.next)
	return e.plain != nil || f.port != nil && e.gate <= f.opened
}

// drained reports that nothing more can be done before the good-bye.
func (f *flow) drained() bool { return f.out.Len() == 0 || !f.ready && f.next == 0 && f.port != nil }

// run is the writer.
func (f *flow) run() {
	defer f.wg.Done()
	b, _ := batches.Get().(*batch)
	for f.step(b) {
	}
	if cap(b.head) > 2*flushBytes {
		b.head = nil
	}
	b.head, b.tail = b.head[:0], nil
	batches.Put(b)
}

// step writes one batch; it is false when there is nothing more to write, and
// the writer has ended then.
func (f *flow) step(b *batch) bool {
	b.head, b.tail, b.done = b.head[:0], nil, b.done[:0]
	f.mu.Lock()
	if f.state >= flowLeaving {
		f.running = false
		f.mu.Unlock()
		return false
	}
	denied := f.takeAcks(b)
	for f.sendable() && len(b.head) < flushBytes && b.tail == nil {
		f.take(b)
	}
	if len(b.head) == 0 && len(b.done) == 0 && denied == nil {
		f.rest()
		return false
	}
	f.mu.Unlock()
	if len(b.head) > 0 {
		if err := f.c.send(b.head, b.tail); err != nil {
			f.fail(err)
			return true
		}
	}
	f.settle(b.done)
	if denied != nil {
		f.fail(denied)
	}
	return true
}

// takeAcks encodes the acknowledgements that are due. It returns the outcome of
// one that cannot be told: not acknowledged, it is sent again.
func (f *flow) takeAcks(b *batch) (denied error) {
	for len(b.head) < flushBytes {
		r, ok := f.in.next()
		if !ok {
			return nil
		}
		a := answerTo(r.err)
		switch {
		case a.close && f.o.parks:
			f.park()
		case a.close && !f.o.v5 && f.o.insist:
			return r.err
		case r.qos < 2:
			b.head = appendAck(b.head, typePuback, r.id, f.o.v5, a.reason)
		default:
			b.head = appendAck(b.head, typePubrec, r.id, f.o.v5, a.reason)
			if a.reason < failure || !f.o.v5 {
				f.in.answered(r.id)
			}
		}
	}
	return nil
}

// park leaves a PUBLISH unacknowledged; f.mu is held.
func (f *flow) park() {
	f.in.parked++
	if f.repeat == nil && f.state == flowOpen {
		f.wg.Add(1)
		f.repeat = time.AfterFunc(f.o.repeatAfter, func() {
			defer f.wg.Done()
			f.close(errRepeat)
		})
	}
}

// take encodes the next entry; f.mu is held.
func (f *flow) take(b *batch) {
	e := f.out.At(f.next)
	number := f.base + uint64(f.next)
	f.next++
	e.state = entryFlushing
	p, err := f.publish(e)
	if err == nil && f.o.maxPacket > 0 && p.size() > f.o.maxPacket {
		err = mtp.ErrTooLarge // [MQTT-3.1.2-24]
	}
	if err != nil {
		b.done = append(b.done, outcome{number, e.token, err, e.plain != nil})
		return
	}
	if p.qos > 0 {
		f.lastID = f.lastID%f.o.ids + 1
		p.id, e.id, e.state = f.lastID, f.lastID, entryFlying
	} else {
		b.done = append(b.done, outcome{number: number, token: e.token, plain: e.plain != nil})
	}
	b.head = p.appendHead(b.head)
	if len(p.payload) > copyBytes {
		b.tail = p.payload
		return
	}
	b.head = append(b.head, p.payload...)
}

func (f *flow) publish(e *entry) (publish, error) {
	if e.plain != nil {
		return e.plain.publish(f.o.v5)
	}
	return f.c.address(e)
}

// settle makes room first, so that the router may enqueue from Settled.
func (f *flow) settle(done []outcome) {
	for i := range done {
		d := &done[i]
		f.mu.Lock()
		f.finish(int(d.number - f.base))
		f.mu.Unlock()
		if d.plain {
			continue
		}
		f.o.metrics.Sent(1, d.err)
		f.port.Settled(d.token, d.err)
	}
}

// rest ends the writer, with a good-bye if that is due. It unlocks f.mu.
func (f *flow) rest() {
	if f.state != flowClosing || !f.drained() {
		f.running = false
		f.mu.Unlock()
		return
	}
	f.state = flowLeaving
	cause := f.cause
	f.mu.Unlock()
	f.c.bye(cause)
	f.mu.Lock()
	f.running = false
	f.mu.Unlock()
}
