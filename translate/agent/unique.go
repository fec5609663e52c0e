// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"slices"
	"strings"

	"github.com/uspgate/uspgate/translate/model"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
)

// keyCheck looks for rows of the CPE that would share a unique key once the
// wanted values are set. What was never read clashes with nothing: then it is
// for the CPE to refuse it.
type keyCheck struct {
	a    *Agent
	want map[string]string // by instantiated path
	made string            // a row that is being made: it has default values
}

// checkKeys gives those assignments an error that would give two rows of the CPE
// the same unique key [R-KEY.2]. Made is the row that is being made, if any. The
// lock is held.
func (a *Agent) checkKeys(unit []*assignment, made string) {
	if a.view == nil {
		return
	}
	k := &keyCheck{a: a, want: make(map[string]string), made: made}
	touched := make(map[string][]*assignment)
	var rows []string
	for _, s := range remaining(unit) {
		row, _ := splitParam(s.full())
		k.want[s.full()] = s.value
		if o := a.view.Supported().Object(path.Generic(row)); o != nil && o.Multi {
			if touched[row] == nil {
				rows = append(rows, row)
			}
			touched[row] = append(touched[row], s)
		}
	}
	for _, row := range rows {
		k.checkRow(row, touched[row])
	}
}

// checkRow gives up what clashes, one assignment at a time: one of the key
// rather than Enable.
func (k *keyCheck) checkRow(row string, list []*assignment) {
	o := k.a.view.Supported().Object(path.Generic(row))
	for _, set := range o.Keys {
		for {
			i := slices.IndexFunc(list, func(s *assignment) bool { return s.err == nil && k.changes(o, s, set...) })
			if i < 0 && isFunctional(o, set) {
				i = slices.IndexFunc(list, func(s *assignment) bool { return s.err == nil && k.changes(o, s, "Enable") })
			}
			if i < 0 {
				break
			}
			other := k.clash(o, row, set)
			if other == "" {
				break
			}
			list[i].err = duplicateKey(list[i].full(), other)
			delete(k.want, list[i].full())
		}
	}
}

func duplicateKey(p, other string) *usp.Error {
	return invalid(usp.CodeDuplicateUniqueKey, p, "the same key as "+other)
}

// changes reports whether an assignment is of one of the names, and changes it.
func (k *keyCheck) changes(o *model.SupportedObject, s *assignment, names ...string) bool {
	_, leaf := splitParam(s.full())
	if !slices.Contains(names, leaf) {
		return false
	}
	now, ok := k.a.param(s.full())
	p, _ := o.Param(leaf)
	return !ok || !now.Known || !sameKey(p.Type, now.Value, s.value)
}

// isFunctional reports a key that counts among enabled rows only: every key but
// Alias of a table whose rows can be disabled.
func isFunctional(o *model.SupportedObject, set []string) bool {
	_, ok := o.Param("Enable")
	return ok && !slices.Contains(set, "Alias")
}

// clash returns another row with the key of row, "" if there is none.
func (k *keyCheck) clash(o *model.SupportedObject, row string, set []string) string {
	functional := isFunctional(o, set)
	if functional && !k.enabled(o, row) {
		return ""
	}
	empty := !slices.ContainsFunc(set, func(name string) bool { v, ok := k.value(o, row, name); return ok && v != "" })
	if empty {
		return "" // names nothing
	}
	table := tableOf(row)
	for _, n := range (tree{k.a}).Instances(table) {
		other := table + number(int(n)) + "."
		if other == row || functional && !k.enabled(o, other) {
			continue
		}
		differ := func(name string) bool {
			x, known := k.value(o, row, name)
			y, too := k.value(o, other, name)
			p, _ := o.Param(name)
			return !known || !too || !sameKey(p.Type, x, y)
		}
		if !slices.ContainsFunc(set, differ) {
			return other
		}
	}
	return ""
}

func (k *keyCheck) enabled(o *model.SupportedObject, row string) bool {
	v, ok := k.value(o, row, "Enable")
	return ok && (v == "true" || v == "1")
}

// value is what a parameter is going to be, if that is known.
func (k *keyCheck) value(o *model.SupportedObject, row, name string) (string, bool) {
	if v, ok := k.want[row+name]; ok {
		return v, true
	}
	if p, ok := k.a.param(row + name); ok && p.Known {
		return p.Value, true
	}
	if row != k.made || name == "Alias" {
		return "", false
	}
	switch p, _ := o.Param(name); {
	case p.Type.IsList():
		return "", true
	case p.Type == path.TypeBoolean:
		return "false", true
	case path.Valid(p.Type, ""):
		return "", true
	default:
		return "0", true
	}
}

// sameKey compares two values of a unique key; a reference may end in a dot.
func sameKey(t path.Type, x, y string) bool {
	if x == y || strings.TrimSuffix(x, ".") == strings.TrimSuffix(y, ".") {
		return true
	}
	same, err := path.Compare(t, path.Equal, x, y)
	return err == nil && same
}
