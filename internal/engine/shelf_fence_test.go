// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine_test

import (
	"errors"
	"testing"

	"github.com/uspgate/uspgate/internal/engine"
	"github.com/uspgate/uspgate/internal/engine/enginetest"
	"github.com/uspgate/uspgate/routing/buffer"
)

// A node that has lost an address without knowing takes nothing away from its owner,
// and learns of it from what it tries.
func TestShelvesOfOneWhoHasLostThem(t *testing.T) {
	t.Parallel()
	q := shelves(t, enginetest.New(t, 3), 3)
	a, b, c := q[0], q[1], q[2]
	l, own := shelfLane(""), shelfLane("self::x")
	acquire(t, a, l)
	mustShelve(t, a, l, 0, 100)
	mustShelve(t, a, own, 0, 10)
	old := wantShelf(t, a, l, 0, 99)

	acquire(t, b, l)
	items := wantShelf(t, b, l, 0, 99)
	if err := b.Remove(t.Context(), l, items[79].Seq); err != nil {
		t.Fatalf("Remove: got %v, want nil", err)
	}
	acquire(t, b, l) // what was removed is written
	if err := a.Remove(t.Context(), l, old[9].Seq); err != nil {
		t.Fatalf("Remove by who does not know yet: got %v, want nil", err)
	}
	if _, err := a.Purge(t.Context(), own); err != nil {
		t.Fatalf("Purge by who does not know yet: got %v, want nil", err)
	}
	soon(t, "a learns that it has lost them", func() bool {
		_, err := a.Read(t.Context(), l, 0, 1, 1)
		return errors.Is(err, buffer.ErrNotOwned) && !a.Holds(l.To)
	})
	for range 2 {
		wantShelf(t, b, l, 80, 99)
		wantShelf(t, b, own, 0, 9)
		mustShelve(t, b, own, 10, 1)
		acquire(t, c, l)
		wantShelf(t, c, l, 80, 99)
		wantShelf(t, c, own, 0, 10)
		if _, err := c.Purge(t.Context(), own); err != nil {
			t.Fatalf("Purge: got %v, want nil", err)
		}
		mustShelve(t, c, own, 0, 10)
		release(t, c, l)
		acquire(t, b, l)
	}
}

// An Acquire that ends after that of the next owner costs that one an Acquire more,
// and nothing of what waits.
func TestShelvesLateAcquire(t *testing.T) {
	t.Parallel()
	q := shelves(t, enginetest.New(t, 3), 2)
	late, owner := q[0], q[1]
	l := shelfLane("")
	acquire(t, owner, l)
	mustShelve(t, owner, l, 0, 10)
	acquire(t, late, l) // sent before, and stored now
	if errs := shelve(owner, l, 10, 1); !errors.Is(errs[0], buffer.ErrNotOwned) {
		t.Fatalf("Put: got %v, want ErrNotOwned", errs[0])
	}
	if _, err := owner.Read(t.Context(), l, 0, 1, 1); !errors.Is(err, buffer.ErrNotOwned) {
		t.Errorf("Read: got %v, want ErrNotOwned", err)
	}
	acquire(t, owner, l) // before the other one knows that it is late
	items := wantShelf(t, owner, l, 0, 9)
	mustShelve(t, owner, l, 10, 10)
	if err := owner.Remove(t.Context(), l, items[4].Seq); err != nil {
		t.Fatalf("Remove: got %v, want nil", err)
	}
	release(t, late, l)
	wantShelf(t, owner, l, 5, 19)
	acquire(t, owner, l)
	wantShelf(t, owner, l, 5, 19)
}

// What was removed does not come again, however often the address is acquired, nor
// if only some of a batch was removed.
func TestShelvesRememberWhatWasRemoved(t *testing.T) {
	t.Parallel()
	q := oneShelf(t, engine.SharedOptions{})
	l, own := shelfLane(""), shelfLane("self::x")
	acquire(t, q, l)
	mustShelve(t, q, l, 0, 2)
	mustShelve(t, q, own, 0, 50)
	mustShelve(t, q, l, 2, 50)
	items := wantShelf(t, q, l, 0, 51)
	for i := 9; i < 49; i += 10 {
		if err := q.Remove(t.Context(), l, items[i].Seq); err != nil {
			t.Fatalf("Remove: got %v, want nil", err)
		}
		acquire(t, q, l)
		wantShelf(t, q, l, i+1, 51)
		first := wantShelf(t, q, own, i/10, 49)[0]
		if err := q.Remove(t.Context(), own, first.Seq); err != nil {
			t.Fatalf("Remove: got %v, want nil", err)
		}
		acquire(t, q, l)
		wantShelf(t, q, l, i+1, 51)
		wantShelf(t, q, own, i/10+1, 49)
	}
}

