// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing/buffer"
	"github.com/uspgate/uspgate/usp"
)

// A message of a BUF stream is a batch of items, each of which can be read and
// checked without the others:
//
//	batch: "UB" version 0  items
//	item:  length of the rest (4)  body  CRC-32C of body (4)
//	body:  seq low (uvarint)  at session (8)  lane  trunk via destination reply-to (string)  Record
//	lane:  role (1)  to from (string)
//	string: length (uvarint) bytes
//
// Integers of fixed size are little-endian. seq is dense per Lane. low is the
// lowest seq that had not been removed when the item was put: whatever is missing
// between low and seq is damage.
const (
	batchHeader  = 4
	batchVersion = 1
	itemFrame    = 8
	// itemRoom is more than an item has beside its Record and strings.
	itemRoom = 128
)

var (
	errBatch = errors.New("engine: not a batch of items of a known version")
	errItem  = errors.New("engine: an item is damaged")
)

// stored is an item as it is in a BUF stream. Its bytes are views.
type stored struct {
	seq, low uint64
	at       int64
	session  uint64
	lane     []byte // encoded
	rest     []byte // what follows lane
}

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) } // made once, by crc32

func appendBatchHeader(b []byte) []byte { return append(b, 'U', 'B', batchVersion, 0) }

func isBatch(b []byte) bool {
	return len(b) >= batchHeader && b[0] == 'U' && b[1] == 'B' && b[2] == batchVersion
}

func appendString[S ~string](b []byte, s S) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendLane(b []byte, l *buffer.Lane) []byte {
	b = append(b, byte(l.To.Role))
	b = appendString(b, l.To.ID)
	return appendString(b, l.From)
}

// appendItem appends the item of p.
func appendItem(b []byte, p *put) []byte {
	start := len(b)
	b = append(b, 0, 0, 0, 0)
	if p.moved != nil {
		b = append(b, p.moved...)
	} else {
		b = binary.AppendUvarint(b, p.seq)
		b = binary.AppendUvarint(b, p.low)
		b = binary.LittleEndian.AppendUint64(b, uint64(p.item.At.UnixNano()))
		b = binary.LittleEndian.AppendUint64(b, buffer.SessionKey(p.item.Record.Header()))
		b = appendLane(b, &p.item.Lane)
		b = appendString(b, p.item.Trunk)
		b = appendString(b, p.item.Via)
		b = appendString(b, p.item.Hint.Destination)
		b = appendString(b, p.item.Hint.ReplyTo)
		b = append(b, p.item.Record.Bytes()...)
	}
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[start+4:], castagnoli()))
	binary.LittleEndian.PutUint32(b[start:], uint32(len(b)-start-4))
	return b
}

// itemSize is how many bytes appendItem needs at most.
func itemSize(it *buffer.Item) int {
	return itemRoom + it.Record.Len() + len(it.Lane.To.ID) + len(it.Lane.From) +
		len(it.Trunk) + len(it.Via) + len(it.Hint.Destination) + len(it.Hint.ReplyTo)
}

// eachItem calls f with each item of a batch and its frame's place in it, and
// returns how many were damaged: one whose length is wrong takes the rest along.
func eachItem(batch []byte, f func(off, size int, s *stored)) (damaged int, err error) {
	if !isBatch(batch) {
		return 0, errBatch
	}
	var s stored
	for off := batchHeader; off < len(batch); {
		size, err := frame(batch[off:])
		if err != nil {
			return damaged + 1, nil //nolint:nilerr // it is counted
		}
		if err := s.decode(batch[off : off+size]); err != nil {
			damaged++
		} else {
			f(off, size, &s)
		}
		off += size
	}
	return damaged, nil
}

// frame is the size of the item at the beginning of b.
func frame(b []byte) (int, error) {
	if len(b) < itemFrame {
		return 0, errItem
	}
	n := int64(binary.LittleEndian.Uint32(b)) + 4
	if n < itemFrame || n > int64(len(b)) {
		return 0, errItem
	}
	return int(n), nil
}

// decode reads one framed item and checks it.
func (s *stored) decode(b []byte) error {
	if len(b) < itemFrame || int64(binary.LittleEndian.Uint32(b)) != int64(len(b)-4) {
		return errItem
	}
	body := b[4 : len(b)-4]
	if crc32.Checksum(body, castagnoli()) != binary.LittleEndian.Uint32(b[len(b)-4:]) {
		return errItem
	}
	d := decoder{b: body}
	s.seq, s.low = d.uvarint(), d.uvarint()
	s.at, s.session = int64(d.uint64()), d.uint64()
	s.lane = d.lane()
	s.rest = d.b
	if d.bad || s.seq == 0 || s.low > s.seq {
		return errItem
	}
	return nil
}

// item makes the Item; it takes a copy of nothing.
func (s *stored) item(lane buffer.Lane) (buffer.Item, error) {
	d := decoder{b: s.rest}
	it := buffer.Item{
		Lane: lane, Seq: s.seq, At: time.Unix(0, s.at), Trunk: string(d.string()), Via: string(d.string()),
		Hint: mtp.Hint{Destination: string(d.string()), ReplyTo: string(d.string())},
	}
	if d.bad {
		return it, errItem
	}
	var err error
	it.Record, err = usp.NewRecord(d.b)
	return it, err
}

// recordLen is the length of the Record.
func (s *stored) recordLen() int {
	d := decoder{b: s.rest}
	for range 4 {
		d.string()
	}
	return len(d.b)
}

// decodeLane makes a Lane of its encoded form.
func decodeLane(b []byte) (buffer.Lane, bool) {
	d := decoder{b: b}
	l := d.readLane()
	return l, !d.bad && len(d.b) == 0
}

// decoder reads from the front of b; what is not there makes it bad.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) take(n uint64) []byte {
	if d.bad || n > uint64(len(d.b)) {
		d.bad = true
		return nil
	}
	v := d.b[:n:n]
	d.b = d.b[n:]
	return v
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.bad = true
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) uint64() uint64 {
	if v := d.take(8); v != nil {
		return binary.LittleEndian.Uint64(v)
	}
	return 0
}

func (d *decoder) string() []byte { return d.take(d.uvarint()) }

// lane returns the encoded form.
func (d *decoder) lane() []byte {
	all := d.b
	d.take(1)
	d.string()
	d.string()
	if d.bad {
		return nil
	}
	return all[:len(all)-len(d.b)]
}

func (d *decoder) readLane() buffer.Lane {
	role := d.take(1)
	l := buffer.Lane{To: usp.Address{ID: usp.EndpointID(d.string())}, From: usp.EndpointID(d.string())}
	if !d.bad {
		l.To.Role = usp.Role(role[0])
	}
	return l
}
