// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cpe

import (
	"math"
	"time"
)

// Defaults of the session retry policy [TR-069 3.2.1.1].
const (
	DefaultRetryMinWait    = 5 * time.Second
	DefaultRetryMultiplier = 2000
	maxRetryStep           = 10
)

// Retry is the session retry policy: after the n-th failed session in a row
// the CPE waits a random time in [m·(k/1000)^(n-1), m·(k/1000)^n], n counted
// to 10 at most [TR-069 3.2.1.1].
type Retry struct {
	// MinWait is m, CWMPRetryMinimumWaitInterval; 0 means 5 s.
	MinWait time.Duration
	// Multiplier is k, CWMPRetryIntervalMultiplier; 0 means 2000.
	Multiplier uint32
}

// Range returns the least and the greatest wait after n failed sessions; n
// counts from 1.
func (r Retry) Range(n uint32) (least, most time.Duration) {
	if r.MinWait <= 0 {
		r.MinWait = DefaultRetryMinWait
	}
	if r.Multiplier == 0 {
		r.Multiplier = DefaultRetryMultiplier
	}
	n = min(max(n, 1), maxRetryStep)
	k := float64(r.Multiplier) / 1000
	least = scale(r.MinWait, math.Pow(k, float64(n-1)))
	return least, max(least, scale(r.MinWait, math.Pow(k, float64(n))))
}

// Wait returns the wait after n failed sessions, random being in [0, 1).
func (r Retry) Wait(n uint32, random float64) time.Duration {
	least, most := r.Range(n)
	return least + time.Duration(random*float64(most-least))
}

// scale multiplies d, bounded to a year so that no product overflows.
func scale(d time.Duration, by float64) time.Duration {
	const year = 365 * 24 * time.Hour
	if v := float64(d) * by; v < float64(year) {
		return time.Duration(v)
	}
	return year
}
