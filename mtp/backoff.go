// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mtp

import (
	"math"
	"math/rand/v2"
	"time"
)

// Defaults of Backoff: the retry parameters that USP gives to WebSocket,
// Notify and session retries [R-WS.19].
const (
	DefaultRetryInterval   = 5 * time.Second
	DefaultRetryMultiplier = 2000
	// retryCap is the attempt from which on the range no longer grows.
	retryCap = 10
)

// BackoffOptions are the parameters of USP's retry algorithm.
type BackoffOptions struct {
	// Interval is m, the minimum wait before the first retry; 0: 5 s.
	Interval time.Duration
	// Multiplier is k, in thousandths; 0: 2000. Below 1000 it counts as 1000.
	Multiplier int
	// Max bounds every wait; 0: no bound but that of the 10th attempt.
	Max time.Duration
	// Rand gives numbers in [0, 1); nil: math/rand/v2. Tests inject it.
	Rand func() float64
}

// Backoff is USP's retry algorithm: the wait before attempt n is uniformly
// random in [m·(k/1000)^(n−1), m·(k/1000)^n], with the range of n = 10 kept
// from then on; success starts again at n = 1 [R-WS.19, R-WS.20, R-WS.21].
// It is for one goroutine.
type Backoff struct {
	opts    BackoffOptions
	attempt int
}

// NewBackoff returns a Backoff before its first attempt.
func NewBackoff(o BackoffOptions) *Backoff {
	if o.Interval <= 0 {
		o.Interval = DefaultRetryInterval
	}
	if o.Multiplier == 0 {
		o.Multiplier = DefaultRetryMultiplier
	}
	o.Multiplier = max(o.Multiplier, 1000)
	if o.Rand == nil {
		o.Rand = rand.Float64
	}
	return &Backoff{opts: o}
}

// Next returns how long to wait before the next attempt.
func (b *Backoff) Next() time.Duration {
	b.attempt = min(b.attempt+1, retryCap)
	low, high := b.bounds()
	wait := low + b.opts.Rand()*(high-low)
	if limit := float64(b.opts.Max); limit > 0 {
		wait = min(wait, limit)
	}
	return time.Duration(min(wait, math.MaxInt64/2))
}

// Attempt is how often Next was called since the last Reset, at most 10.
func (b *Backoff) Attempt() int { return b.attempt }

// Reset is called on success [R-WS.20].
func (b *Backoff) Reset() { b.attempt = 0 }

// bounds returns the range of the current attempt in nanoseconds.
func (b *Backoff) bounds() (low, high float64) {
	k := float64(b.opts.Multiplier) / 1000
	low = float64(b.opts.Interval) * math.Pow(k, float64(b.attempt-1))
	return low, low * k
}
