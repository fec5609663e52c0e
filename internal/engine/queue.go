// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing/buffer"
)

// Defaults of QueueOptions.
const (
	DefaultMaxPending = 32 << 20
	DefaultCacheBytes = 8 << 20
	DefaultCloseWait  = 10 * time.Second
)

// Bounds of one batch, which is one message unless a single item is larger.
const (
	batchRecords = 1024
	pipelined    = 16 // batches between two steps of the way
	batchBytes   = 1 << 20
)

var errQueueClosed = errors.New("engine: the queue is closed")

// QueueOptions configure a Queue.
type QueueOptions struct {
	buffer.Limits
	// MaxPending bounds the bytes of Records that are not durable yet. Default 32 MiB.
	MaxPending int
	// CacheBytes bounds the batches that are kept in memory after they were read.
	// Default 8 MiB.
	CacheBytes int64
	// CloseWait bounds how long Close waits for them. Default 10 s.
	CloseWait time.Duration
	// Metrics gets the metrics of buffer.Metrics; nil: none.
	Metrics prometheus.Registerer
}

// Queue is the durable buffer.Queue. The stream BUF is a log of batches of
// items, the stream MARK says up to where they reach and what of them is gone;
// what waits, and where it is, is in memory. Close ends it, before the Engine is
// closed. Safe for concurrent use.
//
// A Put is settled once its item is durable and after that its mark, so that a
// mark never speaks of an item that is not there: if one is missing, the store
// has lost it.
type Queue struct {
	e       *Engine
	o       QueueOptions
	log     *zap.Logger
	m       *buffer.Metrics
	maxItem int // bytes of an encoded item
	blocks  *blocks
	batches *batches
	last    uint64 // the last message of the log acknowledged; only the goroutine of await has it

	ctx    context.Context //nolint:containedctx // the Queue's own life
	cancel context.CancelFunc
	wg     sync.WaitGroup
	wake   chan struct{} // something is pending, or closed
	stir   chan struct{} // something is dirty
	ended  chan struct{} // Close has been called

	mu      sync.Mutex
	g       *buffer.Ledger[place]
	kept    tally
	pending []*put
	bytes   int // of the Records of puts that are not settled
	maxSeq  uint64
	dirty   map[buffer.Lane]uint64 // whose mark is to be written, and the highest seq stored
	closed  bool

	marks marker // only the goroutine of finish has it
}

// place is where an item is: in which message of the log, and where in that.
type place struct {
	msg       uint64
	off, size uint32
}

// put is one item on its way to the store.
type put struct {
	item    buffer.Item
	line    *buffer.Line[place]
	seq     uint64
	low     uint64
	size    int // of the Record
	settled func(seq uint64, err error)

	moved []byte // the body of an item that is stored once more; from where
	from  place

	at     place
	err    error
	absent bool // with err: it is certain that it was not stored
}

var (
	_ buffer.Queue  = (*Queue)(nil)
	_ buffer.Lister = (*Queue)(nil)
	_ buffer.Roomer = (*Queue)(nil)
)

// Queue opens the durable buffer, with what waits in it. There is one of the same
// streams at a time.
func (e *Engine) Queue(ctx context.Context, o QueueOptions) (*Queue, error) {
	def(&o.MaxPending, DefaultMaxPending)
	def(&o.CacheBytes, DefaultCacheBytes)
	def(&o.CloseWait, DefaultCloseWait)
	m, err := buffer.NewMetrics(o.Metrics)
	if err != nil {
		return nil, err
	}
	q := &Queue{
		e: e, o: o, m: m, log: e.log.Named("queue"), wake: make(chan struct{}, 1), stir: make(chan struct{}, 1),
		ended: make(chan struct{}), dirty: make(map[buffer.Lane]uint64), maxItem: int(e.conn.MaxPayload()) - 1024,
		blocks: newBlocks(e.streamDir(logStream), e.secret), batches: newBatches(o.CacheBytes, e.logged),
	}
	if q.g, err = buffer.NewLedger(o.Limits, m, q.gone); err != nil {
		return nil, err
	}
	q.ctx, q.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if err := q.open(ctx); err != nil {
		q.cancel()
		return nil, fmt.Errorf("engine: queue: %w", err)
	}
	published, stored := make(chan *batch, pipelined), make(chan *batch, pipelined)
	q.wg.Go(func() { q.publish(published) })
	q.wg.Go(func() { q.await(published, stored) }) //nolint:contextcheck // it lives as long as the Queue, by q.ctx
	q.wg.Go(func() { q.finish(stored) })
	q.wg.Go(q.tend)
	return q, nil
}

