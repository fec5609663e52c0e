// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"slices"
	"strings"

	"github.com/uspgate/uspgate/cwmp"
)

// SetNames takes the result of GetParameterNames with NextLevel false: infos is
// the complete subtree under the CPE's object path under ("" is the root), what
// is not in it is gone. Values of what stays are kept. With no infos at all the
// subtree is empty, and an instance is gone itself: so a row that was deleted
// is taken out.
//
// A CPE of whose many names none is writable does not mean it: all may be tried
// [quirk 55].
func (v *View) SetNames(under string, infos []cwmp.ParameterInfo) Delta {
	v.use()
	if under == "" {
		v.mute = len(infos) >= fewNames &&
			!slices.ContainsFunc(infos, func(i cwmp.ParameterInfo) bool { return i.Writable })
	}
	before := v.rowPaths()
	old := v.top
	for i := range infos {
		if strings.HasPrefix(infos[i].Name, under) {
			v.name(&infos[i])
		}
	}
	if u := v.find(under); u != nil {
		v.retain(u.unmarked(len(infos) > 0, nil))
		v.sweep(u, len(infos) > 0)
	}
	v.whole = true
	v.raw.sweepMarks()
	v.rebuild()
	v.inst.retire(func(source string) bool {
		full := v.root.Prefix() + source
		return strings.HasPrefix(full, under) && v.find(full) == nil
	})
	return v.withCarried(v.diff(old, before, nil))
}

// fewNames are too few to tell from them what the CPE says of all.
const fewNames = 50

// name takes one entry and marks it and what is above it.
func (v *View) name(info *cwmp.ParameterInfo) {
	n := v.place(info.Name)
	if n == nil {
		return
	}
	flags := n.flags
	if cwmp.IsPartialPath(info.Name) {
		n.flags |= flagObject
	}
	n.flags |= flagListed
	n.flags &^= flagGuess
	n.setFlag(flagWritable, info.Writable || v.mute)
	if n.flags != flags {
		v.rev++
	}
	for ; n != nil && !n.is(flagMark); n = n.parent {
		n.flags |= flagMark
	}
}

// sweep removes what is not marked below n, and n itself if it is an instance
// of which nothing is left.
func (v *View) sweep(n *node, listed bool) {
	if !listed && n.num != 0 {
		v.remove(n)
		return
	}
	n.kids = slices.DeleteFunc(n.kids, func(k *node) bool {
		if !k.is(flagMark) {
			v.nodes -= k.size()
			v.rev++
		}
		return !k.is(flagMark)
	})
	for _, k := range n.kids {
		v.sweep(k, true)
	}
}

// unmarked appends what sweep is going to remove.
func (n *node) unmarked(listed bool, out []*node) []*node {
	if !listed && n.num != 0 {
		return append(out, n)
	}
	for _, k := range n.kids {
		if k.is(flagMark) {
			out = k.unmarked(true, out)
		} else {
			out = append(out, k)
		}
	}
	return out
}

// remove takes a node out with what is below it.
func (v *View) remove(n *node) {
	v.nodes -= n.size()
	v.rev++
	n.remove()
}

// sweepMarks clears the marks of the subtree.
func (n *node) sweepMarks() {
	n.flags &^= flagMark
	for _, k := range n.kids {
		k.sweepMarks()
	}
}

// SetValues takes the result of GetParameterValues for the CPE's names under.
// Below a partial path rows that have no value any more are gone, and rows that
// are new appear; a parameter that is missing while its row is there is not
// gone [quirk 22].
func (v *View) SetValues(under []string, vals []cwmp.ParameterValue) Delta {
	v.use()
	nodes, reshape := v.lookup(vals)
	gone := v.vanished(under, nodes)
	if !reshape && len(gone) == 0 {
		return v.withCarried(v.update(nodes, vals))
	}
	return v.withCarried(v.reshape(vals, gone))
}

// Observe takes values seen in passing, of an Inform or of a write of ours: it
// updates, and learns what it did not know, but removes nothing.
func (v *View) Observe(vals []cwmp.ParameterValue) Delta { return v.SetValues(nil, vals) }

// lookup finds the nodes of vals, nil for what is not there yet; reshape
// reports that taking them changes which rows and parameters there are.
func (v *View) lookup(vals []cwmp.ParameterValue) (nodes []*node, reshape bool) {
	nodes = make([]*node, len(vals))
	for i := range vals {
		n := v.find(vals[i].Name)
		if n != nil && n.is(flagObject) {
			continue
		}
		nodes[i] = n
		if n == nil {
			rel, ok := v.relative(vals[i].Name)
			reshape = reshape || ok && wellFormed(rel)
			continue
		}
		reshape = reshape || n.is(flagShape) && (!n.is(flagKnown) || n.value != vals[i].Value)
	}
	return nodes, reshape
}

