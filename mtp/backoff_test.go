// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mtp_test

import (
	"testing"
	"time"

	"github.com/uspgate/uspgate/mtp"
)

// TestBackoffRanges_R_WS_19 holds every attempt against the table of USP-retry.
func TestBackoffRanges_R_WS_19(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	vectors := []struct {
		name      string
		opts      mtp.BackoffOptions
		low, high []time.Duration
	}{
		{
			"defaults",
			mtp.BackoffOptions{},
			[]time.Duration{5e9, 10e9, 20e9, 40e9, 80e9, 160e9, 320e9, 640e9, 1280e9, 2560e9, 2560e9, 2560e9},
			[]time.Duration{10e9, 20e9, 40e9, 80e9, 160e9, 320e9, 640e9, 1280e9, 2560e9, 5120e9, 5120e9, 5120e9},
		},
		{
			"own parameters",
			mtp.BackoffOptions{Interval: 100 * ms, Multiplier: 1500},
			[]time.Duration{100 * ms, 150 * ms, 225 * ms},
			[]time.Duration{150 * ms, 225 * ms, 337500 * time.Microsecond},
		},
		{
			"multiplier below one",
			mtp.BackoffOptions{Interval: ms, Multiplier: 1},
			[]time.Duration{ms, ms, ms},
			[]time.Duration{ms, ms, ms},
		},
		{
			"bounded",
			mtp.BackoffOptions{Interval: ms, Max: 3 * ms},
			[]time.Duration{ms, 2 * ms, 3 * ms, 3 * ms},
			[]time.Duration{2 * ms, 3 * ms, 3 * ms, 3 * ms},
		},
	}
	for _, v := range vectors {
		for edge, want := range map[float64][]time.Duration{0: v.low, 1: v.high} {
			v.opts.Rand = func() float64 { return edge }
			b := mtp.NewBackoff(v.opts)
			for i, w := range want {
				if got := b.Next(); got != w {
					t.Errorf("%s: attempt %d at %v of its range: got %v, want %v", v.name, i+1, edge, got, w)
				}
			}
		}
	}
}

func TestBackoffIsUniform_R_WS_19(t *testing.T) {
	t.Parallel()
	const n = 10_000
	var sum time.Duration
	for range n {
		wait := mtp.NewBackoff(mtp.BackoffOptions{}).Next()
		if wait < 5*time.Second || wait > 10*time.Second {
			t.Fatalf("first wait: got %v, want 5s to 10s", wait)
		}
		sum += wait
	}
	if mean := sum / n; mean < 7400*time.Millisecond || mean > 7600*time.Millisecond {
		t.Fatalf("mean of %d first waits: got %v, want about 7.5s", n, mean)
	}
}

func TestBackoffReset_R_WS_20(t *testing.T) {
	t.Parallel()
	b := mtp.NewBackoff(mtp.BackoffOptions{Rand: func() float64 { return 0 }})
	for range 20 {
		b.Next()
	}
	if got := b.Attempt(); got != 10 {
		t.Fatalf("Attempt after 20 of them: got %d, want 10", got)
	}
	b.Reset()
	if got := b.Next(); got != 5*time.Second {
		t.Fatalf("wait after a success: got %v, want 5s", got)
	}
}
