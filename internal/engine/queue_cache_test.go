// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"errors"
	"sync"
	"testing"
)

// A batch that many want is fetched once, and the memory for them is bounded.
func TestBatches(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	loads := map[uint64]int{}
	c := newBatches(100, func(_ context.Context, seq uint64) ([]byte, error) {
		mu.Lock()
		defer mu.Unlock()
		loads[seq]++
		if seq == 99 {
			return nil, errLost
		}
		return make([]byte, 40), nil
	})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if b, err := c.get(t.Context(), 1); err != nil || len(b) != 40 {
				t.Errorf("got %d bytes, %v, want 40", len(b), err)
			}
		})
	}
	wg.Wait()
	for _, seq := range []uint64{2, 1, 3, 1, 2} { // 3 does not fit beside 1 and 2
		if _, err := c.get(t.Context(), seq); err != nil {
			t.Fatal(err)
		}
	}
	if loads[1] != 1 || loads[2] != 2 || loads[3] != 1 || c.bytes > 100 {
		t.Errorf("got loads %v with %d bytes kept, want 1 once, 2 twice, 3 once, at most 100 bytes", loads, c.bytes)
	}
	c.forget(1)
	_, _ = c.get(t.Context(), 1) // counted below
	if loads[1] != 2 {
		t.Errorf("got %d loads after forget, want 2", loads[1])
	}
	if _, err := c.get(t.Context(), 99); !errors.Is(err, errLost) || c.bytes > 100 {
		t.Errorf("got %v, want errLost", err)
	}
}
