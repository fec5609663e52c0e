// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mtp

// run is the writer. Only it settles, which keeps the order.
func (b *Outbox) run() {
	for b.next() {
		sent := b.write(b.batch)
		b.settle(b.batch[sent:], ErrLinkDown)
		clear(b.batch)
	}
}

// write sends items in portions, settles what was sent and returns how many
// that were. No items are one empty portion.
func (b *Outbox) write(items []Outgoing) int {
	sent := 0
	for !b.failed() {
		n := b.portion(items[sent:])
		if err := b.opts.Write(items[sent : sent+n]); err != nil {
			b.Fail()
			break
		}
		b.settle(items[sent:sent+n], nil)
		if sent += n; sent == len(items) {
			break
		}
	}
	return sent
}

// next takes what waits as the new batch and reports whether the writer has
// something to write or to settle; otherwise the writer has ended.
func (b *Outbox) next() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.batch, b.queue = b.queue, b.batch[:0]
	if len(b.batch) > 0 || b.poked && b.state < outboxFailed {
		b.poked = false
		return true
	}
	switch b.state {
	case outboxOpen:
		b.shrink()
		b.running = false
		return false
	case outboxClosing:
		b.finish()
	case outboxFailed, outboxDone:
	}
	b.state = outboxDone
	b.running = false
	b.queue, b.batch = nil, nil
	if b.timer != nil {
		b.timer.Stop()
	}
	if b.done != nil {
		close(b.done)
	}
	return false
}

// finish calls Finish without b.mu, which is held at entry and return.
func (b *Outbox) finish() {
	if b.opts.Finish == nil {
		return
	}
	b.mu.Unlock()
	defer b.mu.Lock()
	b.opts.Finish()
}

// shrink lets go of what a burst has left; b.mu is held.
func (b *Outbox) shrink() {
	if cap(b.queue) > keepSlots {
		b.queue = nil
	}
	if cap(b.batch) > keepSlots {
		b.batch = nil
	}
}

// failed reports whether writing has to stop.
func (b *Outbox) failed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state >= outboxFailed
}

// portion returns how many of items go into one Write.
func (b *Outbox) portion(items []Outgoing) int {
	size := 0
	for i := range items {
		if size += len(items[i].Data); size >= b.opts.FlushBytes {
			return i + 1
		}
	}
	return len(items)
}

// settle makes room first, so that the router may enqueue from Settled.
func (b *Outbox) settle(items []Outgoing, err error) {
	if len(items) == 0 {
		return
	}
	b.opts.Metrics.Sent(len(items), err)
	size := 0
	for i := range items {
		size += len(items[i].Data)
	}
	b.mu.Lock()
	b.records -= len(items)
	b.bytes -= size
	b.mu.Unlock()
	for i := range items {
		b.port.Settled(items[i].Token, err)
	}
}
