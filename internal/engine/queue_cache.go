// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"container/list"
	"context"
	"errors"
	"sync"
)

// batches keeps the messages of the log that were read last, since the items of one batch
// are for many Lanes and are wanted at about the same time. Safe for concurrent
// use.
type batches struct {
	max  int64 // bytes
	load func(ctx context.Context, seq uint64) ([]byte, error)

	mu      sync.Mutex
	bytes   int64
	bySeq   map[uint64]*list.Element // of *cached
	recent  *list.List               // the last used one in front
	loading map[uint64]*loading
}

type cached struct {
	seq  uint64
	data []byte
}

// loading is a message on its way, for all who want it.
type loading struct {
	done chan struct{}
	data []byte
	err  error
}

func newBatches(limit int64, load func(context.Context, uint64) ([]byte, error)) *batches {
	return &batches{
		max: limit, load: load,
		bySeq: make(map[uint64]*list.Element), recent: list.New(), loading: make(map[uint64]*loading),
	}
}

// get returns a message, which is not to be changed.
func (c *batches) get(ctx context.Context, seq uint64) ([]byte, error) {
	for {
		c.mu.Lock()
		if el := c.bySeq[seq]; el != nil {
			c.recent.MoveToFront(el)
			c.mu.Unlock()
			return el.Value.(*cached).data, nil
		}
		l := c.loading[seq]
		if l == nil {
			l = &loading{done: make(chan struct{})}
			c.loading[seq] = l
			c.mu.Unlock()
			c.fetch(ctx, seq, l)
			return l.data, l.err
		}
		c.mu.Unlock()
		select {
		case <-l.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if l.err == nil || errors.Is(l.err, errLost) {
			return l.data, l.err
		} // it was the other one's context, or worth another try
	}
}

func (c *batches) fetch(ctx context.Context, seq uint64, l *loading) {
	l.data, l.err = c.load(ctx, seq)
	c.mu.Lock()
	delete(c.loading, seq)
	if size := int64(len(l.data)); l.err == nil && size <= c.max {
		c.bySeq[seq] = c.recent.PushFront(&cached{seq, l.data})
		for c.bytes += size; c.bytes > c.max; {
			c.drop(c.recent.Back())
		}
	}
	c.mu.Unlock()
	close(l.done)
}

// forget drops a message that is not what was expected: a store that has lost its
// end gives the same number again.
func (c *batches) forget(seq uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if el := c.bySeq[seq]; el != nil {
		c.drop(el)
	}
}

func (c *batches) drop(el *list.Element) {
	gone := c.recent.Remove(el).(*cached)
	delete(c.bySeq, gone.seq)
	c.bytes -= int64(len(gone.data))
}
