// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package buffertest

import (
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/uspgate/uspgate/routing/buffer"
)

// putsWhileReading has writers and one reader per Lane at work at once.
func putsWhileReading(t *testing.T, s Suite) {
	t.Helper()
	const lanes, each = 4, 200
	q := s.New(t, Limits{})
	var settled, all sync.WaitGroup
	settled.Add(lanes * each)
	for n := range lanes {
		all.Go(func() {
			for i := range each {
				q.Put(item(lane(n), strconv.Itoa(i)), func(_ uint64, err error) {
					defer settled.Done()
					if err != nil {
						t.Errorf("Put: %v", err)
					}
				})
			}
		})
		all.Go(func() { drain(t, q, lane(n), each) })
	}
	all.Wait()
	settled.Wait()
}

// drain reads n Items in order, a few at a time.
func drain(t *testing.T, q buffer.Queue, l buffer.Lane, n int) {
	t.Helper()
	tick := time.NewTicker(200 * time.Microsecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for i := 0; i < n; {
		items, err := q.Read(t.Context(), l, 0, 7, 1<<20)
		if err != nil {
			t.Errorf("Read: %v", err)
			return
		}
		for k := range items {
			if got := text(&items[k]); got != strconv.Itoa(i) {
				t.Errorf("got %q, want %d", got, i)
				return
			}
			i++
		}
		if len(items) > 0 {
			if err := q.Remove(t.Context(), l, items[len(items)-1].Seq); err != nil {
				t.Errorf("Remove: %v", err)
				return
			}
			continue
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Errorf("got %d of %d Items", i, n)
			return
		}
	}
}
