// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package buffertest

import (
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/uspgate/uspgate/routing/buffer"
)

// restart is what a Queue promises to whoever outlives it.
func restart(t *testing.T, s Suite) {
	t.Helper()
	if s.Reopen == nil {
		t.Skip("this Queue does not outlive the process")
	}
	for name, again := range map[string]func(*testing.T, buffer.Queue) buffer.Queue{
		"Reopen": s.Reopen, "Crash": s.Crash,
	} {
		if again == nil {
			continue
		}
		for of, f := range map[string]func(*testing.T, Suite, func(*testing.T, buffer.Queue) buffer.Queue){
			"Acknowledged": acknowledgedStays, "Removed": removedIsGone, "Purged": purgedIsGone,
			"Dropped": droppedIsNoDamage, "Busy": busyRestart,
		} {
			t.Run(name+"/"+of, func(t *testing.T) {
				t.Parallel()
				f(t, s, again)
			})
		}
	}
}

// acknowledgedStays: what was acknowledged is there again, as it was and in order,
// and what comes after that is behind it.
func acknowledgedStays(t *testing.T, s Suite, again func(*testing.T, buffer.Queue) buffer.Queue) {
	t.Helper()
	q := s.New(t, Limits{})
	lanes := []buffer.Lane{lane(1), lane(2), lane(3)}
	want := make(map[buffer.Lane][]buffer.Item)
	put := func(n int) {
		for i := range n {
			for _, l := range lanes {
				it := whole(l, strconv.Itoa(i))
				it.Seq = mustPut(t, q, it)
				want[l] = append(want[l], it)
			}
		}
	}
	for range 3 {
		put(5)
		q = again(t, q)
		if got := q.Lanes(); len(got) != len(lanes) {
			t.Fatalf("got Lanes %v, want %v", got, lanes)
		}
		for _, l := range lanes {
			items, last := read(t, q, l, 0, 1000), uint64(0)
			if got := q.Depth(l).Records; got != len(want[l]) || len(items) != got {
				t.Fatalf("got depth %d and %d Items, want %d", got, len(items), len(want[l]))
			}
			for i := range items {
				wantWhole(t, &items[i], &want[l][i])
				if got := items[i].Seq; got != want[l][i].Seq || got <= last {
					t.Errorf("got Seq %d after %d, want %d as before", got, last, want[l][i].Seq)
				}
				last = items[i].Seq
			}
		}
	}
	if got := dropped(t, q, buffer.ReasonDamaged); len(got) > 0 {
		t.Errorf("got %+v reported as damaged, want nothing", got)
	}
}

// soon calls f, which ends and opens a Queue, until it says that what was written in
// the background is there, with more time for that each time.
func soon(t *testing.T, what string, f func(wait time.Duration) bool) {
	t.Helper()
	for wait := 50 * time.Millisecond; !f(wait); wait *= 2 {
		if wait > 3*time.Second {
			t.Fatalf("%s, although there were %v to write it", what, wait)
		}
	}
}

// removedIsGone: what was removed comes again, if at all, as the last of what was
// removed and before the rest, and only if there was no time to write it.
func removedIsGone(t *testing.T, s Suite, again func(*testing.T, buffer.Queue) buffer.Queue) {
	t.Helper()
	const all, most = 20, 8
	q, l := s.New(t, Limits{}), lane(1)
	seqs := make([]uint64, all)
	for i := range seqs {
		seqs[i] = mustPut(t, q, item(l, strconv.Itoa(i)))
	}
	soon(t, "what was removed comes again", func(wait time.Duration) bool {
		remove(t, q, l, seqs[most-1])
		<-time.After(wait)
		q = again(t, q)
		items := read(t, q, l, 0, 100)
		first := all - len(items)
		for i := range items {
			if got, want := text(&items[i]), strconv.Itoa(first+i); got != want || items[i].Seq != seqs[first+i] {
				t.Fatalf("got %q with Seq %d at %d, want %q with %d", got, items[i].Seq, i, want, seqs[first+i])
			}
		}
		if first > most {
			t.Fatalf("got the Items from %d on, want those from %d", first, most)
		}
		return first == most
	})
	soon(t, "what was removed comes again", func(wait time.Duration) bool {
		remove(t, q, l, seqs[all-1])
		<-time.After(wait)
		q = again(t, q)
		return q.Depth(l).Records == 0 && len(q.Lanes()) == 0
	})
	if got := dropped(t, q, buffer.ReasonDamaged); len(got) > 0 {
		t.Errorf("got %+v reported as damaged, want nothing", got)
	}
	if seq := mustPut(t, q, item(l, "new")); seq <= seqs[all-1] {
		t.Errorf("got Seq %d, want one never used before, so above %d", seq, seqs[all-1])
	}
	q = again(t, q)
	wantTexts(t, read(t, q, l, 0, 100), "new")
}

