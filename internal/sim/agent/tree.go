// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"slices"
	"strconv"
	"strings"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
)

// tree is an instantiated data model; it implements path.Tree. Not safe for concurrent
// use.
type tree struct {
	schema *schema
	values map[string]string   // by instantiated path
	rows   map[string][]uint32 // by table, ascending
	last   map[string]uint32   // by table, the last number given [R-ARC.8]
	live   map[string]func() string

	undo []func()
	// changed, created and deleted are told of what happens; nil: nobody is.
	changed          func(param, value string)
	created, deleted func(row string)
}

func newTree() *tree {
	return &tree{
		schema: &schema{objects: make(map[string]*object)},
		values: make(map[string]string), rows: make(map[string][]uint32), last: make(map[string]uint32),
		live: make(map[string]func() string),
	}
}

// SupportedObject implements path.Tree.
func (t *tree) SupportedObject(generic string) (multi, ok bool) {
	o := t.schema.objects[generic]
	return o != nil && o.multi, o != nil
}

// SupportedParam implements path.Tree.
func (t *tree) SupportedParam(generic string) (path.Type, bool) {
	c := t.schema.column(generic)
	if c == nil {
		return 0, false
	}
	return c.typ, true
}

// Instances implements path.Tree.
func (t *tree) Instances(table string) []uint32 { return t.rows[table] }

// Value implements path.Tree.
func (t *tree) Value(param string) (string, bool) {
	v, ok := t.values[param]
	if f := t.live[param]; f != nil {
		return f(), true
	}
	if table, isCount := strings.CutSuffix(param, "NumberOfEntries"); ok && isCount {
		if t.schema.objects[path.Generic(table)+".{i}."] != nil {
			return strconv.Itoa(len(t.rows[table+"."])), true
		}
	}
	return v, ok
}

// shown is Value for a Controller: what is secured reads as empty.
func (t *tree) shown(param string) (string, bool) {
	v, ok := t.Value(param)
	if c := t.schema.column(path.Generic(param)); c != nil && c.secured {
		v = ""
	}
	return v, ok
}

// get is Value of what is there.
func (t *tree) get(param string) string {
	v, _ := t.Value(param)
	return v
}

// isTrue reads a boolean.
func (t *tree) isTrue(param string) bool {
	v := t.get(param)
	return v == "true" || v == "1"
}

// set gives a parameter a value.
func (t *tree) set(param, value string) {
	old, had := t.values[param]
	if had && old == value {
		return
	}
	t.values[param] = value
	t.undo = append(t.undo, func() {
		if had {
			t.values[param] = old
		} else {
			delete(t.values, param)
		}
	})
	if t.changed != nil && had {
		t.changed(param, value)
	}
}

// mark is a state that back returns to; what was told meanwhile is the caller's to
// forget.
func (t *tree) mark() int { return len(t.undo) }

func (t *tree) back(mark int) {
	for _, f := range slices.Backward(t.undo[mark:]) {
		f()
	}
	t.undo = t.undo[:mark]
}

// noteRow enters the number of a row.
func (t *tree) noteRow(table string, number uint32) {
	at, found := slices.BinarySearch(t.rows[table], number)
	if found {
		return
	}
	t.rows[table] = slices.Insert(slices.Clone(t.rows[table]), at, number)
	t.last[table] = max(t.last[table], number)
}

// addRow makes a row with the defaults of its columns and of the single objects in it;
// number 0 is the next one.
func (t *tree) addRow(table string, number uint32) (row string) {
	if number == 0 {
		number = t.last[table] + 1
	}
	row = rowPath(table, number)
	before := t.rows[table]
	t.noteRow(table, number)
	generic := path.Generic(row)
	for _, o := range t.schema.objects {
		rel, ok := strings.CutPrefix(o.path, generic)
		if !ok || strings.Contains(rel, "{i}") {
			continue
		}
		for _, c := range o.columns {
			t.values[row+rel+c.name] = c.def
		}
	}
	if t.schema.column(generic+"Alias") != nil {
		t.values[row+"Alias"] = "cpe-" + strconv.FormatUint(uint64(number), 10)
	}
	t.undo = append(t.undo, func() {
		t.forget(row)
		t.rows[table] = before // the number is not given again
	})
	return row
}

// announce tells of a row that has been made, once it has its values.
func (t *tree) announce(row string) {
	if t.created != nil {
		t.created(row)
		t.recounted(row)
	}
}

// removeRow deletes a row and all that is in it.
func (t *tree) removeRow(row string) {
	table, number := splitRow(row)
	if !slices.Contains(t.rows[table], number) {
		return
	}
	if t.deleted != nil {
		t.deleted(row)
	}
	t.forget(row)
	t.rows[table] = slices.DeleteFunc(slices.Clone(t.rows[table]), func(n uint32) bool { return n == number })
	if t.deleted != nil {
		t.recounted(row)
	}
}

// forget removes the values of a row and the rows in it.
func (t *tree) forget(row string) {
	for p := range t.values {
		if strings.HasPrefix(p, row) {
			delete(t.values, p)
		}
	}
	for table := range t.rows {
		if strings.HasPrefix(table, row) {
			delete(t.rows, table)
		}
	}
}

// recounted tells of the new number of entries of the table of a row.
func (t *tree) recounted(row string) {
	table, _ := splitRow(row)
	count := strings.TrimSuffix(table, ".") + "NumberOfEntries"
	if v, ok := t.Value(count); ok && t.changed != nil {
		t.changed(count, v)
	}
}

// exists reports whether an instantiated object, no table, is there.
func (t *tree) exists(object string) bool {
	for i := range object {
		if object[i] != '.' {
			continue
		}
		if table, n := splitRow(object[:i+1]); n > 0 && !slices.Contains(t.rows[table], n) {
			return false
		}
	}
	return t.schema.objects[path.Generic(object)] != nil
}

// resolve parses and resolves a path.
func (t *tree) resolve(s string) (p path.Path, found []string, err *usp.Error) {
	p, e := path.Parse(s)
	if e == nil {
		found, e = path.Resolve(p, t, 0)
	}
	return p, found, protocolError(e)
}

// isTable reports whether an object path names a table.
func (t *tree) isTable(p path.Path) bool {
	o := t.schema.objects[p.Supported()+"{i}."]
	return p.Kind() == path.Object && o != nil
}

// keys returns the unique keys of a row with their values.
func (t *tree) keys(row string) map[string]string {
	out := make(map[string]string)
	for _, key := range t.schema.objects[path.Generic(row)].keys {
		for _, name := range key {
			if v, ok := t.shown(row + name); ok {
				out[name] = v
			}
		}
	}
	return out
}

// find returns the first row of a table in which a column has a value, "" for none.
func (t *tree) find(table, name, value string) string {
	for _, n := range t.rows[table] {
		if row := rowPath(table, n); t.get(row+name) == value {
			return row
		}
	}
	return ""
}

func rowPath(table string, n uint32) string { return table + strconv.FormatUint(uint64(n), 10) + "." }

// splitRow takes the path of a row apart; number is 0 if it is not one.
func splitRow(row string) (table string, number uint32) {
	row = strings.TrimSuffix(row, ".")
	table = row[:strings.LastIndexByte(row, '.')+1]
	n, err := strconv.ParseUint(row[len(table):], 10, 32)
	if err != nil {
		return table, 0
	}
	return table, uint32(n)
}
