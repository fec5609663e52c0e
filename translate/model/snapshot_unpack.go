// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"encoding/binary"
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/uspgate/uspgate/cwmp"
)

// errPacked: bytes that are no packed Snapshot, or one of another Outline.
var errPacked = errors.New("model: not a packed snapshot")

// meanName is for how many bytes of names there is room at first, for each.
const meanName = 64

// maxUnpacked bounds the bytes of all names of a packed Snapshot.
const maxUnpacked = 64 << 20

type unpacker struct {
	shared []OutlineEntry
	own    []OutlineEntry
	kinds  []byte

	in, heads, more packed
	next            int
	nums, spare     []uint32
	names           []byte // all of them
	ends            []int  // of each
}

// Unpack returns what was packed against the first entries of o. It keeps nothing of
// b, and b may be anything.
func (o *Outline) Unpack(b []byte, entries int) (s *Snapshot, names []string, err error) {
	if entries < 0 || entries > o.Len() {
		return nil, nil, errPacked
	}
	u := &unpacker{in: packed{b: b}}
	if entries > 0 {
		u.shared = o.entries[:entries]
	}
	u.bring()
	s = &Snapshot{Root: Root(u.in.octet()), Words: int(u.in.varint())}
	for range u.in.count() {
		s.Fresh = append(s.Fresh, string(u.in.text()))
	}
	nodes, more := u.in.count(), u.in.count()
	if s.Root > TR098 || nodes > maxNodes || more > maxNodes {
		return nil, nil, errPacked
	}
	u.heads.b = u.in.take(nodes + more)
	u.more.b = u.in.take(u.in.count())
	heads := u.heads.b
	s.Nodes = make([]SnapshotNode, nodes)
	u.ends, u.names = make([]int, 0, nodes+more), make([]byte, 0, meanName*(nodes+more))
	for i := range nodes {
		u.node(&s.Nodes[i])
	}
	for range more {
		u.name(u.heads.octet())
	}
	u.values(s, heads)
	if u.in.bad || u.heads.bad || u.more.bad || len(u.in.b)+len(u.more.b) > 0 {
		return nil, nil, errPacked
	}
	return s, u.spell(s), nil
}

// bring reads the entries that the Outline does not have.
func (u *unpacker) bring() {
	for range u.in.count() {
		kind, shape, typ, name := u.in.octet(), u.in.octet(), u.in.octet(), u.in.text()
		u.kinds = append(u.kinds, kind)
		u.own = append(u.own, OutlineEntry{
			Name: string(name), Shape: SnapshotShape(shape) & outlineShape, Type: cwmp.Type(typ),
		})
	}
}

// node is the opposite of packer.node, but for name and value.
func (u *unpacker) node(n *SnapshotNode) {
	head := u.heads.octet()
	e := u.name(head)
	if e == nil {
		return
	}
	n.Shape, n.Type = e.Shape, e.typeOf(head)
	if head&packDeparts != 0 {
		n.Shape, n.Type = SnapshotShape(u.more.octet())&outlineShape, cwmp.Type(u.more.octet())
	}
	for _, f := range packShapes {
		if head&f.bit != 0 {
			n.Shape |= f.shape
		}
	}
}

// name appends the next name to the names and returns its entry, nil if there is none.
func (u *unpacker) name(head byte) *OutlineEntry {
	if head&packJump != 0 {
		by := u.more.varint()
		if by < -math.MaxInt32 || by > math.MaxInt32 {
			u.more.bad = true
			return nil
		}
		u.next += int(by)
	}
	e, literal := u.entry(u.next)
	if e == nil || len(u.names) > maxUnpacked {
		u.more.bad = true
		return nil
	}
	u.next++
	if literal {
		u.nums = u.nums[:0]
		u.names = append(u.names, e.Name...)
	} else if !u.expand(e.Name, head&packNums) {
		u.more.bad = true
		return nil
	}
	u.ends = append(u.ends, len(u.names))
	return e
}

func (u *unpacker) entry(at int) (e *OutlineEntry, literal bool) {
	own := at - len(u.shared)
	switch {
	case at < 0 || own >= len(u.own):
		return nil, false
	case own < 0:
		return &u.shared[at], false
	default:
		return &u.own[own], u.kinds[own] == ownLiteral
	}
}

// expand appends a generic name with its instance numbers.
func (u *unpacker) expand(generic string, where byte) bool {
	nums, k := u.spare[:0], strings.Count(generic, "{i}")
	for i := range k {
		switch {
		case where == numsAll || where == numsLast && i == k-1:
			n := u.more.uvarint()
			if n == 0 || n > math.MaxUint32 {
				return false
			}
			nums = append(nums, uint32(n))
		case i >= len(u.nums):
			return false
		default:
			nums = append(nums, u.nums[i])
		}
		before, after, _ := strings.Cut(generic, "{i}")
		u.names = strconv.AppendUint(append(u.names, before...), uint64(nums[i]), 10)
		generic = after
	}
	u.names = append(u.names, generic...)
	u.spare, u.nums = u.nums, nums
	return true
}

// values gives the nodes their values, which are parts of one string.
func (u *unpacker) values(s *Snapshot, heads []byte) {
	if u.in.bad || u.heads.bad {
		return
	}
	all := string(u.in.b)
	for i := range s.Nodes {
		if heads[i]&packValue == 0 {
			continue
		}
		n := len(u.in.text())
		if u.in.bad {
			return
		}
		end := len(all) - len(u.in.b)
		s.Nodes[i].Value = all[end-n : end]
	}
}

// spell gives the nodes their names, which are parts of one string, and returns the
// further ones.
func (u *unpacker) spell(s *Snapshot) (names []string) {
	all, from := "", 0
	if n := len(s.Nodes); n > 0 {
		all = string(u.names[:u.ends[n-1]])
	}
	for i, to := range u.ends {
		if i < len(s.Nodes) {
			s.Nodes[i].Name = all[from:to]
		} else {
			names = append(names, string(u.names[from:to]))
		}
		from = to
	}
	return names
}

// packed is what is left of bytes that are read; bad once they were not enough.
type packed struct {
	b   []byte
	bad bool
}

func (p *packed) take(n int) []byte {
	if n < 0 || n > len(p.b) {
		p.b, p.bad = nil, true
		return nil
	}
	b := p.b[:n]
	p.b = p.b[n:]
	return b
}

func (p *packed) octet() byte {
	if len(p.b) == 0 {
		p.bad = true
		return 0
	}
	return p.take(1)[0]
}

func (p *packed) uvarint() uint64 {
	v, n := binary.Uvarint(p.b)
	p.take(checked(n))
	return v
}

func (p *packed) varint() int64 {
	v, n := binary.Varint(p.b)
	p.take(checked(n))
	return v
}

// checked makes the size of a varint that is none one that take refuses.
func checked(n int) int {
	if n <= 0 {
		return -1
	}
	return n
}

// count returns how many of something there are, each of a byte at least.
func (p *packed) count() int {
	n := p.uvarint()
	if n > uint64(len(p.b)) {
		p.b, p.bad = nil, true
		return 0
	}
	return int(n)
}

func (p *packed) text() []byte { return p.take(p.count()) }
