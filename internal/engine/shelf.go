// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"encoding/base64"
	"errors"
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
// SHELF each address has a subject; a message is a batch of its items. Whoever
// writes to a subject says which message he takes for the last one there. Acquire
// writes one more, and so ends what an earlier owner can do. The stream SHELFMARK
// has, one message for each address, how far its Lanes have been removed.
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
	bytes  int // pending
	closed bool
}

// shelf is an address that this node has acquired.
type shelf struct {
	to      usp.Address
	subject string
	last    uint64 // the newest message on it
	floor   uint64 // what is before it has been purged
	live    map[uint64]int
	removed map[buffer.Lane]uint64
	pending []*shelved
	busy    bool // flush runs
	over    bool // not this node's any more
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
	_ buffer.Lister = (*SharedQueue)(nil)
)

const (
	shelfStream = "SHELF"
	markStream  = "SHELFMARK"
	shelfPrefix = "uspgate.shelf."
	markPrefix  = "uspgate.shelfmark."
	// shelfShift leaves room for the number of an item in its message.
	shelfShift = 16
	// shelfTry bounds one access, shelfAgain is the pause before the next.
	shelfTry   = 5 * time.Second
	shelfAgain = 100 * time.Millisecond
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
	for _, c := range []jetstream.StreamConfig{
		{Name: shelfStream, Subjects: []string{shelfPrefix + "*"}},
		{Name: markStream, Subjects: []string{markPrefix + "*"}, MaxMsgsPerSubject: 1},
	} {
		c.Storage, c.Replicas, c.Discard = jetstream.FileStorage, e.o.Replicas, jetstream.DiscardNew
		s, err := e.js.CreateOrUpdateStream(ctx, c)
		if err != nil {
			return nil, fmt.Errorf("engine: queue: %w", err)
		}
		if c.Name == shelfStream {
			q.data = s
		}
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
	case itemSize(&p.item) > int(q.e.conn.MaxPayload())-batchHeader-1024:
		return mtp.ErrTooLarge
	case s == nil || s.over:
		return buffer.ErrNotOwned
	case q.bytes > 0 && q.bytes+p.size > q.o.MaxPending:
		return buffer.ErrFull
	}
	var err error
	if p.line, err = q.g.Reserve(p.item.Lane, p.size, time.Now()); err != nil {
		return err
	}
	q.bytes += p.size
	s.pending = append(s.pending, p)
	if !s.busy {
		s.busy = true
		q.wg.Go(func() { q.flush(s) })
	}
	return nil
}

// gone is called by the ledger for what leaves.
func (q *SharedQueue) gone(l *buffer.Line[place], e *buffer.Entry[place]) {
	s := q.owned[l.Lane.To]
	if s == nil {
		return
	}
	if s.live[e.Ref.msg]--; s.live[e.Ref.msg] <= 0 {
		delete(s.live, e.Ref.msg)
	}
	s.removed[l.Lane] = max(s.removed[l.Lane], e.Seq)
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

// Lanes implements buffer.Queue: those that this node has acquired.
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

// Read implements buffer.Queue.
func (q *SharedQueue) Read(
	ctx context.Context, lane buffer.Lane, after uint64, records int, size int64,
) ([]buffer.Item, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	q.mu.Lock()
	err := q.has(lane.To)
	entries := append([]buffer.Entry[place](nil), q.g.Read(lane, after, records, size, time.Now())...)
	q.mu.Unlock()
	if err != nil {
		return nil, err
	}
	items := make([]buffer.Item, 0, len(entries))
	var batch []byte
	var have uint64
	for i := range entries {
		e := &entries[i]
		if e.Ref.msg != have {
			m, err := q.data.GetMsg(ctx, e.Ref.msg)
			if errors.Is(err, jetstream.ErrMsgNotFound) {
				return items, nil // it has been removed meanwhile
			}
			if err != nil {
				return nil, fmt.Errorf("engine: queue: %w", err)
			}
			batch, have = m.Data, e.Ref.msg
		}
		if uint64(e.Ref.off)+uint64(e.Ref.size) > uint64(len(batch)) {
			return nil, errItem
		}
		var st stored
		if err := st.decode(batch[e.Ref.off : e.Ref.off+e.Ref.size]); err != nil {
			return nil, err
		}
		it, err := st.item(lane)
		if err != nil {
			return nil, err
		}
		it.Seq = e.Seq
		items = append(items, it)
	}
	return items, nil
}
