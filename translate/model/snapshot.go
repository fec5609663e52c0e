// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"maps"
	"slices"

	"github.com/uspgate/uspgate/cwmp"
)

// Snapshot is all that a View knows of its CPE, as plain data: it is enough to
// make the View again, with the same InstanceMap. It holds no secret.
type Snapshot struct {
	Root Root
	// Nodes are the objects and parameters of the CPE, those above before those
	// below, in data-model order. The root is not among them.
	Nodes []SnapshotNode
	// Fresh are the rows just made whose Alias may still be set.
	Fresh []string
	// Words is how the CPE writes booleans: above 0 as words.
	Words int
}

// SnapshotNode is one object or parameter.
type SnapshotNode struct {
	Name string // on the CPE; that of an object ends in a dot
	// Shape is what the CPE said of it, apart from its value.
	Shape SnapshotShape
	Type  cwmp.Type
	Value string // as on the wire
}

// SnapshotShape is a set of the bits below. Their values are stored, and must
// never change.
type SnapshotShape uint8

// The bits of a SnapshotShape.
const (
	shapeListed   SnapshotShape = 1 << iota // the CPE said whether it is writable
	shapeWritable                           // and that it is
	shapeKnown                              // the value was read
	shapeGuess                              // assumed of a new row
	shapeDecides                            // its value decides which rows there are
)

var shapeFlags = [...]struct {
	shape SnapshotShape
	flag  flags
}{
	{shapeListed, flagListed},
	{shapeWritable, flagWritable},
	{shapeKnown, flagKnown},
	{shapeGuess, flagGuess},
	{shapeDecides, flagShape},
}

// Sample returns a Snapshot of another CPE that is made in the same way: its View
// supports the same, and has no values but those that decide which rows there are.
func (s *Snapshot) Sample() *Snapshot {
	sample := &Snapshot{Root: s.Root, Nodes: slices.Clone(s.Nodes)}
	for i := range sample.Nodes {
		if n := &sample.Nodes[i]; n.Shape&shapeDecides == 0 {
			n.Value = ""
		}
	}
	return sample
}

// Snapshot returns what the View knows.
func (v *View) Snapshot() *Snapshot {
	v.use()
	return v.snapshot()
}

func (v *View) snapshot() *Snapshot {
	s := &Snapshot{
		Root: v.root, Words: v.words, Fresh: slices.Sorted(maps.Keys(v.fresh)), Nodes: make([]SnapshotNode, 0, v.nodes),
	}
	s.below(v.raw)
	return s
}

func (s *Snapshot) below(n *node) {
	for _, k := range n.kids {
		out := SnapshotNode{Name: k.path(), Type: k.typ, Value: k.value}
		for _, f := range shapeFlags {
			if k.is(f.flag) {
				out.Shape |= f.shape
			}
		}
		s.Nodes = append(s.Nodes, out)
		s.below(k)
	}
}

// Restore returns the View that the Snapshot was taken of. What has no place in it
// any more, because the rules or the bounds are others, is left out. It keeps no
// string of s.
func Restore(r *Rules, s *Snapshot, inst *InstanceMap) *View {
	v := newView(r, s.Root, inst)
	v.refill(s)
	for _, row := range s.Fresh {
		v.fresh[row] = true
	}
	v.words = s.Words
	v.rebuild()
	return v
}

// unfresh notes that the Alias of a row cannot be set any more.
func (v *View) unfresh(row string) {
	if v.fresh[row] {
		delete(v.fresh, row)
		v.rev++
	}
}

// Made notes that the Add of a row is over: an Alias that it has not set is the one that
// it was given, for good [R-KEY.1].
func (v *View) Made(row string) { v.unfresh(row) }

// Revision grows with every change that a Snapshot would show.
func (v *View) Revision() uint64 { return v.rev }

// Settled reports that no change waits for the next Delta.
func (v *View) Settled() bool { return v.carry.Empty() }
