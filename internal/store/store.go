// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package store is what the gateway remembers outside the buffer: device state,
// model knowledge, leases. It is a set of Buckets of keys with values, revisions
// and times to live.
//
// Store is the contract, Memory an implementation that a restart empties; the
// durable one is in internal/engine. All of them pass storetest.
package store

import (
	"context"
	"errors"
	"time"
)

// Failures. Implementations wrap them.
var (
	// ErrNotFound: no such key, or its time has run out.
	ErrNotFound = errors.New("store: no such key")
	// ErrConflict: the key does not have the revision that was expected.
	ErrConflict = errors.New("store: another revision")
	// ErrFull: a limit on bytes or free space is reached; nothing was written.
	ErrFull = errors.New("store: full")
	// ErrUnavailable: the Store can not tell now. A write that failed so may have
	// happened.
	ErrUnavailable = errors.New("store: not available")
	// ErrInvalid: a key, a value or a time to live that no Bucket takes (Check).
	ErrInvalid = errors.New("store: not a key or value")
)

// Entry is one key with what it has.
type Entry struct {
	Key      string
	Value    []byte // the reader's to keep, not to change
	Revision uint64 // grows with every write to the Bucket
	Deleted  bool   // only in Watch: the key is gone, or its time has run out
}

// Store opens Buckets. Safe for concurrent use.
type Store interface {
	// Bucket opens the Bucket of that name and makes it if need be.
	Bucket(ctx context.Context, name string, o BucketOptions) (Bucket, error)
}

// BucketOptions are what a Bucket is made with.
type BucketOptions struct {
	// MaxBytes bounds its keys and values; 0: only the Store's own limits.
	MaxBytes int64
	// MaxValue bounds one value in bytes. Default 1 MiB.
	MaxValue int
	// Cache: what is in it can be learned anew, so a write is done once the Store
	// has taken it; a crash of the machine may take the last of them back.
	Cache bool
}

// Bucket is a set of keys. Keys are any non-empty string of at most 512 bytes.
// Writes are durable when they return; concurrent ones share the cost of that.
// Safe for concurrent use.
type Bucket interface {
	// Get returns ErrNotFound where there is nothing.
	Get(ctx context.Context, key string) (Entry, error)
	// Put writes whatever was there before, and returns the new revision.
	Put(ctx context.Context, key string, value []byte) (uint64, error)
	// Create writes a key that is not there, ErrConflict if it is. ttl, unless 0, is
	// how long it stays without another write by Update; it is at least a second.
	Create(ctx context.Context, key string, value []byte, ttl time.Duration) (uint64, error)
	// Update writes the key if it still has that revision, ErrConflict if not. ttl
	// is as for Create.
	Update(ctx context.Context, key string, value []byte, revision uint64, ttl time.Duration) (uint64, error)
	// Delete removes the key, if revision is not 0 only while it has that one. What
	// is not there is no error, unless a revision was expected: then ErrConflict.
	Delete(ctx context.Context, key string, revision uint64) error
	// Each calls f for every key that begins with prefix, in no order, until f
	// returns an error, which it returns. A key that is written meanwhile may come
	// again, with what it is then.
	Each(ctx context.Context, prefix string, f func(Entry) error) error
	// Watch calls f for every key that begins with prefix as it is now, then
	// ready once, then f for every change, in order, until ctx ends; it returns
	// nil then. f is called by one goroutine and may block; a watcher that lags is
	// given the latest of each key, not every step.
	Watch(ctx context.Context, prefix string, f func(Entry), ready func()) error
}
