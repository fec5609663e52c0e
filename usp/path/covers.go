// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package path

import (
	"strconv"
	"strings"
)

// Covered says how a Path stands to an element of the data model.
type Covered uint8

const (
	// Outside is that the element is neither what the Path names nor below it.
	Outside Covered = iota
	// Partly is that the Path picks rows, and the element is of the supported data model:
	// it is covered in those rows and in no others.
	Partly
	// Inside is that the Path names the element, or what it is in.
	Inside
)

// Covers tells whether element is what p names or lies below it, as the Targets of a
// Permission mean it. element is an instantiated path, or one of the supported data
// model with {i}. An expression is looked up in t, for the row of the element only;
// what it can not be compared with does not match. Nothing lies behind a reference.
func (p Path) Covers(element string, t Tree) Covered {
	r := resolver{p: &p, t: t}
	if len(p.comps) > 0 && r.checkStatic() != nil {
		return Outside
	}
	covered := Inside
	at := 0
	for i := range p.segs {
		seg := &p.segs[i]
		if at >= len(element) {
			return Outside
		}
		word, more := element[at:], len(element)
		if dot := strings.IndexByte(word, '.'); dot >= 0 {
			word, more = word[:dot], at+dot+1
		} else if !p.isLeaf(i) {
			return Outside
		}
		switch seg.kind {
		case segName:
			if p.isLeaf(i) {
				if element[at:] != seg.name+p.kind.suffix() {
					return Outside
				}
			} else if word != seg.name {
				return Outside
			}
		case segNumber, segExpression:
			if word == "{i}" {
				covered = Partly
				break
			}
			if !r.picks(seg, element[:more], word) {
				return Outside
			}
		case segReference:
			return Outside
		default: // any row
			if word != "{i}" && !allDigits(word) {
				return Outside
			}
		}
		at = more
	}
	return covered
}

// isLeaf reports whether segment i is the name of a parameter, command or event.
func (p Path) isLeaf(i int) bool {
	return i+1 == len(p.segs) && p.kind != Object && p.kind != Instance
}

// picks reports whether segment seg is the row word, which row ends with.
func (r *resolver) picks(seg *segment, row, word string) bool {
	if !allDigits(word) {
		return false
	}
	if seg.kind == segNumber {
		return word == strconv.FormatUint(uint64(seg.num), 10)
	}
	r.buf = append(r.buf[:0], row...)
	ok, err := r.matches(seg)
	return ok && err == nil
}
