// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package engine

// WithSync has f called where a file or directory is to be fsynced.
func (o Options) WithSync(f func(name string) error) Options {
	o.sync = f
	return o
}

// SyncFile is the real fsync.
func SyncFile(name string) error { return syncFile(name) }
