// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"encoding/base64"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing/buffer"
	"github.com/uspgate/uspgate/usp"
)

// SharedOptions configure a SharedQueue.
type SharedOptions struct {
	buffer.Limits
	// MaxPending bounds the bytes of Records that are not stored yet. Default 32 MiB.
	MaxPending int
	// MaxWrites is for how many addresses at a time something is written. Default 256.
	MaxWrites int
	// CloseWait bounds how long Close waits for what is under way. Default 10 s.
	CloseWait time.Duration
	// Metrics gets the metrics of buffer.Metrics; nil: none.
	Metrics prometheus.Registerer
}

// SharedQueue is the buffer.Owned of several nodes on one cluster. In the stream
// SHELF each address has two subjects: a message on the one is a batch of its items,
// the only one on the other is its mark, what has been removed of its Lanes and up to
// where there are batches, so that one that the store loses is missed.
// Whoever writes either says which batch he takes for the last one there. Acquire
// writes one more, without anything in it, and so ends what an earlier owner can do.
// Batches are purged once the mark says that nothing of them is left: who has lost an
// address can not take anything away from its owner.
//
// The Seq of an item is where it is in the stream, so those of all nodes grow
// together. Close ends it, before the Engine is closed. Safe for concurrent use.
type SharedQueue struct {
	e   *Engine
	o   SharedOptions
	log *zap.Logger

	data jetstream.Stream

	ctx    context.Context //nolint:containedctx // the Queue's own life
	cancel context.CancelFunc
	wg     sync.WaitGroup
	slots  chan struct{}
	stir   chan struct{} // something is dirty

	mu     sync.Mutex
	g      *buffer.Ledger[place]
	owned  map[usp.Address]*shelf
	dirty  map[*shelf]struct{}
	bytes  int       // pending
	full   time.Time // until when the cluster counts as full
	closed bool
}

// shelf is an address that this node has acquired. What is written of it is written
// by one worker, which is there while there is something to write.
type shelf struct {
	to      usp.Address
	subject string         // of its batches
	last    uint64         // the newest of them; the worker's
	floor   uint64         // those before it are purged; the worker's
	mark    shelfMark      // that was written last; the worker's
	since   time.Time      // since when the store has less than last; zero: it has not; the worker's
	live    map[uint64]int // how many items of each batch are left
	removed map[buffer.Lane]*removed
	spoilt  map[uint64]int // how many Records of a batch were reported as damaged
	pending []*shelved
	busy    bool // the worker is there
	due     bool // the mark is to be written
	over    bool // given up, or lost
	lost    bool // another node has acquired it
}

// shelved is one item on its way.
type shelved struct {
	item    buffer.Item
	line    *buffer.Line[place]
	size    int
	settled func(uint64, error)
	at      place
}

var (
	_ buffer.Owned  = (*SharedQueue)(nil)
	_ buffer.Roomer = (*SharedQueue)(nil)
	_ buffer.Lister = (*SharedQueue)(nil)
)

const (
	shelfStream = "SHELF"
	shelfPrefix = "uspgate.shelf."
	markPrefix  = "uspgate.shelfmark."
	// shelfShift leaves room for the number of an item in its message.
	shelfShift = 16
	// shelfHead is room for the headers of a message.
	shelfHead = 1024
	// shelfFull is how long the cluster counts as full after it has said so.
	shelfFull = time.Second
	// shelfTry bounds one access, shelfAgain is the pause before the next.
	shelfTry   = 5 * time.Second
	shelfAgain = 100 * time.Millisecond
	// shelfBehind is how long a store may know less than it has acknowledged.
	shelfBehind = 2 * time.Second
	// shelfTidy is how soon what was removed is removed from the stream.
	shelfTidy = 50 * time.Millisecond
)

// SharedQueue opens the buffer of a cluster. Nothing of it is there before Acquire.
func (e *Engine) SharedQueue(ctx context.Context, o SharedOptions) (*SharedQueue, error) {
	def(&o.MaxPending, DefaultMaxPending)
	def(&o.MaxWrites, 256)
	def(&o.CloseWait, DefaultCloseWait)
	m, err := buffer.NewMetrics(o.Metrics)
	if err != nil {
		return nil, err
	}
	q := &SharedQueue{
		e: e, o: o, log: e.log.Named("queue"), slots: make(chan struct{}, o.MaxWrites), stir: make(chan struct{}, 1),
		owned: make(map[usp.Address]*shelf), dirty: make(map[*shelf]struct{}),
	}
	if q.g, err = buffer.NewLedger(o.Limits, m, q.gone); err != nil {
		return nil, err
	}
	begin, cancel := context.WithTimeout(ctx, e.o.Start)
	defer cancel()
	err = (&kvStore{e}).make(begin, &jetstream.StreamConfig{
		Name: shelfStream, Subjects: []string{shelfPrefix + "*", markPrefix + "*"}, AllowRollup: true,
		Storage: jetstream.FileStorage, Replicas: e.o.Replicas, Discard: jetstream.DiscardNew,
	})
	if err == nil {
		q.data, err = e.js.Stream(begin, shelfStream)
	}
	if err != nil {
		return nil, fmt.Errorf("engine: queue: %w", err)
	}
	q.ctx, q.cancel = context.WithCancel(context.WithoutCancel(ctx))
	q.wg.Go(q.tend)
	return q, nil
}

