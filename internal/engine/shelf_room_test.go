// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/uspgate/uspgate/internal/engine"
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing/buffer"
)

// Who has heard that there is no room is told when there is: once something has been
// removed, or what was not stored yet is.
func TestSharedQueueTellsOfRoom(t *testing.T) {
	t.Parallel()
	l := shelfLane("")
	large := buffer.Item{Lane: l, Record: shelfItem(l, strings.Repeat("x", 1<<20)).Record, At: time.Now()}
	size := large.Record.Len()
	// full puts one, and is told that there is no room for another.
	full := func(t *testing.T, q *engine.SharedQueue) (at uint64, isFull bool) {
		t.Helper()
		seq := make(chan uint64, 1)
		q.Put(large, func(s uint64, err error) {
			if err != nil {
				t.Errorf("Put: got %v, want nil", err)
			}
			seq <- s
		})
		err := q.Fits(l, size)
		return <-seq, errors.Is(err, buffer.ErrFull)
	}
	room := func(t *testing.T, q *engine.SharedQueue) {
		t.Helper()
		late := time.After(10 * time.Second)
		for told := false; ; told = true { // it may have been told of what was stored
			if err := q.Fits(l, size); told && err == nil {
				return
			}
			select {
			case <-q.Room():
			case <-late:
				t.Fatal("nobody told that there is room")
			}
		}
	}
	t.Run("Pending", func(t *testing.T) {
		t.Parallel()
		q := oneShelf(t, engine.SharedOptions{MaxPending: size})
		acquire(t, q, l)
		soon(t, "Fits says so while one is on its way", func() bool { _, is := full(t, q); return is })
		room(t, q)
	})
	t.Run("Removed", func(t *testing.T) {
		t.Parallel()
		q := oneShelf(t, engine.SharedOptions{Limits: buffer.Limits{MaxRecords: 1}})
		acquire(t, q, l)
		seq, is := full(t, q)
		if !is {
			t.Error("Fits did not say ErrFull")
		}
		if err := q.Remove(t.Context(), l, seq); err != nil {
			t.Fatalf("Remove: got %v, want nil", err)
		}
		room(t, q)
	})
	t.Run("Released", func(t *testing.T) {
		t.Parallel()
		q := oneShelf(t, engine.SharedOptions{Limits: buffer.Limits{TotalRecords: 1}})
		acquire(t, q, l)
		if _, is := full(t, q); !is {
			t.Error("Fits did not say ErrFull")
		}
		q.Release(l.To)
		room(t, q)
	})
	t.Run("Never", func(t *testing.T) {
		t.Parallel()
		q := oneShelf(t, engine.SharedOptions{})
		for _, size := range []int{buffer.DefaultMaxBytes + 1, engine.DefaultMaxPayload} {
			if err := q.Fits(l, size); !errors.Is(err, mtp.ErrTooLarge) {
				t.Errorf("Fits of %d bytes: got %v, want ErrTooLarge", size, err)
			}
		}
	})
}
