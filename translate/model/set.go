// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"slices"
	"strconv"
	"strings"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
)

// PlanSet turns all settings of one request into one SetParameterValues list,
// typed as the CPE reported each parameter. If there are errors the values are
// those of the other settings. A setting that changes nothing on the CPE plans
// nothing: a reference that is already so, an Alias that only the gateway keeps
// (it is kept by this call), or a secret that was read as empty and comes back
// as such.
func (v *View) PlanSet(settings []Setting) ([]cwmp.ParameterValue, []SettingError) {
	v.use()
	pl := &planner{v: v, at: map[*node]int{}}
	var errs []SettingError
	for i := range settings {
		if err := pl.set(&settings[i]); err != nil {
			if err.Path == "" {
				err.Path = settings[i].Path
			}
			errs = append(errs, SettingError{Index: i, Err: err})
		}
	}
	return pl.out, errs
}

// planner collects the values of one SetParameterValues.
type planner struct {
	v   *View
	out []cwmp.ParameterValue
	at  map[*node]int // where in out
}

func fail(code usp.Code, text string) *usp.Error { return &usp.Error{Code: code, Text: text} }

func (pl *planner) set(s *Setting) *usp.Error {
	t, n := pl.v.resolve(s.Path)
	switch {
	case strings.HasSuffix(s.Path, "."):
		return fail(usp.CodeInvalidPath, "not a parameter")
	case t != nil && t.cell != nil:
		return pl.setTarget(t, s.Value)
	case n != nil && !n.is(flagObject):
		return pl.setRaw(n, s.Value)
	case t != nil || n != nil:
		return fail(usp.CodeInvalidPath, "an object, not a parameter")
	}
	return pl.setMissing(s)
}

// setMissing answers for a parameter that is not there.
func (pl *planner) setMissing(s *Setting) *usp.Error {
	obj, leaf := splitLeaf(s.Path)
	t, n := pl.v.resolve(obj)
	if leaf == "Alias" && n != nil && pl.v.keepsAlias(n) {
		return pl.setAlias(obj, s.Value)
	}
	if t != nil || n != nil {
		return fail(usp.CodeUnsupportedParameter, "the device has no such parameter")
	}
	if pl.v.Supported().Object(generic(obj)) != nil {
		return fail(usp.CodeObjectDoesNotExist, "the object does not exist")
	}
	return fail(usp.CodeInvalidPath, "not in the supported data model")
}

// setAlias keeps an Alias for a row that the CPE keeps none for.
func (pl *planner) setAlias(row, alias string) *usp.Error {
	_, leaf := splitLeaf(strings.TrimSuffix(row, "."))
	num := instanceNumber(leaf)
	switch {
	case alias == pl.v.inst.alias(row, num):
		return nil
	case !pl.v.fresh[row]:
		return fail(usp.CodeNonWriteable, "an Alias cannot be changed once it is set") // [R-KEY.1]
	case alias == "" || len(alias) > 64:
		return fail(usp.CodeInvalidValue, "an Alias has 1 to 64 characters")
	case !IsText(alias):
		return notText()
	}
	pl.v.unfresh(row)
	pl.v.inst.setAlias(row, alias)
	return nil
}

// setRaw plans a parameter that is shown as it is.
func (pl *planner) setRaw(n *node, value string) *usp.Error {
	if n.name == "Alias" && n.parent.num != 0 {
		now := pl.v.rawParam(n).Value
		if err := pl.mayAlias(pl.v.shownPath(n.parent), now, value); err != nil {
			return err
		}
		if value == now && pl.v.lacksAlias(n) {
			return nil // it is the gateway's
		}
	}
	p := pl.v.rawParam(n)
	switch {
	case !n.writable():
		return fail(usp.CodeNonWriteable, "the device does not let it be written")
	case !path.Valid(p.Type, value):
		return fail(usp.CodeInvalidType, "not of type "+p.Type.String())
	case n.secret() && value == "":
		return nil // rule 5
	}
	return pl.put(n, pl.v.wireValue(n, p.Type, value), p.Type)
}

