// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package coap

import "time"

// roundTrip estimates how long a peer takes to answer [RFC 6298 2]. With the
// timeouts of [RFC 7252 4.8] alone every datagram that a LAN loses would cost
// two seconds, and a Record of 64 KiB is 64 of them.
type roundTrip struct {
	smooth, variation time.Duration // zero: nothing is known
}

// add takes a measurement.
func (r *roundTrip) add(d time.Duration) {
	if d = max(d, 1); r.smooth == 0 {
		r.smooth, r.variation = d, d/2
		return
	}
	r.variation += ((r.smooth - d).Abs() - r.variation) / 4
	r.smooth += (d - r.smooth) / 8
}

// timeout is the first timeout of a message, from low to high.
func (r *roundTrip) timeout(low, high time.Duration) time.Duration {
	if r == nil || r.smooth == 0 {
		return high
	}
	return min(max(r.smooth+4*r.variation, low), high)
}