// Close ends the Queue once what is pending is settled, at most CloseWait later.
func (q *Queue) Close() {
	q.mu.Lock()
	if !q.closed {
		close(q.ended)
	}
	q.closed = true
	q.mu.Unlock()
	poke(q.wake)
	late := time.AfterFunc(q.o.CloseWait, q.cancel)
	q.wg.Wait()
	late.Stop()
	q.cancel()
	q.blocks.close()
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Put implements buffer.Queue. A Record that the engine can not hold is refused
// with mtp.ErrTooLarge.
func (q *Queue) Put(item buffer.Item, settled func(seq uint64, err error)) {
	p := &put{item: item, size: item.Record.Len(), settled: settled}
	q.mu.Lock()
	err := q.admit(p, time.Now())
	q.mu.Unlock()
	if err != nil {
		settled(0, err)
		return
	}
	poke(q.wake)
}

// admit gives p its place in its Lane.
func (q *Queue) admit(p *put, now time.Time) error {
	switch {
	case q.closed:
		return errQueueClosed
	case itemSize(&p.item) > q.maxItem:
		return mtp.ErrTooLarge
	case q.e.Ready() != nil, q.bytes > 0 && q.bytes+p.size > q.o.MaxPending:
		q.m.Dropped(buffer.ReasonFull, 1)
		return buffer.ErrFull
	}
	var err error
	if p.line, err = q.g.Reserve(p.item.Lane, p.size, now); err != nil {
		return err
	}
	l := p.line
	if l.Next == 0 { // a new one; its seqs are above all that were used before
		l.Next = max(uint64(now.UnixMicro()), q.maxSeq+1)
		l.High = l.Next - 1
	}
	p.seq, p.low = l.Next, low(l)
	l.Next++
	q.maxSeq = max(q.maxSeq, p.seq)
	q.bytes += p.size
	q.pending = append(q.pending, p)
	return nil
}

// low is the lowest seq of the Line that has not been removed.
func low(l *buffer.Line[place]) uint64 {
	if entries := l.Entries(); len(entries) > 0 {
		return entries[0].Seq
	}
	return l.High + 1
}

// gone is called by the ledger for what leaves.
func (q *Queue) gone(l *buffer.Line[place], e *buffer.Entry[place]) {
	q.kept.release(e.Ref)
	q.soil(l)
}

// soil has the mark of the Line written soon.
func (q *Queue) soil(l *buffer.Line[place]) {
	q.dirty[l.Lane] = max(q.dirty[l.Lane], l.High)
	if len(q.dirty) == 1 {
		poke(q.stir)
	}
}

// Depth implements buffer.Queue.
func (q *Queue) Depth(lane buffer.Lane) buffer.Depth {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.g.Depth(lane)
}

// Lanes implements buffer.Queue.
func (q *Queue) Lanes() []buffer.Lane {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.g.Lanes()
}

// Dropped implements buffer.Lister.
func (q *Queue) Dropped() []buffer.Drop {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.g.Dropped()
}

// Remove implements buffer.Queue. That it has removed is written within 50 ms; a
// process that dies before finds the last Records again.
func (q *Queue) Remove(ctx context.Context, lane buffer.Lane, upTo uint64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.g.Remove(lane, upTo)
	return nil
}

// Purge implements buffer.Queue.
func (q *Queue) Purge(ctx context.Context, lane buffer.Lane) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.g.Purge(lane, time.Now()), nil
}
