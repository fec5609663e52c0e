// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/uspgate/uspgate/internal/engine"
	"github.com/uspgate/uspgate/internal/engine/enginetest"
	"github.com/uspgate/uspgate/routing/buffer"
	"github.com/uspgate/uspgate/routing/buffer/buffertest"
	"github.com/uspgate/uspgate/usp"
)

// shelves opens the buffers of some nodes on one cluster.
func shelves(t *testing.T, nats *enginetest.Cluster, n int) []*engine.SharedQueue {
	t.Helper()
	var list []*engine.SharedQueue
	for range n {
		e, err := engine.Open(t.Context(), engine.Options{URL: nats.URL(), Replicas: 3})
		if err != nil {
			t.Fatalf("Open: got %v, want nil", err)
		}
		q, err := e.SharedQueue(t.Context(), engine.SharedOptions{})
		if err != nil {
			t.Fatalf("SharedQueue: got %v, want nil", err)
		}
		t.Cleanup(func() {
			q.Close()
			e.Close()
		})
		list = append(list, q)
	}
	return list
}

func shelfLane(from usp.EndpointID) buffer.Lane {
	return buffer.Lane{To: usp.Address{ID: "os::00D09E-1", Role: usp.RoleAgent}, From: from}
}

func shelfItem(l buffer.Lane, text string) buffer.Item {
	return buffer.Item{
		Lane: l, Record: usp.NewNoSession("self::c", l.To.ID, "1.3", []byte(text)), At: time.Now(),
		Via: "via", Trunk: "trunk",
	}
}

// shelve puts items and waits for all outcomes.
func shelve(q buffer.Queue, l buffer.Lane, from, n int) []error {
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Add(1)
		q.Put(shelfItem(l, fmt.Sprint(from+i)), func(_ uint64, err error) {
			errs[i] = err
			all.Done()
		})
	}
	all.Wait()
	return errs
}

func mustShelve(t *testing.T, q buffer.Queue, l buffer.Lane, from, n int) {
	t.Helper()
	if err := errors.Join(shelve(q, l, from, n)...); err != nil {
		t.Fatalf("Put: got %v, want nil", err)
	}
}

func acquire(t *testing.T, q buffer.Owned, l buffer.Lane) {
	t.Helper()
	if _, err := q.Acquire(t.Context(), l.To); err != nil {
		t.Fatalf("Acquire: got %v, want nil", err)
	}
}

// wantShelf reads all that waits: the numbers from first to last.
func wantShelf(t *testing.T, q buffer.Queue, l buffer.Lane, first, last int) []buffer.Item {
	t.Helper()
	items, err := q.Read(t.Context(), l, 0, 10_000, 1<<30)
	if err != nil {
		t.Fatalf("Read: got %v, want nil", err)
	}
	if len(items) != max(0, last-first+1) || q.Depth(l).Records != len(items) {
		t.Fatalf("got %d items, depth %d, want %d", len(items), q.Depth(l).Records, last-first+1)
	}
	for i := range items {
		it := &items[i]
		if got, want := string(it.Record.Header().Payload), fmt.Sprint(first+i); got != want ||
			it.Via != "via" || it.Trunk != "trunk" || i > 0 && it.Seq <= items[i-1].Seq {
			t.Fatalf("item %d: got %q at %d, want %q", i, got, it.Seq, want)
		}
	}
	return items
}

// An address goes from node to node with all that waits; the node that had it can
// not write any more, and what was removed does not come again.
func TestShelvesGoFromNodeToNode(t *testing.T) {
	t.Parallel()
	q := shelves(t, enginetest.New(t, 3), 3)
	a, b, c := q[0], q[1], q[2]
	l, own := shelfLane(""), shelfLane("self::x")
	if errs := shelve(a, l, 0, 1); !errors.Is(errs[0], buffer.ErrNotOwned) {
		t.Errorf("Put before Acquire: got %v, want ErrNotOwned", errs[0])
	}
	acquire(t, a, l)
	mustShelve(t, a, l, 0, 100)
	mustShelve(t, a, own, 0, 5)
	wantShelf(t, a, l, 0, 99)

	acquire(t, b, l) // while a believes to have it
	items := wantShelf(t, b, l, 0, 99)
	wantShelf(t, b, own, 0, 4)
	if errs := shelve(a, l, 1000, 3); errors.Join(errs...) == nil || !errors.Is(errs[0], buffer.ErrNotOwned) {
		t.Errorf("Put by who has lost it: got %v, want ErrNotOwned", errs)
	}
	if err := b.Remove(t.Context(), l, items[69].Seq); err != nil {
		t.Fatalf("Remove: got %v, want nil", err)
	}
	mustShelve(t, b, l, 100, 50)
	wantShelf(t, b, l, 70, 149)
	release(t, b, l)
	acquire(t, c, l)
	items = wantShelf(t, c, l, 70, 149)
	wantShelf(t, c, own, 0, 4)
	if err := c.Remove(t.Context(), l, items[len(items)-1].Seq); err != nil {
		t.Fatalf("Remove: got %v, want nil", err)
	}
	if n, err := c.Purge(t.Context(), own); n != 5 || err != nil {
		t.Errorf("Purge: got %d, %v, want 5", n, err)
	}
	release(t, c, l)
	acquire(t, a, l)
	wantShelf(t, a, l, 1, 0)
	mustShelve(t, a, l, 150, 10)
	if items := wantShelf(t, a, l, 150, 159); items[0].Seq <= 0 {
		t.Errorf("Seq: got %d", items[0].Seq)
	}
}