// mayAlias checks the writing of an Alias that the CPE keeps.
func (pl *planner) mayAlias(row, now, value string) *usp.Error {
	if value != now && !pl.v.fresh[row] {
		return fail(usp.CodeNonWriteable, "an Alias cannot be changed once it is set")
	}
	return nil
}

// setTarget plans a parameter that a rule made.
func (pl *planner) setTarget(t *target, value string) *usp.Error {
	c := t.cell
	d := c.rule.decl
	known := t.known && !d.secret
	switch {
	case c.rec.kind == kindAlias:
		err := pl.setAlias(t.parent.path(), value)
		t.val, t.known = pl.v.eval(t)
		return err
	case d.access == WriteOnce:
		if err := pl.mayAlias(t.parent.path(), t.val, value); err != nil {
			return err
		}
	case c.access() != ReadWrite:
		return fail(usp.CodeNonWriteable, "read-only")
	}
	if !c.settable() {
		return fail(usp.CodeNonWriteable, "the device does not let it be written")
	}
	if !path.Valid(d.typ, value) {
		return fail(usp.CodeInvalidType, "not of type "+d.typ.String())
	}
	same := known && sameValue(d.typ, t.val, value)
	switch c.rec.kind {
	case kindConst, kindKey, kindRef:
		if same || c.rec.kind == kindRef && pl.v.refersTo(c, value) {
			return nil
		}
		return fail(usp.CodeInvalidValue, "the device cannot have another value here")
	case kindCases:
		return pl.setCases(c, value, same)
	default:
	}
	if d.secret && value == "" {
		return nil // rule 5
	}
	return pl.setDirect(c, value, same)
}

// sameValue compares typed.
func sameValue(t path.Type, a, b string) bool {
	return a == b || lexical(t, a) == lexical(t, b)
}

// refersTo reports that a reference, with or without its final dot, is what a
// structural reference says.
func (v *View) refersTo(c *cell, value string) bool {
	r := v.referred(c.rec, c.row)
	return r != nil && strings.TrimSuffix(value, ".") == strings.TrimSuffix(r.t.path(), ".")
}

// setDirect plans parameters whose value is converted one to one.
func (pl *planner) setDirect(c *cell, value string, same bool) *usp.Error {
	d := c.rule.decl
	first := pick(c.src)
	for _, n := range c.src {
		if !n.writable() {
			continue
		}
		now := pl.now(n)
		raw := now
		if c.rec.kind == kindItem || !same || n != first || !n.is(flagKnown) {
			var err *usp.Error
			if raw, err = pl.toCPE(c, n, value); err != nil {
				return err
			}
		}
		if c.rec.kind == kindItem {
			raw = replaceItem(now, c.row.item, raw)
			if err := pl.replace(n, raw); err != nil {
				return err
			}
			continue
		}
		if err := pl.put(n, raw, d.typ); err != nil {
			return err
		}
	}
	return nil
}

// replaceItem puts one item into a comma list.
func replaceItem(list string, i int, item string) string {
	items := splitList(list)
	for len(items) <= i {
		items = append(items, "")
	}
	items[i] = item
	return strings.Join(items, ",")
}

// toCPE converts one value for one parameter of the CPE.
func (pl *planner) toCPE(c *cell, n *node, value string) (string, *usp.Error) {
	if c.rec.kind == kindPath {
		return pl.v.toCPEPaths(value, c.rec.tables, n.value)
	}
	if e := c.rec.enum; e != nil {
		return pl.fromEnum(c, n, value)
	}
	if c.rec.conv != nil {
		raw, ok := "", false
		if c.rec.conv.write != nil {
			raw, ok = c.rec.conv.write(value, n.value)
		}
		if !ok {
			return "", fail(usp.CodeInvalidValue, "cannot be expressed on the device")
		}
		return raw, nil
	}
	return pl.v.wireValue(n, c.rule.decl.typ, value), nil
}

