// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"strings"

	"github.com/uspgate/uspgate/cwmp"
)

// guess gives a new row the objects and parameters that it will have, going by the other
// rows of its table, else by those that have been there, else by Device:2.
func (v *View) guess(n *node) {
	for _, sibling := range n.parent.kids {
		if sibling != n && sibling.num != 0 && len(sibling.kids) > 0 {
			v.likeSibling(n, sibling)
			return
		}
	}
	v.guessShown(n)
	if v.root == TR181 {
		return
	}
	want := strings.TrimPrefix(generic(n.path()), v.root.Prefix())
	for _, m := range v.r.maps {
		v.guessByRule(n, m, "", want)
	}
}

// guessShown gives a row what the supported data model says of what is shown as it is.
func (v *View) guessShown(n *node) {
	row := generic(v.shownPath(n))
	s := v.Supported()
	if o := s.Object(row); o != nil {
		v.guessObject(n, o)
	}
	for _, o := range s.below(row) {
		rel := strings.TrimSuffix(strings.TrimPrefix(o.Path, row), ".")
		rel, isTable := strings.CutSuffix(rel, ".{i}")
		if strings.Contains(rel, "{i}") {
			continue // in rows that are not there yet
		}
		at := n
		for seg := range strings.SplitSeq(rel, ".") {
			if at = v.guessed(at, seg, flagObject); at == nil {
				break
			}
		}
		switch {
		case at == nil:
		case !isTable:
			v.guessObject(at, o)
		default:
			at.flags |= flagListed | flagTable
			at.setFlag(flagWritable, o.Add)
		}
	}
}

// guessObject gives an object its parameters.
func (v *View) guessObject(n *node, o *SupportedObject) {
	for _, p := range o.Params {
		// What a row may have by Device:2 alone and cannot be set is of no use before it is read.
		if p.Kept || !o.Seen && p.Access == ReadOnly {
			continue
		}
		k := v.guessed(n, p.Name, 0)
		if k == nil || k.is(flagObject) {
			continue
		}
		k.typ = wireTypeOf(p.Type)
		k.setFlag(flagListed, p.Listed)
		k.setFlag(flagWritable, p.Access != ReadOnly)
	}
}

// guessByRule gives a row what a mapping makes its parameters of, unless rows of the
// table have been seen without.
func (v *View) guessByRule(n *node, m *mapping, above, want string) {
	full := above + strings.TrimSuffix(m.from.text, ".")
	if m.from.abs && m.parent != nil {
		full = strings.TrimPrefix(m.from.text, "/")
	}
	if full != "" && !strings.HasSuffix(full, ".") {
		full += "."
	}
	for _, s := range m.subs {
		v.guessByRule(n, s, full, want)
	}
	if full != want {
		return
	}
	o := v.Supported().Object(m.to.path)
	for _, p := range m.params {
		rec := p.recipes[0]
		if rec.kind != kindDirect || len(rec.from) == 0 || rec.from[0].abs || len(rec.from[0].segs) != 1 {
			continue
		}
		if o != nil {
			if sp, ok := o.Param(p.decl.name); !ok || sp.Kept {
				continue
			}
		}
		k := v.guessed(n, rec.from[0].segs[0], 0)
		if k != nil && k.typ == cwmp.TypeUnknown && rec.enum == nil && rec.conv == nil {
			k.typ = wireTypeOf(p.decl.typ)
		}
	}
}

// likeSibling copies the parameters of another row, without values, and its objects,
// without the rows in them.
func (v *View) likeSibling(n, s *node) {
	for _, k := range s.kids {
		if k.num != 0 {
			continue
		}
		c := v.guessed(n, k.name, k.flags&flagObject)
		if c == nil {
			continue
		}
		c.flags |= k.flags & (flagListed | flagWritable | flagTable)
		if k.is(flagObject) {
			v.likeSibling(c, k)
		} else {
			c.typ = k.typ
		}
	}
}

// guessed returns the child of that name, made if missing; nil where there is no room
// for it.
func (v *View) guessed(n *node, name string, kind flags) *node {
	if k := n.child(name); k != nil || v.nodes >= v.limit {
		return k
	}
	k := n.insert(name)
	v.nodes++
	v.rev++
	k.flags |= flagGuess | kind
	v.judge(k)
	return k
}
