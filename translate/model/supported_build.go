// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"maps"
	"slices"
	"strings"
)

// supportedBuilder makes the supported data model of what the CPE has now.
type supportedBuilder struct {
	v       *View
	objects map[string]*supportedDraft
}

// supportedDraft is an object that is being made: with what the CPE shows, and with what
// Device:2 says of rows that are still to come.
type supportedDraft struct {
	SupportedObject
	shown, profile map[string]SupportedParam
}

// shown computes what the rules can show of this CPE now, and what its tree has. What is
// only assumed of a row just added is not in it.
func (v *View) shown() *Supported {
	c := &supportedBuilder{v: v, objects: map[string]*supportedDraft{}}
	if v.root == TR098 {
		for _, m := range v.r.maps {
			c.mapping(m, []*node{v.raw}, true)
		}
		if v.raw.is(flagVisible) {
			c.raw(v.raw, Passthrough)
		}
	} else {
		c.raw(v.raw, v.root.Prefix())
	}
	return c.finish()
}

// shownBelow is shown for one node of what the CPE's own tree shows, with what is below.
func (v *View) shownBelow(n *node) *Supported {
	c := &supportedBuilder{v: v, objects: map[string]*supportedDraft{}}
	p := generic(v.shownPath(n))
	if n.is(flagObject) {
		c.raw(n, p)
	} else {
		object, _ := splitLeaf(p)
		put(c.see(object).shown, c.rawParam(n))
	}
	return c.finish()
}

// object returns the object of a generic path, made with those above it.
func (c *supportedBuilder) object(generic string) *supportedDraft {
	o := c.objects[generic]
	if o != nil {
		return o
	}
	o = &supportedDraft{shown: map[string]SupportedParam{}, profile: map[string]SupportedParam{}}
	o.Path, o.Multi = generic, strings.HasSuffix(generic, ".{i}.")
	c.objects[generic] = o
	if above := objectAbove(generic); above != "" {
		c.object(above)
	}
	return o
}

// objectAbove returns the object that holds a generic one, "" for the topmost.
func objectAbove(generic string) string {
	above := strings.TrimSuffix(strings.TrimSuffix(generic, "."), ".{i}")
	return above[:strings.LastIndexByte(above, '.')+1]
}

// see returns the object of a generic path, which the CPE has.
func (c *supportedBuilder) see(generic string) *supportedDraft {
	o := c.object(generic)
	for up := o; up != nil && !up.Seen; up = c.objects[objectAbove(up.Path)] {
		up.Seen = true
	}
	return o
}

// put adds a parameter that was seen in several rows, perhaps.
func put(to map[string]SupportedParam, p SupportedParam) {
	if old, ok := to[p.Name]; ok {
		p = old.widest(p)
	}
	to[p.Name] = p
}

// finish leaves out what Device:2 says of the rows of tables whose rows have been seen.
func (c *supportedBuilder) finish() *Supported {
	var objects []*SupportedObject
	left := map[string]bool{}
	for _, p := range slices.SortedFunc(maps.Keys(c.objects), comparePaths) {
		d := c.objects[p]
		table := rowsAbove(p)
		if left[objectAbove(p)] || !d.Seen && table != "" && table != p && c.objects[table].Seen {
			left[p] = true
			continue
		}
		params := d.shown
		if !d.Seen {
			params = d.profile
		}
		o := d.SupportedObject
		for _, name := range slices.Sorted(maps.Keys(params)) {
			o.Params = append(o.Params, params[name])
		}
		if o.Multi {
			o.Keys = c.keys(&o)
		}
		objects = append(objects, &o)
	}
	return newSupported(objects)
}

