// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cpe

import (
	"slices"
	"strconv"
	"strings"

	"github.com/uspgate/uspgate/cwmp"
)

// node is one object or parameter. Nodes are immutable once their model is
// loaded: a change makes copies of the nodes on the way from the root, and
// everything else is shared with the model and with all other CPE.
type node struct {
	name string // last segment of the path
	kids []*node
	row  *node // in the tree of templates: what is under {i}

	object   bool
	writable bool
	last     uint32 // of a table: the highest instance number ever given

	value   string
	typ     cwmp.Type
	rule    *rule
	expand  bool // value has placeholders
	live    live
	secret  bool // reads as empty
	counter bool // refuses active notification
	forced  bool // active notification that cannot be switched off
	late    bool // of a row: it is not there until something is set in it [quirk 66]

	notify int
	access []string
}

// live is a value made when it is read.
type live uint8

const (
	liveNone   live = iota
	liveUptime      // seconds since boot
	liveClock       // now
)

// kid returns the child of that name, or nil.
func (n *node) kid(name string) *node {
	for _, k := range n.kids {
		if k.name == name {
			return k
		}
	}
	return nil
}

// find returns the node at path, which may end in a dot and may be empty.
func (n *node) find(path string) *node {
	for at := n; ; {
		if path == "" {
			return at
		}
		var seg string
		seg, path, _ = strings.Cut(path, ".")
		if at = at.kid(seg); at == nil {
			return nil
		}
	}
}

// edit returns a copy of n in which f has changed a copy of the node at path;
// f returns nil to remove it. The path must exist.
func (n *node) edit(path string, f func(*node) *node) *node {
	cp := *n
	if path == "" {
		return f(&cp)
	}
	seg, rest, _ := strings.Cut(path, ".")
	i := slices.IndexFunc(n.kids, func(k *node) bool { return k.name == seg })
	if i < 0 {
		return n
	}
	kid := n.kids[i].edit(rest, f)
	if kid == nil {
		cp.kids = append(slices.Clone(n.kids[:i]), n.kids[i+1:]...)
	} else {
		cp.kids = slices.Clone(n.kids)
		cp.kids[i] = kid
	}
	return &cp
}

// put returns a copy of n in which the parameter at path has value, made with
// its objects if it does not exist.
func (n *node) put(path, value string, typ cwmp.Type, writable bool) *node {
	cp := *n
	seg, rest, deeper := strings.Cut(path, ".")
	i := slices.IndexFunc(n.kids, func(k *node) bool { return k.name == seg })
	var kid *node
	switch {
	case i >= 0:
		kid = n.kids[i]
	case deeper:
		kid = &node{name: seg, object: true}
	default:
		kid = newParam(seg, value, typ, writable)
	}
	if deeper {
		kid = kid.put(rest, value, typ, writable)
	} else {
		leaf := *kid
		leaf.value, leaf.expand = value, false
		kid = &leaf
	}
	if i >= 0 {
		cp.kids = slices.Clone(n.kids)
		cp.kids[i] = kid
	} else {
		cp.kids = append(slices.Clone(n.kids), kid)
	}
	return &cp
}

// takesParam reports whether put can put a parameter at path: everything
// before it is an object, and it is not one itself.
func (n *node) takesParam(path string) bool {
	for at := n; ; {
		seg, rest, deeper := strings.Cut(path, ".")
		if at = at.kid(seg); at == nil {
			return true
		}
		if at.object != deeper {
			return false
		}
		if !deeper {
			return true
		}
		path = rest
	}
}

// walk calls f for n, whose path is given, and everything below it.
func (n *node) walk(path string, f func(path string, n *node)) {
	f(path, n)
	for _, k := range n.kids {
		if !k.late {
			k.walk(k.path(path), f)
		}
	}
}

// visible is find for what is there already.
func (n *node) visible(path string) *node {
	for at := n; ; {
		if path == "" {
			return at
		}
		var seg string
		seg, path, _ = strings.Cut(path, ".")
		if at = at.kid(seg); at == nil || at.late {
			return nil
		}
	}
}

// appear returns a copy of n in which the rows on the way to path are there.
func (n *node) appear(path string) *node {
	for i := range path {
		if path[i] != '.' {
			continue
		}
		if at := n.find(path[:i]); at != nil && at.late {
			n = n.edit(path[:i], func(k *node) *node { k.late = false; return k })
		}
	}
	return n
}

// path is the path of n below the object parent.
func (n *node) path(parent string) string {
	if n.object {
		return parent + n.name + "."
	}
	return parent + n.name
}

// isTable reports whether n has rows, or could have.
func (n *node) isTable(m *Model, path string) bool {
	if !n.object || isInstance(n.name) {
		return false
	}
	return slices.ContainsFunc(n.kids, func(k *node) bool { return isInstance(k.name) }) || m.template(path) != nil
}

// rows counts the instances of a table.
func (n *node) rows() int {
	c := 0
	for _, k := range n.kids {
		if isInstance(k.name) {
			c++
		}
	}
	return c
}

// insert adds an instance in its place.
func (n *node) insert(k *node) {
	num, _ := instance(k.name)
	i := len(n.kids)
	for i > 0 {
		if before, ok := instance(n.kids[i-1].name); !ok || before < num {
			break
		}
		i--
	}
	n.kids = slices.Insert(slices.Clone(n.kids), i, k)
	n.last = max(n.last, num)
}

// instance reads an instance number.
func instance(seg string) (uint32, bool) {
	v, err := strconv.ParseUint(seg, 10, 32)
	return uint32(v), err == nil && v > 0
}

func isInstance(seg string) bool {
	_, ok := instance(seg)
	return ok
}

const rowName = "{i}"

// countName is the parameter beside a table that counts its rows, where
// TR-098 does not simply append NumberOfEntries.
func countName(table string) string {
	switch table {
	case "WLANConfiguration":
		return "LANWLANConfigurationNumberOfEntries"
	case "LANEthernetInterfaceConfig":
		return "LANEthernetInterfaceNumberOfEntries"
	case "LANUSBInterfaceConfig":
		return "LANUSBInterfaceNumberOfEntries"
	case "WANConnectionDevice":
		return "WANConnectionNumberOfEntries"
	case "Forwarding":
		return "ForwardNumberOfEntries"
	default:
		return table + "NumberOfEntries"
	}
}

// recount returns a copy of root in which the counter beside table is right;
// root itself if there is none.
func recount(root *node, table string) *node {
	parent, name := splitObject(table)
	count := parent + countName(name)
	have, t := root.find(count), root.find(table)
	if have == nil || t == nil {
		return root
	}
	n := strconv.Itoa(t.rows())
	return root.edit(count, func(p *node) *node { p.value = n; return p })
}

// splitObject splits an object path into its parent and its own name.
func splitObject(path string) (parent, name string) {
	path = strings.TrimSuffix(path, ".")
	i := strings.LastIndexByte(path, '.')
	return path[:i+1], path[i+1:]
}
