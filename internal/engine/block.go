// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/minio/highwayhash"
)

// A stream's messages are in block files, N.blk, one record after the other
// (nats-server v2.15.2):
//
//	record: length of all (4)  sequence (8)  time (8)  length of subject (2)
//	        subject  [length of headers (4)  headers]  message  hash (8)
//
// Integers are little-endian. The highest bit of the length says that there are
// headers, the two highest of the sequence that the record is of a message deleted.
// The hash is HighwayHash-64 of all but the lengths, under a key of the stream's
// name and N.
const (
	recordHead   = 22
	recordSum    = 8
	recordMin    = recordHead + recordSum
	recordMax    = 32 << 20
	recordSeqs   = 1 << 48 // more than a stream will have: so little else looks like a record
	withHeaders  = 1 << 31
	deletedBits  = 3 << 62
	blockSuffix  = ".blk"
	indexOfBlock = "index.db"
)

// blockName is that of block n.
func blockName(dir string, n uint32) string {
	return filepath.Join(dir, strconv.FormatUint(uint64(n), 10)+blockSuffix)
}

// blockOf is the number of the block whose file has that name, if it is one.
func blockOf(name string) (n uint32, isBlock bool) {
	name, isBlock = strings.CutSuffix(name, blockSuffix)
	number, err := strconv.ParseUint(name, 10, 32)
	return uint32(number), isBlock && err == nil
}

// blocksIn lists the numbers of the blocks in dir, ascending; none where there is
// no dir.
func blocksIn(dir string) ([]uint32, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var numbers []uint32
	for _, e := range entries {
		if n, isBlock := blockOf(e.Name()); isBlock {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// rawRecord is the place of one record in its block.
type rawRecord struct {
	off, size int
	seq       uint64
	deleted   bool
	message   int // where the message begins, from the beginning of the record
}

// parse reads the head of the record at the beginning of b, the rest of a block or
// as much of it as is in memory. It reports whether it can be one in size bytes.
func (r *rawRecord) parse(b []byte, size int64) bool {
	if len(b) < recordHead {
		return false
	}
	length := binary.LittleEndian.Uint32(b)
	subject := int(binary.LittleEndian.Uint16(b[20:]))
	headers := length&withHeaders != 0
	length &^= withHeaders
	seq := binary.LittleEndian.Uint64(b[4:])
	r.size, r.seq, r.deleted = int(length), seq&^deletedBits, seq&deletedBits != 0
	r.message = recordHead + subject
	if headers {
		if r.message += 4; len(b) < r.message {
			return false
		}
		n := binary.LittleEndian.Uint32(b[r.message-4:])
		if n > length {
			return false
		}
		r.message += int(n)
	}
	return length >= recordMin && length <= recordMax && int64(length) <= size &&
		r.message+recordSum <= r.size && r.seq < recordSeqs
}

// recordHasher checks the records of one block.
type recordHasher struct {
	h       hash.Hash64
	subject string // of all messages, empty: of any; the hash does not say where it ends
}

func newRecordHasher(stream string, block uint32) (recordHasher, error) {
	key := sha256.Sum256([]byte(stream + "-" + strconv.FormatUint(uint64(block), 10)))
	h, err := highwayhash.New64(key[:])
	c := recordHasher{h: h}
	if stream == logStream || stream == logMarks {
		c.subject = stream
	}
	return c, err
}

// sound reports that b, which is one record, is as it was written.
func (c recordHasher) sound(b []byte, r *rawRecord) bool {
	if n := len(c.subject); n > 0 && !r.deleted &&
		(binary.LittleEndian.Uint16(b[20:]) != uint16(n) || string(b[recordHead:recordHead+n]) != c.subject) {
		return false
	}
	var sum [recordSum]byte
	return bytes.Equal(c.sum(sum[:0], b, r), b[r.size-recordSum:r.size])
}

// sign gives b, which is one record, the hash of what it is now.
func (c recordHasher) sign(b []byte, r *rawRecord) {
	c.sum(b[:r.size-recordSum], b, r)
}

// sum appends the hash of b, which is one record.
func (c recordHasher) sum(to, b []byte, r *rawRecord) []byte {
	subject := recordHead + int(binary.LittleEndian.Uint16(b[20:]))
	rest := subject
	if binary.LittleEndian.Uint32(b)&withHeaders != 0 {
		rest += 4
	}
	c.h.Reset()
	_, _ = c.h.Write(b[4:20])
	_, _ = c.h.Write(b[recordHead:subject])
	_, _ = c.h.Write(b[rest : r.size-recordSum])
	return c.h.Sum(to)
}

// eachRecord calls f with every record of a block whose hash is right, in order,
// and returns the damaged parts between them, of which the last may be the end of
// the block.
func (c recordHasher) eachRecord(b []byte, f func(r *rawRecord)) (damaged []span) {
	var r rawRecord
	for off := 0; off < len(b); {
		if c.at(b, off, &r) {
			f(&r)
			off += r.size
			continue
		}
		next := c.resume(b, off)
		damaged = append(damaged, span{off, next - off})
		off = next
	}
	return damaged
}

// resume finds where records go on behind what is not one at off. If its length
// leads to a record, or to the end, it is believed unless there are records all the
// way up to there: a message may have bytes that look like one.
func (c recordHasher) resume(b []byte, off int) int {
	var r rawRecord
	end, believed := len(b), false
	if r.parse(b[off:], int64(len(b)-off)) {
		var behind rawRecord
		if next := off + r.size; next == len(b) || c.at(b, next, &behind) {
			end, believed = next, true
		}
	}
	for j := off + 1; j < end; j++ {
		if c.at(b, j, &r) && (!believed || c.leads(b, j, end)) {
			return j
		}
	}
	return end
}

// leads reports that there are records from off to end.
func (c recordHasher) leads(b []byte, off, end int) bool {
	var r rawRecord
	for off < end && c.at(b, off, &r) {
		off += r.size
	}
	return off == end
}

func (c recordHasher) at(b []byte, off int, r *rawRecord) bool {
	if !r.parse(b[off:], int64(len(b)-off)) || !c.sound(b[off:off+r.size], r) {
		return false
	}
	r.off = off
	return true
}

// span is a part of a block.
type span struct{ off, size int }

// scanHeads calls f with each record of an open block from the offset off on,
// without looking at more than their heads, and returns where the next one will be.
func scanHeads(file io.ReaderAt, off, size int64, f func(r *rawRecord)) (int64, error) {
	var head [4 << 10]byte // with the subject, and the headers' length
	for off < size {
		n, err := file.ReadAt(head[:min(int64(len(head)), size-off)], off)
		if err != nil && !errors.Is(err, io.EOF) {
			return off, err
		}
		for b, at := head[:n], off; ; {
			var r rawRecord
			if !r.parse(b, size-at) {
				if at == off {
					return off, nil // the end, or damage
				}
				break
			}
			r.off = int(at)
			f(&r)
			at += int64(r.size)
			off = at
			if r.size > len(b) {
				break
			}
			b = b[r.size:]
		}
	}
	return off, nil
}
