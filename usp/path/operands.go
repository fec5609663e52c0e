// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package path

import "strings"

// Operands returns the parameters whose values decide what p means: those that its search
// expressions compare, of all rows, and the references that it follows. For
// Device.A.[X==1].B it is Device.A.*.X.
func (p Path) Operands() []Path {
	var out []Path
	add := func(s string) {
		if o, err := Parse(s); err == nil && o.kind == Parameter {
			out = append(out, o)
		}
	}
	var b strings.Builder
	for i := range p.segs {
		seg := &p.segs[i]
		switch seg.kind {
		case segExpression:
			for _, c := range p.comps[seg.lo:seg.hi] {
				add(b.String() + "*." + c.rel)
			}
			b.WriteByte('*')
		case segReference:
			add(b.String())
			writeSegment(&b, seg)
		default:
			writeSegment(&b, seg)
		}
		if !p.lastOrReference(i) {
			b.WriteByte('.')
		}
	}
	return out
}
