// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// syncer fsyncs the newest blocks of one stream, once for all who wait. JetStream
// has written a message to the file of its block before it acknowledges it; an
// fsync of any descriptor of that file makes it durable.
//
// After an fsync that has failed the kernel takes for written what is not, so a
// second one says nothing: the syncer fails from then on, until the store is
// started anew on blocks that have been written once more (renew).
//
// JetStream compacts a block by a rename without an fsync of the directory. A block
// that is another file than the last time has its directory synced, so what is
// acknowledged is in the file that a crash of the machine leaves there. What had
// been acknowledged before is in both.
type syncer struct {
	dir  string // <store>/jetstream/$G/streams/<stream>/msgs
	top  string // <store>
	file func(name string) error

	mu      sync.Mutex
	waiting []func(error)
	running bool
	failed  error

	// Only the running goroutine has these.
	last uint32      // the newest block
	info os.FileInfo // of its file, nil: unknown
}

// after calls done after an fsync that begins from now on.
func (y *syncer) after(done func(error)) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.waiting = append(y.waiting, done)
	if !y.running {
		y.running = true
		go y.run()
	}
}

// run serves who waits, and ends when nobody does.
func (y *syncer) run() {
	for {
		y.mu.Lock()
		waiting, err := y.waiting, y.failed
		y.waiting = nil
		if len(waiting) == 0 {
			y.running = false
			y.mu.Unlock()
			return
		}
		y.mu.Unlock()
		if err == nil {
			if err = y.sync(); err != nil {
				y.mu.Lock()
				y.failed = err
				y.mu.Unlock()
			}
		}
		for _, done := range waiting {
			done(err)
		}
	}
}

// sync makes the newest block durable, and those that were begun since the last
// time with the one before them.
func (y *syncer) sync() error {
	if y.info == nil {
		return y.rescan()
	}
	info, err := os.Stat(y.block(y.last))
	if err == nil {
		err = y.file(y.block(y.last))
	}
	if errors.Is(err, fs.ErrNotExist) {
		return y.rescan()
	}
	if err == nil && !os.SameFile(info, y.info) {
		err = y.file(y.dir)
	}
	y.info = info
	for begun := y.last + 1; err == nil; begun++ {
		info, err = os.Stat(y.block(begun))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil {
			err = y.begun(begun)
		}
		y.last, y.info = begun, info
	}
	return err
}

// begun makes a block durable that was not there before, with its key if it is
// encrypted, and its name.
func (y *syncer) begun(n uint32) error {
	err := y.file(y.block(n))
	if key := y.file(keyName(y.dir, n)); !errors.Is(key, fs.ErrNotExist) {
		err = errors.Join(err, key)
	}
	return errors.Join(err, y.file(y.dir))
}

// rescan syncs every block there is, what the stream is made with, and the
// directories above.
func (y *syncer) rescan() error {
	blocks, err := os.ReadDir(y.dir)
	if err != nil {
		return fmt.Errorf("the blocks are not where this version of the server keeps them: %w", err)
	}
	above, err := os.ReadDir(filepath.Dir(y.dir))
	if err != nil {
		return err
	}
	y.last = 0
	for _, entry := range blocks {
		if n, isBlock := blockOf(entry.Name()); isBlock {
			y.last = max(y.last, n)
		}
	}
	if err := y.files(y.dir, blocks); err != nil {
		return err
	}
	if err := y.files(filepath.Dir(y.dir), above); err != nil {
		return err
	}
	for dir := y.dir; ; dir = filepath.Dir(dir) {
		if err := y.file(dir); err != nil {
			return err
		}
		if dir == y.top || dir == filepath.Dir(dir) {
			break
		}
	}
	if err := y.file(filepath.Dir(y.top)); err != nil && !errors.Is(err, fs.ErrPermission) {
		return err // a directory above that we may not read was there before us
	}
	y.info, err = os.Stat(y.block(y.last))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it has gone meanwhile: the next time again
	}
	return err
}

// files syncs the files among entries, but for indexes, which are made anew if
// need be.
func (y *syncer) files(dir string, entries []os.DirEntry) error {
	for _, entry := range entries {
		if entry.IsDir() || filepath.Ext(entry.Name()) == ".db" || filepath.Ext(entry.Name()) == ".tmp" {
			continue
		}
		if err := y.file(filepath.Join(dir, entry.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// renew writes once more every block that the fsync that has failed may have been
// to write. The store has to be shut down.
func (y *syncer) renew() error {
	numbers, err := blocksIn(y.dir)
	if err != nil {
		return err
	}
	for _, n := range numbers {
		if n < y.last {
			continue
		}
		if err := renewFile(y.block(n)); err != nil {
			return err
		}
	}
	if err := y.file(y.dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil // the stream has gone
}

// renewFile puts a copy in the place of a file.
func renewFile(name string) error {
	b, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	return replaceFile(name, b)
}

// replaceFile puts a file with b in the place of another. What makes its name
// durable is for the caller.
func replaceFile(name string, b []byte) error {
	f, err := os.OpenFile(name+".tmp", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(name+".tmp"))
	}
	return os.Rename(name+".tmp", name)
}

func (y *syncer) block(n uint32) string { return blockName(y.dir, n) }

func syncFile(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
