// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"slices"
	"strings"

	"github.com/uspgate/uspgate/usp/path"
)

// Supported is a supported data model, without Device.LocalAgent. It is never changed,
// and safe for concurrent use; nil is an empty one.
type Supported struct {
	// Objects are sorted by Path, parents before children.
	Objects []*SupportedObject
	byPath  map[string]*SupportedObject
}

// Supported returns the supported data model: what the rules can show of this CPE and
// what its tree has shown since there were names, also of rows that are gone, and what
// Extend has added. It only grows, until Forget. The result is shared: it is the same as
// long as there is nothing new.
func (v *View) Supported() *Supported {
	v.used = true // and need not be unpacked for what is at hand
	if v.behind || v.sup == nil {
		v.use()
		v.sup, v.behind = v.known.Union(v.shown()), false
		if v.whole {
			v.known = v.sup
		}
	}
	return v.sup
}

// Shown returns the part of the supported data model that the CPE has now.
func (v *View) Shown() *Supported {
	v.use()
	return v.shown()
}

// Extend adds what is supported besides, as other CPE of the model have shown.
func (v *View) Extend(s *Supported) {
	if s == nil || s == v.known {
		return
	}
	if v.known = s.Union(v.known); v.sup != nil {
		v.sup = v.known.Union(v.sup)
	}
}

// Forget is for another software version: what was shown until now does not count any
// more, and does not with what the next SetNames takes out.
func (v *View) Forget() { v.known, v.sup, v.behind = nil, nil, false }

// Shapes grows whenever rows or parameters have come or gone.
func (v *View) Shapes() uint64 { return v.shapes }

// retain sees to it that what nodes show is not forgotten with them.
func (v *View) retain(nodes []*node) {
	nodes = slices.DeleteFunc(nodes, func(n *node) bool { return n.is(flagGuess) })
	switch {
	case len(nodes) == 0 || !v.behind || !v.whole:
	case v.root == TR098: // where a rule may make anything of them
		v.Supported()
	default:
		for _, n := range nodes {
			if v.visible(n) {
				v.known = v.known.Union(v.shownBelow(n))
			}
		}
	}
}

func newSupported(objects []*SupportedObject) *Supported {
	s := &Supported{Objects: objects, byPath: make(map[string]*SupportedObject, len(objects))}
	for _, o := range objects {
		s.byPath[o.Path] = o
	}
	return s
}

// Object returns the object with that generic path, nil if there is none.
func (s *Supported) Object(generic string) *SupportedObject {
	if s == nil {
		return nil
	}
	return s.byPath[generic]
}

// all returns the objects, none of nil.
func (s *Supported) all() []*SupportedObject {
	if s == nil {
		return nil
	}
	return s.Objects
}

// below returns the objects that are in the one at s.Objects[at], and their number.
func (s *Supported) below(generic string) []*SupportedObject {
	from, ok := slices.BinarySearchFunc(s.all(), generic, func(o *SupportedObject, p string) int {
		return comparePaths(o.Path, p)
	})
	if ok {
		from++
	}
	to := from
	for to < len(s.all()) && strings.HasPrefix(s.Objects[to].Path, generic) {
		to++
	}
	return s.all()[from:to]
}

// Size returns how many objects and parameters there are, and about how many bytes of
// memory they have.
func (s *Supported) Size() (elements, bytes int) {
	const object, param = 200, 40
	for _, o := range s.all() {
		elements += 1 + len(o.Params)
		bytes += object + len(o.Path) + param*len(o.Params)
	}
	return elements, bytes
}

