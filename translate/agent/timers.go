// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"container/heap"
	"sync"
	"time"
)

// timers is the one heap of timers of a Host: an Agent that waits costs an
// entry, not a goroutine. Its functions are run by the goroutine of Host.Run,
// one after the other, and must be quick.
type timers struct {
	mu   sync.Mutex
	heap timerHeap
}

// timer is one entry. The zero of *timer is a timer that was stopped.
type timer struct {
	at    time.Time
	every time.Duration // in which it comes again, 0 if it does not
	f     func()
	index int // in the heap; -1 once it is out of it
}

// at schedules f. It reports whether it is the first to come.
func (t *timers) at(when time.Time, f func()) (tm *timer, first bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	tm = &timer{at: when, f: f}
	heap.Push(&t.heap, tm)
	return tm, tm.index == 0
}

// stop takes tm out; nil and fired timers are ignored.
func (t *timers) stop(tm *timer) {
	if tm == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if tm.index >= 0 {
		heap.Remove(&t.heap, tm.index)
	}
}

// fire runs what is due at now and returns when the next is due, zero for never.
func (t *timers) fire(now time.Time) time.Time {
	for {
		t.mu.Lock()
		if len(t.heap) == 0 {
			t.mu.Unlock()
			return time.Time{}
		}
		tm := t.heap[0]
		if tm.at.After(now) {
			t.mu.Unlock()
			return tm.at
		}
		heap.Pop(&t.heap)
		t.mu.Unlock()
		tm.f()
	}
}

type timerHeap []*timer

func (h timerHeap) Len() int           { return len(h) }
func (h timerHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push is for container/heap.
func (h *timerHeap) Push(x any) {
	if tm, ok := x.(*timer); ok {
		tm.index = len(*h)
		*h = append(*h, tm)
	}
}

// Pop is for container/heap.
func (h *timerHeap) Pop() any {
	old := *h
	n := len(old) - 1
	tm := old[n]
	old[n] = nil
	*h = old[:n]
	tm.index = -1
	return tm
}
