// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"maps"
	"math"

	"github.com/uspgate/uspgate/routing/buffer"
)

// shelfMark is what has been removed of an address.
//
//	mark:    "UM" version 0  body  CRC-32C of body (4)
//	body:    floor high  spoilt  Lanes ...
//	spoilt:  count  (batch  Records) ...
//	Lane:    lane low  count  Seq ...
//
// Of the batches before floor nothing is left, nor of a Lane up to its low, nor what has
// one of the Seqs behind that. A Lane that is not there has nothing that matters. high is
// the newest batch of which something is left, 0 for none. Of a batch that is spoilt so
// many Records were reported as damaged. All numbers are uvarints.
type shelfMark struct {
	floor  uint64
	high   uint64
	spoilt map[uint64]int
	lanes  map[buffer.Lane]*removed
}

// removed is what has been removed of a Lane: what is up to low, and what was dropped
// from its middle.
type removed struct {
	low    uint64
	middle map[uint64]struct{}
}

// Bounds of a mark: what is beyond is forgotten, and comes, or is reported, once more.
const (
	maxMiddle = 1000 // for each Lane
	maxSpoilt = 1000
)

func (r *removed) clone() *removed { return &removed{r.low, maps.Clone(r.middle)} }

func (r *removed) same(x *removed) bool { return r.low == x.low && maps.Equal(r.middle, x.middle) }

func (r *removed) add(seq uint64, middle bool) {
	switch {
	case !middle:
		r.low = max(r.low, seq)
	case len(r.middle) < maxMiddle:
		r.middle[seq] = struct{}{}
	}
}

func (r *removed) has(seq uint64) bool {
	_, is := r.middle[seq]
	return is || seq <= r.low
}

// of returns what has been removed of a Lane.
func (s *shelf) of(lane buffer.Lane) *removed {
	r := s.removed[lane]
	if r == nil {
		r = &removed{middle: make(map[uint64]struct{})}
		s.removed[lane] = r
	}
	return r
}

const shelfMarkHead = "UM\x01\x00"

func (m *shelfMark) encode() []byte {
	b := binary.AppendUvarint([]byte(shelfMarkHead), m.floor)
	b = binary.AppendUvarint(b, m.high)
	b = binary.AppendUvarint(b, uint64(len(m.spoilt)))
	for batch, records := range m.spoilt {
		b = binary.AppendUvarint(b, batch)
		b = binary.AppendUvarint(b, uint64(records))
	}
	for lane, r := range m.lanes {
		b = appendLane(b, &lane)
		b = binary.AppendUvarint(b, r.low)
		b = binary.AppendUvarint(b, uint64(len(r.middle)))
		for seq := range r.middle {
			b = binary.AppendUvarint(b, seq)
		}
	}
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[len(shelfMarkHead):], castagnoli()))
}

var errShelfMark = errors.New("engine: the mark of an address is damaged")

func newShelfMark() *shelfMark {
	return &shelfMark{spoilt: make(map[uint64]int), lanes: make(map[buffer.Lane]*removed)}
}

// parseShelfMark is what encode has made.
func parseShelfMark(b []byte) (*shelfMark, error) {
	b, ok := bytes.CutPrefix(b, []byte(shelfMarkHead))
	if !ok || len(b) < 4 {
		return nil, errShelfMark
	}
	body, sum := b[:len(b)-4], b[len(b)-4:]
	if crc32.Checksum(body, castagnoli()) != binary.LittleEndian.Uint32(sum) {
		return nil, errShelfMark
	}
	d, m := decoder{b: body}, newShelfMark()
	m.floor, m.high = d.uvarint(), d.uvarint()
	for n := d.uvarint(); n > 0 && !d.bad; n-- {
		batch := d.uvarint()
		m.spoilt[batch] = int(min(d.uvarint(), math.MaxInt32))
	}
	for len(d.b) > 0 && !d.bad {
		lane, r := d.readLane(), &removed{low: d.uvarint(), middle: make(map[uint64]struct{})}
		for n := d.uvarint(); n > 0 && !d.bad; n-- {
			r.middle[d.uvarint()] = struct{}{}
		}
		m.lanes[lane] = r
	}
	if d.bad {
		return nil, errShelfMark
	}
	return m, nil
}

func (m *shelfMark) same(x *shelfMark) bool {
	return m.floor == x.floor && m.high == x.high && maps.Equal(m.spoilt, x.spoilt) &&
		maps.EqualFunc(m.lanes, x.lanes, (*removed).same)
}
