// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"strings"

	"github.com/uspgate/uspgate/cwmp"
)

// View shows one CPE's raw tree as the USP variant of Device:2. It owns no
// slice that is passed to it, and keeps no string of one. Not safe for
// concurrent use, reading included.
//
// Of a TR-181 CPE the raw tree itself is what is shown, but for what is hidden.
// Of a TR-098 CPE rules make a second, smaller tree; it is made anew when the
// raw tree changes its shape, and only single parameters of it are computed
// anew when a value changes.
type View struct {
	r      *Rules
	root   Root
	inst   *InstanceMap
	raw    *node
	top    *target
	rowsOf map[*node][]*row
	known  *Supported      // shown until now, and known of others: see Extend
	sup    *Supported      // known, and what was shown last
	behind bool            // sup does not have all that is shown now
	whole  bool            // the CPE has said what it has, and not merely a value or two
	shapes uint64          // counts the changes of which rows and parameters there are
	fresh  map[string]bool // rows we made whose Alias is still to be had
	carry  Delta           // changed by Added, for the next Delta
	nodes  int             // in the raw tree
	limit  int             // of nodes
	words  int             // booleans seen as true or false, less those as 1 or 0
	rev    uint64          // counts the changes of the raw tree
	mute   bool            // the CPE says of nothing that it can be written [quirk 55]
	fold   *fold           // unless nil, the trees are in it
	used   bool            // since Fold was called
}

// NewView returns the view of a CPE that nothing is known of yet. The View adds
// to inst; a nil inst means a new one.
func NewView(r *Rules, root Root, inst *InstanceMap) *View {
	v := newView(r, root, inst)
	v.rebuild()
	return v
}

func newView(r *Rules, root Root, inst *InstanceMap) *View {
	if inst == nil {
		inst = NewInstanceMap()
	}
	v := &View{r: r, root: root, inst: inst, fresh: map[string]bool{}, limit: maxNodes}
	v.raw = &node{name: root.String(), flags: flagObject}
	return v
}

// Root returns the CPE's root.
func (v *View) Root() Root { return v.root }

// InstanceMap returns the map that the View adds to.
func (v *View) InstanceMap() *InstanceMap { return v.inst }

// CPEValue returns the last value read of a parameter by its name on the CPE,
// hidden ones included; secrets are empty. ok is false if the CPE is not known
// to have it, NoValue set if its value was never read.
func (v *View) CPEValue(name string) (p cwmp.ParameterValue, ok bool) {
	v.use()
	n := v.find(name)
	if n == nil || n.is(flagObject) {
		return cwmp.ParameterValue{}, false
	}
	return cwmp.ParameterValue{Name: n.path(), Value: n.value, Type: n.typ, NoValue: !n.is(flagKnown)}, true
}

// relative cuts the root off a CPE's name. A name that begins with a dot lacks
// it [quirk 21].
func (v *View) relative(name string) (rel string, ok bool) {
	if rest, ok := strings.CutPrefix(name, v.root.String()); ok {
		if rest == "" {
			return "", true
		}
		name = rest
	}
	return strings.CutPrefix(name, ".")
}

// find returns the node of a CPE's name, with or without a final dot.
func (v *View) find(name string) *node {
	if name == "" {
		return v.raw
	}
	rel, ok := v.relative(name)
	if !ok {
		return nil
	}
	return v.raw.get(rel)
}

// Bounds of what a CPE may have; what is beyond them is not taken.
const (
	maxNameLength = 1024    // bytes of a name
	maxNameDepth  = 32      // segments of a name
	maxNodes      = 1 << 18 // objects and parameters
)

// Size returns how many objects and parameters of the CPE the View holds, and
// how many it may hold: more names than that are not taken.
func (v *View) Size() (have, limit int) { return v.nodes, v.limit }

