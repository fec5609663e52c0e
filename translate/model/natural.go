// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model

import "strings"

// comparePaths is data-model order of whole paths: segment by segment, instance
// numbers by value and before names, parents before children.
func comparePaths(a, b string) int {
	for a != "" && b != "" {
		as, arest, _ := strings.Cut(a, ".")
		bs, brest, _ := strings.Cut(b, ".")
		if as != bs {
			if before(instanceNumber(as), as, instanceNumber(bs), bs) {
				return -1
			}
			return 1
		}
		a, b = arest, brest
	}
	switch {
	case a != "":
		return 1
	case b != "":
		return -1
	default:
		return 0
	}
}

// generic replaces the instance numbers of a path by {i}.
func generic(p string) string {
	var b strings.Builder
	b.Grow(len(p) + 8)
	for first := true; p != ""; first = false {
		seg, rest, dot := strings.Cut(p, ".")
		if !first && instanceNumber(seg) != 0 {
			seg = "{i}"
		}
		b.WriteString(seg)
		if dot {
			b.WriteByte('.')
		}
		p = rest
	}
	return b.String()
}

// splitLeaf cuts a parameter path into its object, with the dot, and its name.
func splitLeaf(p string) (object, leaf string) {
	i := strings.LastIndexByte(p, '.')
	return p[:i+1], p[i+1:]
}
