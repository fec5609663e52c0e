// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package coap

import (
	"container/heap"
	"context"
	"time"
)

// timer is something that happens later, by the one goroutine in clock.run.
type timer struct {
	at    time.Time
	what  expirer
	index int // in the heap, plus one; 0: not armed
}

// expirer is what a timer belongs to. expire is called with the node's lock.
type expirer interface{ expire(fx *effects) }

// clock has the timers of a node; the lock of the node guards it.
type clock struct {
	timers timerHeap
	next   time.Time // when run wakes up; zero: when it is woken
	wake   chan struct{}
}

// arm has t expire after d, instead of when it was armed for before.
func (c *clock) arm(t *timer, what expirer, d time.Duration) {
	t.at, t.what = time.Now().Add(d), what
	if t.index > 0 {
		heap.Fix(&c.timers, t.index-1)
	} else {
		heap.Push(&c.timers, t)
	}
	if c.next.IsZero() || t.at.Before(c.next) {
		c.next = t.at
		select {
		case c.wake <- struct{}{}:
		default:
		}
	}
}

// disarm has t not expire.
func (c *clock) disarm(t *timer) {
	if t.index > 0 {
		heap.Remove(&c.timers, t.index-1)
	}
}

// due takes a timer that has expired, nil if there is none.
func (c *clock) due(now time.Time) *timer {
	if len(c.timers) == 0 || c.timers[0].at.After(now) {
		return nil
	}
	t := c.timers[0]
	heap.Pop(&c.timers)
	return t
}

// keepTime expires timers until ctx ends.
func (n *node) keepTime(ctx context.Context) {
	t := time.NewTimer(time.Hour)
	defer t.Stop()
	for {
		wait := n.expireDue()
		t.Reset(wait)
		select {
		case <-ctx.Done():
			return
		case <-n.clock.wake:
		case <-t.C:
		}
	}
}

// expireDue expires what is due and returns how long nothing will be.
func (n *node) expireDue() time.Duration {
	fx := n.begin()
	defer n.end(fx)
	now := time.Now()
	for t := n.clock.due(now); t != nil; t = n.clock.due(now) {
		t.what.expire(fx)
	}
	if len(n.clock.timers) == 0 {
		n.clock.next = time.Time{}
		return time.Hour
	}
	n.clock.next = n.clock.timers[0].at
	return time.Until(n.clock.next)
}

// timerHeap implements heap.Interface.
type timerHeap []*timer

func (h timerHeap) Len() int           { return len(h) }
func (h timerHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }

func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i+1, j+1
}

// Push implements heap.Interface.
func (h *timerHeap) Push(x any) {
	t, _ := x.(*timer)
	*h = append(*h, t)
	t.index = len(*h)
}

// Pop implements heap.Interface.
func (h *timerHeap) Pop() any {
	last := len(*h) - 1
	t := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	t.index = 0
	return t
}
