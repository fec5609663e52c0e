// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"slices"
	"strconv"
	"strings"
)

// builder makes the Device:2 tree of a TR-098 CPE from its raw tree.
type builder struct {
	v    *View
	rows []*row
	buf  []*node
}

// rebuild makes the mapped tree anew. Instance numbers come from the
// InstanceMap and thus stay.
func (v *View) rebuild() {
	v.behind = true
	v.shapes++
	v.top = &target{name: "Device"}
	if v.root == TR181 {
		v.top.raw = v.raw
		return
	}
	v.raw.reset()
	v.rowsOf = make(map[*node][]*row, len(v.rowsOf))
	b := &builder{v: v}
	for _, m := range v.r.maps {
		b.mapping(m, nil)
	}
	for _, r := range b.rows {
		b.cells(r)
	}
	for i := len(b.rows) - 1; i >= 0; i-- {
		b.prune(b.rows[i])
	}
	v.evalAll(v.top)
	b.stacks()
	v.uncovered(v.raw)
	if v.raw.is(flagVisible) {
		seg := strings.TrimSuffix(strings.TrimPrefix(Passthrough, "Device."), ".")
		t, _ := v.top.insert(seg)
		t.raw = v.raw
	}
}

// reset clears what an earlier build left.
func (n *node) reset() {
	n.deps = n.deps[:0]
	n.flags &^= flagCovered | flagVisible | flagShape
	for _, k := range n.kids {
		k.reset()
	}
}

// mapping makes the rows of m below the parent row, nil for a top mapping.
func (b *builder) mapping(m *mapping, parent *row) {
	if m.stack {
		return
	}
	var sources []*node
	if parent == nil {
		sources = m.from.find(b.v.raw, b.v.raw, nil)
	} else {
		for _, base := range parent.base {
			sources = m.from.find(b.v.raw, base, sources)
		}
	}
	first := len(b.rows)
	for _, s := range sources {
		if s.is(flagObject) {
			b.source(m, parent, s)
		}
	}
	if len(m.subs) == 0 {
		return
	}
	for _, r := range slices.Clone(b.rows[first:]) {
		for _, sub := range m.subs {
			b.mapping(sub, r)
		}
	}
}

// shape marks the parameters whose value decides which rows there are.
func (b *builder) shape(set condSet, s *node) {
	b.buf = set.nodes(b.v.raw, s, b.buf[:0])
	for _, n := range b.buf {
		n.flags |= flagShape
	}
}

// source makes the row or rows of one source object.
func (b *builder) source(m *mapping, parent *row, s *node) {
	b.shape(m.when, s)
	switch m.when.eval(b.v.raw, s, "") {
	case isFalse:
		return
	case isUnknown:
		b.pending(m, s)
		return
	default:
	}
	switch {
	case m.isList:
		b.splitRows(m, parent, s)
	case m.group != nil:
		key, ok := b.groupKey(m, s)
		if !ok {
			b.pending(m, s)
			return
		}
		if key == "" {
			key = b.v.key(s)
		}
		if r := b.row(m, parent, s, key); r != nil {
			r.key = key
		}
	default:
		b.row(m, parent, s, b.v.key(s))
	}
}

// pending keeps out of pass-through what a row will show of s once its values
// are read.
func (b *builder) pending(m *mapping, s *node) {
	for _, p := range m.params {
		for _, rec := range p.recipes {
			for i := range rec.from {
				b.buf = rec.from[i].find(b.v.raw, s, b.buf[:0])
				for _, n := range b.buf {
					n.flags |= flagCovered
				}
			}
		}
	}
	if m.isList {
		if list := m.split.one(b.v.raw, s); list != nil {
			list.flags |= flagCovered
		}
	}
}

// key is the InstanceMap's name of a source: its path below the root.
func (v *View) key(s *node) string {
	return strings.TrimPrefix(s.path(), v.root.Prefix())
}

// groupKey returns the key of s; ok is false while it cannot be told.
func (b *builder) groupKey(m *mapping, s *node) (key string, ok bool) {
	ok = true
	for i := range m.group {
		g := &m.group[i]
		if g.param == nil {
			b.shape(g.when, s)
			t := g.when.eval(b.v.raw, s, "")
			if t == isTrue && ok {
				key = g.key
				return key, true
			}
			ok = ok && t != isUnknown
			continue
		}
		n := g.param.one(b.v.raw, s)
		if n == nil {
			continue
		}
		n.flags |= flagShape
		if !n.is(flagKnown) {
			ok = false
		} else if k := strings.TrimSpace(n.value); k != "" && ok {
			return k, true
		}
	}
	return "", ok
}

// splitRows makes one row for each item of a list.
func (b *builder) splitRows(m *mapping, parent *row, s *node) {
	list := m.split.one(b.v.raw, s)
	if list == nil {
		return
	}
	list.flags |= flagShape
	if !list.is(flagKnown) {
		b.pending(m, s)
		return
	}
	for i, item := range splitList(list.value) {
		if item == "" || slices.Contains(m.skip, item) {
			continue
		}
		if r := b.row(m, parent, s, b.v.key(s)+"#"+strconv.Itoa(i+1)); r != nil {
			r.item, r.list = i, list
		}
	}
}

// splitList cuts a comma list and trims its items.
func splitList(s string) []string {
	if strings.TrimSpace(s) == "" {
		return nil
	}
	items := strings.Split(s, ",")
	for i := range items {
		items[i] = strings.TrimSpace(items[i])
	}
	return items
}

