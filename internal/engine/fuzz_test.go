// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing/buffer"
	"github.com/uspgate/uspgate/usp"
)

// framed makes an item of a body, with the right length and checksum.
func framed(b, body []byte) []byte { return appendItem(b, &put{moved: body}) }

// summed appends the checksum of a mark message.
func summed(b []byte) []byte {
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli()))
}

func flipped(b []byte, bit uint) []byte {
	b = bytes.Clone(b)
	b[bit/8] ^= 1 << (bit % 8)
	return b
}

// FuzzBatch: of any bytes, items come out that are within them and the same when they are
// stored once more, or are counted; also where lengths and checksums are right, whatever is
// between them.
func FuzzBatch(f *testing.F) {
	one := appendItem(nil, &put{seq: 7, low: 3, item: buffer.Item{
		Lane:   buffer.Lane{To: usp.Address{ID: "os::012345-A", Role: usp.RoleAgent}, From: "self::c"},
		Record: usp.NewNoSession("self::c", "os::012345-A", "1.3", []byte("x")), At: time.Unix(0, 1),
		Trunk: "t", Via: "v", Hint: mtp.Hint{Destination: "d", ReplyTo: "r"},
	}})
	f.Add(appendBatchHeader(nil))
	f.Add(append(appendBatchHeader(nil), one...))
	f.Add(append(append(appendBatchHeader(nil), one...), one[:9]...))
	f.Add(one[4 : len(one)-4])
	f.Add(bytes.Repeat([]byte{0xff}, 40))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, batch := range [][]byte{
			b, append(appendBatchHeader(nil), b...), framed(framed(appendBatchHeader(nil), b), b),
		} {
			end, items := batchHeader, 0
			damaged, err := eachItem(batch, func(off, size int, s *stored) {
				items++
				if off < end || off+size > len(batch) {
					t.Fatalf("got an item from %d to %d, behind %d, in %d bytes", off, off+size, end, len(batch))
				}
				end = off + size
				if again := framed(nil, batch[off+4:end-4]); !bytes.Equal(again, batch[off:end]) {
					t.Errorf("once more: got %x, want %x", again, batch[off:end])
				}
				sameItem(t, s)
			})
			if err == nil && len(batch) > batchHeader && items+damaged == 0 {
				t.Errorf("%x: got neither an item nor damage", batch)
			}
		}
	})
}

// sameItem makes the Item of s, if it is one, and has it encoded and decoded.
func sameItem(t *testing.T, s *stored) {
	t.Helper()
	lane, ok := decodeLane(s.lane)
	if !ok {
		t.Errorf("got no Lane of %x", s.lane)
	}
	it, err := s.item(lane)
	if err != nil {
		return
	}
	if it.Record.Len() != s.recordLen() {
		t.Errorf("got a Record of %d bytes, want %d", it.Record.Len(), s.recordLen())
	}
	var other stored
	if err := other.decode(appendItem(nil, &put{item: it, seq: s.seq, low: s.low})); err != nil {
		t.Fatalf("got %v of what was encoded", err)
	}
	again, err := other.item(lane)
	if err != nil || !reflect.DeepEqual(again, it) || other.seq != s.seq || other.low != s.low || other.at != s.at {
		t.Errorf("got %+v, %v, want %+v", again, err, it)
	}
}

// FuzzItem: whatever an Item has, it comes out as it was; and a bit that is flipped, wherever
// it is, costs items, which is counted, and alters none.
func FuzzItem(f *testing.F) {
	f.Add("os::012345-A", "", byte(1), "", "broker", "usp/v1/agent", "", []byte("x"),
		uint64(1), uint64(0), int64(0), uint(0))
	f.Add("ops::a-b-c", "self::c", byte(2), "trunk", "", "", "/reply é", make([]byte, 300),
		uint64(1<<63), uint64(7), int64(-5), uint(33))
	f.Fuzz(func(
		t *testing.T, to, from string, role byte, trunk, via, dest, reply string, payload []byte,
		seq, low uint64, at int64, bit uint,
	) {
		seq = max(seq, 1)
		low = min(low, seq)
		lane := buffer.Lane{To: usp.Address{ID: usp.EndpointID(to), Role: usp.Role(role)}, From: usp.EndpointID(from)}
		one := buffer.Item{
			Lane: lane, Record: usp.NewNoSession("self::c", "os::012345-A", "1.3", payload), At: time.Unix(0, at),
			Trunk: trunk, Via: via, Hint: mtp.Hint{Destination: dest, ReplyTo: reply}, Seq: seq,
		}
		batch := appendBatchHeader(nil)
		const items = 3
		for range items {
			before := len(batch)
			batch = appendItem(batch, &put{item: one, seq: seq, low: low})
			if got := len(batch) - before; got > itemSize(&one) {
				t.Errorf("got %d bytes, want at most %d", got, itemSize(&one))
			}
		}
		decode := func(b []byte) (got, damaged int) {
			damaged, err := eachItem(b, func(_, _ int, s *stored) {
				got++
				l, ok := decodeLane(s.lane)
				it, err := s.item(l)
				if !ok || err != nil || !bytes.Equal(it.Record.Bytes(), one.Record.Bytes()) {
					t.Fatalf("got %+v, %v, %v, want %+v", it, ok, err, one)
				}
				it.Record = one.Record
				if !reflect.DeepEqual(it, one) || s.low != low {
					t.Errorf("got %+v with low %d, want %+v with %d", it, s.low, one, low)
				}
			})
			if err != nil {
				t.Fatalf("got %v, want nil", err)
			}
			return got, damaged
		}
		if got, damaged := decode(batch); got != items || damaged != 0 {
			t.Errorf("got %d items and %d damaged, want %d", got, damaged, items)
		}
		bit = batchHeader*8 + bit%uint((len(batch)-batchHeader)*8)
		if got, damaged := decode(flipped(batch, bit)); got >= items || damaged == 0 {
			t.Errorf("with bit %d flipped: got %d items and %d damaged, want that it is noticed", bit, got, damaged)
		}
	})
}

