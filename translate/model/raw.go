// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"strconv"
	"strings"
	"unique"

	"github.com/uspgate/uspgate/cwmp"
)

// flags of a node.
type flags uint16

const (
	flagObject   flags = 1 << iota // an object, not a parameter
	flagTable                      // an object whose children are rows
	flagWritable                   // the CPE said Writable
	flagListed                     // the CPE said whether it is writable
	flagKnown                      // the value was read
	flagHidden                     // never shown (by rule); whole subtree for objects
	flagCovered                    // shown by a mapped parameter
	flagVisible                    // shown by pass-through, or above something that is
	flagShape                      // its value decides which rows exist
	flagSecret                     // its value is neither kept nor shown
	flagGuess                      // assumed of a row just added, not yet seen
	flagMark                       // scratch, clear between calls
)

// node is an object or parameter of the CPE's tree.
type node struct {
	name   string
	value  string // of a parameter, as on the wire
	parent *node
	kids   []*node   // of an object, in data-model order
	deps   []*target // of a parameter: the mapped parameters that show it
	num    uint32    // the instance number if name is one, else 0
	flags  flags
	typ    cwmp.Type
}

func (n *node) is(f flags) bool { return n.flags&f != 0 }

func (n *node) setFlag(f flags, on bool) {
	if on {
		n.flags |= f
	} else {
		n.flags &^= f
	}
}

// writable is the CPE's hint; what it did not speak of may be tried [quirk 55].
func (n *node) writable() bool { return n.flags&(flagListed|flagWritable) != flagListed }

// instanceNumber reads a path segment that is an instance number, else 0.
func instanceNumber(s string) uint32 {
	if s == "" || s[0] < '1' || s[0] > '9' || len(s) > 10 {
		return 0
	}
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0
	}
	return uint32(n)
}

// before is data-model order: instances by number, before names by bytes.
func before(aNum uint32, a string, bNum uint32, b string) bool {
	switch {
	case aNum != 0 && bNum != 0:
		return aNum < bNum
	case aNum != 0 || bNum != 0:
		return aNum != 0
	default:
		return a < b
	}
}

// search finds where the child of that name is or belongs.
func (n *node) search(name string, num uint32) (int, bool) {
	lo, hi := 0, len(n.kids)
	for lo < hi {
		mid := (lo + hi) / 2
		if k := n.kids[mid]; before(k.num, k.name, num, name) {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo, lo < len(n.kids) && n.kids[lo].name == name
}

// child returns the child of that name, nil if there is none.
func (n *node) child(name string) *node {
	i, ok := n.search(name, instanceNumber(name))
	if !ok {
		return nil
	}
	return n.kids[i]
}

// get returns the descendant with the relative name, which may end in a dot;
// nil if there is none. An empty name is n itself.
func (n *node) get(rel string) *node {
	for rel != "" && n != nil {
		seg, rest, _ := strings.Cut(rel, ".")
		n, rel = n.child(seg), rest
	}
	return n
}

// insert returns the child of that name, made if missing.
func (n *node) insert(name string) *node {
	num := instanceNumber(name)
	i, ok := n.search(name, num)
	if ok {
		return n.kids[i]
	}
	kid := &node{name: keepName(name), parent: n, num: num}
	n.kids = append(n.kids, nil)
	copy(n.kids[i+1:], n.kids[i:])
	n.kids[i] = kid
	if num != 0 {
		n.flags |= flagTable
	}
	return kid
}

// remove takes n out of its parent.
func (n *node) remove() {
	p := n.parent
	if i, ok := p.search(n.name, n.num); ok {
		p.kids = append(p.kids[:i], p.kids[i+1:]...)
	}
}

// size counts the nodes of the subtree, n included.
func (n *node) size() int {
	sum := 1
	for _, k := range n.kids {
		sum += k.size()
	}
	return sum
}

// path returns the full name on the CPE.
func (n *node) path() string {
	return string(n.appendPath(make([]byte, 0, 64)))
}

func (n *node) appendPath(b []byte) []byte {
	if n.parent != nil {
		b = n.parent.appendPath(b)
	}
	b = append(b, n.name...)
	if n.is(flagObject) {
		b = append(b, '.')
	}
	return b
}

// indices appends the instance numbers on the way from the root to n.
func (n *node) indices(out []*node) []*node {
	if n.parent != nil {
		out = n.parent.indices(out)
	}
	if n.num != 0 {
		out = append(out, n)
	}
	return out
}

// params counts the parameters in the subtree.
func (n *node) params() int {
	if !n.is(flagObject) {
		return 1
	}
	sum := 0
	for _, k := range n.kids {
		sum += k.params()
	}
	return sum
}

// isTable reports a table: an object with rows, or one that a sibling counts
// as "NameNumberOfEntries".
func (n *node) isTable() bool {
	if !n.is(flagObject) || n.num != 0 || n.parent == nil {
		return false
	}
	if n.is(flagTable) {
		return true
	}
	return len(n.kids) == 0 && (n.is(flagWritable) || n.parent.child(n.name+"NumberOfEntries") != nil)
}

// keepName returns the one copy of a name that all Views share.
func keepName(name string) string { return unique.Make(name).Value() }

// keepString returns a string that does not hold on to a larger one, shared if
// it is a common one.
func keepString(s string) string {
	switch {
	case s == "":
		return ""
	case len(s) <= 8:
		return unique.Make(s).Value()
	default:
		return strings.Clone(s)
	}
}