// purgedIsGone: what was purged does not come again once that is written, and is not
// reported as missing.
func purgedIsGone(t *testing.T, s Suite, again func(*testing.T, buffer.Queue) buffer.Queue) {
	t.Helper()
	q, l := s.New(t, Limits{}), lane(1)
	for range 3 {
		mustPut(t, q, item(l, "gone"))
	}
	mustPut(t, q, item(lane(2), "stays"))
	soon(t, "what was purged comes again", func(wait time.Duration) bool {
		n, err := q.Purge(t.Context(), l)
		if err != nil {
			t.Fatalf("Purge: got %v, want nil", err)
		}
		if got := dropped(t, q, buffer.ReasonPurged); n > 0 && (len(got) != 1 || got[0].Records != n) {
			t.Errorf("got drops %+v, want one of %d Records", got, n)
		}
		<-time.After(wait)
		q = again(t, q)
		return q.Depth(l).Records == 0
	})
	wantTexts(t, read(t, q, l, 0, 100))
	wantTexts(t, read(t, q, lane(2), 0, 100), "stays")
	for _, why := range []buffer.Reason{buffer.ReasonDamaged, buffer.ReasonPurged} {
		if got := dropped(t, q, why); len(got) > 0 {
			t.Errorf("got %+v in the next life, want nothing", got)
		}
	}
}

// droppedIsNoDamage: what made room in the middle of a Lane is no gap. It may come
// again, in its place.
func droppedIsNoDamage(t *testing.T, s Suite, again func(*testing.T, buffer.Queue) buffer.Queue) {
	t.Helper()
	q, l := s.New(t, Limits{Records: 3, Overflow: buffer.DropOldest}), lane(0)
	now := time.Now()
	mustPut(t, q, inSession(t, l, 5, 1, now))
	mustPut(t, q, item(l, "a"))
	mustPut(t, q, item(l, "b"))
	mustPut(t, q, inSession(t, l, 5, 2, now))
	mustPut(t, q, inSession(t, l, 5, 3, now))
	q = again(t, q)
	places := map[string]int{"5/1": 0, "a": 1, "b": 2, "5/2": 3, "5/3": 4}
	last, parts := -1, 0
	for _, got := range sequences(read(t, q, l, 0, 10)) {
		place, ok := places[got]
		if !ok || place <= last {
			t.Fatalf("got %q after the one at %d, want those that were put, in order", got, last)
		}
		if last = place; place != 1 && place != 2 {
			parts++
		}
	}
	if parts != 3 {
		t.Errorf("got %d parts of the session, want 3", parts)
	}
	if got := dropped(t, q, buffer.ReasonDamaged); len(got) > 0 {
		t.Errorf("got %+v reported as damaged, want nothing", got)
	}
}

// busyRestart: whatever was acknowledged before the end is there, of what was under way
// nothing without what came before it.
func busyRestart(t *testing.T, s Suite, again func(*testing.T, buffer.Queue) buffer.Queue) {
	t.Helper()
	const lanes, most, enough = 4, 900, 150
	q := s.New(t, Limits{})
	var acked [lanes]atomic.Int64
	var writers sync.WaitGroup
	ready := make(chan struct{})
	stop := make(chan struct{})
	reached := sync.OnceFunc(func() { close(ready) })
	old := q
	for n := range lanes {
		writers.Go(func() {
			window := make(chan struct{}, 32)
			for i := range most {
				select {
				case window <- struct{}{}:
				case <-stop:
					return
				}
				old.Put(item(lane(n), strconv.Itoa(i)), func(_ uint64, err error) {
					if err == nil && acked[n].Add(1) == enough {
						reached()
					}
					<-window
				})
			}
		})
	}
	<-ready
	var before [lanes]int
	for n := range before {
		before[n] = int(acked[n].Load())
	}
	q = again(t, q)
	close(stop)
	writers.Wait()
	for n := range before {
		items := read(t, q, lane(n), 0, most)
		for i := range items {
			if got, want := text(&items[i]), strconv.Itoa(i); got != want {
				t.Fatalf("got %q at %d, want %q", got, i, want)
			}
		}
		if len(items) < before[n] {
			t.Errorf("got %d Items, want the %d that were acknowledged", len(items), before[n])
		}
	}
	if got := dropped(t, q, buffer.ReasonDamaged); len(got) > 0 {
		t.Errorf("got %+v reported as damaged, want nothing", got)
	}
}
