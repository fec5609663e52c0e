// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"maps"
	"slices"
	"strings"
)

// mappings reads the mappings of a file.
func (c *compiler) mappings(doc yval) error {
	return doc.each(func(key string, _, v yval) error {
		if key != "maps" {
			return nil
		}
		items, err := v.items()
		if err != nil {
			return err
		}
		for _, it := range items {
			if err := c.topMapping(it); err != nil {
				return err
			}
		}
		return nil
	})
}

// topMapping reads one mapping. With the same to and from as one before it adds
// to that one.
func (c *compiler) topMapping(y yval) error {
	m := &mapping{where: y.where()}
	var to string
	err := y.each(func(key string, _, v yval) error {
		switch key {
		case "to":
			return into(&to)(v)
		case "from":
			return c.topFrom(v, m)
		default:
			return nil
		}
	})
	if err != nil {
		return err
	}
	if m.to = c.r.objects[to]; m.to == nil {
		return y.errf("to: %q is not a declared object", to)
	}
	if i := strings.Index(to, "{i}"); i >= 0 && i != len(to)-len("{i}.") {
		return y.errf("to: %q is a row of a row: map it as a sub of its parent", to)
	}
	m.setLeaf()
	if old := c.sameMapping(m); old != nil {
		m = old
	} else {
		c.r.maps = append(c.r.maps, m)
	}
	return c.mapping(y, m, map[string]func(yval) error{"to": ignore, "from": ignore})
}

// topFrom reads the source of a top mapping, which is absolute by nature.
func (c *compiler) topFrom(v yval, m *mapping) error {
	if err := intoSrc(&m.from)(v); err != nil {
		return err
	}
	if m.from.abs || m.from.dyn {
		return v.errf("%q: a source is written from the root on, without slash or <>", m.from.text)
	}
	m.from.abs = true
	return nil
}

func (c *compiler) sameMapping(m *mapping) *mapping {
	i := slices.IndexFunc(c.r.maps, func(o *mapping) bool { return o.to == m.to && o.from.text == m.from.text })
	if i < 0 {
		return nil
	}
	return c.r.maps[i]
}

func (m *mapping) setLeaf() {
	segs := strings.Split(strings.TrimSuffix(strings.TrimSuffix(m.to.path, "{i}."), "."), ".")
	m.leaf = segs[len(segs)-1]
	m.number, m.fixed = numberMapped, 1
}

// mapping reads what top mappings and sub-mappings have in common.
func (c *compiler) mapping(y yval, m *mapping, more map[string]func(yval) error) error {
	known := map[string]func(yval) error{
		"when":   func(v yval) (err error) { m.when, err = parseConds(v); return err },
		"group":  func(v yval) error { return c.group(v, m) },
		"split":  func(v yval) error { m.isList = true; return intoSrc(&m.split)(v) },
		"skip":   intoStrs(&m.skip),
		"number": m.setNumber,
		"add":    m.setAdd,
		"stack":  intoFlag(&m.stack),
		"same":   func(v yval) error { return m.same(v) },
		"params": func(v yval) error { return c.params(v, m) },
		"sub":    func(v yval) error { return c.subs(v, m) },
	}
	maps.Copy(known, more)
	return y.fields(known)
}

func (m *mapping) setNumber(v yval) error {
	s, err := v.str()
	if err != nil {
		return err
	}
	switch n := instanceNumber(s); {
	case !m.to.multi:
		return v.errf("%s is not a table", m.to.path)
	case s == "map":
		m.number = numberMapped
	case s == "source":
		m.number = numberSource
	case n != 0:
		m.number, m.fixed = numberFixed, n
	default:
		return v.errf("number is map, source or an instance number, not %q", s)
	}
	return nil
}

func (m *mapping) setAdd(v yval) error {
	m.add = &addRule{}
	return v.fields(map[string]func(yval) error{
		"by": func(v yval) error {
			if err := into(&m.add.by)(v); err != nil {
				return err
			}
			if m.to.params[m.add.by] == nil {
				return v.errf("%s%s is not declared", m.to.path, m.add.by)
			}
			return nil
		},
		"default": func(v yval) error { m.add.def = &srcPath{}; return intoSrc(m.add.def)(v) },
	})
}

// group reads the ways to tell groups apart; the first that gives a key counts.
func (c *compiler) group(v yval, m *mapping) error {
	items, err := v.items()
	if err != nil {
		return err
	}
	for _, it := range items {
		var g groupKey
		err := it.fields(map[string]func(yval) error{
			"param": func(v yval) error { g.param = &srcPath{}; return intoSrc(g.param)(v) },
			"key":   into(&g.key),
			"when":  func(v yval) (err error) { g.when, err = parseConds(v); return err },
		})
		if err != nil {
			return err
		}
		if (g.param == nil) == (g.key == "") {
			return it.errf("want either param or key")
		}
		m.group = append(m.group, g)
	}
	return nil
}

// same reads parameters that have the same name on both sides.
func (m *mapping) same(v yval) error {
	items, err := v.items()
	if err != nil {
		return err
	}
	for _, it := range items {
		name, err := it.str()
		if err != nil {
			return err
		}
		d := m.to.params[name]
		if d == nil {
			return it.errf("%s%s is not declared", m.to.path, name)
		}
		p, err := parseSrcPath(it, name)
		if err != nil {
			return err
		}
		m.put(&paramRule{decl: d, recipes: []*recipe{{from: []srcPath{p}}}})
	}
	return nil
}

func (c *compiler) params(v yval, m *mapping) error {
	return v.each(func(name string, k, v yval) error {
		d := m.to.params[name]
		if d == nil {
			return k.errf("%s%s is not declared", m.to.path, name)
		}
		recs, err := c.recipes(v)
		if err != nil {
			return err
		}
		m.put(&paramRule{decl: d, recipes: recs})
		return nil
	})
}

// subs reads the mappings of objects below m.
func (c *compiler) subs(v yval, m *mapping) error {
	return v.each(func(key string, k, v yval) error {
		to := c.r.objects[m.to.path+key]
		if to == nil {
			return k.errf("%s%s is not a declared object", m.to.path, key)
		}
		s := &mapping{to: to, parent: m, where: k.where()}
		err := v.each(func(key string, _, v yval) error {
			if key == "from" {
				return intoSrc(&s.from)(v)
			}
			return nil
		})
		if err != nil {
			return err
		}
		s.setLeaf()
		switch {
		case s.from.text == "":
			s.number = numberFixed
		case !s.from.abs && (s.from.isTable() || s.from.text == "{i}."):
			s.number = numberSource
		}
		i := slices.IndexFunc(m.subs, func(o *mapping) bool { return o.to == to && o.from.text == s.from.text })
		if i >= 0 {
			s = m.subs[i]
		} else {
			m.subs = append(m.subs, s)
		}
		return c.mapping(v, s, map[string]func(yval) error{"from": ignore})
	})
}
