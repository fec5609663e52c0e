// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"strings"
)

// recipes reads how a parameter is filled: a name, one recipe, or a list of
// which the first that applies counts.
func (c *compiler) recipes(v yval) ([]*recipe, error) {
	items := []yval{v}
	if v.isList() {
		var err error
		if items, err = v.items(); err != nil {
			return nil, err
		}
	}
	recs := make([]*recipe, 0, len(items))
	for _, it := range items {
		r, err := c.recipe(it)
		if err != nil {
			return nil, err
		}
		recs = append(recs, r)
	}
	if len(recs) == 0 {
		return nil, v.errf("no recipe")
	}
	return recs, nil
}

func (c *compiler) recipe(v yval) (*recipe, error) {
	r := &recipe{}
	if !v.isMap() {
		var p srcPath
		if err := intoSrc(&p)(v); err != nil {
			return nil, err
		}
		r.from = []srcPath{p}
		return r, r.check(v)
	}
	kinds := 0
	kind := func(k recipeKind, f func(yval) error) func(yval) error {
		return func(v yval) error { r.kind = k; kinds++; return f(v) }
	}
	err := v.fields(map[string]func(yval) error{
		"from":   r.setFrom,
		"when":   func(v yval) (err error) { r.when, err = parseConds(v); return err },
		"const":  kind(kindConst, into(&r.text)),
		"key":    kind(kindKey, ignore),
		"item":   kind(kindItem, ignore),
		"cases":  kind(kindCases, r.setCases),
		"ref":    kind(kindRef, c.tables(r)),
		"path":   kind(kindPath, c.tables(r)),
		"list":   kind(kindList, r.setList),
		"at":     func(v yval) error { r.at = &srcPath{}; return intoSrc(r.at)(v) },
		"enum":   r.setEnum,
		"write":  ignore,
		"conv":   r.setConv,
		"scale":  r.setScale,
		"agg":    r.setAgg,
		"keep":   intoFlag(&r.keep),
		"access": r.setAccess,
	})
	if err != nil {
		return nil, err
	}
	err = v.each(func(key string, _, v yval) error {
		if key == "write" { // after enum, wherever it stands
			return r.setWrite(v)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if kinds > 1 {
		return nil, v.errf("more than one of const, key, item, cases, ref, path, list")
	}
	return r, r.check(v)
}

func (r *recipe) check(v yval) error {
	switch {
	case (r.kind == kindDirect || r.kind == kindPath) && len(r.from) == 0:
		return v.errf("no from")
	case r.at != nil && r.kind != kindRef:
		return v.errf("at is for ref only")
	case r.enum != nil && r.kind != kindDirect && r.kind != kindItem:
		return v.errf("enum is for from and item only")
	}
	for i := range r.from {
		if r.from[i].text == "" {
			return v.errf("from is empty")
		}
	}
	return nil
}

func (r *recipe) setFrom(v yval) error {
	items, err := v.items()
	if err != nil {
		return err
	}
	for _, it := range items {
		var p srcPath
		if err := intoSrc(&p)(it); err != nil {
			return err
		}
		r.from = append(r.from, p)
	}
	return nil
}

// tables reads the Device:2 tables that a reference may lead to.
func (c *compiler) tables(r *recipe) func(yval) error {
	return func(v yval) error {
		items, err := v.items()
		if err != nil {
			return err
		}
		for _, it := range items {
			s, err := it.str()
			if err != nil {
				return err
			}
			if c.r.objects[s] == nil {
				return it.errf("%q is not a declared object", s)
			}
			r.tables = append(r.tables, s)
		}
		return nil
	}
}

// setEnum reads "CPE value: Device:2 value" lines. The line "*: pass" lets
// other values through unchanged when they are written; reading always does.
func (r *recipe) setEnum(v yval) error {
	r.enum = &enumTable{read: map[string]string{}, write: map[string]string{}}
	return v.each(func(raw string, k, v yval) error {
		usp, err := v.str()
		if err != nil {
			return err
		}
		if raw == "*" {
			if usp != "pass" {
				return k.errf("want *: pass")
			}
			r.enum.open = true
			return nil
		}
		r.enum.read[strings.ToLower(raw)] = usp
		if _, ok := r.enum.write[usp]; !ok {
			r.enum.write[usp] = raw
		}
		return nil
	})
}

// setWrite reads "Device:2 value: CPE value" lines, which replace what enum says
// about writing.
func (r *recipe) setWrite(v yval) error {
	if r.enum == nil {
		return v.errf("write is for enum only")
	}
	r.enum.write = map[string]string{}
	return v.each(func(usp string, _, v yval) error {
		raw, err := v.str()
		r.enum.write[usp] = raw
		return err
	})
}

func (r *recipe) setConv(v yval) error {
	s, err := v.str()
	if err != nil {
		return err
	}
	if r.conv = converterByName(s); r.conv == nil {
		return v.errf("%q is not a conversion", s)
	}
	return nil
}

// setScale reads a factor: 1000 multiplies the CPE's value, /1000 divides it.
func (r *recipe) setScale(v yval) error {
	s, err := v.str()
	if err != nil {
		return err
	}
	mul, div := int64(1), int64(1)
	dst := &mul
	if rest, ok := strings.CutPrefix(s, "/"); ok {
		s, dst = rest, &div
	}
	n := instanceNumber(s)
	if n == 0 {
		return v.errf("%q is not a factor", s)
	}
	*dst = int64(n)
	r.conv = scaleConverter(mul, div)
	return nil
}

func (r *recipe) setAgg(v yval) error {
	s, err := v.str()
	if err != nil {
		return err
	}
	switch s {
	case "first":
		r.agg = aggFirst
	case "any":
		r.agg = aggAny
	case "all":
		r.agg = aggAll
	case "sum":
		r.agg = aggSum
	case "join":
		r.agg = aggJoin
	default:
		return v.errf("agg is first, any, all, sum or join, not %q", s)
	}
	r.ro = r.ro || r.agg == aggSum || r.agg == aggJoin
	return nil
}

func (r *recipe) setAccess(v yval) error {
	s, err := v.str()
	if err != nil || s != "ro" {
		return v.errf("access is ro or left out")
	}
	r.ro = true
	return nil
}

func (r *recipe) setList(v yval) error {
	items, err := v.items()
	if err != nil {
		return err
	}
	for _, it := range items {
		var li listItem
		err := it.fields(map[string]func(yval) error{
			"value": into(&li.value),
			"when":  func(v yval) (err error) { li.when, err = parseConds(v); return err },
		})
		if err != nil {
			return err
		}
		r.list = append(r.list, li)
	}
	r.ro = true
	return nil
}

// setCases reads a decision table.
func (r *recipe) setCases(v yval) error {
	items, err := v.items()
	if err != nil {
		return err
	}
	for _, it := range items {
		var cr caseRule
		explicit := false
		err := it.fields(map[string]func(yval) error{
			"value": into(&cr.value),
			"when":  func(v yval) (err error) { cr.when, err = parseConds(v); return err },
			"set":   func(v yval) error { explicit = true; return cr.setSets(v) },
		})
		if err != nil {
			return err
		}
		if !explicit {
			cr.impliedSets()
		}
		r.cases = append(r.cases, cr)
	}
	return nil
}

func (cr *caseRule) setSets(v yval) error {
	return v.each(func(key string, k, v yval) error {
		p, err := parseSrcPath(k, key)
		if err != nil {
			return err
		}
		s, err := v.str()
		cr.set = append(cr.set, caseSet{path: p, value: s})
		return err
	})
}

// impliedSets writes what the first line of the condition asks for.
func (cr *caseRule) impliedSets() {
	if len(cr.when) == 0 {
		return
	}
	for _, c := range cr.when[0] {
		if c.op == condEqual && !c.isKey && len(c.vals) > 0 {
			cr.set = append(cr.set, caseSet{path: c.path, value: c.vals[0]})
		}
	}
}
