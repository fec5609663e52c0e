// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"strings"
)

// srcPath names parameters or objects of the CPE from the point of view of a
// source object. A name that begins with a slash starts at the CPE's root, and
// its {i} take the instance numbers of the source object in order; what remain
// unbound, and every *, stand for all instances. A segment <Name> is the value
// of the source's parameter Name.
type srcPath struct {
	text string
	segs []string
	abs  bool
	dyn  bool // has a <Name>
	many bool // may name several
}

// parseSrcPath reads the notation above.
func parseSrcPath(y yval, s string) (srcPath, error) {
	p := srcPath{text: s}
	rest := s
	if strings.HasPrefix(rest, "/") {
		p.abs, rest = true, rest[1:]
	}
	rest = strings.TrimSuffix(rest, ".")
	if rest == "" {
		return p, nil
	}
	for seg := range strings.SplitSeq(rest, ".") {
		switch {
		case seg == "*":
			p.many = true
		case seg == "{i}":
			p.many = p.many || !p.abs
		case len(seg) > 2 && seg[0] == '<' && seg[len(seg)-1] == '>' && validSegment(seg[1:len(seg)-1]):
			p.dyn = true
		case !validSegment(seg):
			return p, y.errf("%q is not a path: segment %q", s, seg)
		}
		p.segs = append(p.segs, seg)
	}
	return p, nil
}

// intoSrc returns a field reader that stores a path.
func intoSrc(dst *srcPath) func(yval) error {
	return func(v yval) error {
		s, err := v.str()
		if err != nil {
			return err
		}
		*dst, err = parseSrcPath(v, s)
		return err
	}
}

// isTable reports a path that ends in all rows of a table.
func (p *srcPath) isTable() bool { return len(p.segs) > 1 && p.segs[len(p.segs)-1] == "{i}" }

// find appends the existing nodes that p names, seen from base.
func (p *srcPath) find(root, base *node, out []*node) []*node {
	start := base
	var idx []*node
	if p.abs {
		start = root
		var buf [8]*node
		idx = base.indices(buf[:0])
	}
	return p.walk(start, base, p.segs, idx, out)
}

func (p *srcPath) walk(n, base *node, segs []string, idx, out []*node) []*node {
	for i, seg := range segs {
		switch {
		case seg == "*" || seg == "{i}" && len(idx) == 0:
			for _, k := range n.kids {
				if k.num != 0 {
					out = p.walk(k, base, segs[i+1:], nil, out)
				}
			}
			return out
		case seg == "{i}":
			n, idx = n.child(idx[0].name), idx[1:]
		case seg[0] == '<':
			k := base.child(seg[1 : len(seg)-1])
			if k == nil {
				return out
			}
			n = n.child(strings.TrimLeft(digits(k.value), "0"))
		default:
			n = n.child(seg)
		}
		if n == nil {
			return out
		}
	}
	return append(out, n)
}

// empties adds the tables without rows in which what p names would be, seen from base.
func (p *srcPath) empties(root, base *node, tables map[*node]bool) {
	for i, seg := range p.segs {
		if seg != "{i}" && seg != "*" || i == 0 {
			continue
		}
		table := *p
		table.segs = p.segs[:i]
		for _, n := range table.find(root, base, nil) {
			if n.is(flagObject) && n.anyRow() == nil {
				tables[n] = true
			}
		}
	}
}

// one returns the first node that p names, nil if there is none.
func (p *srcPath) one(root, base *node) *node {
	var buf [4]*node
	found := p.find(root, base, buf[:0])
	if len(found) == 0 {
		return nil
	}
	return found[0]
}

// selectors appends the parameters whose value decides what p names.
func (p *srcPath) selectors(base *node, out []*node) []*node {
	if !p.dyn {
		return out
	}
	for _, seg := range p.segs {
		if seg[0] == '<' {
			if k := base.child(seg[1 : len(seg)-1]); k != nil {
				out = append(out, k)
			}
		}
	}
	return out
}

// pattern is a set of CPE names with {i}: objects, which include what is below
// them, and parameters.
type pattern struct {
	kids   map[string]*pattern
	hit    bool
	endAny map[string]bool // "Stats.Reset": last two segments anywhere
}

// add takes "ManagementServer.", "WiFi.Reset" or "*.Stats.Reset".
func (t *pattern) add(y yval, s string) error {
	if tail, ok := strings.CutPrefix(s, "*."); ok {
		if strings.Count(tail, ".") != 1 || strings.HasSuffix(tail, ".") {
			return y.errf("%q: after *. want Object.Parameter", s)
		}
		if t.endAny == nil {
			t.endAny = map[string]bool{}
		}
		t.endAny[tail] = true
		return nil
	}
	for seg := range strings.SplitSeq(strings.TrimSuffix(s, "."), ".") {
		if !validSegment(seg) {
			return y.errf("%q is not a path: segment %q", s, seg)
		}
		if t.kids == nil {
			t.kids = map[string]*pattern{}
		}
		if t.kids[seg] == nil {
			t.kids[seg] = &pattern{}
		}
		t = t.kids[seg]
	}
	t.hit = true
	return nil
}

// match reports whether t holds n itself; below is an ancestor's business.
func (t *pattern) match(n *node) bool {
	if n.parent == nil {
		return false
	}
	if t.endAny[n.parent.name+"."+n.name] {
		return true
	}
	p := t.descend(n)
	return p != nil && p.hit
}

// below returns what of t is about what is in its object called like n; t may be nil.
func (t *pattern) below(n *node) *pattern {
	switch {
	case t == nil:
		return nil
	case n.num != 0:
		return t.kids["{i}"]
	default:
		return t.kids[n.name]
	}
}

// holds is match where t is what the pattern all has of n; it may be nil.
func (t *pattern) holds(n *node, all *pattern) bool {
	return t != nil && t.hit || len(all.endAny) > 0 && all.endAny[n.parent.name+"."+n.name]
}

func (t *pattern) descend(n *node) *pattern {
	if n.parent == nil {
		return t
	}
	p := t.descend(n.parent)
	if p == nil || p.kids == nil {
		return nil
	}
	if n.num != 0 {
		return p.kids["{i}"]
	}
	return p.kids[n.name]
}
