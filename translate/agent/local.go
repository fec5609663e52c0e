// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"slices"
	"strconv"
	"strings"

	"github.com/uspgate/uspgate/translate/model"
	"github.com/uspgate/uspgate/translate/trust"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
)

// localRoot is the part of the data model that is never the CPE's; bulkRoot is another.
const localRoot = "Device.LocalAgent."

// local is the Agent's own part of the data model: a small instantiated data
// model in memory, described by a schema. The Agent's lock guards it.
type local struct {
	agent  *Agent
	schema *schema
	values map[string]string               // stored parameters, by instantiated path
	rows   map[string][]uint32             // instance numbers, by instantiated table path
	next   map[string]uint32               // the last number given, per table [R-ARC.8]
	roles  map[usp.EndpointID]*trust.Roles // what Controllers may do; see rolesOf
	// parting is what those may do whose rows are being removed; see disown.
	parting map[usp.EndpointID]*trust.Roles
}

func newLocal(a *Agent, s *schema) *local {
	return &local{
		agent: a, schema: s, values: make(map[string]string),
		rows: make(map[string][]uint32), next: make(map[string]uint32),
	}
}

func number(n int) string { return strconv.Itoa(n) }

// parseUint reads an unsignedInt as path.Valid takes it: a sign may be in front.
func parseUint(s string) (uint64, bool) {
	n, err := strconv.ParseUint(strings.TrimPrefix(strings.TrimSpace(s), "+"), 10, 32)
	return n, err == nil
}

// object returns the schema of an instantiated object, nil if there is none.
func (l *local) object(instantiated string) *localObject {
	return l.schema.byPath[path.Generic(instantiated)]
}

// exists reports whether an instantiated object, not a table, is there.
func (l *local) exists(object string) bool {
	return l.object(object) != nil && l.rowsExist(object)
}

// rowsExist reports whether every instance number in a path is that of a row.
func (l *local) rowsExist(p string) bool {
	for from := 0; ; {
		dot := strings.IndexByte(p[from:], '.')
		if dot < 0 {
			return true
		}
		if seg := p[from : from+dot]; from > 0 && isInstance(seg) {
			n, ok := parseUint(seg)
			if !ok || !slices.Contains(l.rows[p[:from]], uint32(n)) {
				return false
			}
		}
		from += dot + 1
	}
}

// value returns the value of an instantiated parameter.
func (l *local) value(param string) (string, bool) {
	object, leaf := splitParam(param)
	o := l.object(object)
	if o == nil {
		return "", false
	}
	c := o.columns[leaf]
	if c == nil || !l.rowsExist(object) {
		return "", false
	}
	return l.column(object, c), true
}

func (l *local) column(object string, c *column) string {
	if c.calc != nil {
		return c.calc(l.agent, object)
	}
	if c.secured {
		return ""
	}
	if v, ok := l.values[object+c.Name]; ok {
		return v
	}
	if c.first != nil {
		return c.first(l.agent, object)
	}
	return c.def
}

// get is value for what is known to be there.
func (l *local) get(param string) string {
	v, _ := l.value(param)
	return v
}

// isTrue reads a boolean.
func (l *local) isTrue(param string) bool {
	v := l.get(param)
	return v == "true" || v == "1"
}

// find returns the first row of a table whose column has a value, "" if none.
func (l *local) find(table, column, value string) string {
	o := l.schema.byPath[path.Generic(table)+"{i}."]
	if o == nil || o.columns[column] == nil {
		return ""
	}
	if c := o.columns[column]; c.calc == nil {
		return l.stored(table, c, value)
	}
	for _, n := range l.rows[table] {
		if row := rowOf(table, n); l.get(row+column) == value {
			return row
		}
	}
	return ""
}

func rowOf(table string, n uint32) string { return table + strconv.FormatUint(uint64(n), 10) + "." }

// stored is find for a column that is not computed: each Record is asked for by a Controller
// that has its row.
func (l *local) stored(table string, c *column, value string) string {
	var buf [128]byte
	for _, n := range l.rows[table] {
		name := append(strconv.AppendUint(append(buf[:0], table...), uint64(n), 10), '.')
		v, ok := l.values[string(append(name, c.Name...))]
		if !ok {
			v = c.def
		}
		if v == value {
			return rowOf(table, n)
		}
	}
	return ""
}

