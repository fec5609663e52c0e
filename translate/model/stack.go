// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"strconv"
	"strings"
)

// stacks makes the rows of InterfaceStack: one for each LowerLayers reference.
func (b *builder) stacks() {
	for _, m := range b.v.r.maps {
		if !m.stack {
			continue
		}
		var edges [][2]*target
		b.v.edges(b.v.top, &edges)
		table := b.object(m.to.path)
		for _, e := range edges {
			higher, lower := strings.TrimSuffix(e[0].path(), "."), strings.TrimSuffix(e[1].path(), ".")
			num := b.v.inst.number(table.path(), higher+"|"+lower)
			t, _ := table.insert(strconv.FormatUint(uint64(num), 10))
			t.row = &row{m: m, t: t, base: []*node{b.v.raw}, item: -1}
			t.text(m, "HigherLayer", higher)
			t.text(m, "LowerLayer", lower)
			t.text(m, "HigherAlias", e[0].aliasOf())
			t.text(m, "LowerAlias", e[1].aliasOf())
			t.text(m, "Alias", b.v.inst.alias(t.path(), num))
		}
		if table.parent == b.v.top {
			if k := b.v.top.child(m.leaf + "NumberOfEntries"); k != nil && k.cell != nil {
				k.val, k.known = b.v.eval(k)
			}
		}
		if len(table.kids) == 0 {
			table.remove()
		}
	}
}

// edges collects the pairs of rows of which one names the other in LowerLayers.
func (v *View) edges(t *target, out *[][2]*target) {
	for _, k := range t.kids {
		if k.cell == nil {
			v.edges(k, out)
			continue
		}
		if k.name != "LowerLayers" {
			continue
		}
		for _, item := range splitList(k.val) {
			if lower, _ := v.resolve(item + "."); lower != nil && t.row != nil {
				*out = append(*out, [2]*target{t, lower})
			}
		}
	}
}

// text adds a fixed parameter, if the rules declare it.
func (t *target) text(m *mapping, name, value string) {
	d := m.to.params[name]
	if d == nil {
		return
	}
	k, _ := t.insert(name)
	kind := kindConst
	if name == "Alias" {
		kind = kindAlias
	}
	k.cell = &cell{rule: &paramRule{decl: d}, rec: &recipe{kind: kind, text: value}, row: t.row}
	k.val, k.known = value, true
}

func (t *target) aliasOf() string {
	if a := t.child("Alias"); a != nil {
		return a.val
	}
	return ""
}
