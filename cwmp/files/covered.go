// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package files

import "slices"

// span is the bytes of a content from from up to, not including, to.
type span struct{ from, to int64 }

// maxSpans bounds what is remembered of a content that is fetched in pieces.
const maxSpans = 64

// covered is what of a content has been sent: sorted, without overlap, and no
// two that touch.
type covered []span

// add joins s with what is there. A piece apart from maxSpans others is
// forgotten.
func (c *covered) add(s span) {
	if s.from >= s.to {
		return
	}
	old := *c
	i, _ := slices.BinarySearchFunc(old, s.from, func(e span, from int64) int {
		return compare(e.to, from) // the first that ends at or behind s.from
	})
	k := i
	for k < len(old) && old[k].from <= s.to {
		s = span{min(s.from, old[k].from), max(s.to, old[k].to)}
		k++
	}
	if k == i && len(old) >= maxSpans {
		return
	}
	*c = slices.Replace(old, i, k, s)
}

func compare(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	default:
		return 0
	}
}

// whole reports whether a content of size bytes is covered.
func (c covered) whole(size int64) bool {
	return size == 0 || len(c) == 1 && c[0] == span{0, size}
}
