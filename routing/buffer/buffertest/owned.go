// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package buffertest

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/uspgate/uspgate/routing/buffer"
	"github.com/uspgate/uspgate/usp"
)

// acquired is a buffer.Owned of one node, which acquires each address when it is first
// used.
type acquired struct {
	buffer.Owned

	mu   sync.Mutex
	have map[usp.Address]bool
}

// acquiring makes a Suite of Owneds one of which nobody notices it.
func acquiring(s Suite) Suite {
	of := func(f func(*testing.T, buffer.Queue) buffer.Queue) func(*testing.T, buffer.Queue) buffer.Queue {
		if f == nil {
			return nil
		}
		return func(t *testing.T, q buffer.Queue) buffer.Queue {
			t.Helper()
			was := q.(*acquired)
			return acquire(t, f(t, was.Owned), was.addresses())
		}
	}
	out := Suite{Reopen: of(s.Reopen), Crash: of(s.Crash), Forgetful: s.Forgetful}
	out.New = func(t *testing.T, l Limits) buffer.Queue {
		t.Helper()
		return acquire(t, s.New(t, l), nil)
	}
	out.Second = func(t *testing.T, q buffer.Queue) buffer.Owned {
		t.Helper()
		return s.Second(t, q.(*acquired).Owned)
	}
	out.Damages = make(map[string]func(*testing.T, buffer.Queue, buffer.Item) buffer.Queue)
	for name, spoil := range s.Damages {
		out.Damages[name] = func(t *testing.T, q buffer.Queue, it buffer.Item) buffer.Queue {
			t.Helper()
			was := q.(*acquired)
			now := spoil(t, was.Owned, it)
			if now == buffer.Queue(was.Owned) {
				return was
			}
			return acquire(t, now, was.addresses())
		}
	}
	return out
}

func acquire(t *testing.T, q buffer.Queue, addresses []usp.Address) *acquired {
	t.Helper()
	o, ok := q.(buffer.Owned)
	if !ok {
		t.Fatalf("%T is no buffer.Owned", q)
	}
	a := &acquired{Owned: o, have: make(map[usp.Address]bool)}
	for _, to := range addresses {
		if err := a.need(t.Context(), to); err != nil {
			t.Fatalf("Acquire: got %v, want nil", err)
		}
	}
	return a
}

func (a *acquired) addresses() []usp.Address {
	a.mu.Lock()
	defer a.mu.Unlock()
	var all []usp.Address
	for to := range a.have {
		all = append(all, to)
	}
	return all
}

func (a *acquired) need(ctx context.Context, to usp.Address) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.have[to] {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	_, err := a.Acquire(ctx, to)
	a.have[to] = err == nil
	return err
}

func (a *acquired) Put(item buffer.Item, settled func(uint64, error)) {
	if err := a.need(context.Background(), item.Lane.To); err != nil {
		settled(0, err)
		return
	}
	a.Owned.Put(item, settled)
}

func (a *acquired) Read(ctx context.Context, l buffer.Lane, after uint64, n int, size int64) ([]buffer.Item, error) {
	if err := a.need(ctx, l.To); err != nil {
		return nil, err
	}
	return a.Owned.Read(ctx, l, after, n, size)
}

func (a *acquired) Remove(ctx context.Context, l buffer.Lane, upTo uint64) error {
	if err := a.need(ctx, l.To); err != nil {
		return err
	}
	return a.Owned.Remove(ctx, l, upTo)
}

func (a *acquired) Purge(ctx context.Context, l buffer.Lane) (int, error) {
	if err := a.need(ctx, l.To); err != nil {
		return 0, err
	}
	return a.Owned.Purge(ctx, l)
}

// Dropped implements buffer.Lister.
func (a *acquired) Dropped() []buffer.Drop {
	if l, ok := a.Owned.(buffer.Lister); ok {
		return l.Dropped()
	}
	return nil
}

// owned is what an Owned promises beside the rest.
func owned(t *testing.T, s Suite) {
	t.Helper()
	if s.Second == nil {
		t.Skip("this Queue is not shared")
	}
	for name, f := range map[string]func(t *testing.T, a, b buffer.Owned){
		"NothingBeforeAcquire": nothingBeforeAcquire, "FromNodeToNode": fromNodeToNode, "Release": release,
		"AcquireAgain": acquireAgain, "AcquireThatFails": acquireThatFails,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := s.New(t, Limits{}).(*acquired)
			f(t, q.Owned, s.Second(t, q))
		})
	}
}

func mustAcquire(t *testing.T, q buffer.Owned, to usp.Address, want ...buffer.Lane) {
	t.Helper()
	got, err := q.Acquire(t.Context(), to)
	if err != nil {
		t.Fatalf("Acquire: got %v, want nil", err)
	}
	order := func(a, b buffer.Lane) int { return len(a.From) - len(b.From) }
	slices.SortFunc(got, order)
	slices.SortFunc(want, order)
	if !slices.Equal(got, want) {
		t.Fatalf("Acquire: got Lanes %v, want %v", got, want)
	}
}

