// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mtp

import (
	"sync"
	"time"

	"github.com/uspgate/uspgate/usp"
)

// Defaults of OutboxOptions.
const (
	DefaultQueueRecords = 256
	DefaultQueueBytes   = 8 << 20
	defaultFlushBytes   = 64 << 10
	// keepSlots is how many slots an idle Outbox keeps.
	keepSlots = 16
)

// Outgoing is one Record on its way through an Outbox.
type Outgoing struct {
	Data  []byte // the Record; immutable
	Hint  Hint
	Token Token
}

// OutboxOptions bound an Outbox and connect it with its Link.
type OutboxOptions struct {
	// MaxRecords and MaxBytes bound what is outstanding, that is taken and not
	// yet settled; 0: 256 and 8 MiB. A Record larger than MaxBytes is taken
	// when nothing else is outstanding.
	MaxRecords int
	MaxBytes   int
	// FlushBytes is about how much goes into one Write; 0: 64 KiB.
	FlushBytes int
	// Write sends the batch to the peer and flushes. It is called by one
	// goroutine at a time, with an empty batch after Poke, and must not keep
	// the batch. When it fails the Outbox is done.
	Write func(batch []Outgoing) error
	// Finish, if set, is called after Close when everything has been written,
	// by the goroutine that calls Write: the place for the MTP's good-bye.
	Finish func()
	// Abort unblocks a Write that hangs: it is called, once, when the deadline
	// of Close passes.
	Abort func()
	// Metrics counts what is settled; nil: none.
	Metrics *KindMetrics
}

// Outbox is the bounded queue of one Link and its one writer at a time: a
// goroutine that starts when the queue becomes non-empty, writes what waits in
// batches, settles it in order, and ends when the queue is empty. An idle
// Outbox has no goroutine.
//
// Every token taken is settled exactly once: nil after the Write that sent it,
// ErrLinkDown if the Outbox fails or is closed before, in the order of Enqueue.
// Safe for concurrent use; no method blocks except by waiting on Done.
type Outbox struct {
	opts OutboxOptions

	mu      sync.Mutex
	port    Port       // nil until Start
	queue   []Outgoing // waiting
	batch   []Outgoing // being written, owned by the writer
	records int        // outstanding
	bytes   int        // outstanding
	running bool       // a writer is alive
	poked   bool       // Write is wanted even for an empty queue
	state   outboxState
	timer   *time.Timer   // deadline of Close
	done    chan struct{} // made when somebody asks
	runFunc func()        // run, bound once so that starting it allocates nothing
}

type outboxState uint8

const (
	outboxOpen    outboxState = iota
	outboxClosing             // takes nothing more, writes what it has
	outboxFailed              // takes and writes nothing more
	outboxDone
)

// NewOutbox returns an Outbox that queues but does not write before Start.
func NewOutbox(o OutboxOptions) *Outbox {
	if o.MaxRecords <= 0 {
		o.MaxRecords = DefaultQueueRecords
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = DefaultQueueBytes
	}
	if o.FlushBytes <= 0 {
		o.FlushBytes = defaultFlushBytes
	}
	b := &Outbox{opts: o}
	b.runFunc = b.run
	return b
}

// Start begins to write and to settle at p. It is called once, after
// Handler.LinkUp has given the Port: what the router enqueues during LinkUp
// waits until then.
func (b *Outbox) Start(p Port) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.port = p
	b.wake()
}

// Enqueue takes rec as Link.Enqueue demands.
func (b *Outbox) Enqueue(rec usp.Record, hint Hint, t Token) error {
	data := rec.Bytes()
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.state != outboxOpen:
		return ErrLinkDown
	case b.records >= b.opts.MaxRecords, b.records > 0 && b.bytes+len(data) > b.opts.MaxBytes:
		return ErrFull
	}
	b.queue = append(b.queue, Outgoing{Data: data, Hint: hint, Token: t})
	b.records++
	b.bytes += len(data)
	b.wake()
	return nil
}

// Poke has the writer call Write soon, even if nothing is queued: for control
// frames that the Link keeps by itself.
func (b *Outbox) Poke() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state == outboxOpen {
		b.poked = true
		b.wake()
	}
}

// Close takes nothing more, writes what is queued and then calls Finish. What
// has not been written when the deadline passes is settled with ErrLinkDown.
// Close does not wait; Done tells. Later calls do nothing.
func (b *Outbox) Close(deadline time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state != outboxOpen {
		return
	}
	b.state = outboxClosing
	b.timer = time.AfterFunc(deadline, b.expire)
	b.wake()
}

// Fail takes and writes nothing more; what is outstanding is settled with
// ErrLinkDown. A Write in progress must be unblocked by the caller. Fail does
// not wait; Done tells.
func (b *Outbox) Fail() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail()
}

// Discard fails the Outbox of a Link that LinkUp has refused: nothing is
// settled. It is called instead of Start.
func (b *Outbox) Discard() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.queue, b.records, b.bytes = nil, 0, 0
	b.port = noPort{}
	b.fail()
}

// Done is closed when every token has been settled after Close, Fail or a
// failed Write, and the writer has ended.
func (b *Outbox) Done() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.done == nil {
		b.done = make(chan struct{})
		if b.state == outboxDone {
			close(b.done)
		}
	}
	return b.done
}

// Outstanding returns how many Records and bytes are taken and not settled.
func (b *Outbox) Outstanding() (records, bytes int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.records, b.bytes
}

// noPort is the Port of a refused Link: there is nobody to settle at.
type noPort struct{ Port }

// expire is the deadline of Close.
func (b *Outbox) expire() {
	b.mu.Lock()
	late := b.state == outboxClosing
	b.fail()
	b.mu.Unlock()
	if late && b.opts.Abort != nil {
		b.opts.Abort()
	}
}

// fail enters outboxFailed; b.mu is held.
func (b *Outbox) fail() {
	if b.state < outboxFailed {
		b.state = outboxFailed
		b.wake()
	}
}

// wake starts the writer if there is something for it to do; b.mu is held.
func (b *Outbox) wake() {
	if b.running || b.port == nil || b.state == outboxDone {
		return
	}
	if b.state == outboxOpen && len(b.queue) == 0 && !b.poked {
		return
	}
	b.running = true
	go b.runFunc()
}