// markOfLane is a mark with its Lane.
type markOfLane struct {
	lane buffer.Lane
	mark
}

func marksIn(b []byte) (ordinal, floor uint64, marks []markOfLane, err error) {
	ordinal, floor, err = eachMark(b, func(encoded []byte, k *mark) {
		if lane, ok := decodeLane(encoded); ok {
			marks = append(marks, markOfLane{lane, *k})
		}
	})
	return ordinal, floor, marks, err
}

// FuzzMarks: of any bytes, with the right checksum or without, marks come out that are the
// same when they are written once more, or an error; and no flipped bit is overlooked.
func FuzzMarks(f *testing.F) {
	l := buffer.Lane{To: usp.Address{ID: "os::012345-A", Role: usp.RoleAgent}, From: "self::c"}
	m := newMarkMessage(3, 900)
	m.add(&l, &mark{high: 20, removed: 5, holes: []hole{{7, 2}, {12, 1}}})
	m.add(&buffer.Lane{}, &mark{})
	seed := m.bytes()
	f.Add(seed, uint(9))
	f.Add(seed[:len(seed)-4], uint(200))
	f.Add(seed[4:len(seed)-4], uint(0))
	f.Add(append(seed[4:20:20], 0xff, 0xff, 0xff), uint(0))
	f.Fuzz(func(t *testing.T, b []byte, bit uint) {
		for _, message := range [][]byte{
			b, summed(bytes.Clone(b)), summed(append([]byte{'U', 'M', markVersion, 0}, b...)),
		} {
			ordinal, floor, marks, err := marksIn(message)
			if err != nil {
				continue
			}
			m := newMarkMessage(ordinal, floor)
			for i := range marks {
				m.add(&marks[i].lane, &marks[i].mark)
			}
			again := m.bytes()
			ordinal2, floor2, marks2, err := marksIn(again)
			if err != nil || ordinal2 != ordinal || floor2 != floor || !reflect.DeepEqual(marks2, marks) {
				t.Errorf("got %d, %d, %+v, %v, want %d, %d, %+v", ordinal2, floor2, marks2, err, ordinal, floor, marks)
			}
			bad := flipped(again, bit%uint(len(again)*8))
			if _, _, _, err := marksIn(bad); err == nil {
				t.Errorf("with bit %d flipped: got no error", bit%uint(len(again)*8))
			}
		}
	})
}

// FuzzHoles: a mark knows of every seq whether it is gone, and what is missing beside that.
func FuzzHoles(f *testing.F) {
	f.Add(uint64(5), []byte{1, 0, 0, 3, 1}, []byte{0, 1, 0, 0, 1})
	f.Add(uint64(1<<40), []byte{0, 0}, []byte{})
	f.Add(uint64(0), []byte{}, []byte{1})
	f.Fuzz(func(t *testing.T, removed uint64, waits, known []byte) {
		removed %= 1 << 62
		high := removed + uint64(len(waits))
		var seqs []uint64
		for i, b := range waits {
			if b&1 == 1 {
				seqs = append(seqs, removed+1+uint64(i))
			}
		}
		m := mark{high: high, removed: removed, holes: holesOf(removed, high, slices.Values(seqs))}
		var before []hole // what was known already
		for i, b := range known {
			if b&1 == 1 {
				before = append(before, hole{removed + 1 + uint64(i), 1 + uint64(b>>1)%4})
			}
		}
		var missing []hole
		for _, h := range m.holes {
			missing = append(missing, without(h, before)...)
		}
		in := func(seq uint64, holes []hole) bool {
			return slices.ContainsFunc(holes, func(h hole) bool { return seq >= h.first && seq < h.first+h.n })
		}
		for seq := removed; seq <= high; seq++ {
			gone := seq <= removed || waits[seq-removed-1]&1 == 0
			if m.gone(seq) != gone {
				t.Errorf("gone %d: got %v, want %v", seq-removed, !gone, gone)
			}
			if want := gone && seq > removed && !in(seq, before); in(seq, missing) != want {
				t.Errorf("missing %d: got %v, want %v", seq-removed, !want, want)
			}
		}
		if m.gone(high + 1) {
			t.Error("got that what is to come is gone")
		}
	})
}
