// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package stomp

import (
	"sync"

	"github.com/uspgate/uspgate/mtp"
)

const (
	// flushBytes is about how much goes into one write.
	flushBytes = 64 << 10
	// copyBytes is the size of a Record from which on it is not copied.
	copyBytes = 16 << 10
)

// batch is what a writer has encoded: whole frames, of which the last may have
// its body in tail.
type batch struct {
	head, tail []byte
	done       []outcome // of what is over when the batch has been written
}

type outcome struct {
	number uint64 // of the entry
	token  mtp.Token
	err    error
}

// batches are shared by all writers of the process: an idle link has none. It
// holds no state.
var batches = sync.Pool{New: func() any { return new(batch) }}

// wake starts the writer if there is something for it to do; f.mu is held.
func (f *flow) wake() {
	if f.running || f.state >= flowLeaving {
		return
	}
	if f.in.due() || f.sendable() || f.beat || len(f.control) > 0 || f.parting() {
		f.running = true
		f.wg.Add(1)
		go f.runFunc()
	}
}

// sendable reports whether an entry may be written. The window counts from the
// oldest one without RECEIPT.
func (f *flow) sendable() bool {
	window := f.o.window
	if f.o.cautious > 0 {
		window = min(window, 1)
	}
	return f.ready && f.state <= flowClosing && f.port != nil && f.next < f.out.Len() && (window <= 0 || f.next < window)
}

// parting reports that nothing more can be done before the good-bye.
func (f *flow) parting() bool {
	switch f.state {
	case flowClosing:
		return f.out.Len() == 0 || !f.ready && f.next == 0 && f.port != nil
	case flowDeparted:
		return f.in.list.Len() == 0
	default:
		return false
	}
}

// run is the writer.
func (f *flow) run() {
	defer f.wg.Done()
	b, _ := batches.Get().(*batch)
	for f.step(b) {
	}
	if cap(b.head) > 2*flushBytes {
		b.head = nil
	}
	clear(b.done)
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
	b.head, f.control = append(b.head, f.control...), nil
	denied := f.takeReceipts(b)
	for f.sendable() && len(b.head) < flushBytes && b.tail == nil {
		f.take(b)
	}
	if f.beat && len(b.head) == 0 {
		b.head = append(b.head, '\n') // [STOMP 1.2, Heart-beating]
	}
	f.beat = false
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

// takeReceipts encodes the RECEIPTs that are due. It returns the outcome of a
// frame that may not have one, so that it is sent again.
func (f *flow) takeReceipts(b *batch) (denied error) {
	for len(b.head) < flushBytes {
		r, ok := f.in.next()
		switch {
		case !ok:
			return nil
		case !r.asked:
		case !replyTo(r.err).receipt:
			return r.err
		default:
			b.head = appendReceipt(b.head, r.id)
		}
	}
	return nil
}

// take encodes the next entry; f.mu is held.
func (f *flow) take(b *batch) {
	e := f.out.At(f.next)
	f.next++
	e.state = entryFlushing
	head, err := f.c.begin(b.head, e)
	if err != nil {
		b.done = append(b.done, outcome{e.number, e.token, err})
		return
	}
	b.head = head
	if f.o.window > 0 {
		e.state = entryFlying
	} else {
		b.done = append(b.done, outcome{number: e.number, token: e.token})
	}
	if len(e.data) > copyBytes {
		b.tail = e.data
		return
	}
	b.head = append(append(b.head, e.data...), 0)
}

// settle makes room first, so that the router may enqueue from Settled.
func (f *flow) settle(done []outcome) {
	for i := range done {
		d := &done[i]
		f.mu.Lock()
		f.finish(int(d.number - f.base))
		f.mu.Unlock()
		f.o.metrics.Sent(1, d.err)
		f.port.Settled(d.token, d.err)
	}
}

// rest ends the writer, with a good-bye if that is due. It unlocks f.mu.
func (f *flow) rest() {
	if !f.parting() {
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
