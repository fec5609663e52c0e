// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"slices"
	"strings"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
)

// setting is one parameter of a Set or Add, and why it was not set.
type setting struct {
	name     string // relative to the object, may reach into single objects in it
	value    string
	required bool
	err      *usp.Error
}

// check says why a parameter of an object cannot be given a value; adding is true for
// the row that an Add makes.
func (t *tree) check(object string, s *setting, adding bool) *usp.Error {
	full := object + s.name
	c := t.schema.column(path.Generic(full))
	_, there := t.values[full]
	switch {
	case c == nil || !there:
		return protocolErr(usp.CodeUnsupportedParameter, "no such parameter")
	case c.access == readOnly:
		return protocolErr(usp.CodeNonWriteable, "read-only")
	case c.access == writeOnce && !adding && t.values[full] != "":
		return protocolErr(usp.CodeNonWriteable, "can be written once")
	case !path.Valid(c.typ, s.value):
		return protocolErr(usp.CodeInvalidType, "not of type "+c.typ.String())
	case !c.rule.allows(s.value):
		return protocolErr(usp.CodeInvalidValue, "not a value of this parameter")
	}
	return nil
}

// assign sets the parameters of one object. What cannot be set has its err, and if a
// required one cannot, nothing was set and failed is that. The order of the settings
// means nothing, so they are looked at together, and again without what was wrong.
func (a *Agent) assign(object string, settings []*setting, adding bool) (failed *setting) {
	mark := a.mark()
	for _, s := range settings {
		s.err = a.tree.check(object, s, adding)
	}
	for {
		good := slices.DeleteFunc(slices.Clone(settings), func(s *setting) bool { return s.err != nil })
		for _, s := range good {
			a.put(object, s)
		}
		groups, err := a.checkRow(object)
		if err == nil || len(good) == 0 {
			break
		}
		a.back(mark)
		blame(good, groups, err)
	}
	for _, s := range settings {
		if s.required && s.err != nil {
			a.back(mark)
			return s
		}
	}
	return nil
}

// blame gives an error about a row to the first setting of the first group of names that
// has one, or to all.
func blame(settings []*setting, groups [][]string, err *usp.Error) {
	for _, names := range groups {
		if i := slices.IndexFunc(settings, func(s *setting) bool { return slices.Contains(names, s.name) }); i >= 0 {
			settings[i].err = err
			return
		}
	}
	for _, s := range settings {
		s.err = err
	}
}

// put sets a parameter that has been checked.
func (a *Agent) put(object string, s *setting) {
	full := object + s.name
	a.tree.set(full, canonical(a.tree.schema.column(path.Generic(full)).typ, s.value))
}

// checkRow looks at a row as a whole, and names the parameters to blame, for blame.
func (a *Agent) checkRow(row string) (groups [][]string, err *usp.Error) {
	if groups, err := a.tree.clash(row); err != nil {
		return groups, err
	}
	switch table, _ := splitRow(row); table {
	case subscriptionTable:
		return a.checkSubscription(row)
	case controllerTable:
		return a.checkController(row)
	default:
		return nil, nil
	}
}

// clash finds another row with the same unique key [R-KEY.2]. A key without a value
// names nothing, and one that can be changed counts among enabled rows only.
func (t *tree) clash(row string) (groups [][]string, err *usp.Error) {
	o := t.schema.objects[path.Generic(row)]
	if o == nil || !o.multi {
		return nil, nil
	}
	table, _ := splitRow(row)
	for _, key := range o.keys {
		if !slices.ContainsFunc(key, func(k string) bool { return t.get(row+k) != "" }) {
			continue
		}
		functional := o.column("Enable") != nil && !t.isImmutable(o, key)
		for _, n := range t.rows[table] {
			other := rowPath(table, n)
			if other == row || functional && (!t.isTrue(row+"Enable") || !t.isTrue(other+"Enable")) {
				continue
			}
			if !slices.ContainsFunc(key, func(k string) bool { return t.get(row+k) != t.get(other+k) }) {
				return [][]string{key, {"Enable"}}, protocolErr(usp.CodeDuplicateUniqueKey, "the same key as "+other)
			}
		}
	}
	return nil, nil
}

// isImmutable reports a non-functional key, which identifies a row for good, and those of
// the Agent's own tables, which are taken as strictly.
func (t *tree) isImmutable(o *object, key []string) bool {
	return strings.HasPrefix(o.path, localAgent) || slices.ContainsFunc(key, func(k string) bool {
		c := o.column(k)
		return c != nil && c.access == writeOnce
	})
}

// canonical is a value as it is read back.
func canonical(t path.Type, v string) string {
	if t != path.TypeBoolean {
		return v
	}
	if v == "1" || v == "true" {
		return "true"
	}
	return "false"
}
