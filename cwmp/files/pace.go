// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package files

import (
	"time"
)

// maxPiece is the greatest number of bytes that are moved between two looks at
// the clock.
const maxPiece = 16 * kib

// pace holds a peer to a least rate: budget bytes have to be through within a
// time, counting only what is spent waiting for the peer.
type pace struct {
	within time.Duration
	budget int64

	left  int64
	spent time.Duration
}

func newPace(o *Options) pace {
	budget := max(1, int64(float64(o.MinRate)*o.StallTimeout.Seconds()))
	return pace{within: o.StallTimeout, budget: budget, left: budget}
}

// step tells how many of n bytes to move next, and how long that may take.
func (p *pace) step(n int) (bytes int, within time.Duration) {
	return int(min(int64(n), p.left, maxPiece)), p.within - p.spent
}

// did counts n bytes that took d.
func (p *pace) did(n int, d time.Duration) {
	p.left -= int64(n)
	p.spent += d
	if p.left <= 0 {
		p.left, p.spent = p.budget, 0
	}
}
