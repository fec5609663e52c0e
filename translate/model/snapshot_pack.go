// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"encoding/binary"
	"strings"

	"github.com/uspgate/uspgate/cwmp"
)

// A packed Snapshot names an entry of the Outline for each node, most often the one
// after that of the node before, and has the instance numbers, the values, and what
// differs from the entry. What the Outline does not have it brings along, as entries
// after those of the Outline. In the order of the bytes:
//
//	the entries of its own: how many; for each its kind, shape, type and name
//	root, words, the rows that are fresh
//	how many nodes, and how many more names
//	a byte for each of these, see the constants below
//	how many bytes of details, and these, see packer.node
//	the values that are not empty
//
// Numbers are varints; texts, and the rows, have their length in front.

// The bits of the byte for a node. They are stored, and must never change.
const (
	packNums    = 3      // where the instance numbers are: one of those below
	packJump    = 1 << 2 // another entry than the next, see the details
	packDeparts = 1 << 3 // has another shape or type than the entry
	packKnown   = 1 << 4 // the value was read
	packGuess   = 1 << 5 // assumed of a new row
	packValue   = 1 << 6 // there is a value, and it is not empty
	packDecides = 1 << 7 // the value decides which rows there are

	numsSame = 0 // as many as needed of those of the node before
	numsLast = 1 // the same, but for the last
	numsAll  = 2 // all are in the details
)

// packShapes are the bits for what of a shape is the node's own.
var packShapes = [...]struct {
	bit   byte
	shape SnapshotShape
}{{packKnown, shapeKnown}, {packGuess, shapeGuess}, {packDecides, shapeDecides}}

// The kinds of the entries that a packed Snapshot brings along.
const (
	ownGeneric = 0 // the name has {i} for the instance numbers
	ownLiteral = 1 // the name is as it is: no View has such a one
)

type packer struct {
	o     *Outline
	owned map[ownName]int
	own   []OutlineEntry
	kinds []byte
	heads []byte
	more  []byte // the details
	vals  []byte

	next        int      // the entry that is expected
	nums, spare []uint32 // of the node before; for the next
	generic     []byte
}

type ownName struct {
	kind byte
	name string
}

// Pack encodes a Snapshot, and further names of its CPE, for Unpack with an Outline
// that begins with what o has now. It reports whether o could grow by s.
func (o *Outline) Pack(s *Snapshot, names []string) (packed []byte, news bool) {
	p := &packer{
		o: o, owned: make(map[ownName]int), heads: make([]byte, 0, len(s.Nodes)+len(names)), generic: make([]byte, 0, 128),
	}
	for i := range s.Nodes {
		news = p.node(&s.Nodes[i]) || news
	}
	for _, name := range names {
		p.name(name, 0, OutlineEntry{})
	}
	return p.bytes(s, len(names)), news
}

func (p *packer) bytes(s *Snapshot, names int) []byte {
	b := make([]byte, 0, 64+64*len(p.own)+len(p.heads)+len(p.more)+len(p.vals))
	b = binary.AppendUvarint(b, uint64(len(p.own)))
	for i, e := range p.own {
		b = appendText(append(b, p.kinds[i], byte(e.Shape), byte(e.Type)), e.Name)
	}
	b = binary.AppendVarint(append(b, byte(s.Root)), int64(s.Words))
	b = binary.AppendUvarint(b, uint64(len(s.Fresh)))
	for _, row := range s.Fresh {
		b = appendText(b, row)
	}
	b = binary.AppendUvarint(b, uint64(len(s.Nodes)))
	b = binary.AppendUvarint(b, uint64(names))
	b = append(b, p.heads...)
	b = binary.AppendUvarint(b, uint64(len(p.more)))
	b = append(b, p.more...)
	return append(b, p.vals...)
}

// node packs one node. Its details are the entry, as the distance from the one that is
// expected, then the instance numbers, then shape and type, each if the head says so.
// It reports whether the Outline could have more of it.
func (p *packer) node(n *SnapshotNode) (news bool) {
	head := byte(0)
	for _, f := range packShapes {
		if n.Shape&f.shape != 0 {
			head |= f.bit
		}
	}
	if n.Value != "" {
		head |= packValue
		p.vals = appendText(p.vals, n.Value)
	}
	at := p.name(n.Name, head, OutlineEntry{Shape: n.Shape & outlineShape, Type: n.Type})
	var e *OutlineEntry
	if have := p.o.Len(); at < have {
		e = &p.o.entries[at]
		news = e.lacks(n)
	} else {
		e = &p.own[at-have]
		news = p.kinds[at-have] == ownGeneric && len(e.Name) <= maxNameLength
	}
	if n.Shape&outlineShape != e.Shape || n.Type != e.typeOf(head) {
		p.heads[len(p.heads)-1] |= packDeparts
		p.more = append(p.more, byte(n.Shape&outlineShape), byte(n.Type))
	}
	return news && n.Shape&shapeGuess == 0
}

// typeOf is what type is expected of a node: one whose value was not read has none.
func (e *OutlineEntry) typeOf(head byte) cwmp.Type {
	if head&(packKnown|packGuess) == 0 {
		return cwmp.TypeUnknown
	}
	return e.Type
}

// name packs the name of a node and returns its entry, which is as e says if the
// Outline does not have it.
func (p *packer) name(name string, head byte, e OutlineEntry) (at int) {
	nums := p.spare[:0]
	if strings.Contains(name, "{") {
		at = p.bring(ownLiteral, name, e)
	} else {
		p.generic, nums = appendGeneric(p.generic[:0], nums, name)
		if at = p.o.find(p.generic); at < 0 {
			at = p.bring(ownGeneric, string(p.generic), e)
		}
	}
	if at != p.next {
		head |= packJump
		p.more = binary.AppendVarint(p.more, int64(at-p.next))
	}
	p.next = at + 1
	head |= p.instances(nums)
	p.spare, p.nums = p.nums, nums
	p.heads = append(p.heads, head)
	return at
}

// bring returns the entry of a name that the Outline does not have.
func (p *packer) bring(kind byte, name string, e OutlineEntry) int {
	key := ownName{kind, name}
	i, ok := p.owned[key]
	if !ok {
		i, e.Name = len(p.own), name
		p.owned[key] = i
		p.own, p.kinds = append(p.own, e), append(p.kinds, kind)
	}
	return p.o.Len() + i
}

func (p *packer) instances(nums []uint32) (where byte) {
	k, same := len(nums), 0
	for same < k && same < len(p.nums) && nums[same] == p.nums[same] {
		same++
	}
	if same == k {
		return numsSame
	}
	where, left := byte(numsAll), nums
	if same == k-1 {
		where, left = numsLast, nums[k-1:]
	}
	for _, n := range left {
		p.more = binary.AppendUvarint(p.more, uint64(n))
	}
	return where
}
