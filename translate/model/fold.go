// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model

// fold is a View that is not in use: its trees packed, which takes a fiftieth of the
// memory.
type fold struct {
	packed  []byte
	against *Outline
	entries int // of it that it is packed against
}

// Rested reports that nobody has used the View since the last call.
func (v *View) Rested() bool {
	rested := !v.used
	v.used = false
	return rested
}

// Fold packs the View, unless a change waits for the next Delta, and reports whether it is
// packed now. Whatever is called next unpacks it, which takes a millisecond for some
// thousand nodes; it then is as it was. What o has, which may be nil, is not packed but
// shared.
func (v *View) Fold(o *Outline) bool {
	if v.fold != nil {
		return true
	}
	if !v.carry.Empty() {
		return false
	}
	packed, _ := o.Pack(v.snapshot(), nil)
	v.fold = &fold{packed: packed, against: o, entries: o.Len()}
	v.raw, v.top, v.rowsOf = nil, nil, nil
	return true
}

// Folded returns how many bytes the View has been packed into, 0 if it is not.
func (v *View) Folded() int {
	if v.fold == nil {
		return 0
	}
	return len(v.fold.packed)
}

// use is called before the trees are looked at.
func (v *View) use() {
	v.used = true
	if v.fold == nil {
		return
	}
	f, rev, words, behind, shapes := v.fold, v.rev, v.words, v.behind, v.shapes
	v.fold, v.nodes = nil, 0
	v.raw = &node{name: v.root.String(), flags: flagObject}
	if s, _, err := f.against.Unpack(f.packed, f.entries); err == nil { // else there is nothing but to read the CPE anew
		v.refill(s)
	}
	v.rebuild()
	v.rev, v.words, v.behind, v.shapes = rev, words, behind, shapes
}