// keys are the unique keys of Device:2 of which all parameters are there.
func (c *supportedBuilder) keys(o *SupportedObject) [][]string {
	var keys [][]string
	have := func(name string) bool { _, ok := o.Param(name); return ok }
	if rule := c.v.r.objects[o.Path]; rule != nil {
		for _, key := range rule.keys {
			if !slices.ContainsFunc(key, func(n string) bool { return !have(n) }) {
				keys = append(keys, key)
			}
		}
	}
	if have("Alias") && !slices.ContainsFunc(keys, isAliasKey) {
		keys = append(keys, []string{"Alias"})
	}
	return keys
}

// mapping adds what m can show of the CPE. bases are the sources of the row
// above; exist reports that there are such, and not merely could be.
func (c *supportedBuilder) mapping(m *mapping, bases []*node, exist bool) {
	if m.stack {
		o := c.see(m.to.path)
		for _, name := range m.to.names {
			d := m.to.params[name]
			put(o.shown, SupportedParam{Name: name, Type: d.typ, Access: d.access, Listed: true})
		}
		return
	}
	root := c.v.raw
	var sources []*node
	can := !exist
	for _, b := range bases {
		sources = m.from.find(root, b, sources)
		can = can || m.from.canExist(root, b)
	}
	sources = slices.DeleteFunc(sources, func(n *node) bool { return !n.is(flagObject) || !n.seen() })
	if len(sources) == 0 && !can {
		return
	}
	if c.declared(m, sources) == 0 && !m.to.multi {
		return
	}
	for _, sub := range m.subs {
		c.mapping(sub, sources, len(sources) > 0)
	}
}

// canExist reports that the CPE could come to have what p names: everything is
// there but for rows of tables.
func (p *srcPath) canExist(root, base *node) bool {
	n := base
	if p.abs {
		n = root
	}
	for _, seg := range p.segs {
		if seg == "*" || seg == "{i}" {
			row := n.anyRow()
			if row == nil {
				return true
			}
			n = row
			continue
		}
		if n = n.child(seg); n == nil {
			return false
		}
	}
	return true
}

// anyRow returns a row of a table, nil if there is none.
func (n *node) anyRow() *node {
	if len(n.kids) == 0 || n.kids[0].num == 0 { // rows are in front
		return nil
	}
	return n.kids[0]
}

// seen reports an object that is not merely a row of ours of which nothing was read.
func (n *node) seen() bool {
	return n.num == 0 || n.is(flagListed) ||
		slices.ContainsFunc(n.kids, func(k *node) bool { return !k.is(flagGuess) })
}

// declared adds the object of a mapping with the parameters it can show, and
// returns how many those are.
func (c *supportedBuilder) declared(m *mapping, sources []*node) int {
	var can []SupportedParam
	for _, p := range m.params {
		if sp, ok := c.can(p, sources); ok {
			can = append(can, sp)
		}
	}
	if len(can) == 0 && !m.to.multi {
		return 0
	}
	o := c.object(m.to.path)
	params := o.profile
	if len(sources) > 0 || rowsAbove(m.to.path) == "" {
		c.see(m.to.path)
		params = o.shown
	}
	for _, p := range can {
		put(params, p)
	}
	if m.to.multi {
		o.Add = o.Add || m.to.add && tableTakesRows(sources)
		o.Delete = o.Delete || m.to.del
	}
	return len(can)
}

// tableTakesRows is the CPE's hint for the tables of the sources.
func tableTakesRows(sources []*node) bool {
	for _, s := range sources {
		if s.num != 0 && s.parent.writable() {
			return true
		}
	}
	return len(sources) == 0
}

// can reports whether the CPE has something to fill p with, and how it is used then.
func (c *supportedBuilder) can(p *paramRule, sources []*node) (SupportedParam, bool) {
	out := SupportedParam{Name: p.decl.name, Type: p.decl.typ, Kept: true}
	ok := false
	add := func(a Access, listed, kept bool) {
		next := SupportedParam{Name: out.Name, Type: out.Type, Access: a, Listed: listed, Kept: kept}
		if ok {
			next = out.widest(next)
		}
		out, ok = next, true
	}
	for _, rec := range p.recipes {
		a := p.decl.access
		if rec.ro {
			a = ReadOnly
		}
		if len(sources) == 0 || rec.kind != kindDirect && rec.kind != kindPath && rec.kind != kindCases {
			add(a, true, rec.kind == kindAlias)
			continue
		}
		for _, s := range sources {
			found, writable, listed := c.sources(rec, s)
			switch {
			case found && writable:
				add(a, listed, false)
			case found:
				add(ReadOnly, listed, false)
			}
		}
	}
	return out, ok
}

