// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// dataDir is the directory of what outlives the process, held by one process at
// a time: two engines on the same files would destroy them.
type dataDir struct{ lock *os.File }

// openDataDir makes the directory if need be and locks it until close, or until
// the process ends.
func openDataDir(path string) (*dataDir, error) {
	if err := os.MkdirAll(path, 0o750); err != nil {
		return nil, fmt.Errorf("data_dir: %w: name a directory in which the gateway may write", err)
	}
	f, err := os.OpenFile(filepath.Join(path, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data_dir: %w: the gateway has to be able to write there", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close() // the first error says it
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("data_dir: another process works in %s: stop it, or give each a data_dir of its own", path)
		}
		return nil, fmt.Errorf("data_dir: locking %s: %w", f.Name(), err)
	}
	return &dataDir{lock: f}, nil
}

func (d *dataDir) close() error { return d.lock.Close() }