func wantNotOwned(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, buffer.ErrNotOwned) {
		t.Errorf("%s: got %v, want ErrNotOwned", what, err)
	}
}

// wantNothing has every method say that l is not this node's.
func wantNothing(t *testing.T, q buffer.Owned, l buffer.Lane) {
	t.Helper()
	wantNotOwned(t, "Put", put(t, q, item(l, "x")).err)
	_, err := q.Read(t.Context(), l, 0, 1, 1)
	wantNotOwned(t, "Read", err)
	wantNotOwned(t, "Remove", q.Remove(t.Context(), l, 1))
	_, err = q.Purge(t.Context(), l)
	wantNotOwned(t, "Purge", err)
	if d, lanes := q.Depth(l), q.Lanes(); d.Records != 0 || len(lanes) != 0 {
		t.Errorf("got depth %+v and Lanes %v, want none", d, lanes)
	}
}

func nothingBeforeAcquire(t *testing.T, a, _ buffer.Owned) {
	t.Helper()
	wantNothing(t, a, lane(1))
	mustAcquire(t, a, lane(1).To)
	mustPut(t, a, item(lane(1), "1"))
	wantNotOwned(t, "Put elsewhere", put(t, a, item(lane(3), "x")).err)
	wantTexts(t, read(t, a, lane(1), 0, 10), "1")
}

// fromNodeToNode: an address goes to and fro with what waits; who has lost it can not
// write any more, although nobody has told him.
func fromNodeToNode(t *testing.T, a, b buffer.Owned) {
	t.Helper()
	one := lane(1)
	two := one
	two.From = ""
	mustAcquire(t, a, one.To)
	var seq uint64
	var want []string
	for i := range 4 {
		for _, l := range []buffer.Lane{one, two} {
			at := mustPut(t, a, item(l, strconv.Itoa(i)))
			if at <= seq {
				t.Errorf("got Seq %d after %d, want it to grow from node to node", at, seq)
			}
			seq = at
		}
		want = append(want, strconv.Itoa(i))
		mustAcquire(t, b, one.To, one, two)
		wantNotOwned(t, "Put by who has lost it", put(t, a, item(one, "x")).err)
		for _, l := range []buffer.Lane{one, two} {
			wantTexts(t, read(t, b, l, 0, 10), want...)
			if got := b.Depth(l).Records; got != len(want) {
				t.Errorf("got depth %d, want %d", got, len(want))
			}
		}
		a, b = b, a
	}
}

// release: what was removed is gone for the next owner, soon; the rest is there.
func release(t *testing.T, a, b buffer.Owned) {
	t.Helper()
	l := lane(1)
	mustAcquire(t, a, l.To)
	for i := range 5 {
		mustPut(t, a, item(l, strconv.Itoa(i)))
	}
	remove(t, a, l, read(t, a, l, 0, 2)[1].Seq)
	a.Release(l.To)
	a.Release(l.To) // again is no error
	deadline := time.Now().Add(10 * time.Second)
	for tick := time.Tick(time.Millisecond); len(a.Lanes()) > 0; <-tick {
		if time.Now().After(deadline) {
			t.Fatal("the Lanes are there long after Release")
		}
	}
	wantNothing(t, a, l)
	for {
		mustAcquire(t, b, l.To, l)
		if b.Depth(l).Records == 3 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("got depth %d, want 3 soon after Release", b.Depth(l).Records)
		}
	}
	wantTexts(t, read(t, b, l, 0, 10), "2", "3", "4")
	mustAcquire(t, a, l.To, l)
	wantTexts(t, read(t, a, l, 0, 10), "2", "3", "4")
}

// acquireAgain: of what a node has it loads the same once more.
func acquireAgain(t *testing.T, a, _ buffer.Owned) {
	t.Helper()
	l := lane(1)
	mustAcquire(t, a, l.To)
	mustPut(t, a, item(l, "0"))
	for i := range 3 {
		mustAcquire(t, a, l.To, l)
		items := read(t, a, l, 0, 10)
		if len(items) != i+1 || a.Depth(l).Records != i+1 {
			t.Fatalf("got %d Items, depth %d, want %d", len(items), a.Depth(l).Records, i+1)
		}
		if seq := mustPut(t, a, item(l, strconv.Itoa(i+1))); seq <= items[i].Seq {
			t.Errorf("got Seq %d after %d, want a greater one", seq, items[i].Seq)
		}
	}
}

// acquireThatFails: then the address is not this node's.
func acquireThatFails(t *testing.T, a, b buffer.Owned) {
	t.Helper()
	l := lane(1)
	mustAcquire(t, a, l.To)
	mustPut(t, a, item(l, "1"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Acquire(ctx, l.To); !errors.Is(err, context.Canceled) {
		t.Errorf("Acquire: got %v, want Canceled", err)
	}
	wantNothing(t, b, l)
	mustAcquire(t, b, l.To, l)
	wantTexts(t, read(t, b, l, 0, 10), "1")
}