// Union returns what s and more support together: s itself if that is all that more
// has. What Device:2 says of the rows of a table is not added where s has Seen some, and
// of the parameters that have been seen by now the CPE knows better. Otherwise the wider
// Access counts, among those that are Listed, and the Type of s, unless that is a mere
// string.
func (s *Supported) Union(more *Supported) *Supported {
	if s == nil {
		return more
	}
	var grown map[string]*SupportedObject // instead of those that s has
	var added []*SupportedObject
	for _, o := range more.all() {
		have := s.byPath[o.Path]
		switch {
		case have == o:
		case have == nil && !o.Seen && s.seenRowOf(o.Path): // its rows are known better
		case have == nil:
			added = append(added, o)
		default:
			if !o.Seen && s.seenRowOf(o.Path) {
				o = &SupportedObject{Add: o.Add, Delete: o.Delete}
			}
			if both := have.union(o); both != have {
				if grown == nil {
					grown = make(map[string]*SupportedObject)
				}
				grown[o.Path] = both
			}
		}
	}
	if len(grown)+len(added) == 0 {
		return s
	}
	objects := make([]*SupportedObject, 0, len(s.Objects)+len(added))
	for _, o := range s.Objects {
		if g := grown[o.Path]; g != nil {
			o = g
		}
		objects = append(objects, o)
	}
	objects = append(objects, added...)
	slices.SortFunc(objects, func(a, b *SupportedObject) int { return comparePaths(a.Path, b.Path) })
	return newSupported(objects)
}

// seenRowOf reports that the table of which the object is a row, or is in the rows, has
// been seen with rows.
func (s *Supported) seenRowOf(generic string) bool {
	table := rowsAbove(generic)
	o := s.Object(table)
	return table != "" && o != nil && o.Seen
}

// rowsAbove returns the innermost table of a generic path, "" for none.
func rowsAbove(generic string) string {
	i := strings.LastIndex(generic, "{i}.")
	if i < 0 {
		return ""
	}
	return generic[:i+len("{i}.")]
}

// union returns what both objects are: o itself if more has nothing that it has not.
func (o *SupportedObject) union(more *SupportedObject) *SupportedObject {
	both := *o
	both.Add, both.Delete, both.Seen = o.Add || more.Add, o.Delete || more.Delete, o.Seen || more.Seen
	changed := both.Add != o.Add || both.Delete != o.Delete || both.Seen != o.Seen
	for _, key := range more.Keys {
		if !slices.ContainsFunc(both.Keys, func(k []string) bool { return slices.Equal(k, key) }) {
			both.Keys = append(slices.Clip(both.Keys), key)
			changed = true
		}
	}
	var params []SupportedParam // nil as long as they are those of o
	i := 0
	for _, p := range more.Params {
		for i < len(o.Params) && o.Params[i].Name < p.Name {
			i++
		}
		if i < len(o.Params) && o.Params[i].Name == p.Name {
			w := o.Params[i].widest(p)
			if more.Seen && !o.Seen {
				w = p
			}
			if w != o.Params[i] {
				if params == nil {
					params = slices.Clone(o.Params)
				}
				params[len(params)-len(o.Params)+i] = w
			}
			continue
		}
		if params == nil {
			params = slices.Clone(o.Params)
		}
		params = slices.Insert(params, len(params)-len(o.Params)+i, p)
	}
	if params != nil {
		both.Params = params
	} else if !changed {
		return o
	}
	return &both
}

// widest returns what is known of a parameter from two sides.
func (p SupportedParam) widest(other SupportedParam) SupportedParam {
	if p.Type == path.TypeString {
		p.Type = other.Type
	}
	switch {
	case p.Listed == other.Listed:
		p.Access = max(p.Access, other.Access)
	case other.Listed:
		p.Access, p.Listed = other.Access, true
	}
	p.Kept = p.Kept && other.Kept
	return p
}

// Lacks returns the generic paths of the objects that other supports, and s does not, but
// for those in the rows of tables of which s has not Seen any. They are sorted.
func (s *Supported) Lacks(other *Supported) []string {
	var list []string
	for _, o := range other.all() {
		if s.Object(o.Path) == nil && !s.awaits(o.Path) {
			list = append(list, o.Path)
		}
	}
	return list
}

// awaits reports an object in the rows of a table that has none.
func (s *Supported) awaits(generic string) bool {
	for p := objectAbove(generic); p != ""; p = objectAbove(p) {
		if o := s.Object(p); o != nil && o.Multi && !o.Seen {
			return true
		}
	}
	return false
}
