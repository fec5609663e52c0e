// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package fifo is the queue of what a flow of Records waits for.
package fifo

// keepSlots is how many slots an empty Queue keeps.
const keepSlots = 16

// Queue is a queue that reuses its memory. Its zero value is empty. It is for one
// goroutine at a time.
type Queue[T any] struct {
	items []T
	head  int
}

// Len is how many items there are.
func (q *Queue[T]) Len() int { return len(q.items) - q.head }

// At returns the i-th oldest item; the pointer is good until the next Push.
func (q *Queue[T]) At(i int) *T { return &q.items[q.head+i] }

// Push appends v.
func (q *Queue[T]) Push(v T) {
	if q.head > 0 && len(q.items) == cap(q.items) && q.head >= len(q.items)/2 {
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	q.items = append(q.items, v)
}

// Pop drops the oldest item; there is one.
func (q *Queue[T]) Pop() {
	var zero T
	q.items[q.head] = zero
	q.head++
	if q.head < len(q.items) {
		return
	}
	q.items, q.head = q.items[:0], 0
	if cap(q.items) > keepSlots {
		q.items = nil
	}
}
