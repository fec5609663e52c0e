// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model

// target is an object or parameter of the Device:2 side that rules made, or the
// place where a part of the CPE's own tree is shown as it is.
type target struct {
	name   string
	val    string // of a parameter, as USP shows it
	parent *target
	kids   []*target // in data-model order
	row    *row      // of an object that a mapping made
	cell   *cell     // of a parameter
	raw    *node     // the CPE's object shown here
	num    uint32
	known  bool
}

// row is one object that a mapping made, also one that is not in a table.
type row struct {
	m    *mapping
	t    *target
	base []*node // the CPE's objects it was made of
	key  string  // of a group
	item int     // of a split list
	list *node   // the split list
}

// cell says how one parameter is filled.
type cell struct {
	rule *paramRule
	rec  *recipe
	row  *row
	src  []*node
}

func (t *target) search(name string, num uint32) (int, bool) {
	lo, hi := 0, len(t.kids)
	for lo < hi {
		mid := (lo + hi) / 2
		if k := t.kids[mid]; before(k.num, k.name, num, name) {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo, lo < len(t.kids) && t.kids[lo].name == name
}

func (t *target) child(name string) *target {
	i, ok := t.search(name, instanceNumber(name))
	if !ok {
		return nil
	}
	return t.kids[i]
}

func (t *target) insert(name string) (kid *target, created bool) {
	num := instanceNumber(name)
	i, ok := t.search(name, num)
	if ok {
		return t.kids[i], false
	}
	kid = &target{name: name, parent: t, num: num}
	t.kids = append(t.kids, nil)
	copy(t.kids[i+1:], t.kids[i:])
	t.kids[i] = kid
	return kid, true
}

func (t *target) remove() {
	if i, ok := t.parent.search(t.name, t.num); ok {
		t.parent.kids = append(t.parent.kids[:i], t.parent.kids[i+1:]...)
	}
}

// isRow reports a row of a table.
func (t *target) isRow() bool { return t.row != nil && t.num != 0 }

func (t *target) path() string { return string(t.appendPath(make([]byte, 0, 64))) }

func (t *target) appendPath(b []byte) []byte {
	if t.parent != nil {
		b = t.parent.appendPath(b)
	}
	b = append(b, t.name...)
	if t.cell == nil {
		b = append(b, '.')
	}
	return b
}

// param makes the Param of a parameter.
func (t *target) param() Param { return t.paramAt(t.path()) }

// paramAt is param where the path is known.
func (t *target) paramAt(p string) Param {
	c := t.cell
	return Param{
		Path: p, Value: t.val, Type: c.rule.decl.typ, Known: t.known,
		Writable: c.access() == ReadWrite && c.settable(),
	}
}

// access is that of the rule.
func (c *cell) access() Access {
	if c.rec.ro {
		return ReadOnly
	}
	return c.rule.decl.access
}

// settable reports that the CPE has something that may be written for it, or
// that it is one of the parameters that stand for the structure itself.
func (c *cell) settable() bool {
	switch c.rec.kind {
	case kindConst, kindRef, kindAlias, kindKey:
		return true
	case kindCount, kindList:
		return false
	default:
	}
	for _, n := range c.src {
		if n.writable() {
			return true
		}
	}
	return false
}