// release gives an address up, and waits until all is written.
func release(t *testing.T, q *engine.SharedQueue, l buffer.Lane) {
	t.Helper()
	q.Release(l.To)
	soon(t, "what is released is forgotten", func() bool { return !q.Holds(l.To) })
}

// soon polls until f is true.
func soon(t *testing.T, what string, f func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for tick := time.Tick(time.Millisecond); !f(); <-tick {
		if time.Now().After(deadline) {
			t.Fatalf("%s: has not happened in time", what)
		}
	}
}

// While servers die and come back nothing that was acknowledged is lost.
func TestShelvesOutliveServers(t *testing.T) {
	t.Parallel()
	nats := enginetest.New(t, 3)
	q := shelves(t, nats, 2)
	l := shelfLane("")
	acquire(t, q[0], l)
	const n = 300
	stop := make(chan struct{})
	go func() {
		defer close(stop)
		nats.Kill(max(0, nats.Leader()))
	}()
	for i := range n {
		mustShelve(t, q[0], l, i, 1)
	}
	<-stop
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		if _, err := q[1].Acquire(ctx, l.To); err == nil {
			break
		}
		if ctx.Err() != nil {
			t.Fatal("Acquire: not in time")
		}
	}
	wantShelf(t, q[1], l, 0, n-1)
}

// acquiring is a SharedQueue that acquires what it is asked for.
type acquiring struct {
	*engine.SharedQueue

	e    *engine.Engine
	mu   sync.Mutex
	have map[usp.Address]bool
}

func newAcquiring(t *testing.T, e *engine.Engine, l buffer.Limits) *acquiring {
	t.Helper()
	q, err := e.SharedQueue(t.Context(), engine.SharedOptions{Limits: l})
	if err != nil {
		t.Fatalf("SharedQueue: got %v, want nil", err)
	}
	t.Cleanup(q.Close)
	return &acquiring{SharedQueue: q, e: e, have: map[usp.Address]bool{}}
}

func (q *acquiring) need(to usp.Address) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.have[to] {
		_, err := q.Acquire(context.Background(), to)
		q.have[to] = err == nil
	}
}

func (q *acquiring) Put(item buffer.Item, settled func(uint64, error)) {
	q.need(item.Lane.To)
	q.SharedQueue.Put(item, settled)
}

func (q *acquiring) Read(ctx context.Context, l buffer.Lane, after uint64, n int, size int64) ([]buffer.Item, error) {
	q.need(l.To)
	return q.SharedQueue.Read(ctx, l, after, n, size)
}

func (q *acquiring) Remove(ctx context.Context, l buffer.Lane, upTo uint64) error {
	q.need(l.To)
	return q.SharedQueue.Remove(ctx, l, upTo)
}

func (q *acquiring) Purge(ctx context.Context, l buffer.Lane) (int, error) {
	q.need(l.To)
	return q.SharedQueue.Purge(ctx, l)
}

func (q *acquiring) Depth(l buffer.Lane) buffer.Depth {
	q.need(l.To)
	return q.SharedQueue.Depth(l)
}

func TestSharedQueue(t *testing.T) {
	t.Parallel()
	buffertest.Run(t, buffertest.Suite{
		New: func(t *testing.T, l buffertest.Limits) buffer.Queue {
			t.Helper()
			e, err := engine.Open(t.Context(), engine.Options{Dir: t.TempDir()})
			if err != nil {
				t.Fatalf("Open: got %v, want nil", err)
			}
			t.Cleanup(e.Close)
			return newAcquiring(t, e, options(l).Limits)
		},
		Reopen: func(t *testing.T, q buffer.Queue) buffer.Queue {
			t.Helper()
			old, ok := q.(*acquiring)
			if !ok {
				t.Fatalf("got %T", q)
			}
			old.Close()
			again := newAcquiring(t, old.e, buffer.Limits{})
			for to := range old.have {
				again.need(to)
			}
			return again
		},
	})
}

// BenchmarkAcquire is how many addresses of which nothing waits can be acquired, 16
// at a time, on three NATS servers with three copies, in this process.
func BenchmarkAcquire(b *testing.B) {
	e, err := engine.Open(b.Context(), engine.Options{URL: enginetest.New(b, 3).URL(), Replicas: 3})
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	q, err := e.SharedQueue(b.Context(), engine.SharedOptions{})
	if err != nil {
		b.Fatal(err)
	}
	defer q.Close()
	n := 0
	for b.Loop() {
		work := make(chan int)
		var all sync.WaitGroup
		for range 16 {
			all.Go(func() {
				for i := range work {
					to := usp.Address{ID: usp.EndpointID(fmt.Sprintf("os::00D09E-%d", i)), Role: usp.RoleAgent}
					if _, err := q.Acquire(b.Context(), to); err != nil {
						b.Errorf("Acquire: got %v, want nil", err)
					}
				}
			})
		}
		for range 1000 {
			work <- n
			n++
		}
		close(work)
		all.Wait()
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "addresses/s")
}
