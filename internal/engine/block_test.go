// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"bytes"
	"encoding/binary"
	"os"
	"testing"
)

func hasher(tb testing.TB, block uint32) recordHasher {
	tb.Helper()
	h, err := newRecordHasher(logStream, block)
	if err != nil {
		tb.Fatal(err)
	}
	return h
}

// appendRecord appends what JetStream writes for a message.
func appendRecord(c recordHasher, b []byte, seq uint64, headers, message string) []byte {
	start := len(b)
	b = append(b, make([]byte, recordHead)...)
	b = append(b, logStream...)
	if headers != "" {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(headers)))
		b = append(b, headers...)
	}
	b = append(b, message...)
	b = append(b, make([]byte, recordSum)...)
	rec := b[start:]
	length := uint32(len(rec))
	if headers != "" {
		length |= withHeaders
	}
	binary.LittleEndian.PutUint32(rec, length)
	binary.LittleEndian.PutUint64(rec[4:], seq)
	binary.LittleEndian.PutUint64(rec[12:], 1_700_000_000_000_000_000)
	binary.LittleEndian.PutUint16(rec[20:], uint16(len(logStream)))
	c.sign(rec, &rawRecord{size: len(rec)})
	return b
}

// writeBlock puts a block in its place, as JetStream does where it compacts one.
func writeBlock(t *testing.T, dir string, n uint32, b []byte) {
	t.Helper()
	name := blockName(dir, n)
	if err := os.WriteFile(name+".tmp", b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name+".tmp", name); err != nil {
		t.Fatal(err)
	}
}

// growBlock writes to a block that is there.
func growBlock(t *testing.T, dir string, n uint32, b []byte) {
	t.Helper()
	if err := os.WriteFile(blockName(dir, n), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Messages are found in blocks that grow, are written anew, and go.
func TestBlocks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	x := newBlocks(dir, "")
	t.Cleanup(x.close)
	want := func(seq uint64, text string) {
		t.Helper()
		b, err := x.item(place{msg: seq, off: 1, size: 3})
		if err != nil || string(b) != text {
			t.Errorf("message %d: got %q, %v, want %q", seq, b, err, text)
		}
	}
	one := hasher(t, 1)
	first := appendRecord(one, nil, 5, "", "-one-")
	first = appendRecord(one, first, 6, "NATS/1.0\r\n\r\n", "-two-")
	writeBlock(t, dir, 1, first)
	want(5, "one")
	want(6, "two")
	want(7, "")
	first = appendRecord(one, first, 9, "", "-six-")
	growBlock(t, dir, 1, first)
	want(9, "six")
	want(8, "") // a gap
	second := appendRecord(hasher(t, 2), nil, 10|1<<63, "", "")
	writeBlock(t, dir, 2, second)
	want(10, "") // was deleted
	second = appendRecord(hasher(t, 2), second, 12, "", "-ten-")
	growBlock(t, dir, 2, second)
	want(12, "ten")
	writeBlock(t, dir, 1, appendRecord(one, nil, 9, "", "-new-"))
	x.forget(9)
	want(9, "new")
	want(5, "")
	if err := os.Remove(blockName(dir, 1)); err != nil {
		t.Fatal(err)
	}
	if err := x.refresh(); err != nil {
		t.Fatal(err)
	}
	want(9, "")
	want(12, "ten")
	if len(x.open) != 1 || len(x.known) != 1 {
		t.Errorf("got %d files open and %d blocks known, want 1 and 1", len(x.open), len(x.known))
	}
}

// No more files are open than the bound says, and all blocks are read all the same.
func TestBlocksOpen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	x := newBlocks(dir, "")
	t.Cleanup(x.close)
	const n = openBlocks + 10
	for i := uint32(1); i <= n; i++ {
		writeBlock(t, dir, i, appendRecord(hasher(t, i), nil, uint64(i), "", "-abc-"))
	}
	for range 2 {
		for i := uint64(1); i <= n; i++ {
			if b, err := x.item(place{msg: i, size: 5}); err != nil || string(b) != "-abc-" {
				t.Fatalf("message %d: got %q, %v, want -abc-", i, b, err)
			}
		}
	}
	if len(x.open) != openBlocks {
		t.Errorf("got %d files open, want %d", len(x.open), openBlocks)
	}
}

// Whatever a block has become, what is intact of it is kept, in order, and what is
// kept is read again without complaint.
func FuzzMend(f *testing.F) {
	f.Add([]byte("body"), uint16(0), byte(1), false)
	f.Add([]byte("UB\x01\x00body of a batch"), uint16(60), byte(0x80), true)
	f.Add([]byte("UB\x01\x00"), uint16(3), byte(0x7f), true)
	f.Fuzz(func(t *testing.T, body []byte, at uint16, bits byte, batches bool) {
		if len(body) > 1000 {
			return
		}
		c := hasher(t, 3)
		var b []byte
		const n = 5
		var starts []int
		for seq := range uint64(n) {
			starts = append(starts, len(b))
			b = appendRecord(c, b, seq+1, "", string(body))
		}
		broken := bytes.Clone(b)
		where := int(at) % len(b)
		broken[where] ^= bits
		whole, damage := c.mend(broken, batches)
		if bits == 0 && whole != nil {
			t.Fatalf("got %v damaged, want nothing", damage)
		}
		if whole == nil {
			if bits != 0 && where < starts[n-1] {
				t.Fatalf("byte %d of %d was changed, and nothing was done", where, len(b))
			}
			return
		}
		var seqs []uint64
		if rest := c.eachRecord(whole, func(r *rawRecord) { seqs = append(seqs, r.seq) }); len(rest) > 0 {
			t.Fatalf("got %v damaged after mending, want nothing", rest)
		}
		if len(seqs) < n-1 {
			t.Fatalf("got records %v, want at least %d", seqs, n-1)
		}
		for i := 1; i < len(seqs); i++ {
			if seqs[i] <= seqs[i-1] {
				t.Fatalf("got records %v, want them in order", seqs)
			}
		}
	})
}

// Bytes that are no block at all are looked at without harm.
func FuzzBlock(f *testing.F) {
	var c recordHasher
	if h, err := newRecordHasher(logStream, 1); err == nil {
		c = h
	}
	f.Add(appendRecord(c, nil, 1, "", "message"))
	f.Add(appendRecord(c, appendRecord(c, nil, 1, "h", "message"), 2, "", ""))
	f.Fuzz(func(t *testing.T, b []byte) {
		covered := 0
		for _, d := range c.eachRecord(b, func(r *rawRecord) { covered += r.size }) {
			covered += d.size
		}
		if covered != len(b) {
			t.Fatalf("got %d of %d bytes looked at", covered, len(b))
		}
		c.mend(b, true)
		end, err := scanHeads(bytes.NewReader(b), 0, int64(len(b)), func(*rawRecord) {})
		if err != nil || end > int64(len(b)) {
			t.Fatalf("got %d, %v of %d bytes", end, err, len(b))
		}
	})
}