// vanished returns the topmost rows below the partial paths that had parameters
// and have no value among nodes, and what was guessed of new rows wrongly.
func (v *View) vanished(under []string, nodes []*node) []*node {
	var gone []*node
	marked := false
	for _, u := range under {
		if !cwmp.IsPartialPath(u) {
			continue
		}
		top := v.find(u)
		if top == nil {
			continue
		}
		if !marked {
			marked = true
			for _, n := range nodes {
				for ; n != nil && !n.is(flagMark); n = n.parent {
					n.flags |= flagMark
				}
			}
		}
		gone = top.unmarkedRows(gone)
	}
	if marked {
		for _, n := range nodes {
			for ; n != nil && n.is(flagMark); n = n.parent {
				n.flags &^= flagMark
			}
		}
	}
	return gone
}

func (n *node) unmarkedRows(out []*node) []*node {
	if n.num != 0 && !n.is(flagMark) && n.params() > 0 {
		return append(out, n)
	}
	for _, k := range n.kids {
		switch {
		case k.is(flagObject) && (!k.is(flagGuess) || k.is(flagMark) || k.params() == 0):
			out = k.unmarkedRows(out)
		case k.is(flagGuess) && !k.is(flagMark):
			out = append(out, k)
		}
	}
	return out
}

// update takes values that leave the shape as it is.
func (v *View) update(nodes []*node, vals []cwmp.ParameterValue) Delta {
	var d Delta
	var touched []*target
	for i, n := range nodes {
		if n == nil {
			continue
		}
		wasKnown, was := n.is(flagKnown), n.value
		if v.store(n, &vals[i]) && v.visible(n) {
			d.Changed = append(d.Changed, v.rawParam(n))
		}
		if n.value != was || !wasKnown {
			for _, t := range n.deps {
				if !slices.Contains(touched, t) || len(touched) > 64 {
					touched = append(touched, t)
				}
			}
		}
	}
	for _, t := range touched {
		was, wasKnown := t.val, t.known
		t.val, t.known = v.eval(t)
		if wasKnown && t.known && t.val != was {
			d.Changed = append(d.Changed, t.param())
		}
	}
	sortParams(d.Changed)
	return d
}

func sortParams(ps []Param) {
	slices.SortFunc(ps, func(a, b Param) int { return comparePaths(a.Path, b.Path) })
}

// reshape takes values that change which rows there are.
func (v *View) reshape(vals []cwmp.ParameterValue, gone []*node) Delta {
	before := v.rowPaths()
	old := v.top
	v.retain(slices.Clone(gone))
	for _, n := range gone {
		v.remove(n)
	}
	if len(gone) > 0 {
		v.inst.retire(func(source string) bool {
			n := v.find(v.root.Prefix() + source)
			return n == nil && slices.ContainsFunc(gone, func(g *node) bool {
				return strings.HasPrefix(v.root.Prefix()+source, g.path())
			})
		})
	}
	var changed []*node
	for i := range vals {
		if cwmp.IsPartialPath(vals[i].Name) {
			continue
		}
		n := v.place(vals[i].Name)
		if n != nil && !n.is(flagObject) && v.store(n, &vals[i]) {
			changed = append(changed, n)
		}
	}
	v.rebuild()
	return v.diff(old, before, changed)
}

// diff compares the view with what it was before: the mapped tree old, the rows
// and, of what is shown as it is, the parameters changed.
func (v *View) diff(old *target, before []string, changed []*node) Delta {
	var d Delta
	if v.root == TR098 {
		d.Changed = changedTargets(old, v.top, nil)
	}
	for _, n := range changed {
		if v.visible(n) {
			d.Changed = append(d.Changed, v.rawParam(n))
		}
	}
	sortParams(d.Changed)
	after := v.rowPaths()
	for len(before) > 0 || len(after) > 0 {
		switch c := compareHeads(before, after); {
		case c < 0:
			d.Deleted = append(d.Deleted, before[0])
			before = before[1:]
		case c > 0:
			d.Created = append(d.Created, after[0])
			after = after[1:]
		default:
			before, after = before[1:], after[1:]
		}
	}
	v.inst.dropRows(d.Deleted)
	for _, row := range d.Deleted {
		v.unfresh(row)
	}
	return d
}

// compareHeads compares the first of two ordered lists; the end comes last.
func compareHeads(a, b []string) int {
	switch {
	case len(a) == 0:
		return 1
	case len(b) == 0:
		return -1
	default:
		return comparePaths(a[0], b[0])
	}
}

// changedTargets appends the parameters that both trees have with different
// known values.
func changedTargets(old, now *target, out []Param) []Param {
	for _, k := range now.kids {
		o := old.child(k.name)
		switch {
		case o == nil:
		case k.cell != nil:
			if o.cell != nil && o.known && k.known && o.val != k.val {
				out = append(out, k.param())
			}
		case k.raw == nil:
			out = changedTargets(o, k, out)
		}
	}
	return out
}