// Close ends the Queue once what is pending is settled, at most CloseWait later.
func (q *SharedQueue) Close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	poke(q.stir)
	late := time.AfterFunc(q.o.CloseWait, q.cancel)
	q.wg.Wait()
	late.Stop()
	q.cancel()
}

func shelfToken(to usp.Address) string {
	return base64.RawURLEncoding.EncodeToString(append([]byte{byte(to.Role)}, to.ID...))
}

// Put implements buffer.Queue. A Record that no message holds is refused with
// mtp.ErrTooLarge.
func (q *SharedQueue) Put(item buffer.Item, settled func(seq uint64, err error)) {
	p := &shelved{item: item, size: item.Record.Len(), settled: settled}
	q.mu.Lock()
	err := q.admit(p)
	q.mu.Unlock()
	if err != nil {
		settled(0, err)
	}
}

func (q *SharedQueue) admit(p *shelved) error {
	s := q.owned[p.item.Lane.To]
	switch {
	case q.closed:
		return errQueueClosed
	case itemSize(&p.item) > q.maxItem():
		return mtp.ErrTooLarge
	case s == nil || s.over:
		return buffer.ErrNotOwned
	case q.crowded(p.size):
		q.g.Want()
		return buffer.ErrFull
	}
	var err error
	if p.line, err = q.g.Reserve(p.item.Lane, p.size, time.Now()); err != nil {
		return err
	}
	q.bytes += p.size
	s.pending = append(s.pending, p)
	q.begin(s)
	return nil
}

// maxItem is how large an item may be.
func (q *SharedQueue) maxItem() int { return int(q.e.conn.MaxPayload()) - batchHeader - shelfHead }

// crowded reports that size bytes more would be too much that is not stored yet.
func (q *SharedQueue) crowded(size int) bool { return q.bytes > 0 && q.bytes+size > q.o.MaxPending }

// Fits implements buffer.Roomer. Whether the address is acquired makes no difference.
func (q *SharedQueue) Fits(lane buffer.Lane, size int) error {
	if itemRoom+size+len(lane.To.ID)+len(lane.From) > q.maxItem() {
		return mtp.ErrTooLarge
	}
	now := time.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.crowded(size) || now.Before(q.full) {
		q.g.Want()
		return buffer.ErrFull
	}
	return q.g.Fits(lane, size, now)
}

// Room implements buffer.Roomer. Of room on the cluster's disks it does not tell: who
// waits for that has to try.
func (q *SharedQueue) Room() <-chan struct{} { return q.g.Room() }

// gone is called by the ledger for what leaves.
func (q *SharedQueue) gone(l *buffer.Line[place], e *buffer.Entry[place]) {
	s := q.owned[l.Lane.To]
	if s == nil {
		return
	}
	if s.live[e.Ref.msg]--; s.live[e.Ref.msg] <= 0 {
		delete(s.live, e.Ref.msg)
	}
	s.of(l.Lane).add(e.Seq, l.Len() > 0 && l.Entries()[0].Seq < e.Seq)
	q.dirty[s] = struct{}{}
	poke(q.stir)
}

// has is ErrNotOwned where it is; mu is held.
func (q *SharedQueue) has(to usp.Address) error {
	if s := q.owned[to]; s != nil && !s.over {
		return nil
	}
	return buffer.ErrNotOwned
}

// Depth implements buffer.Queue.
func (q *SharedQueue) Depth(lane buffer.Lane) buffer.Depth {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.g.Depth(lane)
}

// Lanes implements buffer.Queue: those that this node has acquired. One that it has
// released is there until all is written.
func (q *SharedQueue) Lanes() []buffer.Lane {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.g.Lanes()
}

// Dropped implements buffer.Lister.
func (q *SharedQueue) Dropped() []buffer.Drop {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.g.Dropped()
}

// Remove implements buffer.Queue. That it has removed is written within 50 ms; a
// process that dies before has the last Records found again.
func (q *SharedQueue) Remove(ctx context.Context, lane buffer.Lane, upTo uint64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.has(lane.To); err != nil {
		return err
	}
	q.g.Remove(lane, upTo)
	return nil
}

// Purge implements buffer.Queue.
func (q *SharedQueue) Purge(ctx context.Context, lane buffer.Lane) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.has(lane.To); err != nil {
		return 0, err
	}
	return q.g.Purge(lane, time.Now()), nil
}
