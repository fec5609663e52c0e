// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package files

import (
	"container/heap"
	"context"
	"crypto/sha256"
	"sync"
	"time"
)

// table has the open jobs, by the hash of their token: how long a search takes
// tells nothing of the tokens.
type table struct {
	max  int
	wake chan struct{} // a job expires before those that were known

	mu     sync.Mutex
	jobs   map[[sha256.Size]byte]*job
	due    byExpiry
	closed bool
}

func (t *table) init(maxJobs int) {
	t.max = maxJobs
	t.jobs = make(map[[sha256.Size]byte]*job)
	t.wake = make(chan struct{}, 1)
}

// add returns ErrShutdown, ErrJobs or ErrToken if it cannot.
func (t *table) add(j *job) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.closed:
		return ErrShutdown
	case t.jobs[j.key] != nil:
		return ErrToken
	case len(t.jobs) >= t.max:
		return ErrJobs
	}
	t.jobs[j.key] = j
	heap.Push(&t.due, j)
	if j.index == 0 {
		select {
		case t.wake <- struct{}{}:
		default:
		}
	}
	return nil
}

func (t *table) remove(j *job) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.jobs[j.key] == j {
		delete(t.jobs, j.key)
		heap.Remove(&t.due, j.index)
	}
}

// get returns nil where there is none, or its time is over.
func (t *table) get(key [sha256.Size]byte) *job {
	t.mu.Lock()
	defer t.mu.Unlock()
	j := t.jobs[key]
	if j == nil || j.expired(time.Now()) {
		return nil
	}
	return j
}

// next returns a job whose time is over, or how long that takes; an hour where
// there is none.
func (t *table) next(now time.Time) (*job, time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.due) == 0 {
		return nil, time.Hour
	}
	if j := t.due[0]; j.expired(now) {
		return j, 0
	}
	return nil, t.due[0].access.Expires.Sub(now)
}

// expire closes jobs when their time is over, until ctx ends.
func (t *table) expire(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		j, wait := t.next(time.Now())
		if j != nil {
			j.close(ErrExpired, false)
			continue
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-t.wake:
		case <-ctx.Done():
			return
		}
	}
}

// close takes no more jobs and returns those that are open.
func (t *table) close() []*job {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	jobs := make([]*job, 0, len(t.jobs))
	for _, j := range t.jobs {
		jobs = append(jobs, j)
	}
	return jobs
}

// byExpiry is a heap.Interface.
type byExpiry []*job

func (b byExpiry) Len() int           { return len(b) }
func (b byExpiry) Less(i, k int) bool { return b[i].access.Expires.Before(b[k].access.Expires) }
func (b byExpiry) Swap(i, k int) {
	b[i], b[k] = b[k], b[i]
	b[i].index, b[k].index = i, k
}

func (b *byExpiry) Push(x any) {
	j, _ := x.(*job)
	j.index = len(*b)
	*b = append(*b, j)
}

func (b *byExpiry) Pop() any {
	old := *b
	j := old[len(old)-1]
	old[len(old)-1] = nil
	*b = old[:len(old)-1]
	return j
}
