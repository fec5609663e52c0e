// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mtptest

import (
	"sync"
	"time"
)

// queue is an unbounded channel: what records must never block what it watches.
type queue[T any] struct {
	mu    sync.Mutex
	items []T
	more  chan struct{} // closed and replaced by every put
}

func newQueue[T any]() *queue[T] { return &queue[T]{more: make(chan struct{})} }

func (q *queue[T]) put(v T) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.items = append(q.items, v)
	close(q.more)
	q.more = make(chan struct{})
}

// next waits for the next item.
func (q *queue[T]) next(timeout time.Duration) (item T, ok bool) {
	expired := time.After(timeout)
	for {
		q.mu.Lock()
		if len(q.items) > 0 {
			item, q.items = q.items[0], q.items[1:]
			q.mu.Unlock()
			return item, true
		}
		more := q.more
		q.mu.Unlock()
		select {
		case <-more:
		case <-expired:
			return item, false
		}
	}
}

// changed waits for the next put, at most for timeout.
func (q *queue[T]) changed(timeout time.Duration) {
	q.mu.Lock()
	more := q.more
	q.mu.Unlock()
	select {
	case <-more:
	case <-time.After(timeout):
	}
}
