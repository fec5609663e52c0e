// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package peerstest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/uspgate/uspgate/routing/buffer"
	"github.com/uspgate/uspgate/usp"
)

// Store is what the Queues of several nodes keep their Records in. A Put of a
// node that has not acquired the address, or has lost it, fails.
type Store struct {
	mem   *buffer.Memory
	delay func() time.Duration

	mu     sync.Mutex
	owners map[usp.Address]*Queue
}

// NewStore makes a Store on mem, each operation on which takes delay; nil: none.
func NewStore(mem *buffer.Memory, delay func() time.Duration) *Store {
	return &Store{mem: mem, delay: delay, owners: make(map[usp.Address]*Queue)}
}

// Queue is the Queue of one node.
type Queue struct {
	s *Store

	mu   sync.Mutex
	puts []put
	have map[usp.Address]bool // acquired, and perhaps lost since
	busy bool
	cut  bool
	wg   sync.WaitGroup
}

type put struct {
	item    buffer.Item
	settled func(uint64, error)
}

var _ buffer.Owned = (*Queue)(nil)

// Queue makes that of one node.
func (s *Store) Queue() *Queue { return &Queue{s: s, have: make(map[usp.Address]bool)} }

// Cut has the process of the node not reach the Store any more, as if it were
// dead; Wait returns when nothing is under way.
func (q *Queue) Cut() {
	q.mu.Lock()
	q.cut = true
	q.mu.Unlock()
}

// Wait returns when no Put is under way.
func (q *Queue) Wait() { q.wg.Wait() }

func (q *Queue) wait() {
	if q.s.delay != nil {
		if d := q.s.delay(); d > 0 {
			<-time.After(d)
		}
	}
}

// has reports that q may use the Lanes of an address.
func (q *Queue) has(to usp.Address) bool {
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	return q.owns(to)
}

// owns is has with s.mu held.
func (q *Queue) owns(to usp.Address) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return !q.cut && q.s.owners[to] == q
}

// believes reports that q has acquired an address, whoever has done so since: it
// learns of that from what fails.
func (q *Queue) believes(to usp.Address) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.have[to]
}

// Put implements buffer.Queue.
func (q *Queue) Put(item buffer.Item, settled func(uint64, error)) {
	if q.s.delay == nil {
		q.put(put{item, settled})
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.puts = append(q.puts, put{item, settled})
	if !q.busy {
		q.busy = true
		q.wg.Go(q.run)
	}
}

func (q *Queue) run() {
	for {
		q.wait()
		q.mu.Lock()
		if len(q.puts) == 0 {
			q.busy = false
			q.mu.Unlock()
			return
		}
		p := q.puts[0]
		q.puts = q.puts[1:]
		q.mu.Unlock()
		q.put(p)
	}
}

func (q *Queue) put(p put) {
	var seq uint64
	err := buffer.ErrNotOwned
	q.s.mu.Lock()
	if q.owns(p.item.Lane.To) {
		q.s.mem.Put(p.item, func(s uint64, e error) { seq, err = s, e })
	}
	q.s.mu.Unlock()
	p.settled(seq, err)
}

// Read implements buffer.Queue.
func (q *Queue) Read(ctx context.Context, l buffer.Lane, after uint64, n int, b int64) ([]buffer.Item, error) {
	q.wait()
	if !q.has(l.To) {
		return nil, buffer.ErrNotOwned
	}
	return q.s.mem.Read(ctx, l, after, n, b)
}

// Remove implements buffer.Queue.
func (q *Queue) Remove(ctx context.Context, l buffer.Lane, upTo uint64) error {
	q.wait()
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	if !q.owns(l.To) {
		return buffer.ErrNotOwned
	}
	return q.s.mem.Remove(ctx, l, upTo)
}

// Depth implements buffer.Queue.
func (q *Queue) Depth(l buffer.Lane) buffer.Depth {
	if !q.believes(l.To) {
		return buffer.Depth{}
	}
	return q.s.mem.Depth(l)
}

// Lanes implements buffer.Queue: those that the node has acquired.
func (q *Queue) Lanes() []buffer.Lane {
	var list []buffer.Lane
	for _, l := range q.s.mem.Lanes() {
		if q.believes(l.To) {
			list = append(list, l)
		}
	}
	return list
}

// Purge implements buffer.Queue.
func (q *Queue) Purge(ctx context.Context, l buffer.Lane) (int, error) {
	if !q.has(l.To) {
		return 0, buffer.ErrNotOwned
	}
	return q.s.mem.Purge(ctx, l)
}

// Acquire implements buffer.Owned.
func (q *Queue) Acquire(_ context.Context, to usp.Address) ([]buffer.Lane, error) {
	q.wait()
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.cut {
		return nil, buffer.ErrNotOwned
	}
	q.have[to] = true
	q.s.owners[to] = q
	return slices.DeleteFunc(q.s.mem.Lanes(), func(l buffer.Lane) bool { return l.To != to }), nil
}

// Release implements buffer.Owned.
func (q *Queue) Release(to usp.Address) {
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	if q.s.owners[to] == q {
		delete(q.s.owners, to)
	}
	q.mu.Lock()
	delete(q.have, to)
	q.mu.Unlock()
}
