// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mtp

import (
	"container/list"
	"context"
	"sync"

	"golang.org/x/time/rate"
)

// turns is the queue of those who want to dial. One goroutine, in run, gives
// the turns in the order of the queue and at the rate of the limiter.
type turns struct {
	limiter *rate.Limiter
	metrics *fleetMetrics
	more    chan struct{} // one may be waiting

	mu    sync.Mutex
	queue list.List // of *turn
}

// turn is one place in the queue: of a member that is to be started, or of one
// that waits on ready.
type turn struct {
	member *fleetMember
	ready  chan<- struct{}
	place  *list.Element
}

func (q *turns) init(limiter *rate.Limiter, metrics *fleetMetrics) {
	q.limiter, q.metrics, q.more = limiter, metrics, make(chan struct{}, 1)
}

// enter takes a place at the end of the queue.
func (q *turns) enter(t *turn) *turn {
	q.mu.Lock()
	t.place = q.queue.PushBack(t)
	q.metrics.waiting(1)
	q.mu.Unlock()
	select {
	case q.more <- struct{}{}:
	default:
	}
	return t
}

// leave gives a place up, if it is still waiting.
func (q *turns) leave(t *turn) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if t != nil && t.place != nil {
		q.remove(t)
	}
}

// remove takes t out of the queue, where it is; q.mu is held.
func (q *turns) remove(t *turn) {
	q.queue.Remove(t.place)
	t.place = nil
	q.metrics.waiting(-1)
}

// next takes the first out of the queue, nil if there is none.
func (q *turns) next() *turn {
	q.mu.Lock()
	defer q.mu.Unlock()
	front := q.queue.Front()
	if front == nil {
		return nil
	}
	t, _ := front.Value.(*turn)
	q.remove(t)
	return t
}

// clear empties the queue.
func (q *turns) clear() {
	for q.next() != nil {
		continue
	}
}

func (q *turns) empty() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.queue.Len() == 0
}

// run gives turns until ctx ends.
func (q *turns) run(ctx context.Context, start func(*fleetMember)) {
	for {
		for !q.empty() {
			if err := q.limiter.Wait(ctx); err != nil {
				return
			}
			t := q.next()
			switch {
			case t == nil: // it has left while we waited
			case t.member != nil:
				start(t.member)
			default:
				close(t.ready)
			}
		}
		select {
		case <-q.more:
		case <-ctx.Done():
			return
		}
	}
}
