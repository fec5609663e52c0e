// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package soap

import "strings"

// window makes a scanner read a document of which it has a part only. What it
// does with src is done in steps that can be repeated: the start tag or end tag
// that comes next, or a whole text. A step that has looked for more than there
// is (scanner.short) is taken back, more is read, and the step is done again.
//
// s is replaced then by what is left of it and as much again, so that the work
// stays linear; strings that were cut from the old one stay valid. The zero
// window is the whole document.
type window struct {
	src *source
	// base is the offset of s in the document.
	base int64
	// maxStep is the longest s that one step may need.
	maxStep int
	// owned is how many of the names in open are copies: the others keep the
	// window that they were cut from in memory.
	owned int
	// whole is true while the step is a text: what is in it is no step.
	whole bool
}

// mark is where a step begins.
type mark struct {
	pos   int
	open  int
	attrs string
	empty bool
}

func (sc *scanner) mark() mark {
	sc.short = false
	return mark{pos: sc.pos, open: len(sc.open), attrs: sc.attrs, empty: sc.empty}
}

// again reports whether the step that began at m must be done again, with more
// of the document. If not, its outcome counts, unless an error is returned.
func (sc *scanner) again(m mark) (bool, error) {
	if !sc.short {
		return false, nil
	}
	rest := sc.s[m.pos:]
	if len(rest) >= sc.maxStep {
		return false, sc.limit("tag or text too long")
	}
	var b strings.Builder
	grown, err := sc.src.appendTo(&b, rest)
	if err != nil || !grown {
		return false, err
	}
	sc.base += int64(m.pos)
	sc.s, sc.pos = b.String(), 0
	sc.open, sc.attrs, sc.empty = sc.open[:m.open], m.attrs, m.empty
	sc.plain = [16][2]string{}
	for ; sc.owned < len(sc.open); sc.owned++ {
		sc.open[sc.owned] = strings.Clone(sc.open[sc.owned])
	}
	return true, nil
}
