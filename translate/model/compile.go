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

// compiler collects the rule files into Rules.
type compiler struct{ r *Rules }

func ignore(yval) error { return nil }

// declarations reads everything of a file but its mappings.
func (c *compiler) declarations(doc yval) error {
	root := TR098
	setRoot := func(v yval) error {
		s, err := v.str()
		switch {
		case err != nil:
			return err
		case s == TR098.String():
			root = TR098
		case s == TR181.String():
			root = TR181
		default:
			return v.errf("root is %s or %s, not %q", TR098, TR181, s)
		}
		return nil
	}
	// root decides about hide, wherever it stands in the file.
	err := doc.each(func(key string, _, v yval) error {
		if key == "root" {
			return setRoot(v)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return doc.fields(map[string]func(yval) error{
		"root":    ignore,
		"maps":    ignore,
		"objects": c.objects,
		"hide":    func(v yval) error { return patterns(v, c.r.hide[root]) },
		"drop":    func(v yval) error { return patterns(v, c.r.drop) },
		"secrets": func(v yval) error {
			names, err := v.strs()
			for _, n := range names {
				c.r.secrets = append(c.r.secrets, strings.ToLower(n))
			}
			return err
		},
	})
}

func patterns(y yval, t *pattern) error {
	items, err := y.items()
	if err != nil {
		return err
	}
	for _, it := range items {
		s, err := it.str()
		if err != nil {
			return err
		}
		if err := t.add(it, s); err != nil {
			return err
		}
	}
	return nil
}

// objects reads the declarations of Device:2 objects. One that was declared
// before is added to.
func (c *compiler) objects(y yval) error {
	return y.each(func(key string, k, v yval) error {
		if err := checkObjectPath(k, key); err != nil {
			return err
		}
		o := c.r.objects[key]
		if o == nil {
			o = &objectRule{path: key, multi: strings.HasSuffix(key, ".{i}."), params: map[string]*paramDecl{}}
			c.r.objects[key] = o
		}
		return v.fields(map[string]func(yval) error{
			"access": o.setAccess,
			"keys":   o.setKeys,
			"params": o.setParams,
		})
	})
}

func checkObjectPath(y yval, s string) error {
	if !strings.HasPrefix(s, "Device.") || !strings.HasSuffix(s, ".") {
		return y.errf("%q is not an object of Device:2, want Device.….", s)
	}
	for seg := range strings.SplitSeq(strings.TrimSuffix(s, "."), ".") {
		if !validSegment(seg) || instanceNumber(seg) != 0 {
			return y.errf("%q is not an object path: segment %q", s, seg)
		}
	}
	return nil
}

func (o *objectRule) setAccess(y yval) error {
	s, err := y.str()
	if err != nil {
		return err
	}
	for word := range strings.FieldsSeq(s) {
		switch {
		case !o.multi:
			return y.errf("%s is not a table", o.path)
		case word == "add":
			o.add = true
		case word == "delete":
			o.del = true
		default:
			return y.errf("access is add, delete or both, not %q", word)
		}
	}
	return nil
}

func (o *objectRule) setKeys(y yval) error {
	items, err := y.items()
	if err != nil {
		return err
	}
	if !o.multi {
		return y.errf("%s is not a table", o.path)
	}
	o.keys = nil
	for _, it := range items {
		key, err := it.strs()
		if err != nil {
			return err
		}
		o.keys = append(o.keys, key)
	}
	return nil
}

func (o *objectRule) setParams(y yval) error {
	return y.each(func(name string, k, v yval) error {
		if !validSegment(name) || name == "{i}" {
			return k.errf("%q is not a parameter name", name)
		}
		s, err := v.str()
		if err != nil {
			return err
		}
		d := &paramDecl{name: name}
		for i, word := range strings.Fields(s) {
			t, ok := path.ParseType(word)
			switch {
			case i == 0 && ok:
				d.typ = t
			case i == 0:
				return v.errf("%q is not a type", word)
			case word == "list":
				d.typ |= path.List
			case word == "ro":
				d.access = ReadOnly
			case word == "rw":
				d.access = ReadWrite
			case word == "wo":
				d.access = WriteOnce
			case word == "secret":
				d.secret = true
			default:
				return v.errf("want type, list, ro, rw, wo or secret, not %q", word)
			}
		}
		o.params[name] = d
		return nil
	})
}

// finishObjects orders the objects and ties their parameters together.
func (c *compiler) finishObjects() {
	c.r.order = slices.SortedFunc(maps.Values(c.r.objects), func(a, b *objectRule) int {
		return comparePaths(a.path, b.path)
	})
	for _, o := range c.r.order {
		o.names = slices.Sorted(maps.Keys(o.params))
		for _, d := range o.params {
			if table, ok := strings.CutSuffix(d.name, "NumberOfEntries"); ok && c.r.objects[o.path+table+".{i}."] != nil {
				d.counts = table
			}
		}
		if o.multi && o.params["Alias"] != nil && !slices.ContainsFunc(o.keys, isAliasKey) {
			o.keys = append(o.keys, []string{"Alias"})
		}
	}
}

func isAliasKey(key []string) bool { return len(key) == 1 && key[0] == "Alias" }

// finishMaps gives every mapping what need not be written, and orders them.
func (c *compiler) finishMaps() {
	c.r.sources = map[string]bool{}
	for _, m := range c.r.maps {
		m.finish()
		c.source(m, "")
	}
	slices.SortStableFunc(c.r.maps, func(a, b *mapping) int {
		return cmp.Compare(strings.Count(a.to.path, "."), strings.Count(b.to.path, "."))
	})
}

// source notes the CPE's tables that a mapping makes rows of.
func (c *compiler) source(m *mapping, above string) {
	full := strings.TrimSuffix(m.from.text, ".")
	if rest, ok := strings.CutPrefix(full, "/"); ok {
		full = rest
	} else {
		full = above + full
	}
	if full != "" && !strings.HasSuffix(full, ".") {
		full += "."
	}
	if table, ok := strings.CutSuffix(full, "{i}."); ok {
		c.r.sources[table] = true
	}
	for _, s := range m.subs {
		c.source(s, full)
	}
}

// finish adds the parameters that the engine knows how to fill: counts of child
// tables, and the Alias that the gateway keeps.
func (m *mapping) finish() {
	for _, name := range m.to.names {
		d := m.to.params[name]
		if p := m.byName[name]; p != nil {
			if name == "Alias" && m.to.multi { // of rows that the CPE keeps none for
				p.recipes = append(p.recipes, &recipe{kind: kindAlias})
			}
			continue
		}
		var rec *recipe
		switch {
		case d.counts != "":
			rec = &recipe{kind: kindCount, ro: true}
		case name == "Alias" && m.to.multi:
			rec = &recipe{kind: kindAlias}
		default:
			continue
		}
		m.put(&paramRule{decl: d, recipes: []*recipe{rec}})
	}
	for _, s := range m.subs {
		s.finish()
	}
}

// put adds a parameter, or replaces that of the same name.
func (m *mapping) put(p *paramRule) {
	if m.byName == nil {
		m.byName = map[string]*paramRule{}
	}
	if m.byName[p.decl.name] == nil {
		m.params = append(m.params, p)
	} else {
		i := slices.IndexFunc(m.params, func(q *paramRule) bool { return q.decl == p.decl })
		m.params[i] = p
	}
	m.byName[p.decl.name] = p
}
