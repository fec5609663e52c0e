// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/uspgate/uspgate/usp/path"
)

// Supported returns the supported data model: what the rules can show of this
// CPE, and what its tree has shown. The result is shared until the tree changes
// its shape; the caller must not change it.
func (v *View) Supported() *Supported {
	v.use()
	if v.sup != nil {
		return v.sup
	}
	c := &supportedBuilder{v: v, objects: map[string]*SupportedObject{}, params: map[string]map[string]SupportedParam{}}
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
	v.sup = c.finish()
	return v.sup
}

type supportedBuilder struct {
	v       *View
	objects map[string]*SupportedObject
	params  map[string]map[string]SupportedParam
}

// object returns the object of a generic path, made with those above it.
func (c *supportedBuilder) object(generic string) *SupportedObject {
	o := c.objects[generic]
	if o != nil {
		return o
	}
	o = &SupportedObject{Path: generic, Multi: strings.HasSuffix(generic, ".{i}.")}
	c.objects[generic] = o
	c.params[generic] = map[string]SupportedParam{}
	above := strings.TrimSuffix(generic, ".")
	if o.Multi {
		above = strings.TrimSuffix(above, ".{i}")
	}
	if i := strings.LastIndexByte(above, '.'); i >= 0 {
		c.object(above[:i+1])
	}
	return o
}

// param adds a parameter; seen in several rows the widest access counts, and
// the first type that is not merely a string.
func (c *supportedBuilder) param(generic string, p SupportedParam) {
	old, ok := c.params[generic][p.Name]
	if ok {
		p.Access = max(p.Access, old.Access)
		if old.Type != path.TypeString {
			p.Type = old.Type
		}
	}
	c.params[generic][p.Name] = p
}

func (c *supportedBuilder) finish() *Supported {
	s := &Supported{byPath: c.objects}
	for generic, o := range c.objects {
		o.Params = slices.SortedFunc(maps.Values(c.params[generic]), func(a, b SupportedParam) int {
			return cmp.Compare(a.Name, b.Name)
		})
		if o.Multi {
			o.Keys = c.keys(o)
		}
		s.Objects = append(s.Objects, o)
	}
	slices.SortFunc(s.Objects, func(a, b *SupportedObject) int { return comparePaths(a.Path, b.Path) })
	return s
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
		c.object(m.to.path)
		for _, name := range m.to.names {
			c.param(m.to.path, SupportedParam{Name: name, Type: m.to.params[name].typ, Access: m.to.params[name].access})
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
	sources = slices.DeleteFunc(sources, func(n *node) bool { return !n.is(flagObject) })
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
			rows := 0
			for _, k := range n.kids {
				if k.num != 0 {
					rows++
				}
			}
			if rows == 0 {
				return true
			}
			n = n.kids[0]
			continue
		}
		if n = n.child(seg); n == nil {
			return false
		}
	}
	return true
}

// declared adds the object of a mapping with the parameters it can show, and
// returns how many those are.
func (c *supportedBuilder) declared(m *mapping, sources []*node) int {
	var can []SupportedParam
	for _, p := range m.params {
		if access, ok := c.can(p, sources); ok {
			can = append(can, SupportedParam{Name: p.decl.name, Type: p.decl.typ, Access: access})
		}
	}
	if len(can) == 0 && !m.to.multi {
		return 0
	}
	o := c.object(m.to.path)
	for _, p := range can {
		c.param(m.to.path, p)
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

// can reports whether the CPE has something to fill p with.
func (c *supportedBuilder) can(p *paramRule, sources []*node) (Access, bool) {
	access, ok := ReadOnly, false
	for _, rec := range p.recipes {
		a := p.decl.access
		if rec.ro {
			a = ReadOnly
		}
		if len(sources) == 0 || rec.kind != kindDirect && rec.kind != kindPath && rec.kind != kindCases {
			access, ok = max(access, a), true
			continue
		}
		for _, s := range sources {
			found, writable := c.sources(rec, s)
			if found && !writable {
				ok = true
			} else if found {
				access, ok = max(access, a), true
			}
		}
	}
	return access, ok
}

// sources reports whether s has what a recipe needs, and may write it.
func (c *supportedBuilder) sources(rec *recipe, s *node) (found, writable bool) {
	var nodes []*node
	for i := range rec.from {
		nodes = rec.from[i].find(c.v.raw, s, nodes)
	}
	for i := range rec.cases {
		nodes = rec.cases[i].when.nodes(c.v.raw, s, nodes)
	}
	return len(nodes) > 0, slices.ContainsFunc(nodes, (*node).writable)
}

// raw adds a part of the CPE's own tree that is shown under a prefix.
func (c *supportedBuilder) raw(n *node, generic string) {
	own := generic // of n's parameters, if it has any
	if c.v.isTable(n) {
		generic += "{i}."
		o := c.object(generic)
		o.Add = o.Add || n.writable()
		if len(n.kids) == 0 {
			c.empty(n, o)
		}
	} else {
		o := c.object(generic)
		o.Delete = o.Delete || o.Multi && n.writable()
	}
	if n.num != 0 && c.v.keepsAlias(n) {
		c.param(generic, SupportedParam{Name: "Alias", Access: WriteOnce})
	}
	for _, k := range n.kids {
		switch {
		case !c.v.visible(k):
		case k.num != 0 && k.is(flagObject):
			c.raw(k, generic)
		case k.is(flagObject):
			c.raw(k, own+k.name+".")
		default:
			c.object(own)
			c.param(own, c.rawParam(k))
		}
	}
}

// empty adds a table without rows: what Device:2 says of its rows, as far as
// the rules know it.
func (c *supportedBuilder) empty(n *node, o *SupportedObject) {
	o.Delete = o.Delete || n.writable()
	rule := c.v.r.objects[o.Path]
	if rule == nil || len(rule.params) == 0 {
		c.param(o.Path, SupportedParam{Name: "Alias", Access: WriteOnce})
		return
	}
	for _, d := range rule.params {
		c.param(o.Path, SupportedParam{Name: d.name, Type: d.typ, Access: d.access})
	}
}

func (c *supportedBuilder) rawParam(n *node) SupportedParam {
	p := c.v.rawParam(n)
	sp := SupportedParam{Name: n.name, Type: p.Type}
	switch {
	case n.name == "Alias" && n.parent.num != 0:
		sp.Access = WriteOnce
	case p.Writable:
		sp.Access = ReadWrite
	}
	return sp
}
