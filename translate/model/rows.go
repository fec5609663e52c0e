// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"slices"
	"strconv"
	"strings"

	"github.com/uspgate/uspgate/usp"
)

// PlanAdd finds the CPE's table for a new row of an instantiated Device:2 table
// ("Device.NAT.PortMapping."). The Path of a Setting is relative to the new row.
// The error is a *usp.Error.
func (v *View) PlanAdd(table string, settings []Setting) (AddPlan, error) {
	v.use()
	plan := AddPlan{Table: table}
	o, ok := v.Object(table)
	switch {
	case !ok:
		return plan, v.noObject(table)
	case !o.Multi:
		return plan, &usp.Error{Code: usp.CodeNotATable, Path: table, Text: "not a table"}
	case !o.Add:
		return plan, &usp.Error{Code: usp.CodeNonCreatable, Path: table, Text: "the table takes no rows"}
	}
	t, n := v.resolve(table)
	if n != nil {
		plan.ObjectName = n.path()
		return plan, nil
	}
	if name := v.ownName(table); t == nil && name != "" { // without rows it is not listed, or was not read
		plan.ObjectName = name
		return plan, nil
	}
	above, _ := splitLeaf(strings.TrimSuffix(table, "."))
	if t == nil {
		t, _ = v.resolve(above)
	} else {
		t = t.parent
	}
	for _, m := range v.adders(table, t) {
		name, consumed, err := v.parentTable(m, t, settings)
		if err != nil {
			err.Path = table
			return plan, err
		}
		if name != "" {
			plan.ObjectName, plan.Consumed = name, consumed
			return plan, nil
		}
	}
	return plan, &usp.Error{Code: usp.CodeObjectNotCreated, Path: table, Text: "the device has no table for it"}
}

// noObject tells an object that is not there from one that cannot be.
func (v *View) noObject(p string) *usp.Error {
	if v.Supported().Object(generic(p)) != nil || v.Supported().Object(generic(p)+"{i}.") != nil {
		return &usp.Error{Code: usp.CodeObjectDoesNotExist, Path: p, Text: "the object does not exist"}
	}
	return &usp.Error{Code: usp.CodeInvalidPath, Path: p, Text: "not in the supported data model"}
}

// adders are the mappings that a new row of a table could come from.
func (v *View) adders(table string, above *target) []*mapping {
	return slices.DeleteFunc(v.mappings(table, above), func(m *mapping) bool {
		return m.group != nil || m.isList || !m.from.isTable()
	})
}

// mappings are those that rows of a table could come from.
func (v *View) mappings(table string, above *target) []*mapping {
	var out []*mapping
	want := generic(table) + "{i}."
	pool := slices.Clone(v.r.maps)
	if above != nil && above.row != nil {
		for _, r := range v.rowsOf[above.row.base[0]] {
			if r.t == above {
				pool = append(pool, r.m.subs...)
			}
		}
	}
	for _, m := range pool {
		if m.to.path == want {
			out = append(out, m)
		}
	}
	return out
}

// parentTable names the CPE's table of m for a new row; "" if this mapping has
// none.
func (v *View) parentTable(m *mapping, above *target, settings []Setting) (string, []int, *usp.Error) {
	base := v.raw
	if above != nil && above.row != nil && m.parent != nil {
		base = above.row.base[0]
	}
	container := m.from
	container.segs = m.from.segs[:len(m.from.segs)-1]
	leaf := container.segs[len(container.segs)-1]
	container.segs = container.segs[:len(container.segs)-1]
	parents := container.find(v.raw, base, nil)
	var consumed []int
	if m.add != nil {
		wanted, idx, err := v.wantedParent(m, settings)
		if err != nil {
			return "", nil, err
		}
		consumed = idx
		if wanted != nil {
			if !slices.Contains(parents, wanted) {
				return "", nil, nil
			}
			parents = []*node{wanted}
		}
	}
	if len(parents) == 0 {
		return "", nil, nil
	}
	return parents[0].path() + leaf + ".", consumed, nil
}