// row returns the row for a source, made if missing; nil if the place is taken
// by another mapping or source.
func (b *builder) row(m *mapping, parent *row, s *node, key string) *row {
	var t *target
	if parent != nil {
		t, _ = parent.t.insert(m.leaf)
	} else {
		t = b.object(m.to.path)
	}
	fresh := t.row == nil
	if m.to.multi {
		t, fresh = t.insert(strconv.FormatUint(uint64(b.number(m, t, s, key)), 10))
	}
	if !fresh {
		if t.row == nil || t.row.m != m && m.to.multi || m.to.multi && m.group == nil {
			return nil
		}
		if t.row.m == m {
			t.row.base = append(t.row.base, s)
			b.v.rowsOf[s] = append(b.v.rowsOf[s], t.row)
			return t.row
		}
		// A second mapping of the same single object adds its parameters.
	}
	r := &row{m: m, t: t, base: []*node{s}, item: -1}
	if fresh {
		t.row = r
	}
	b.rows = append(b.rows, r)
	b.v.rowsOf[s] = append(b.v.rowsOf[s], r)
	return r
}

func (b *builder) number(m *mapping, table *target, s *node, key string) uint32 {
	switch {
	case m.number == numberFixed:
		return m.fixed
	case m.number == numberSource && s.num != 0:
		return s.num
	default:
		return b.v.inst.number(table.path(), key)
	}
}

// object returns the object of a top mapping, without the row number.
func (b *builder) object(generic string) *target {
	t := b.v.top
	rest := strings.TrimPrefix(strings.TrimSuffix(generic, "{i}."), "Device.")
	for rest != "" {
		seg, tail, _ := strings.Cut(rest, ".")
		t, _ = t.insert(seg)
		rest = tail
	}
	return t
}

// cells fills the parameters of a row.
func (b *builder) cells(r *row) {
	for _, p := range r.m.params {
		c := b.cell(r, p)
		if c == nil {
			continue
		}
		t, fresh := r.t.insert(p.decl.name)
		if !fresh {
			continue // an earlier mapping of the same object has it
		}
		t.cell = c
		for i, n := range c.src {
			if slices.Contains(c.src[:i], n) {
				continue
			}
			n.deps = append(n.deps, t)
			if p.decl.secret {
				n.flags |= flagSecret
				n.value = ""
			}
			if !c.rec.keep && (c.access() != ReadOnly || n.flags&(flagListed|flagWritable) != flagListed|flagWritable) {
				n.flags |= flagCovered // else it can still be written where it is shown as it is
			}
		}
	}
}

// cell returns the first recipe that applies, nil if none does.
func (b *builder) cell(r *row, p *paramRule) *cell {
	base := r.base[0]
	for _, rec := range p.recipes {
		b.shape(rec.when, base)
		if rec.when.eval(b.v.raw, base, r.key) != isTrue {
			continue
		}
		src, ok := b.sources(r, rec)
		if ok {
			return &cell{rule: p, rec: rec, row: r, src: src}
		}
	}
	return nil
}

// sources returns the parameters that a recipe reads and writes; ok is false if
// it needs some and the CPE has none.
func (b *builder) sources(r *row, rec *recipe) (src []*node, ok bool) {
	switch rec.kind {
	case kindDirect, kindPath:
		for _, base := range r.base {
			for i := range rec.from {
				b.buf = rec.from[i].selectors(base, b.buf[:0])
				for _, n := range b.buf {
					n.flags |= flagShape
				}
				src = rec.from[i].find(b.v.raw, base, src)
			}
		}
		src = slices.DeleteFunc(src, func(n *node) bool { return n.is(flagObject) })
		return src, len(src) > 0
	case kindCases:
		for i := range rec.cases {
			src = rec.cases[i].when.nodes(b.v.raw, r.base[0], src)
			for j := range rec.cases[i].set {
				src = rec.cases[i].set[j].path.find(b.v.raw, r.base[0], src)
			}
		}
		slices.SortFunc(src, func(x, y *node) int { return comparePaths(x.path(), y.path()) })
		src = slices.Compact(src)
		return src, len(src) > 0
	case kindItem:
		return []*node{r.list}, r.list != nil
	case kindList:
		for i := range rec.list {
			b.shape(rec.list[i].when, r.base[0])
		}
		return nil, true
	case kindAlias:
		return nil, r.t.num != 0
	default:
		return nil, true
	}
}

// prune removes a single object that came out empty.
func (b *builder) prune(r *row) {
	if len(r.t.kids) == 0 && r.t.num == 0 && r.t.parent != nil && r.t.row == r {
		r.t.remove()
	}
}

// uncovered marks what pass-through shows, and reports it for n.
func (v *View) uncovered(n *node) bool {
	visible := false
	switch {
	case n.is(flagHidden):
	case !n.is(flagObject):
		visible = !n.is(flagCovered)
	case len(n.kids) == 0:
		visible = n.parent != nil && !v.isSource(n)
	default:
		for _, k := range n.kids {
			if v.uncovered(k) {
				visible = true
			}
		}
	}
	n.setFlag(flagVisible, visible)
	return visible
}

// isSource reports a table, or a row, that some mapping makes rows of.
func (v *View) isSource(n *node) bool {
	if n.num != 0 {
		n = n.parent
	}
	return v.r.sources[strings.TrimPrefix(generic(n.path()), v.root.Prefix())]
}
