// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/usp/path"
)

// evalAll computes the parameters below t.
func (v *View) evalAll(t *target) {
	for _, k := range t.kids {
		if k.cell != nil {
			k.val, k.known = v.eval(k)
		} else {
			v.evalAll(k)
		}
	}
}

// eval computes one parameter; known is false while the CPE's values are not
// read.
func (v *View) eval(t *target) (val string, known bool) {
	c := t.cell
	switch c.rec.kind {
	case kindDirect:
		return v.direct(c)
	case kindConst:
		return c.rec.text, true
	case kindKey:
		return c.row.key, true
	case kindItem:
		return v.item(c)
	case kindCases:
		return v.decide(c)
	case kindRef:
		return v.reference(c)
	case kindPath:
		n := pick(c.src)
		return v.fromCPEPaths(n.value, c.rec.tables), n.is(flagKnown)
	case kindCount:
		if table := t.parent.child(c.rule.decl.counts); table != nil {
			return strconv.Itoa(len(table.kids)), true
		}
		return "0", true
	case kindList:
		var out []string
		for i := range c.rec.list {
			li := &c.rec.list[i]
			if li.when.eval(v.raw, c.row.base[0], c.row.key) == isTrue {
				out = append(out, li.value)
			}
		}
		return strings.Join(out, ","), true
	case kindAlias:
		return v.inst.alias(t.parent.path(), t.parent.num), true
	default:
		return "", false
	}
}

// pick returns the first source that was read and is not empty, else the first
// that was read, else the first.
func pick(src []*node) *node {
	best := src[0]
	for _, n := range src {
		if !n.is(flagKnown) {
			continue
		}
		if n.value != "" {
			return n
		}
		if !best.is(flagKnown) {
			best = n
		}
	}
	return best
}

func (v *View) direct(c *cell) (string, bool) {
	if c.rule.decl.secret {
		return "", pick(c.src).is(flagKnown) // rule 5: never shown
	}
	if c.rec.agg == aggFirst {
		n := pick(c.src)
		if !n.is(flagKnown) {
			return "", false
		}
		return c.toUSP(n.value), true
	}
	vals := make([]string, 0, len(c.src))
	for _, n := range c.src {
		if n.is(flagKnown) {
			vals = append(vals, n.value)
		}
	}
	return c.toUSP(aggregated(c.rec.agg, vals)), len(vals) > 0
}

// aggregated joins the raw values of several sources.
func aggregated(how aggregate, vals []string) string {
	isTrue := func(s string) bool { b, ok := parseBool(s); return ok && b }
	switch how {
	case aggAny:
		return strconv.FormatBool(slices.ContainsFunc(vals, isTrue))
	case aggAll:
		return strconv.FormatBool(!slices.ContainsFunc(vals, func(s string) bool { return !isTrue(s) }))
	case aggSum:
		sum := uint64(0)
		for _, s := range vals {
			if n, err := strconv.ParseUint(digits(s), 10, 64); err == nil && n <= math.MaxUint64-sum {
				sum += n
			}
		}
		return strconv.FormatUint(sum, 10)
	case aggJoin:
		return strings.Join(slices.DeleteFunc(vals, func(s string) bool { return s == "" }), ",")
	default:
		return ""
	}
}

// toUSP converts one value of the CPE.
func (c *cell) toUSP(raw string) string {
	if e := c.rec.enum; e != nil {
		if c.rule.decl.typ.IsList() {
			items := splitList(raw)
			for i, it := range items {
				items[i] = e.toUSP(it, it)
			}
			return strings.Join(items, ",")
		}
		if usp := e.toUSP(raw, ""); usp != "" {
			return usp
		}
	}
	if c.rec.conv != nil {
		if usp, ok := c.rec.conv.read(raw); ok {
			return usp
		}
	}
	return lexical(c.rule.decl.typ, raw)
}

// toUSP looks a value up, with what to answer for one that is in no line.
func (e *enumTable) toUSP(raw, other string) string {
	if usp, ok := e.read[strings.ToLower(strings.TrimSpace(raw))]; ok {
		return usp
	}
	return other
}

// lexical brings a CPE's spelling into that of USP where it is clear what it
// means, and leaves it alone where it is not [quirk 60, 62].
func lexical(t path.Type, raw string) string {
	switch t {
	case path.TypeBoolean:
		if b, ok := parseBool(raw); ok {
			return strconv.FormatBool(b)
		}
	case path.TypeInt, path.TypeLong:
		s := strings.TrimSpace(raw)
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return strconv.FormatInt(n, 10)
		}
	case path.TypeUnsignedInt, path.TypeUnsignedLong:
		if n, err := strconv.ParseUint(digits(raw), 10, 64); err == nil {
			return strconv.FormatUint(n, 10)
		}
	default:
	}
	return raw
}

