// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.uber.org/zap"
)

// keepDamaged bounds how many blocks are kept as they were found.
const keepDamaged = 16

// repair looks at every block before JetStream does, which would cut one at the
// first record that is not as it was written, and with it all that is intact
// behind. What is damaged is taken out, so that no more is lost than that; it is
// logged, and the block as it was found is kept in <store>/damaged.
//
// A block that ends within a record is what a crash leaves, and is left to
// JetStream. One whose key cannot be read is taken away as a whole: JetStream would
// leave out the stream.
func (e *Engine) repair() error {
	top := filepath.Dir(filepath.Dir(e.streamDir("x")))
	streams, err := os.ReadDir(top)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, s := range streams {
		if err := e.repairStream(s.Name()); err != nil {
			return fmt.Errorf("repairing the blocks of %s: %w", s.Name(), err)
		}
	}
	return nil
}

func (e *Engine) repairStream(stream string) error {
	dir := e.streamDir(stream)
	numbers, err := blocksIn(dir)
	if err != nil {
		return err
	}
	var buf []byte
	repaired := false
	for _, n := range numbers {
		var changed bool
		if buf, changed, err = e.repairBlock(buf, stream, n); err != nil {
			return err
		}
		repaired = repaired || changed
	}
	if !repaired {
		return nil
	}
	err = os.Remove(filepath.Join(dir, indexOfBlock)) // it is made anew of the blocks
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, e.o.sync(dir))
}

// repairBlock reports whether the block had to be written anew. It may use buf, and
// returns what is to be used for the next.
func (e *Engine) repairBlock(buf []byte, stream string, n uint32) ([]byte, bool, error) {
	dir := e.streamDir(stream)
	key, err := readBlockKey(e.secret, dir, stream, n)
	if err != nil {
		e.health.damaged.Inc()
		e.log.Error("a block of the store is lost, as its key is missing or damaged",
			zap.String("stream", stream), zap.Uint32("block", n), zap.Error(err))
		return buf, true, e.takeAway(stream, n)
	}
	if buf, err = readInto(buf, blockName(dir, n)); err != nil {
		return buf, false, err
	}
	key.xor(buf, 0)
	h, err := newRecordHasher(stream, n)
	if err != nil {
		return buf, false, err
	}
	whole, damage := h.mend(buf, stream == logStream)
	if len(damage) == 0 {
		return buf, false, nil
	}
	e.health.damaged.Add(float64(len(damage)))
	e.log.Error("a block of the store is damaged; what is intact in it is kept",
		zap.String("stream", stream), zap.Uint32("block", n), zap.Int("places", len(damage)),
		zap.Int("first_offset", damage[0].off), zap.Int("bytes_lost", len(buf)-len(whole)))
	key.xor(whole, 0)
	return buf, true, e.replace(stream, n, whole)
}

// mend returns a block without what is damaged, and what that is; nothing if all
// there is is an end that was not written wholly. Batches have a sum in each of
// their items: a damaged one is kept, with a new hash, if it is clear where it ends.
func (c recordHasher) mend(b []byte, batches bool) (whole []byte, damage []span) {
	var intact []rawRecord
	damage = c.eachRecord(b, func(r *rawRecord) { intact = append(intact, *r) })
	if len(damage) == 0 || len(damage) == 1 && torn(b, damage[0]) {
		return nil, nil
	}
	whole = make([]byte, 0, len(b))
	var last uint64
	for _, d := range damage {
		for len(intact) > 0 && intact[0].off < d.off {
			r := &intact[0]
			whole, last, intact = append(whole, b[r.off:r.off+r.size]...), r.seq, intact[1:]
		}
		var r rawRecord
		part := b[d.off : d.off+d.size]
		ends := r.parse(part, int64(d.size)) && r.size == d.size
		if !batches || !ends || !isBatch(part[r.message:r.size-recordSum]) {
			continue
		}
		if next := intactAfter(intact, last); r.deleted || r.seq <= last || next != 0 && r.seq >= next {
			continue
		}
		part = bytes.Clone(part)
		if c.sign(part, &r); !c.sound(part, &r) {
			continue
		}
		whole, last = append(whole, part...), r.seq
	}
	for i := range intact {
		whole = append(whole, b[intact[i].off:intact[i].off+intact[i].size]...)
	}
	return whole, damage
}

// torn reports that a damaged part is the end of a block, which has not got as far
// as it says: so it was being written.
func torn(b []byte, s span) bool {
	var r rawRecord
	return s.off+s.size == len(b) && !r.parse(b[s.off:], int64(s.size))
}

// intactAfter is the sequence of the first of records that is of a message, 0 if
// none is.
func intactAfter(records []rawRecord, last uint64) uint64 {
	for i := range records {
		if !records[i].deleted && records[i].seq > last {
			return records[i].seq
		}
	}
	return 0
}

// takeAway removes a block, and keeps it as it was.
func (e *Engine) takeAway(stream string, n uint32) error {
	e.keepBlock(stream, n)
	dir := e.streamDir(stream)
	err := os.Remove(keyName(dir, n))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, os.Remove(blockName(dir, n)))
}

// replace writes a block anew, and keeps it as it was.
func (e *Engine) replace(stream string, n uint32, b []byte) error {
	e.keepBlock(stream, n)
	return replaceFile(blockName(e.streamDir(stream), n), b)
}

// keepBlock keeps a block as it was found, if there is room for it.
func (e *Engine) keepBlock(stream string, n uint32) {
	dir := filepath.Join(e.o.Dir, "damaged")
	err := os.MkdirAll(dir, 0o700)
	var entries []os.DirEntry
	if err == nil {
		entries, err = os.ReadDir(dir)
	}
	if err == nil && len(entries) >= keepDamaged {
		err = fmt.Errorf("%s has %d files already", dir, len(entries))
	}
	if err == nil {
		as := fmt.Sprintf("%s-%d-%s%s", stream, n, time.Now().UTC().Format("20060102T150405.000"), blockSuffix)
		err = os.Link(blockName(e.streamDir(stream), n), filepath.Join(dir, as))
	}
	if err != nil {
		e.log.Warn("a damaged block is not kept as it was found", zap.Error(err))
	}
}

// readInto reads a file into buf, if it is large enough.
func readInto(buf []byte, name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return buf, err
	}
	defer func() { _ = f.Close() }() // it was only read
	info, err := f.Stat()
	if err != nil {
		return buf, err
	}
	if int64(cap(buf)) < info.Size() {
		buf = make([]byte, info.Size())
	}
	buf = buf[:info.Size()]
	_, err = io.ReadFull(f, buf)
	return buf, err
}
