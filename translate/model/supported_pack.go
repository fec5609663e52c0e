// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"encoding/binary"
	"errors"
	"strings"

	"github.com/uspgate/uspgate/usp/path"
)

// The bits of an encoded object, and those of an encoded parameter above its Access.
const (
	packedAdd = 1 << iota
	packedDelete
	packedSeen

	packedListed = 1 << 2
	packedKept   = 1 << 3
)

// AppendBinary implements encoding.BinaryAppender; it never fails. Of each object there
// are how many bytes of its path are those of the one before, the rest of the path, its
// bits, its unique keys, and its parameters.
func (s *Supported) AppendBinary(b []byte) ([]byte, error) {
	last := ""
	for _, o := range s.all() {
		same := 0
		for same < min(len(last), len(o.Path)) && last[same] == o.Path[same] {
			same++
		}
		last = o.Path
		b = appendText(binary.AppendUvarint(b, uint64(same)), o.Path[same:])
		b = append(b, bits(o.Add, packedAdd)|bits(o.Delete, packedDelete)|bits(o.Seen, packedSeen))
		b = binary.AppendUvarint(b, uint64(len(o.Keys)))
		for _, key := range o.Keys {
			b = binary.AppendUvarint(b, uint64(len(key)))
			for _, name := range key {
				b = appendText(b, name)
			}
		}
		b = binary.AppendUvarint(b, uint64(len(o.Params)))
		for _, p := range o.Params {
			b = append(appendText(b, p.Name), byte(p.Type), byte(p.Access)|bits(p.Listed, packedListed)|bits(p.Kept, packedKept))
		}
	}
	return b, nil
}

func bits(on bool, b byte) byte {
	if on {
		return b
	}
	return 0
}

// errSupported: bytes that are no Supported.
var errSupported = errors.New("model: not a supported data model")

// ParseSupported reads what AppendBinary writes. It keeps nothing of b.
func ParseSupported(b []byte) (*Supported, error) {
	r := &supportedReader{all: string(b)}
	var objects []*SupportedObject
	last := ""
	for r.at < len(r.all) {
		o := r.object(last)
		if r.bad || !strings.HasSuffix(o.Path, ".") || comparePaths(last, o.Path) >= 0 {
			return nil, errSupported
		}
		last = o.Path
		objects = append(objects, o)
	}
	return newSupported(objects), nil
}

// supportedReader reads from at on; the strings are parts of all.
type supportedReader struct {
	all string
	at  int
	bad bool
}

func (r *supportedReader) object(last string) *SupportedObject {
	same := r.number(len(last))
	o := &SupportedObject{Path: last[:same] + r.text()}
	flags := r.byte()
	o.Multi = strings.HasSuffix(o.Path, ".{i}.")
	o.Add, o.Delete, o.Seen = flags&packedAdd != 0, flags&packedDelete != 0, flags&packedSeen != 0
	for range r.number(len(r.all)) {
		var key []string
		for range r.number(len(r.all)) {
			if key = append(key, r.text()); r.bad {
				return o
			}
		}
		if o.Keys = append(o.Keys, key); r.bad {
			return o
		}
	}
	before := ""
	for range r.number(len(r.all)) {
		p := SupportedParam{Name: r.text(), Type: path.Type(r.byte())}
		flags := r.byte()
		p.Access = min(Access(flags&(packedListed-1)), WriteOnce)
		p.Listed, p.Kept = flags&packedListed != 0, flags&packedKept != 0
		if r.bad = r.bad || p.Name <= before; r.bad {
			return o
		}
		before = p.Name
		o.Params = append(o.Params, p)
	}
	return o
}

// number reads one that is not greater than limit.
func (r *supportedReader) number(limit int) int {
	n, size := uint64(0), 0
	if !r.bad {
		end := min(len(r.all), r.at+binary.MaxVarintLen64)
		n, size = binary.Uvarint([]byte(r.all[r.at:end]))
	}
	if size <= 0 || n > uint64(limit) {
		r.bad = true
		return 0
	}
	r.at += size
	return int(n)
}

func (r *supportedReader) text() string {
	n := r.number(maxNameLength)
	if r.bad || n > len(r.all)-r.at {
		r.bad = true
		return ""
	}
	r.at += n
	return r.all[r.at-n : r.at]
}

func (r *supportedReader) byte() byte {
	if r.bad || r.at >= len(r.all) {
		r.bad = true
		return 0
	}
	r.at++
	return r.all[r.at-1]
}