// each calls f for each row of a table.
func (l *local) each(table string, f func(row string)) {
	for _, n := range slices.Clone(l.rows[table]) {
		f(table + strconv.FormatUint(uint64(n), 10) + ".")
	}
}

// walk calls f for an instantiated object or table and what is below it, as
// model.View.Walk does.
func (l *local) walk(object string, depth int, f func(object string, params []model.Param)) {
	if o := l.object(object); o != nil && !o.Multi || o != nil && l.rowsExist(object) {
		if l.rowsExist(object) {
			l.walkObject(o, object, depth, f)
		}
		return
	}
	if l.schema.byPath[path.Generic(object)+"{i}."] != nil {
		l.each(object, func(row string) { l.walk(row, depth, f) })
	}
}

func (l *local) walkObject(o *localObject, object string, depth int, f func(string, []model.Param)) {
	params := make([]model.Param, 0, len(o.Params))
	for _, p := range o.Params {
		c := o.columns[p.Name]
		params = append(params, model.Param{
			Path: object + p.Name, Value: l.column(object, c), Type: p.Type, Writable: c.Access == model.ReadWrite, Known: true,
		})
	}
	f(object, params)
	if depth == 1 {
		return
	}
	for _, child := range l.schema.children[o.Path] {
		name := strings.TrimPrefix(child.Path, o.Path)
		l.walk(object+strings.TrimSuffix(name, "{i}."), max(depth-1, 0), f)
	}
}

// keys returns the values of the unique keys of a row [R-ADD.5].
func (l *local) keys(row string) map[string]string {
	keys := make(map[string]string)
	if o := l.object(row); o != nil {
		for _, set := range o.Keys {
			for _, name := range set {
				keys[name] = l.get(row + name)
			}
		}
	}
	return keys
}

// checkSet says whether a parameter of an object may be set to a value; adding
// is true while its row is being made. Rel may reach into single objects below.
func (l *local) checkSet(object, rel, value string, adding bool) *usp.Error {
	full := object + rel
	owner, leaf := splitParam(full)
	o := l.object(owner)
	var c *column
	if o != nil {
		c = o.columns[leaf]
	}
	bad := func(code usp.Code, text string) *usp.Error { return &usp.Error{Code: code, Path: full, Text: text} }
	switch {
	case c == nil || !l.rowsExist(owner):
		return bad(usp.CodeUnsupportedParameter, "no such parameter")
	case c.Access == model.ReadOnly:
		return bad(usp.CodeNonWriteable, "read-only")
	case c.fixed && !adding && l.get(full) != "":
		return bad(usp.CodeNonWriteable, "may not be changed once it is set")
	case !path.Valid(c.Type, value):
		return bad(usp.CodeInvalidType, "not of type "+c.Type.String())
	}
	if c.check != nil {
		if err := c.check(value); err != nil {
			return bad(err.Code, err.Text)
		}
	}
	return nil
}

// checkRow looks at a row as a whole: its own rule, and its unique keys
// [R-KEY.2].
func (l *local) checkRow(row string) *usp.Error {
	o := l.object(row)
	if o == nil {
		return nil
	}
	if o.check != nil {
		if err := o.check(l, row); err != nil {
			return err
		}
	}
	table := tableOf(row)
	for _, set := range o.Keys {
		if set == nil || l.get(row+set[len(set)-1]) == "" {
			continue // a key without value names nothing
		}
		clash := ""
		l.each(table, func(other string) {
			if other != row && !slices.ContainsFunc(set, func(k string) bool { return l.get(other+k) != l.get(row+k) }) {
				clash = other
			}
		})
		if clash != "" {
			return &usp.Error{Code: usp.CodeDuplicateUniqueKey, Path: row + set[len(set)-1], Text: "the same key as " + clash}
		}
	}
	return nil
}

// tableOf returns the table of a row: Device.A.B. for Device.A.B.3.
func tableOf(row string) string {
	t := strings.TrimSuffix(row, ".")
	return t[:strings.LastIndexByte(t, '.')+1]
}