// oneShelf is a SharedQueue on an engine of its own.
func oneShelf(t *testing.T, o engine.SharedOptions) *engine.SharedQueue {
	t.Helper()
	e, err := engine.Open(t.Context(), engine.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatalf("Open: got %v, want nil", err)
	}
	t.Cleanup(e.Close)
	q, err := e.SharedQueue(t.Context(), o)
	if err != nil {
		t.Fatalf("SharedQueue: got %v, want nil", err)
	}
	t.Cleanup(q.Close)
	return q
}

// What the store has lost is dropped and listed, and what follows it is read.
func TestShelvesWithDamage(t *testing.T) {
	t.Parallel()
	q := oneShelf(t, engine.SharedOptions{})
	l := shelfLane("")
	acquire(t, q, l)
	for i := range 5 { // a batch each
		mustShelve(t, q, l, i, 1)
	}
	items := wantShelf(t, q, l, 0, 4)
	if err := q.Lose(t.Context(), l.To, items[0].Seq); err != nil {
		t.Fatal(err)
	}
	q.Spoil(items[2].Seq)
	for range 2 {
		left, err := q.Read(t.Context(), l, 0, 10, 1<<20)
		if err != nil || len(left) != 3 || left[0].Seq != items[1].Seq || left[1].Seq != items[3].Seq {
			t.Fatalf("Read: got %d items, %v, want the three that are left", len(left), err)
		}
		drops := q.Dropped()
		if len(drops) != 2 || drops[0].Seq != items[0].Seq || drops[1].Seq != items[2].Seq ||
			drops[0].Reason != buffer.ReasonDamaged || drops[1].Reason != buffer.ReasonDamaged {
			t.Errorf("Dropped: got %+v, want the first and the third", drops)
		}
	}
	if got := q.Depth(l).Records; got != 3 {
		t.Errorf("Depth: got %d, want 3", got)
	}
}

// What is found to be damaged by Acquire is listed, once.
func TestShelvesLoadedWithDamage(t *testing.T) {
	t.Parallel()
	q := oneShelf(t, engine.SharedOptions{})
	l := shelfLane("")
	acquire(t, q, l)
	for i := range 4 { // a batch each
		mustShelve(t, q, l, i, 1)
	}
	items := wantShelf(t, q, l, 0, 3)
	if err := q.Lose(t.Context(), l.To, items[1].Seq); err != nil {
		t.Fatal(err)
	}
	if err := q.Garble(t.Context(), items[0].Seq); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		acquire(t, q, l)
		left, err := q.Read(t.Context(), l, 0, 10, 1<<20)
		if err != nil || len(left) != 3 || left[0].Seq != items[0].Seq || left[1].Seq != items[2].Seq {
			t.Fatalf("Read: got %d items, %v, want the three that are left", len(left), err)
		}
		drops := q.Dropped()
		if len(drops) != 2 || drops[0].Seq != items[1].Seq || drops[1].Seq <= items[3].Seq ||
			drops[0].Reason != buffer.ReasonDamaged || drops[1].Reason != buffer.ReasonDamaged {
			t.Errorf("Dropped: got %+v, want the second and the last", drops)
		}
	}
}

// Of a batch that the next owner has taken away nobody says that it is damaged.
func TestShelvesThatAnotherNodeHasEmptied(t *testing.T) {
	t.Parallel()
	q := shelves(t, enginetest.New(t, 3), 2)
	l := shelfLane("")
	acquire(t, q[0], l)
	mustShelve(t, q[0], l, 0, 3)
	acquire(t, q[1], l)
	if _, err := q[1].Purge(t.Context(), l); err != nil {
		t.Fatalf("Purge: got %v, want nil", err)
	}
	release(t, q[1], l)
	if items, err := q[0].Read(t.Context(), l, 0, 10, 1<<20); !errors.Is(err, buffer.ErrNotOwned) {
		t.Errorf("Read: got %d items, %v, want ErrNotOwned", len(items), err)
	}
	if drops := q[0].Dropped(); len(drops) != 0 {
		t.Errorf("Dropped: got %+v, want none", drops)
	}
}
