// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"encoding/binary"
	"errors"
	"maps"
	"strings"

	"github.com/uspgate/uspgate/cwmp"
)

// Outline is what the CPE of one model have in common: the names of their objects
// and parameters, with {i} for the instance numbers, and what they say of them. It is
// what Snapshots are packed against, so it only ever grows at its end: what was packed
// against the first n entries is read with any Outline that has the same first n. It
// holds no value of any CPE. An Outline is never changed, and safe for concurrent use;
// nil is an empty one.
type Outline struct {
	entries []OutlineEntry
	index   map[string]int // the last entry of each name
	sums    []uint64       // of the first i+1 entries
	bytes   int            // of the names
}

// OutlineEntry is one object or parameter of a model.
type OutlineEntry struct {
	Name string // on the CPE, generic; that of an object ends in a dot
	// Shape is whether the CPE lists it, and as writable.
	Shape SnapshotShape
	Type  cwmp.Type // TypeUnknown for an object
}

// outlineShape is what of a SnapshotShape is the model's.
const outlineShape = shapeListed | shapeWritable

// OutlineBounds are what an Outline may grow to.
type OutlineBounds struct {
	Entries int // names, about
	Bytes   int // of the names
}

// Len returns the number of entries.
func (o *Outline) Len() int {
	if o == nil {
		return 0
	}
	return len(o.entries)
}

// Bytes returns about how many bytes of memory the Outline has.
func (o *Outline) Bytes() int {
	if o == nil {
		return 0
	}
	const each = 32 + 48 + 8 // an entry, its place in the index, its sum
	return o.bytes + each*len(o.entries)
}

// Sum tells the first n entries from others; 0 for none, or more than there are.
func (o *Outline) Sum(n int) uint64 {
	if n <= 0 || n > o.Len() {
		return 0
	}
	return o.sums[n-1]
}

// find returns the number of the entry of a generic name, -1 if there is none.
func (o *Outline) find(generic []byte) int {
	if o == nil {
		return -1
	}
	if i, ok := o.index[string(generic)]; ok {
		return i
	}
	return -1
}

// Grow returns an Outline that also has what s shows and o does not: o itself if that
// is nothing, or where it is as large as it may be; full reports the latter. What is
// only assumed of a row is not taken.
func (o *Outline) Grow(s *Snapshot, b OutlineBounds) (grown *Outline, full bool) {
	var buf [maxNameLength]byte
	grown = o
	for i := range s.Nodes {
		n := &s.Nodes[i]
		if n.Shape&shapeGuess != 0 || strings.Contains(n.Name, "{") {
			continue
		}
		generic, _ := appendGeneric(buf[:0], nil, n.Name)
		if len(generic) > maxNameLength {
			continue
		}
		at := grown.find(generic)
		if at >= 0 && !grown.entries[at].lacks(n) {
			continue
		}
		if grown.Len() >= b.Entries || at < 0 && grown.size()+len(generic) > b.Bytes {
			full = true
			continue
		}
		if grown == o {
			grown = o.clone()
		}
		e := OutlineEntry{Name: string(generic), Shape: n.Shape & outlineShape, Type: n.Type}
		if at >= 0 { // the new entry takes over, the old one stays for who has used it
			old := &grown.entries[at]
			e.Name = old.Name
			if e.Type == cwmp.TypeUnknown {
				e.Type = old.Type
			}
			if old.Shape&shapeListed != 0 {
				e.Shape = old.Shape
			}
		}
		grown.add(e)
	}
	return grown, full
}

// lacks reports that a node says what the entry does not: where two CPE contradict
// each other, the entry stays.
func (e *OutlineEntry) lacks(n *SnapshotNode) bool {
	return e.Type == cwmp.TypeUnknown && n.Type != cwmp.TypeUnknown ||
		e.Shape&shapeListed == 0 && n.Shape&shapeListed != 0
}

func (o *Outline) size() int {
	if o == nil {
		return 0
	}
	return o.bytes
}

func (o *Outline) clone() *Outline {
	if o == nil {
		return &Outline{index: make(map[string]int)}
	}
	// The capacity is cut: what is added must not be where another clone adds.
	n := len(o.entries)
	return &Outline{entries: o.entries[:n:n], index: maps.Clone(o.index), sums: o.sums[:n:n], bytes: o.bytes}
}

// add is for an Outline that nobody else has yet.
func (o *Outline) add(e OutlineEntry) {
	if _, ok := o.index[e.Name]; !ok {
		o.bytes += len(e.Name)
	}
	o.index[e.Name] = len(o.entries)
	o.entries = append(o.entries, e)
	const offset, prime = 14695981039346656037, 1099511628211 // FNV-1a
	sum := uint64(offset)
	if n := len(o.sums); n > 0 {
		sum = o.sums[n-1]
	}
	for i := range len(e.Name) {
		sum = (sum ^ uint64(e.Name[i])) * prime
	}
	sum = (sum ^ uint64(e.Shape)<<8 ^ uint64(e.Type)) * prime
	o.sums = append(o.sums, sum)
}

// errOutline: bytes that are no Outline.
var errOutline = errors.New("model: not an outline")

// AppendBinary implements encoding.BinaryAppender; it never fails.
func (o *Outline) AppendBinary(b []byte) ([]byte, error) {
	for i := range o.Len() {
		e := &o.entries[i]
		b = append(b, byte(e.Shape), byte(e.Type))
		b = appendText(b, e.Name)
	}
	return b, nil
}

// ParseOutline reads what AppendBinary writes. It keeps nothing of b.
func ParseOutline(b []byte) (*Outline, error) {
	o := (*Outline)(nil).clone()
	all := string(b) // of which the names are parts
	for at := 0; at < len(all); {
		if len(all)-at < 3 || SnapshotShape(all[at])&^outlineShape != 0 {
			return nil, errOutline
		}
		e := OutlineEntry{Shape: SnapshotShape(all[at]), Type: cwmp.Type(all[at+1])}
		n, size := binary.Uvarint(b[at+2:])
		at += 2 + size
		if size <= 0 || n > maxNameLength || n > uint64(len(all)-at) {
			return nil, errOutline
		}
		e.Name = all[at : at+int(n)]
		at += int(n)
		o.add(e)
	}
	return o, nil
}

// appendGeneric appends name with {i} for what can be an instance number, and those
// to nums.
func appendGeneric(b []byte, nums []uint32, name string) (generic []byte, instances []uint32) {
	for {
		seg, rest, more := strings.Cut(name, ".")
		if n := instanceNumber(seg); n != 0 {
			b, nums = append(b, "{i}"...), append(nums, n)
		} else {
			b = append(b, seg...)
		}
		if !more {
			return b, nums
		}
		b, name = append(b, '.'), rest
	}
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}
