// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"slices"
	"strings"

	"github.com/uspgate/uspgate/translate/model"
	"github.com/uspgate/uspgate/usp/path"
)

// tree is the Agent's whole data model as package path wants it: the local tree
// in Device.LocalAgent. and Device.BulkData., elsewhere the CPE's, and the local tree again where
// the CPE has nothing. The Agent's lock is held while it is used.
type tree struct{ a *Agent }

var _ path.Tree = tree{}

// isLocal reports whether a path is in the part that is never the CPE's.
func isLocal(p string) bool {
	return strings.HasPrefix(p, localRoot) || strings.HasPrefix(p, bulkRoot)
}

// SupportedObject implements path.Tree.
func (t tree) SupportedObject(generic string) (multi, ok bool) {
	if !isLocal(generic) && t.a.view != nil {
		if o := t.a.view.Supported().Object(generic); o != nil {
			return o.Multi, true
		}
	}
	if o := t.a.local.schema.byPath[generic]; o != nil {
		return o.Multi, true
	}
	return false, t.a.hasOffers(generic)
}

// SupportedParam implements path.Tree.
func (t tree) SupportedParam(generic string) (path.Type, bool) {
	p, ok := t.a.supportedParam(generic)
	return p.Type, ok
}

func (a *Agent) supportedParam(generic string) (model.SupportedParam, bool) {
	object, leaf := splitParam(generic)
	if !isLocal(generic) && a.view != nil {
		if o := a.view.Supported().Object(object); o != nil {
			if p, ok := o.Param(leaf); ok {
				return p, true
			}
		}
	}
	if o := a.local.schema.byPath[object]; o != nil {
		if c := o.columns[leaf]; c != nil {
			return c.SupportedParam, true
		}
	}
	return model.SupportedParam{}, false
}

// Instances implements path.Tree.
func (t tree) Instances(table string) []uint32 {
	if !isLocal(table) && t.a.view != nil {
		if rows := t.a.view.Instances(table); len(rows) > 0 {
			return rows
		}
	}
	return t.a.local.rows[table]
}

// Value implements path.Tree.
func (t tree) Value(param string) (string, bool) { return t.a.value(param) }

// value returns the value of an instantiated parameter.
func (a *Agent) value(param string) (string, bool) {
	p, ok := a.param(param)
	return p.Value, ok
}

// param returns an instantiated parameter.
func (a *Agent) param(full string) (model.Param, bool) {
	if !isLocal(full) && a.view != nil {
		if p, ok := a.view.Param(full); ok {
			return p, true
		}
		if object, _ := splitParam(full); a.shadowed(object) {
			return model.Param{}, false
		}
	}
	v, ok := a.local.value(full)
	if !ok {
		return model.Param{}, false
	}
	object, leaf := splitParam(full)
	c := a.local.object(object).columns[leaf]
	return model.Param{Path: full, Value: v, Type: c.Type, Writable: c.Access == model.ReadWrite, Known: true}, true
}

// shadowed reports whether an object is a row of a table that the CPE has: then
// the local row of the same number is not shown.
func (a *Agent) shadowed(object string) bool {
	if isLocal(object) || a.view == nil {
		return false
	}
	o := a.local.object(object)
	return o != nil && o.Multi && len(a.view.Instances(tableOf(object))) > 0
}

// exists reports whether an instantiated object, not a table, is there.
func (a *Agent) exists(object string) bool {
	if !isLocal(object) && a.view != nil {
		if o, ok := a.view.Object(object); ok && !o.Multi {
			return true
		}
	}
	return a.local.exists(object) && !a.shadowed(object) || a.hasOffers(object)
}

// ofCPE reports whether an instantiated object is the CPE's to change: not where
// only the local tree knows it.
func (a *Agent) ofCPE(object string) bool {
	if isLocal(object) || a.view == nil {
		return false
	}
	_, ok := a.view.Object(object)
	return ok
}

// paramOfCPE is ofCPE for a parameter.
func (a *Agent) paramOfCPE(full string) bool {
	if isLocal(full) {
		return false
	}
	if a.view != nil {
		if _, ok := a.view.Param(full); ok {
			return true
		}
	}
	_, ok := a.local.value(full)
	return !ok
}

// found is one object with its parameters.
type found struct {
	object string
	params []model.Param
}

// walk returns an object, or the rows of a table, and what is below, as
// max_depth wants it, in data-model order.
func (a *Agent) walk(object string, depth int) []found {
	var all []found
	index := make(map[string]int)
	if !isLocal(object) && a.view != nil {
		a.view.Walk(object, depth, func(o string, params []model.Param) bool {
			if !isLocal(o) {
				index[o] = len(all)
				all = append(all, found{o, slices.Clone(params)})
			}
			return true
		})
	}
	a.local.walk(object, depth, func(o string, params []model.Param) {
		if a.shadowed(o) {
			return
		}
		i, ok := index[o]
		if !ok {
			index[o] = len(all)
			all = append(all, found{o, params})
			return
		}
		for _, p := range params {
			if !slices.ContainsFunc(all[i].params, func(have model.Param) bool { return have.Path == p.Path }) {
				all[i].params = append(all[i].params, p)
			}
		}
	})
	slices.SortStableFunc(all, func(x, y found) int { return compare(x.object, y.object) })
	return all
}

// compare orders instantiated paths as the data model does.
func compare(x, y string) int {
	switch {
	case path.Less(x, y):
		return -1
	case path.Less(y, x):
		return 1
	default:
		return 0
	}
}

// keys returns the values of the unique keys of a row.
func (a *Agent) keys(row string) map[string]string {
	if !a.ofCPE(row) {
		return a.local.keys(row)
	}
	keys := make(map[string]string)
	o := a.view.Supported().Object(path.Generic(row))
	if o == nil {
		return keys
	}
	for _, set := range o.Keys {
		for _, name := range set {
			if v, ok := a.value(row + name); ok {
				keys[name] = v
			}
		}
	}
	return keys
}

// command returns a command of an instantiated or generic object, nil if it is
// not supported.
func (a *Agent) command(object, name string) *command {
	for _, c := range a.local.schema.commandsOf(path.Generic(object), a.offers()) {
		if c.name == name {
			return c
		}
	}
	return nil
}

// hasEvent reports whether an object has an event.
func (a *Agent) hasEvent(object, name string) bool {
	events := a.local.schema.eventsOf(path.Generic(object), a.offers())
	return slices.ContainsFunc(events, func(e event) bool { return e.name == name })
}
