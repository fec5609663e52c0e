// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"encoding/binary"
	"errors"
	"hash/crc32"

	"github.com/uspgate/uspgate/routing/buffer"
)

// A message of a MARK stream has marks of any number of Lanes; of each Lane the
// latest holds:
//
//	message: "UM" version 0  ordinal floor (8)  marks  CRC-32C of all before (4)
//	mark:    lane  high removed (uvarint)  holes (uvarint)  { offset length (uvarint) }
//
// lane is as in an item. ordinal counts the messages, floor is the highest seq
// that any Lane has used.
const (
	markHeader  = 20
	markVersion = 1
)

var errMark = errors.New("engine: a mark is damaged or of an unknown version")

// mark is what is known of a Lane apart from its items, so that a lost one is
// missed.
type mark struct {
	high    uint64 // the highest seq stored
	removed uint64 // everything up to it is gone
	holes   []hole // what is gone above it
}

// hole is a range of seqs.
type hole struct{ first, n uint64 }

func (m *mark) gone(seq uint64) bool {
	if seq <= m.removed {
		return true
	}
	for _, h := range m.holes {
		if seq >= h.first && seq-h.first < h.n {
			return true
		}
	}
	return false
}

// markMessage is being put together.
type markMessage struct{ b []byte }

func newMarkMessage(ordinal, floor uint64) *markMessage {
	b := append(make([]byte, 0, 512), 'U', 'M', markVersion, 0)
	b = binary.LittleEndian.AppendUint64(b, ordinal)
	return &markMessage{b: binary.LittleEndian.AppendUint64(b, floor)}
}

func (m *markMessage) add(l *buffer.Lane, k *mark) {
	b := appendLane(m.b, l)
	for _, v := range [...]uint64{k.high, k.removed, uint64(len(k.holes))} {
		b = binary.AppendUvarint(b, v)
	}
	for _, h := range k.holes {
		b = binary.AppendUvarint(b, h.first-k.removed)
		b = binary.AppendUvarint(b, h.n)
	}
	m.b = b
}

func (m *markMessage) bytes() []byte {
	return binary.LittleEndian.AppendUint32(m.b, crc32.Checksum(m.b, castagnoli()))
}

// eachMark calls f with each mark of a message; lane is encoded, and a view.
func eachMark(b []byte, f func(lane []byte, k *mark)) (ordinal, floor uint64, err error) {
	if len(b) < markHeader+4 || b[0] != 'U' || b[1] != 'M' || b[2] != markVersion {
		return 0, 0, errMark
	}
	end := len(b) - 4
	if crc32.Checksum(b[:end], castagnoli()) != binary.LittleEndian.Uint32(b[end:]) {
		return 0, 0, errMark
	}
	d := decoder{b: b[4:end]}
	ordinal, floor = d.uint64(), d.uint64()
	for len(d.b) > 0 && !d.bad {
		lane := d.lane()
		var k mark
		k.high, k.removed = d.uvarint(), d.uvarint()
		for n := d.uvarint(); n > 0 && !d.bad; n-- {
			k.holes = append(k.holes, hole{k.removed + d.uvarint(), d.uvarint()})
		}
		if d.bad {
			break
		}
		f(lane, &k)
	}
	if d.bad {
		return ordinal, floor, errMark
	}
	return ordinal, floor, nil
}

// holesOf are the seqs from removed+1 up to and with high that are not in seqs,
// which ascend and begin with removed+1 if there are any.
func holesOf(removed, high uint64, seqs func(yield func(uint64) bool)) []hole {
	var holes []hole
	next := removed + 1
	for seq := range seqs {
		if seq > next {
			holes = append(holes, hole{next, seq - next})
		}
		next = seq + 1
	}
	if high >= next {
		holes = append(holes, hole{next, high + 1 - next})
	}
	return holes
}
