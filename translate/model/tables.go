// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model

import "strings"

// CPETable is a table of the CPE.
type CPETable struct {
	Name string // partial path
	Rows int    // as far as they are known
}

// Tables returns the CPE's tables that the rows of an instantiated Device:2 table
// ("Device.NAT.PortMapping.") come from, or would come from if there were any. Rows
// that are made of something else, such as the items of a list, have none.
func (v *View) Tables(table string) []CPETable {
	v.use()
	t, n := v.resolve(table)
	if n != nil {
		return []CPETable{{n.path(), n.rows()}}
	}
	var above *target
	if t == nil {
		object, _ := splitLeaf(strings.TrimSuffix(table, "."))
		above, _ = v.resolve(object)
	} else {
		above = t.parent
	}
	var out []CPETable
	for _, m := range v.mappings(table, above) {
		if m.isList || !m.from.isTable() {
			continue
		}
		for _, parent := range v.containers(m, above) {
			if k := parent.child(m.from.segs[len(m.from.segs)-2]); k != nil {
				out = append(out, CPETable{k.path(), k.rows()})
			}
		}
	}
	return out
}

// containers returns the CPE's objects that have a table of m.
func (v *View) containers(m *mapping, above *target) []*node {
	base := v.raw
	if above != nil && above.row != nil && m.parent != nil {
		base = above.row.base[0]
	}
	container := m.from
	container.segs = m.from.segs[:len(m.from.segs)-2]
	return container.find(v.raw, base, nil)
}

// rows counts the instances in n.
func (n *node) rows() int {
	count := 0
	for _, k := range n.kids {
		if k.num != 0 {
			count++
		}
	}
	return count
}
