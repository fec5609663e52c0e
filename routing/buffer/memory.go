// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package buffer

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// MemoryOptions bound a Memory.
type MemoryOptions struct {
	Limits
	// Metrics gets the metrics of Metrics; nil: none.
	Metrics prometheus.Registerer
}

// Memory is a Queue that the end of the process empties. Put is settled before
// it returns. Safe for concurrent use.
type Memory struct {
	mu  sync.Mutex
	g   *Ledger[Item]
	seq uint64
}

var (
	_ Queue  = (*Memory)(nil)
	_ Lister = (*Memory)(nil)
	_ Roomer = (*Memory)(nil)
)

// NewMemory makes a Memory.
func NewMemory(o MemoryOptions) (*Memory, error) {
	metrics, err := NewMetrics(o.Metrics)
	if err != nil {
		return nil, err
	}
	g, err := NewLedger[Item](o.Limits, metrics, nil)
	if err != nil {
		return nil, err
	}
	return &Memory{g: g}, nil
}

// Put implements Queue.
func (q *Memory) Put(item Item, settled func(seq uint64, err error)) {
	settled(q.put(item))
}

func (q *Memory) put(item Item) (uint64, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	l, err := q.g.Reserve(item.Lane, item.Record.Len(), time.Now())
	if err != nil {
		return 0, err
	}
	q.seq++
	item.Seq, item.Lane = q.seq, l.Lane
	q.g.Commit(l, &Entry[Item]{
		Seq: q.seq, At: item.At.UnixNano(), Session: SessionKey(item.Record.Header()),
		Size: uint32(item.Record.Len()), Ref: item,
	})
	return q.seq, nil
}

// Read implements Queue. It never blocks on I/O.
func (q *Memory) Read(ctx context.Context, lane Lane, after uint64, records int, bytes int64) ([]Item, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	entries := q.g.Read(lane, after, records, bytes, time.Now())
	items := make([]Item, len(entries))
	for i := range entries {
		items[i] = entries[i].Ref
	}
	return items, nil
}

// Remove implements Queue. It never blocks on I/O.
func (q *Memory) Remove(ctx context.Context, lane Lane, upTo uint64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.g.Remove(lane, upTo)
	return nil
}

// Depth implements Queue.
func (q *Memory) Depth(lane Lane) Depth {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.g.Depth(lane)
}

// Lanes implements Queue.
func (q *Memory) Lanes() []Lane {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.g.Lanes()
}

// Purge implements Queue.
func (q *Memory) Purge(ctx context.Context, lane Lane) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.g.Purge(lane, time.Now()), nil
}

// Dropped implements Lister.
func (q *Memory) Dropped() []Drop {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.g.Dropped()
}

// Fits implements Roomer.
func (q *Memory) Fits(lane Lane, size int) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.g.Fits(lane, size, time.Now())
}

// Room implements Roomer.
func (q *Memory) Room() <-chan struct{} { return q.g.Room() }
