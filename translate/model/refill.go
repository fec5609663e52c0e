// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model

import "strings"

// refiller makes a raw tree anew from the nodes of a Snapshot. They come as a View lists
// them, those above before those below and each behind its brothers before it, so the
// place of a node is most often known without a search.
type refiller struct {
	v     *View
	above []level // of the node before, the root first
	slab  []node  // for those to come
	names map[string]string
}

// level is an object into which nodes are put.
type level struct {
	n          *node
	path       string // with a dot at the end
	hide, drop *pattern
}

// refill makes the raw tree of an empty View.
func (v *View) refill(s *Snapshot) {
	f := &refiller{v: v, slab: make([]node, len(s.Nodes)), names: make(map[string]string)}
	f.above = append(f.above, level{v.raw, v.root.Prefix(), v.r.hide[v.root], v.r.drop})
	for i := range s.Nodes {
		k := &s.Nodes[i]
		n := f.put(k.Name)
		if n == nil {
			if n = v.place(k.Name); n == nil {
				continue
			}
		}
		for _, sf := range shapeFlags {
			n.setFlag(sf.flag, k.Shape&sf.shape != 0)
		}
		v.whole = v.whole || n.is(flagListed)
		n.typ = k.Type
		if !n.secret() {
			n.value = keepString(k.Value)
		}
	}
}

// put makes the node of a name that is the next one, nil if it is not.
func (f *refiller) put(name string) *node {
	top := len(f.above) - 1
	for ; !strings.HasPrefix(name, f.above[top].path); top-- {
		if top == 0 {
			return nil
		}
	}
	f.above = f.above[:top+1]
	at := &f.above[top]
	seg, isObject := strings.CutSuffix(name[len(at.path):], ".")
	if seg == "" || strings.Contains(seg, ".") || !wellFormed(seg) || len(name) > maxNameLength ||
		top >= maxNameDepth || f.v.nodes >= f.v.limit {
		return nil
	}
	num := instanceNumber(seg)
	if l := len(at.n.kids); l > 0 && !before(at.n.kids[l-1].num, at.n.kids[l-1].name, num, seg) {
		return nil
	}
	n := &f.slab[0]
	f.slab = f.slab[1:]
	*n = node{name: f.keep(seg), parent: at.n, num: num}
	at.n.kids = append(at.n.kids, n)
	if num != 0 {
		at.n.flags |= flagTable
	}
	f.v.nodes++
	f.v.rev++
	hide, drop := at.hide.below(n), at.drop.below(n)
	hidden := at.n.is(flagHidden) || hide.holds(n, f.v.r.hide[f.v.root]) ||
		f.v.root == TR098 && drop.holds(n, f.v.r.drop)
	n.setFlag(flagHidden, hidden)
	n.setFlag(flagSecret, f.v.r.isSecret(n.name))
	if isObject {
		n.flags |= flagObject
		f.above = append(f.above, level{n, name, hide, drop})
	}
	return n
}

// keep returns the one copy of a name that all Views share.
func (f *refiller) keep(seg string) string {
	if have, ok := f.names[seg]; ok {
		return have
	}
	kept := keepName(seg)
	f.names[kept] = kept
	return kept
}
