// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package soap

import (
	"math"
	"strings"
)

// parseInt reads a whole number as CPE write them: signs, zeros in front,
// anything behind; what does not begin with a number is 0, what is too great
// the greatest [quirk 62].
func parseInt(s string) int64 {
	s = trimSpace(s)
	negative := strings.HasPrefix(s, "-")
	if negative || strings.HasPrefix(s, "+") {
		s = s[1:]
	}
	var n int64
	for i := 0; i < len(s) && '0' <= s[i] && s[i] <= '9'; i++ {
		if d := int64(s[i] - '0'); n > (math.MaxInt64-d)/10 {
			n = math.MaxInt64
		} else {
			n = n*10 + d
		}
	}
	if negative {
		return -n
	}
	return n
}

func parseUint32(s string) uint32 {
	return uint32(min(max(parseInt(s), 0), math.MaxUint32))
}

// parseCode reads a status, notification or fault code.
func parseCode(s string) int {
	return int(min(max(parseInt(s), math.MinInt32), math.MaxInt32))
}

// parseBool reads 1, true in any case and other numbers that are not 0 as
// true, and everything else, also nothing, as false [quirk 56].
func parseBool(s string) bool {
	return strings.EqualFold(s, "true") || parseInt(s) != 0
}
