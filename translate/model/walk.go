// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"slices"
	"strings"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/usp/path"
)

// resolve finds a Device:2 path on either side: mapped, or shown as it is.
func (v *View) resolve(p string) (t *target, n *node) {
	rest, ok := strings.CutPrefix(p, "Device.")
	if !ok {
		return nil, nil
	}
	t = v.top
	for t.raw == nil {
		if rest == "" {
			return t, nil
		}
		var seg string
		seg, rest, _ = strings.Cut(rest, ".")
		if t = t.child(seg); t == nil {
			return nil, nil
		}
	}
	n = t.raw.get(rest)
	if n == nil || !v.visible(n) {
		return nil, nil
	}
	return nil, n
}

// Object returns an instantiated object ("Device.WiFi.SSID.1.") or table
// ("Device.WiFi.SSID."), also a table without rows.
func (v *View) Object(p string) (Object, bool) {
	v.use()
	if !cwmp.IsPartialPath(p) || p == "" {
		return Object{}, false
	}
	o := Object{Path: p}
	t, n := v.resolve(p)
	switch {
	case n != nil:
		if !n.is(flagObject) {
			return Object{}, false
		}
		o.Multi = v.isTable(n)
		o.Add = o.Multi && n.writable()
		o.Delete = n.num != 0 && n.writable()
		return o, true
	case t != nil && t.cell == nil:
		if t.isRow() {
			o.Delete = t.row.m.to.del && t.row.deletable()
			return o, true
		}
	case t != nil:
		return Object{}, false
	}
	s := v.Supported().Object(generic(p) + "{i}.")
	if s != nil && (t != nil || v.parentExists(p)) {
		o.Multi, o.Add = true, s.Add
		return o, true
	}
	return o, t != nil
}

// parentExists reports the object above p.
func (v *View) parentExists(p string) bool {
	parent, _ := splitLeaf(strings.TrimSuffix(p, "."))
	t, n := v.resolve(parent)
	return t != nil || n != nil
}

// deletable reports a row that is one row of the CPE, which may go.
func (r *row) deletable() bool {
	return len(r.base) == 1 && r.list == nil && r.base[0].num != 0 && r.base[0].writable()
}

// isTable adds to what the tree shows what the rules know of Device:2.
func (v *View) isTable(n *node) bool {
	if n.isTable() {
		return true
	}
	return v.root == TR181 && n.num == 0 && len(n.kids) == 0 && v.r.objects[generic(n.path())+"{i}."] != nil
}

// Instances returns the instance numbers of an instantiated table path, in
// ascending order; nil where there are none.
func (v *View) Instances(table string) []uint32 {
	v.use()
	t, n := v.resolve(table)
	var out []uint32
	if t != nil {
		for _, k := range t.kids {
			if k.num != 0 {
				out = append(out, k.num)
			}
		}
	}
	if n != nil {
		for _, k := range n.kids {
			if k.num != 0 && v.visible(k) {
				out = append(out, k.num)
			}
		}
	}
	return out
}

// Param returns an instantiated parameter.
func (v *View) Param(p string) (Param, bool) {
	v.use()
	t, n := v.resolve(p)
	switch {
	case t != nil && t.cell != nil:
		return t.paramAt(p), true
	case n != nil && !n.is(flagObject) && !strings.HasSuffix(p, "."):
		return v.rawParamAt(n, p), true
	case t == nil && n == nil:
		obj, leaf := splitLeaf(p)
		if _, row := v.resolve(obj); leaf == "Alias" && row != nil && v.keepsAlias(row) {
			return v.aliasParam(row, obj), true
		}
	}
	return Param{}, false
}

// rawParam makes the Param of a node shown as it is.
func (v *View) rawParam(n *node) Param { return v.rawParamAt(n, v.shownPath(n)) }

// rawParamAt is rawParam for a node whose shownPath is known.
func (v *View) rawParamAt(n *node, shown string) Param {
	p := Param{Path: shown, Type: n.shownType(), Writable: n.writable(), Known: n.is(flagKnown)}
	if v.root == TR181 && (n.typ == cwmp.TypeUnknown || p.Type == path.TypeString) {
		if d := v.r.declAt(p.Path); d != nil {
			if n.typ == cwmp.TypeUnknown || d.typ.IsList() && p.Type == path.TypeString {
				p.Type = d.typ
			}
		}
	}
	if n.name == "Alias" && n.parent.num != 0 {
		p.Writable = false // [cwmp-vs-usp-dm 1.2] written once at most
	}
	if p.Known && !n.secret() {
		p.Value = lexical(p.Type, n.value)
	}
	if p.Known && p.Value == "" && v.lacksAlias(n) {
		p.Value = v.inst.alias(v.shownPath(n.parent), n.parent.num)
	}
	return p
}

