// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package files

import "strings"

// maxRanges is the greatest number of ranges that are answered with as many
// parts; for more, the whole is sent.
const maxRanges = 16

// ranges is a Range header as net/http reads it. One of another unit or that does
// not follow the grammar is as good as none (RFC 9110 14.2), where net/http would
// refuse the request: empty.
func ranges(header string) string {
	unit, set, ok := strings.Cut(header, "=")
	if !ok || !strings.EqualFold(strings.TrimSpace(unit), "bytes") || strings.Count(set, ",") >= maxRanges {
		return ""
	}
	some := false
	for spec := range strings.SplitSeq(set, ",") {
		spec = strings.Trim(spec, " \t")
		if spec == "" {
			continue
		}
		first, last, ok := strings.Cut(spec, "-")
		first, last = strings.Trim(first, " \t"), strings.Trim(last, " \t")
		if !ok || !isNumber(first) || !isNumber(last) || first == "" && last == "" {
			return ""
		}
		if first != "" && last != "" && (len(first) > len(last) || len(first) == len(last) && first > last) {
			return ""
		}
		some = true
	}
	if !some {
		return ""
	}
	return "bytes=" + set
}

// isNumber is true for digits that fit in an int64, and for nothing.
func isNumber(s string) bool { return len(s) < 19 && strings.Trim(s, "0123456789") == "" }