// wellFormed reports a name that can have a place in a tree: of segments that
// are names or instance numbers. That a name begins with a digit is against the
// standard, but happens.
func wellFormed(rel string) bool {
	if len(rel) > maxNameLength || strings.Count(rel, ".") > maxNameDepth {
		return false
	}
	for seg := range strings.SplitSeq(strings.TrimSuffix(rel, "."), ".") {
		digits := 0
		for i := range len(seg) {
			switch c := seg[i]; {
			case '0' <= c && c <= '9':
				digits++
			case c != '_' && c != '-' && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z'):
				return false
			}
		}
		if digits == len(seg) && instanceNumber(seg) == 0 {
			return false
		}
	}
	return true
}

// place returns the node of a CPE's name, made if missing with the objects
// above it; nil for a name that can have no place.
func (v *View) place(name string) *node {
	rel, ok := v.relative(name)
	if !ok || rel != "" && !wellFormed(rel) {
		return nil
	}
	n := v.raw
	for rel != "" {
		seg, rest, dot := strings.Cut(rel, ".")
		k := n.child(seg)
		if k == nil {
			if v.nodes >= v.limit {
				return nil
			}
			k = n.insert(seg)
			v.nodes++
			v.rev++
			v.judge(k)
		}
		n = k
		if dot {
			n.flags |= flagObject
		} else if n.is(flagObject) {
			return nil // a parameter where an object is
		}
		rel = rest
	}
	return n
}

// judge decides about a new node what depends on its name alone.
func (v *View) judge(n *node) {
	hidden := n.parent.is(flagHidden) || v.r.hide[v.root].match(n) || v.root == TR098 && v.r.drop.match(n)
	n.setFlag(flagHidden, hidden)
	n.setFlag(flagSecret, v.r.isSecret(n.name))
}

// isSecret reports a parameter name that ends like one that holds a secret.
func (r *Rules) isSecret(name string) bool {
	name = strings.TrimRight(name, "0123456789")
	for _, s := range r.secrets {
		if len(name) >= len(s) && strings.EqualFold(name[len(name)-len(s):], s) {
			return true
		}
	}
	return false
}

// store takes a value and reports whether another one was known before.
func (v *View) store(n *node, pv *cwmp.ParameterValue) (changed bool) {
	known, was, wasType, flags := n.is(flagKnown), n.value, n.typ, n.flags
	for up := n; up != nil && up.is(flagGuess); up = up.parent { // what it is in is there, too
		up.flags &^= flagGuess
	}
	n.flags |= flagKnown
	if pv.Type != cwmp.TypeUnknown {
		n.typ = pv.Type
	}
	if n.flags != flags || n.typ != wasType {
		v.rev++
	}
	v.countStyle(n.typ, pv.Value)
	if n.secret() {
		n.value = ""
		return false
	}
	if pv.Value == was {
		return known && n.typ != wasType && n.shown() != lexical(pathTypeOf(wasType), was)
	}
	n.value = keepString(pv.Value)
	v.rev++
	return known && n.shown() != lexical(pathTypeOf(wasType), was)
}

// secret reports a parameter whose value is not kept; a number or a boolean
// holds none, whatever its name.
func (n *node) secret() bool {
	if !n.is(flagSecret) {
		return false
	}
	switch n.typ {
	case cwmp.TypeBoolean, cwmp.TypeInt, cwmp.TypeUnsignedInt, cwmp.TypeLong, cwmp.TypeUnsignedLong, cwmp.TypeDateTime:
		return false
	default:
		return true
	}
}

// shown is the value as USP sees it.
func (n *node) shown() string { return lexical(n.shownType(), n.value) }

// countStyle learns how the CPE writes booleans [quirk 60].
func (v *View) countStyle(t cwmp.Type, value string) {
	if t != cwmp.TypeBoolean {
		return
	}
	switch value {
	case "0", "1":
		v.words--
	case "true", "false":
		v.words++
	}
}

// visible reports a node of the raw tree that is shown as it is.
func (v *View) visible(n *node) bool {
	if v.root == TR098 {
		return n.is(flagVisible)
	}
	return !n.is(flagHidden)
}

// shownPath is the Device:2 path of a visible node.
func (v *View) shownPath(n *node) string {
	if v.root == TR181 {
		return n.path()
	}
	return Passthrough + strings.TrimPrefix(n.path(), v.root.Prefix())
}
