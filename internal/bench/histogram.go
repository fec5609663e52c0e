// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"math/bits"
	"time"
)

// Steps within a power of two: quantiles are right to about 3 %.
const (
	stepBits = 5
	steps    = 1 << stepBits
)

// Histogram counts durations in buckets that grow with them. The zero value is
// empty. It is not safe for concurrent use.
type Histogram struct {
	counts [(65 - stepBits) * steps]uint64
	total  uint64
}

// Add counts d.
func (h *Histogram) Add(d time.Duration) {
	h.counts[bucket(uint64(max(d, 0)))]++
	h.total++
}

// Count is the number of durations.
func (h *Histogram) Count() uint64 { return h.total }

// Quantile returns the duration that the share q, 0 to 1, does not exceed; 0 if
// there are none.
func (h *Histogram) Quantile(q float64) time.Duration {
	rank := uint64(q * float64(h.total))
	for i, n := range h.counts {
		if rank < n {
			return time.Duration(upper(i))
		}
		rank -= n
	}
	return time.Duration(upper(h.last()))
}

// last is the highest bucket with something in it, 0 if there is none.
func (h *Histogram) last() int {
	for i := len(h.counts) - 1; i > 0; i-- {
		if h.counts[i] > 0 {
			return i
		}
	}
	return 0
}

func bucket(v uint64) int {
	if v < steps {
		return int(v)
	}
	shift := bits.Len64(v) - stepBits - 1
	return shift<<stepBits + int(v>>shift)
}

// upper is the largest value of a bucket.
func upper(i int) uint64 {
	if i < 2*steps {
		return uint64(i)
	}
	shift := i>>stepBits - 1
	return (uint64(i&(steps-1)|steps)+1)<<shift - 1
}