// lacksAlias reports the empty Alias of a row shown as it is: it names nothing,
// so the gateway has one for it as for a row without [R-ADD.5].
func (v *View) lacksAlias(n *node) bool {
	return n.name == "Alias" && n.value == "" && n.parent.num != 0
}

// keepsAlias reports a row shown as it is whose Alias is the gateway's affair:
// the CPE has none, and Device:2 does not say that such rows have none.
func (v *View) keepsAlias(row *node) bool {
	if row.num == 0 || row.child("Alias") != nil {
		return false
	}
	if v.root == TR098 {
		return true
	}
	o := v.r.objects[generic(row.path())]
	return o == nil || slices.ContainsFunc(o.keys, isAliasKey)
}

func (v *View) aliasParam(row *node, obj string) Param {
	return Param{Path: obj + "Alias", Value: v.inst.alias(obj, row.num), Known: true}
}

// Walk calls f for an instantiated object (or table, or "Device.") and for the
// objects below it that exist, each with its own parameters, in data-model
// order. Depth counts as max_depth does: 0 is everything, 1 the object alone,
// and instances are not a level of their own [R-GET.5]. A table is not reported
// itself. It stops when f returns false. The slice is f's only until it returns.
func (v *View) Walk(object string, depth int, f func(object string, params []Param) bool) {
	v.use()
	if depth <= 0 {
		depth = 1 << 30
	}
	w := walker{v: v, f: f}
	t, n := v.resolve(object)
	switch {
	case n != nil && n.is(flagObject):
		w.raw(n, v.shownPath(n), depth)
	case t != nil && t.cell == nil:
		w.target(t, t.path(), depth)
	}
}

type walker struct {
	v      *View
	f      func(string, []Param) bool
	params []Param
	done   bool
}

func (w *walker) emit(object string) {
	w.done = w.done || !w.f(object, w.params)
}

func (w *walker) target(t *target, p string, depth int) {
	if t.raw != nil {
		w.raw(t.raw, p, depth)
		return
	}
	isTable := len(t.kids) > 0 && t.kids[0].num != 0
	if !isTable && (t.row != nil || t.parent == nil || len(t.kids) > 0) {
		w.params = w.params[:0]
		for _, k := range t.kids {
			if k.cell != nil {
				w.params = append(w.params, k.param())
			}
		}
		w.emit(p)
		depth--
	}
	for _, k := range t.kids {
		if w.done || depth <= 0 {
			return
		}
		if k.cell == nil {
			w.target(k, p+k.name+".", depth)
		}
	}
}

func (w *walker) raw(n *node, p string, depth int) {
	if !w.v.isTable(n) || w.v.mixed(n) {
		w.params = w.params[:0]
		if w.v.keepsAlias(n) {
			w.params = append(w.params, w.v.aliasParam(n, p))
		}
		for _, k := range n.kids {
			if !k.is(flagObject) && w.v.visible(k) {
				w.params = append(w.params, w.v.rawParam(k))
			}
		}
		if w.v.keepsAlias(n) {
			sortParams(w.params)
		}
		w.emit(p)
		depth--
	}
	for _, k := range n.kids {
		if w.done || depth <= 0 {
			return
		}
		if k.is(flagObject) && w.v.visible(k) {
			w.raw(k, p+k.name+".", depth)
		}
	}
}

// mixed reports a table that a CPE has put parameters into beside the rows.
func (v *View) mixed(n *node) bool {
	for _, k := range n.kids {
		if !k.is(flagObject) && v.visible(k) {
			return true
		}
	}
	return false
}

// rowPaths lists all rows, in data-model order.
func (v *View) rowPaths() []string {
	var out []string
	if v.top.raw != nil {
		return v.rawRows(v.top.raw, v.root.Prefix(), out)
	}
	return v.targetRows(v.top, "Device.", out)
}

func (v *View) targetRows(t *target, p string, out []string) []string {
	if t.raw != nil {
		return v.rawRows(t.raw, p, out)
	}
	for _, k := range t.kids {
		if k.cell != nil {
			continue
		}
		sub := p + k.name + "."
		if k.isRow() {
			out = append(out, sub)
		}
		out = v.targetRows(k, sub, out)
	}
	return out
}

func (v *View) rawRows(n *node, p string, out []string) []string {
	for _, k := range n.kids {
		if !k.is(flagObject) || !v.visible(k) {
			continue
		}
		sub := p + k.name + "."
		if k.num != 0 {
			out = append(out, sub)
		}
		out = v.rawRows(k, sub, out)
	}
	return out
}
