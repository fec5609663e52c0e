// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package bulk

import "strings"

// Name returns what a parameter is called in a report: its instantiated path, or, where the
// row of Profile.{i}.Parameter. that it is there for has a Name, that Name, followed by the
// instance numbers that stand for the wildcards of reference, left to right [R-BULK.9], and
// by what the path has behind reference, if that is an object [R-BULK.10]. Reference is the
// canonical form of a path without search expressions that covers full.
func Name(reference, name, full string) string {
	if name == "" {
		return full
	}
	var b strings.Builder
	b.WriteString(name)
	rest, more := full, true
	for ref := reference; ref != "" && more; {
		var want, have string
		want, ref, _ = strings.Cut(ref, ".")
		have, rest, more = strings.Cut(rest, ".")
		if want == "*" {
			b.WriteByte('.')
			b.WriteString(have)
		}
	}
	if more && rest != "" {
		b.WriteByte('.')
		b.WriteString(rest)
	}
	return b.String()
}
