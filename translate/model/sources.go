// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"slices"
	"strings"
)

// Sources returns the CPE names to read with GetParameterValues so that the
// parameter or everything under the object path is fresh; partial paths where
// that is less, none covering another. An empty result means that nothing of it
// comes from the CPE.
func (v *View) Sources(p string) []string {
	v.use()
	if p == "Device." || p+"." == Passthrough || p == Passthrough && v.root == TR098 {
		return []string{v.root.Prefix()}
	}
	t, n := v.resolve(p)
	switch {
	case n != nil:
		return []string{n.path()}
	case v.root == TR181:
		return v.parentSource(p)
	case t == nil && strings.HasPrefix(p, Passthrough):
		return nil
	}
	w := want{v: v, p: p, generic: generic(p), params: map[*node]bool{}, whole: map[*node]bool{}}
	for _, m := range v.r.maps {
		w.mapping(m, nil)
	}
	names, _ := w.cover(v.raw)
	return names
}

// parentSource reads the table for a row that is not known (any more).
func (v *View) parentSource(p string) []string {
	obj := strings.TrimSuffix(p, ".")
	for instanceNumber(obj[strings.LastIndexByte(obj, '.')+1:]) != 0 {
		obj, _ = splitLeaf(obj)
		if _, n := v.resolve(obj); n != nil {
			return []string{n.path()}
		}
		obj = strings.TrimSuffix(obj, ".")
	}
	return nil
}

// want collects what has to be read for one path.
type want struct {
	v       *View
	p       string
	generic string
	params  map[*node]bool
	whole   map[*node]bool
}

// mapping adds what m, below the sources of its parent's row, needs.
func (w *want) mapping(m *mapping, bases []*node) {
	all := strings.HasSuffix(w.generic, ".") && strings.HasPrefix(m.to.path, w.generic)
	inside := strings.HasPrefix(w.generic, m.to.path)
	if !all && !inside {
		return
	}
	if inside {
		r := w.v.rowOf(m, w.p)
		if r == nil {
			return
		}
		for _, s := range r.base {
			w.source(m, s, strings.TrimPrefix(w.generic, m.to.path))
		}
		for _, sub := range m.subs {
			w.mapping(sub, r.base)
		}
		return
	}
	var sources []*node
	if m.parent == nil {
		bases = []*node{w.v.raw}
	}
	for _, b := range bases {
		sources = m.from.find(w.v.raw, b, sources)
	}
	if len(sources) == 0 {
		for _, b := range bases {
			m.from.empties(w.v.raw, b, w.whole)
		}
	}
	for _, s := range sources {
		w.source(m, s, "")
		if s.num != 0 && s.parent != nil && m.from.isTable() {
			w.whole[s.parent] = true
		}
	}
	for _, sub := range m.subs {
		w.mapping(sub, sources)
	}
}

// rowOf returns the row of m that the path p leads through.
func (v *View) rowOf(m *mapping, p string) *row {
	segs := strings.Count(m.to.path, ".")
	end := 0
	for range segs {
		i := strings.IndexByte(p[end:], '.')
		if i < 0 {
			return nil
		}
		end += i + 1
	}
	t, _ := v.resolve(p[:end])
	if t == nil || t.row == nil {
		return nil
	}
	if t.row.m == m {
		return t.row
	}
	for _, base := range t.row.base {
		for _, r := range v.rowsOf[base] {
			if r.t == t && r.m == m {
				return r
			}
		}
	}
	return nil
}

// source adds what one source object gives to a row: everything, or to the
// parameter called only; a child object's name in it asks for nothing here.
func (w *want) source(m *mapping, s *node, only string) {
	if strings.Contains(only, ".") {
		return
	}
	root := w.v.raw
	var nodes []*node
	nodes = m.when.nodes(root, s, nodes)
	for i := range m.group {
		nodes = m.group[i].when.nodes(root, s, nodes)
		if p := m.group[i].param; p != nil {
			nodes = p.find(root, s, nodes)
		}
	}
	if m.isList {
		nodes = m.split.find(root, s, nodes)
	}
	for _, p := range m.params {
		if only != "" && p.decl.name != only {
			continue
		}
		for _, rec := range p.recipes {
			nodes = w.recipe(rec, s, nodes, only != "")
		}
	}
	for _, n := range nodes {
		if !n.is(flagObject) {
			w.params[n] = true
		}
	}
}

// recipe appends the parameters that a recipe looks at.
func (w *want) recipe(rec *recipe, s *node, nodes []*node, alone bool) []*node {
	root := w.v.raw
	nodes = rec.when.nodes(root, s, nodes)
	for i := range rec.from {
		nodes = rec.from[i].find(root, s, nodes)
		nodes = rec.from[i].selectors(s, nodes)
	}
	for i := range rec.cases {
		nodes = rec.cases[i].when.nodes(root, s, nodes)
	}
	for i := range rec.list {
		nodes = rec.list[i].when.nodes(root, s, nodes)
	}
	if rec.kind == kindCount && alone {
		obj, leaf := splitLeaf(w.p)
		table := obj + strings.TrimSuffix(leaf, "NumberOfEntries") + "."
		sub := want{v: w.v, p: table, generic: generic(table), params: w.params, whole: w.whole}
		for _, top := range w.v.r.maps {
			sub.mapping(top, nil)
		}
	}
	return nodes
}

// Costs of reading, in parameter values: a name in the request, and a value.
const (
	costName  = 1.0
	costValue = 0.3
)

// cover chooses names that read all that is wanted in n's subtree.
func (w *want) cover(n *node) (names []string, cost float64) {
	if !n.is(flagObject) {
		if w.params[n] {
			return []string{n.path()}, costName + costValue
		}
		return nil, 0
	}
	for _, k := range n.kids {
		more, c := w.cover(k)
		names, cost = append(names, more...), cost+c
	}
	if cost == 0 && !w.whole[n] {
		return nil, 0
	}
	// What a row just added has is a guess: ask for all of it.
	guess := slices.ContainsFunc(n.kids, func(k *node) bool { return k.is(flagGuess) })
	if whole := costName + costValue*float64(n.params()); w.whole[n] || guess || whole < cost {
		return []string{n.path()}, whole
	}
	return names, cost
}