// digits is an unsigned number without what CPE put before and after it
// [quirk 62].
func digits(raw string) string { return strings.TrimPrefix(strings.TrimSpace(raw), "+") }

// parseBool reads the booleans of CPE: an empty one is false, a number but zero
// is true.
func parseBool(raw string) (b, ok bool) {
	switch s := strings.ToLower(strings.TrimSpace(raw)); s {
	case "true", "1":
		return true, true
	case "false", "0", "":
		return false, true
	default:
		n, err := strconv.ParseInt(s, 10, 64)
		return n != 0, err == nil
	}
}

func (v *View) item(c *cell) (string, bool) {
	items := splitList(c.row.list.value)
	if c.row.item >= len(items) {
		return "", false
	}
	return c.toUSP(items[c.row.item]), true
}

func (v *View) decide(c *cell) (string, bool) {
	for i := range c.rec.cases {
		switch c.rec.cases[i].when.eval(v.raw, c.row.base[0], c.row.key) {
		case isTrue:
			return c.rec.cases[i].value, true
		case isUnknown:
			return "", false
		default:
		}
	}
	return "", true
}

// reference names the row that was made of the same source, of the object at,
// or of the nearest object above.
func (v *View) reference(c *cell) (string, bool) {
	if r := v.referred(c.rec, c.row); r != nil {
		return strings.TrimSuffix(r.t.path(), "."), true
	}
	return "", true
}

func (v *View) referred(rec *recipe, from *row) *row {
	for _, base := range from.base {
		at := base
		if rec.at != nil {
			if at = rec.at.one(v.raw, base); at == nil {
				continue
			}
		}
		for _, table := range rec.tables {
			if r := v.rowAt(table, at); r != nil && r.t != from.t {
				return r
			}
		}
	}
	return nil
}

// findLoosely finds what a value of the CPE refers to: with or without root and
// final dot.
func (v *View) findLoosely(ref string) *node {
	if ref == "" {
		return nil
	}
	if n := v.find(ref); n != nil {
		return n
	}
	return v.raw.get(ref)
}

// rowAt returns the row of a table that was made of n or the nearest object
// above it.
func (v *View) rowAt(table string, n *node) *row {
	for ; n != nil; n = n.parent {
		for _, r := range v.rowsOf[n] {
			if r.m.to.path == table {
				return r
			}
		}
	}
	return nil
}

// fromCPEPaths translates a list of CPE paths; what leads nowhere is left out.
func (v *View) fromCPEPaths(raw string, tables []string) string {
	items := splitList(raw)
	out := items[:0]
	for _, it := range items {
		n := v.findLoosely(it)
		if n == nil {
			continue
		}
		for _, table := range tables {
			if r := v.rowAt(table, n); r != nil {
				out = append(out, strings.TrimSuffix(r.t.path(), "."))
				break
			}
		}
	}
	return strings.Join(out, ",")
}

// shownType is the type under which a CPE's own parameter is shown.
func (n *node) shownType() path.Type { return pathTypeOf(n.typ) }

// pathTypeOf is the counterpart of a type of the wire.
func pathTypeOf(t cwmp.Type) path.Type {
	switch t {
	case cwmp.TypeBoolean:
		return path.TypeBoolean
	case cwmp.TypeInt:
		return path.TypeInt
	case cwmp.TypeUnsignedInt:
		return path.TypeUnsignedInt
	case cwmp.TypeLong:
		return path.TypeLong
	case cwmp.TypeUnsignedLong:
		return path.TypeUnsignedLong
	case cwmp.TypeDateTime:
		return path.TypeDateTime
	case cwmp.TypeBase64:
		return path.TypeBase64
	case cwmp.TypeHexBinary:
		return path.TypeHexBinary
	default:
		return path.TypeString
	}
}

// wireTypeOf is the way back, for parameters whose type the CPE never said.
func wireTypeOf(t path.Type) cwmp.Type {
	if t.IsList() {
		return cwmp.TypeString
	}
	switch t {
	case path.TypeBoolean:
		return cwmp.TypeBoolean
	case path.TypeInt:
		return cwmp.TypeInt
	case path.TypeUnsignedInt:
		return cwmp.TypeUnsignedInt
	case path.TypeLong:
		return cwmp.TypeLong
	case path.TypeUnsignedLong:
		return cwmp.TypeUnsignedLong
	case path.TypeDateTime:
		return cwmp.TypeDateTime
	case path.TypeBase64:
		return cwmp.TypeBase64
	case path.TypeHexBinary:
		return cwmp.TypeHexBinary
	default:
		return cwmp.TypeString
	}
}