// fromEnum looks up a value, or the items of a list, in an enumeration.
func (pl *planner) fromEnum(c *cell, n *node, value string) (string, *usp.Error) {
	e := c.rec.enum
	items := []string{value}
	if c.rule.decl.typ.IsList() {
		items = splitList(value)
	}
	for i, it := range items {
		raw, ok := e.write[it]
		if !ok && !e.open && (!n.is(flagKnown) || c.toUSP(n.value) != value) {
			return "", fail(usp.CodeInvalidValue, "not one of the values that the device has")
		}
		if ok {
			items[i] = raw
		}
	}
	return pl.v.keepSpelling(n, strings.Join(items, ","), c), nil
}

// keepSpelling prefers the CPE's current spelling where it means the same.
func (v *View) keepSpelling(n *node, raw string, c *cell) string {
	if n.is(flagKnown) && n.value != raw && strings.EqualFold(n.value, raw) {
		return n.value
	}
	if b, ok := parseBool(raw); ok && n.typ == cwmp.TypeBoolean && c.rec.enum != nil {
		return v.boolean(n, b)
	}
	return raw
}

// wireValue writes a value as the CPE writes such ones itself [quirk 60].
func (v *View) wireValue(n *node, t path.Type, value string) string {
	if t != path.TypeBoolean {
		return value
	}
	b, ok := parseBool(value)
	if !ok {
		return value
	}
	return v.boolean(n, b)
}

// boolean spells b as the parameter was last spelled, else as the CPE mostly
// spells booleans, else as 1 and 0.
func (v *View) boolean(n *node, b bool) string {
	words := v.words > 0
	switch strings.ToLower(strings.TrimSpace(n.value)) {
	case "true", "false":
		words = true
	case "0", "1":
		words = false
	}
	switch n.typ {
	case cwmp.TypeInt, cwmp.TypeUnsignedInt, cwmp.TypeLong, cwmp.TypeUnsignedLong:
		words = false
	default:
	}
	switch {
	case words:
		return strconv.FormatBool(b)
	case b:
		return "1"
	default:
		return "0"
	}
}

// now is a parameter's value with what is planned already.
func (pl *planner) now(n *node) string {
	if i, ok := pl.at[n]; ok {
		return pl.out[i].Value
	}
	return n.value
}

// put plans a value; another value planned for the same parameter conflicts.
func (pl *planner) put(n *node, value string, t path.Type) *usp.Error {
	if !IsText(value) {
		return notText()
	}
	if i, ok := pl.at[n]; ok {
		if pl.out[i].Value != value {
			return fail(usp.CodeValueConflict, "another setting gives "+n.path()+" another value")
		}
		return nil
	}
	typ := n.typ
	if typ == cwmp.TypeUnknown {
		typ = wireTypeOf(t)
	}
	pl.at[n] = len(pl.out)
	pl.out = append(pl.out, cwmp.ParameterValue{Name: n.path(), Value: value, Type: typ})
	return nil
}

// replace plans a value in the place of one planned before.
func (pl *planner) replace(n *node, value string) *usp.Error {
	if !IsText(value) {
		return notText()
	}
	if i, ok := pl.at[n]; ok {
		pl.out[i].Value = value
		return nil
	}
	return pl.put(n, value, path.TypeString)
}

// toCPEPaths translates a list of Device:2 references, in the CPE's style.
func (v *View) toCPEPaths(value string, tables []string, now string) (string, *usp.Error) {
	items := splitList(value)
	for i, it := range items {
		t, _ := v.resolve(strings.TrimSuffix(it, ".") + ".")
		if t == nil || t.row == nil || !slices.Contains(tables, t.row.m.to.path) {
			return "", fail(usp.CodeInvalidValue, "refers to nothing that the device can refer to") // [R-ARC.12]
		}
		p := t.row.base[0].path()
		if !strings.HasSuffix(now, ".") {
			p = strings.TrimSuffix(p, ".")
		}
		items[i] = p
	}
	return strings.Join(items, ","), nil
}
