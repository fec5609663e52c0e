// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// syncer fsyncs the newest blocks of one stream, once for all who wait. JetStream
// has written a message to the file of its block before it acknowledges it; an
// fsync of any descriptor of that file makes it durable.
type syncer struct {
	dir string

	mu      sync.Mutex
	waiting []func(error)
	running bool

	last uint64 // the newest block; only the running goroutine has it
}

func newSyncer(dir string) *syncer { return &syncer{dir: dir} }

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
		waiting := y.waiting
		y.waiting = nil
		if len(waiting) == 0 {
			y.running = false
			y.mu.Unlock()
			return
		}
		y.mu.Unlock()
		err := y.sync()
		for _, done := range waiting {
			done(err)
		}
	}
}

// sync makes the newest block durable, and those that were begun since the last
// time with the one before them.
func (y *syncer) sync() error {
	err := syncFile(y.block(y.last))
	if errors.Is(err, fs.ErrNotExist) {
		return y.rescan()
	}
	for begun := y.last + 1; err == nil; begun++ {
		if err = syncFile(y.block(begun)); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if y.last = begun; err == nil {
			err = syncFile(y.dir)
		}
	}
	return err
}

// rescan syncs every block there is.
func (y *syncer) rescan() error {
	entries, err := os.ReadDir(y.dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		name, isBlock := strings.CutSuffix(entry.Name(), ".blk")
		if !isBlock {
			continue
		}
		if err := syncFile(filepath.Join(y.dir, entry.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if n, err := strconv.ParseUint(name, 10, 64); err == nil {
			y.last = max(y.last, n)
		}
	}
	return syncFile(y.dir)
}

func (y *syncer) block(n uint64) string {
	return filepath.Join(y.dir, strconv.FormatUint(n, 10)+".blk")
}

func syncFile(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