// sources reports whether s has what a recipe needs, may write it, and was said to.
func (c *supportedBuilder) sources(rec *recipe, s *node) (found, writable, listed bool) {
	var nodes []*node
	for i := range rec.from {
		nodes = rec.from[i].find(c.v.raw, s, nodes)
	}
	for i := range rec.cases {
		nodes = rec.cases[i].when.nodes(c.v.raw, s, nodes)
	}
	nodes = slices.DeleteFunc(nodes, func(n *node) bool { return n.is(flagGuess) })
	listed = !slices.ContainsFunc(nodes, func(n *node) bool { return !n.is(flagListed) })
	return len(nodes) > 0, slices.ContainsFunc(nodes, (*node).writable), listed
}

// raw adds a part of the CPE's own tree that is shown under a prefix.
func (c *supportedBuilder) raw(n *node, generic string) {
	own := generic // of n's parameters, if it has any
	if c.v.isTable(n) {
		generic += "{i}."
		o := c.object(generic)
		// Who takes rows lets them go: those that are there may be others.
		o.Add, o.Delete = o.Add || n.writable(), o.Delete || n.writable()
		if !slices.ContainsFunc(n.kids, func(k *node) bool { return k.num != 0 && k.seen() }) {
			c.profile(generic)
		}
	} else {
		o := c.see(generic)
		o.Delete = o.Delete || o.Multi && n.mayGo()
	}
	if n.num != 0 && c.v.keepsAlias(n) {
		put(c.object(generic).shown, SupportedParam{Name: "Alias", Access: WriteOnce, Listed: true, Kept: true})
	}
	for _, k := range n.kids {
		switch {
		case !c.v.visible(k) || k.is(flagGuess) || !k.seen():
		case k.num != 0 && k.is(flagObject):
			c.raw(k, generic)
		case k.is(flagObject):
			c.raw(k, own+k.name+".")
		default:
			put(c.see(own).shown, c.rawParam(k))
		}
	}
}

// mayGo is the CPE's hint for a row, or that for its table.
func (n *node) mayGo() bool {
	if !n.is(flagListed) && n.parent != nil {
		n = n.parent
	}
	return n.writable()
}

// profile adds what Device:2 says of the rows of a table, as far as the rules know it.
func (c *supportedBuilder) profile(table string) {
	o := c.object(table)
	if rule := c.v.r.objects[table]; rule == nil || len(rule.params) == 0 {
		put(o.profile, SupportedParam{Name: "Alias", Access: WriteOnce, Listed: true, Kept: true})
		return
	}
	for _, rule := range c.v.r.order {
		if !strings.HasPrefix(rule.path, table) || len(rule.params) == 0 {
			continue
		}
		o := c.object(rule.path)
		o.Add, o.Delete = o.Add || rule.add, o.Delete || rule.del
		for _, d := range rule.params {
			put(o.profile, SupportedParam{Name: d.name, Type: d.typ, Access: d.access, Listed: true})
		}
	}
}

func (c *supportedBuilder) rawParam(n *node) SupportedParam {
	p := c.v.rawParam(n)
	sp := SupportedParam{Name: n.name, Type: p.Type, Listed: n.is(flagListed)}
	switch {
	case n.name == "Alias" && n.parent.num != 0:
		sp.Access = WriteOnce
	case p.Writable:
		sp.Access = ReadWrite
	}
	return sp
}