// wantedParent finds the CPE's object that the settings of an Add, or else the
// CPE's default, choose as the parent [tr098-to-tr181 rule 6].
func (v *View) wantedParent(m *mapping, settings []Setting) (*node, []int, *usp.Error) {
	for i, s := range settings {
		if s.Path != m.add.by || s.Value == "" {
			continue
		}
		t, _ := v.resolve(strings.TrimSuffix(s.Value, ".") + ".")
		if t == nil || t.row == nil {
			return nil, nil, fail(usp.CodeInvalidValue, m.add.by+" refers to nothing")
		}
		return t.row.base[0], []int{i}, nil
	}
	if m.add.def == nil {
		return nil, nil, nil
	}
	def := m.add.def.one(v.raw, v.raw)
	if def == nil || def.value == "" {
		return nil, nil, nil
	}
	n := v.findLoosely(strings.TrimSpace(def.value))
	if n == nil || len(v.rowsOf[n]) == 0 {
		return nil, nil, nil
	}
	return n, nil, nil
}

// Added takes the instance number of AddObjectResponse and returns the path of
// the new row, ending in a dot. The row exists in the View from then on, and may
// be given to PlanSet at once, before its names are read. No Delta reports it;
// what else it changed, such as counts, is in the next one. The error is a
// *usp.Error.
func (v *View) Added(plan AddPlan, instance uint32) (string, error) {
	v.use()
	if instance == 0 {
		return "", &usp.Error{Code: usp.CodeObjectNotCreated, Path: plan.Table, Text: "the device gave no instance number"}
	}
	name := plan.ObjectName + strconv.FormatUint(uint64(instance), 10) + "."
	before, old := v.rowPaths(), v.top
	v.inst.retire(func(source string) bool { return strings.HasPrefix(v.root.Prefix()+source, name) })
	n := v.place(name)
	if n == nil {
		return "", &usp.Error{Code: usp.CodeObjectNotCreated, Path: plan.Table, Text: plan.ObjectName + " has no place"}
	}
	v.guess(n)
	v.rebuild()
	row := v.rowIn(plan.Table, n)
	d := v.diff(old, before, nil)
	d.Created = slices.DeleteFunc(d.Created, func(p string) bool { return p == row })
	v.carry = d
	if row == "" {
		return "", &usp.Error{Code: usp.CodeObjectNotCreated, Path: plan.Table, Text: name + " is not shown there"}
	}
	v.fresh[row] = true
	v.rev++
	return row, nil
}

// ownName is the CPE's name of what is, or could be, shown as it is; "" if p is not.
func (v *View) ownName(p string) string {
	if v.root == TR181 {
		return p
	}
	if rest, ok := strings.CutPrefix(p, Passthrough); ok {
		return v.root.Prefix() + rest
	}
	return ""
}

// rowIn returns the row of a table that n is shown as, "" if there is none.
func (v *View) rowIn(table string, n *node) string {
	for _, r := range v.rowsOf[n] {
		if p := r.t.path(); r.t.isRow() && strings.HasPrefix(p, table) {
			return p
		}
	}
	if p := v.shownPath(n); v.visible(n) && strings.HasPrefix(p, table) {
		return p
	}
	return ""
}

// withCarried adds what Added left to be reported.
func (v *View) withCarried(d Delta) Delta {
	if v.carry.Empty() {
		return d
	}
	d.Changed = append(v.carry.Changed, d.Changed...)
	d.Created = append(v.carry.Created, d.Created...)
	d.Deleted = append(v.carry.Deleted, d.Deleted...)
	v.carry = Delta{}
	sortParams(d.Changed)
	slices.SortFunc(d.Created, comparePaths)
	slices.SortFunc(d.Deleted, comparePaths)
	return d
}

// PlanDelete returns the CPE's instances to delete for one instantiated Device:2
// row, each for one DeleteObject. The row stays in the View until SetNames with
// that instance and no names takes it out. The error is a *usp.Error.
func (v *View) PlanDelete(instance string) ([]string, error) {
	v.use()
	o, ok := v.Object(instance)
	if !ok {
		return nil, v.noObject(instance)
	}
	t, n := v.resolve(instance)
	isRow := t != nil && t.isRow() || n != nil && n.num != 0
	switch {
	case !isRow:
		return nil, &usp.Error{Code: usp.CodeNotATable, Path: instance, Text: "not a row of a table"}
	case !o.Delete:
		return nil, &usp.Error{Code: usp.CodeDeleteFailure, Path: instance, Text: "the device does not let it be deleted"}
	case n != nil:
		return []string{n.path()}, nil
	default:
		return []string{t.row.base[0].path()}, nil
	}
}
