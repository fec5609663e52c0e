// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"errors"
	"io/fs"
	"os"
	"sort"
	"sync"
)

// blocks reads items from the block files of the log. JetStream would read the
// whole block for each, which is fast for Lanes that are drained in the order in
// which they were filled, and for no others. It knows the places of messages, which
// JetStream may move: what is read has to be checked, and forgotten if it is
// something else. Safe for concurrent use.
type blocks struct {
	dir    string
	secret string // of the store; empty: the blocks are not encrypted

	mu    sync.Mutex
	known []*block // ascending
	open  map[*block]struct{}
}

// block is what is known of one file.
type block struct {
	n       uint32
	first   uint64   // the sequence of offsets[0]
	offsets []uint32 // of messages; 0: there is none
	end     int64    // it is known up to there
	key     *blockKey
	file    *os.File // nil: not open
}

const (
	// openBlocks bounds how many files are kept open.
	openBlocks = 64
	// maxGap bounds how many messages in a row may be missing in a block.
	maxGap = 1 << 20
)

func newBlocks(dir, secret string) *blocks {
	return &blocks{dir: dir, secret: secret, open: make(map[*block]struct{})}
}

// item returns the bytes at a place of the log, as far as is known; nil if it is
// not known.
func (x *blocks) item(at place) ([]byte, error) {
	f, key, off, err := x.find(at.msg)
	if f == nil || err != nil {
		return nil, err
	}
	b := make([]byte, at.size)
	from := int64(off) + int64(at.off)
	_, err = f.ReadAt(b, from) // fs.ErrClosed if another one needed its place
	key.xor(b, from)
	return b, err
}

// find returns where a message begins: in which file, nil if that is not known, with
// its key, and the offset.
func (x *blocks) find(seq uint64) (f *os.File, key *blockKey, off uint32, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	b := x.of(seq)
	if b == nil {
		if err := x.extend(); err != nil {
			return nil, nil, 0, err
		}
		b = x.of(seq)
	}
	if b == nil || b.offsets[seq-b.first] == 0 {
		return nil, nil, 0, nil
	}
	err = x.openFile(b)
	return b.file, b.key, b.offsets[seq-b.first], err
}

func (x *blocks) openFile(b *block) (err error) {
	if b.file != nil {
		return nil
	}
	if len(x.open) >= openBlocks {
		for other := range x.open {
			x.closeFile(other)
			break
		}
	}
	if b.file, err = os.Open(blockName(x.dir, b.n)); err == nil {
		x.open[b] = struct{}{}
	}
	return err
}

func (x *blocks) closeFile(b *block) {
	if b.file != nil {
		_ = b.file.Close() // it was only read
		b.file = nil
		delete(x.open, b)
	}
}

// refresh closes and forgets the blocks that have gone.
func (x *blocks) refresh() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.extend()
}

// close closes the files. It may be used again.
func (x *blocks) close() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for b := range x.open {
		x.closeFile(b)
	}
}

// of is the block that has a message, nil if none is known to.
func (x *blocks) of(seq uint64) *block {
	i := sort.Search(len(x.known), func(i int) bool { return x.known[i].first > seq }) - 1
	if i < 0 || seq-x.known[i].first >= uint64(len(x.known[i].offsets)) {
		return nil
	}
	return x.known[i]
}

// extend looks for what was written since the last time, and at every block that
// is not known.
func (x *blocks) extend() error {
	numbers, err := blocksIn(x.dir)
	if err != nil {
		return err
	}
	was := x.known
	known := make([]*block, 0, len(numbers))
	for i, n := range numbers {
		for len(was) > 0 && was[0].n < n {
			x.closeFile(was[0])
			was = was[1:]
		}
		b := &block{n: n}
		grows := true
		if len(was) > 0 && was[0].n == n {
			b, was = was[0], was[1:]
			grows = len(was) == 0 || i == len(numbers)-1
		}
		if grows {
			if err := b.extend(x.dir, x.secret); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		if len(b.offsets) == 0 && len(known) > 0 {
			before := known[len(known)-1]
			b.first = before.first + uint64(len(before.offsets))
		}
		known = append(known, b)
	}
	for _, b := range was {
		x.closeFile(b)
	}
	x.known = known
	return nil
}

func (b *block) extend(dir, secret string) (err error) {
	if b.key == nil {
		if b.key, err = readBlockKey(secret, dir, logStream, b.n); err != nil {
			return err
		}
	}
	f, err := os.Open(blockName(dir, b.n))
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // it was only read
	info, err := f.Stat()
	if err != nil {
		return err
	}
	b.end, err = scanHeads(opened{f, b.key}, b.end, info.Size(), b.add)
	return err
}

func (b *block) add(r *rawRecord) {
	if r.deleted {
		return
	}
	if len(b.offsets) == 0 {
		b.first = r.seq
	}
	at := r.seq - b.first
	if r.seq < b.first || at > uint64(len(b.offsets))+maxGap {
		return
	}
	for uint64(len(b.offsets)) <= at {
		b.offsets = append(b.offsets, 0)
	}
	b.offsets[at] = uint32(r.off + r.message)
}

// forget has the block of a message looked at anew.
func (x *blocks) forget(seq uint64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if b := x.of(seq); b != nil {
		x.closeFile(b)
		b.offsets, b.end = nil, 0
		_ = b.extend(x.dir, x.secret) // what is not known is asked of JetStream
	}
}
