// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package path

import (
	"slices"
	"strings"
)

// Kind says what a Path names.
type Kind uint8

// The kinds of paths. A Search Path has the kind of what it finds.
const (
	// Object is a single-instance object, or a table without its rows.
	Object Kind = iota
	// Instance is a row of a table, or what a reference leads to.
	Instance
	Parameter
	Command
	Event
)

// String returns the kind as it reads in a sentence: "object", "instance",
// "parameter", "command" or "event".
func (k Kind) String() string {
	switch k {
	case Instance:
		return "instance"
	case Parameter:
		return "parameter"
	case Command:
		return "command"
	case Event:
		return "event"
	default:
		return "object"
	}
}

// Path is a parsed path name. The zero Path is not one.
type Path struct {
	s     string
	segs  []segment
	comps []comparison
	// static is the length of the prefix of s that Object returns.
	static uint16
	kind   Kind
	search bool
}

// segKind says what stands between two dots of a path.
type segKind uint8

const (
	segName segKind = iota
	segNumber
	// segAny is {i}, in paths of the supported data model only.
	segAny
	segWildcard
	segExpression
	// segReference follows the segName whose value is followed.
	segReference
)

// segment is one step of a path. num is an instance number, or the index of a
// reference, 0 for all; lo and hi are the comparisons of an expression.
type segment struct {
	name   string
	num    uint32
	kind   segKind
	lo, hi uint8
}

// isInstance reports whether the segment picks rows of a table.
func (s segment) isInstance() bool {
	return s.kind == segNumber || s.kind == segAny || s.kind == segWildcard || s.kind == segExpression
}

// comparison is one term of a search expression. rel is the relative path in
// canonical form, segs the same in steps, plain that none of them is a
// reference.
type comparison struct {
	rel    string
	segs   []segment
	value  string
	op     Op
	plain  bool
	quoted bool
}

// String returns the canonical form: no whitespace, Ref+ for Ref#1+.
func (p Path) String() string { return p.s }

// Kind returns what p names.
func (p Path) Kind() Kind { return p.kind }

// IsSearch reports whether p has to be resolved: it has a wildcard, a search
// expression (also one that is unique-key addressing) or follows a reference.
// Such a path may well match nothing, which is no error [R-MSG.4a].
func (p Path) IsSearch() bool { return p.search }

// Object returns the longest static prefix of p that is an object: what has to
// be read to resolve it. It is Device.WiFi.SSID. for Device.WiFi.SSID.*.SSID.
// What lies behind a reference is not below it.
func (p Path) Object() string { return p.s[:p.static] }

// HasReference reports whether p follows a reference, be it only in a search
// expression: then Object is not all that has to be read to resolve it.
func (p Path) HasReference() bool {
	for i := range p.segs {
		if p.segs[i].kind == segReference {
			return true
		}
	}
	for i := range p.comps {
		if !p.comps[i].plain {
			return true
		}
	}
	return false
}

// Leaf returns the name of the parameter, command or event, without () and !;
// it is empty for objects.
func (p Path) Leaf() string {
	switch p.kind {
	case Parameter, Command, Event:
		return p.segs[len(p.segs)-1].name
	default:
		return ""
	}
}

// Supported returns p as a path of the supported data model, for example
// Device.WiFi.SSID.{i}.SSID. A reference stays as it is, for only its value
// tells where it leads to.
func (p Path) Supported() string {
	if !slices.ContainsFunc(p.segs, segment.isInstance) {
		return p.s
	}
	var b strings.Builder
	b.Grow(len(p.s) + 8)
	for i := range p.segs {
		if p.segs[i].isInstance() {
			b.WriteString("{i}")
		} else {
			writeSegment(&b, &p.segs[i])
		}
		if !p.lastOrReference(i) {
			b.WriteByte('.')
		}
	}
	b.WriteString(p.kind.suffix())
	return b.String()
}

// lastOrReference reports that no dot follows segment i: it is the leaf, or
// the name in front of a reference.
func (p Path) lastOrReference(i int) bool {
	if i+1 == len(p.segs) {
		return p.kind != Object && p.kind != Instance
	}
	return p.segs[i+1].kind == segReference
}

// suffix is what ends a path of the kind after its name.
func (k Kind) suffix() string {
	switch k {
	case Command:
		return "()"
	case Event:
		return "!"
	default:
		return ""
	}
}

// Generic turns an instantiated path into one of the supported data model:
// Device.WiFi.SSID.3.SSID into Device.WiFi.SSID.{i}.SSID. It does not check
// its argument and returns it where nothing is to be replaced.
func Generic(instantiated string) string {
	n := 0
	eachNumber(instantiated, func(from, to int) { n++ })
	if n == 0 {
		return instantiated
	}
	var b strings.Builder
	b.Grow(len(instantiated) + 2*n)
	last := 0
	eachNumber(instantiated, func(from, to int) {
		b.WriteString(instantiated[last:from])
		b.WriteString("{i}")
		last = to
	})
	b.WriteString(instantiated[last:])
	return b.String()
}

// eachNumber calls f with the bounds of every part between dots that is all
// digits.
func eachNumber(s string, f func(from, to int)) {
	for from := 0; from < len(s); {
		to := from
		digits := true
		for ; to < len(s) && s[to] != '.'; to++ {
			digits = digits && isDigit(s[to])
		}
		if digits && to > from {
			f(from, to)
		}
		from = to + 1
	}
}

// Less orders instantiated paths: part by part, instance numbers by value,
// names by their bytes, and an object before what is in it.
func Less(a, b string) bool {
	for a != "" && b != "" {
		var x, y string
		x, a, _ = strings.Cut(a, ".")
		y, b, _ = strings.Cut(b, ".")
		if x == y {
			continue
		}
		if allDigits(x) && allDigits(y) {
			return compareDigits(x, y) < 0
		}
		return x < y
	}
	return a == "" && b != ""
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func allDigits(s string) bool {
	for i := range len(s) {
		if !isDigit(s[i]) {
			return false
		}
	}
	return s != ""
}
