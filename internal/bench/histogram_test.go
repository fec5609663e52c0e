// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package bench_test

import (
	"testing"
	"time"

	"github.com/uspgate/uspgate/internal/bench"
)

func TestHistogramQuantiles(t *testing.T) {
	t.Parallel()
	var h bench.Histogram
	if got := h.Quantile(0.5); got != 0 {
		t.Errorf("empty: got %v, want 0", got)
	}
	for i := range 100_000 {
		h.Add(time.Duration(i+1) * time.Microsecond)
	}
	if got := h.Count(); got != 100_000 {
		t.Errorf("count: got %d, want 100000", got)
	}
	for q, want := range map[float64]time.Duration{
		0: time.Microsecond, 0.5: 50 * time.Millisecond, 0.99: 99 * time.Millisecond, 1: 100 * time.Millisecond,
	} {
		if got := h.Quantile(q); got < want || got > want+want/25+time.Microsecond {
			t.Errorf("quantile %v: got %v, want %v or up to 4 %% more", q, got, want)
		}
	}
}

// Whatever is added has a bucket, and comes back with an error of 4 % at most.
func TestHistogramRange(t *testing.T) {
	t.Parallel()
	for d := time.Duration(1); d > 0; d = d*3 + 1 {
		var h bench.Histogram
		h.Add(d)
		if got := h.Quantile(0.5); got < d || float64(got) > float64(d)*1.04 {
			t.Errorf("got %d, want %d or up to 4 %% more", got, d)
		}
	}
	for _, d := range []time.Duration{-1, 1<<63 - 1} {
		var h bench.Histogram
		h.Add(d)
		if got := h.Quantile(1); got < max(d, 0) {
			t.Errorf("got %d, want at least %d", got, d)
		}
	}
}
