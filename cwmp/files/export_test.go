// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package files

import "net/netip"

// Ranges is ranges.
func Ranges(header string) string { return ranges(header) }

// TokenIn is tokenIn.
func TokenIn(path string) (string, bool) { return tokenIn(path) }

// CleanName is cleanName.
func CleanName(name string, limit int) string { return cleanName(name, limit) }

// Covered is covered, for spans given as pairs, of a content of size bytes.
func Covered(size int64, pairs ...int64) (whole bool, spans int) {
	var c covered
	for i := 0; i+1 < len(pairs); i += 2 {
		c.add(span{pairs[i], pairs[i+1]})
	}
	return c.whole(size), len(c)
}

// Neighbourhood is neighbourhood.
func Neighbourhood(a netip.Addr) netip.Prefix { return neighbourhood(a) }
