// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Bounds that all Stores have in common.
const (
	// MaxKey bounds a key in bytes.
	MaxKey = 512
	// DefaultMaxValue is BucketOptions.MaxValue where that is 0.
	DefaultMaxValue = 1 << 20
	// MinTTL is the shortest time to live.
	MinTTL = time.Second
)

// Check returns ErrInvalid for what no Bucket takes: maxValue is its bound of a
// value, ttl 0 for a key that stays.
func Check(key string, value []byte, maxValue int, ttl time.Duration) error {
	switch {
	case key == "" || len(key) > MaxKey:
		return fmt.Errorf("%w: a key has 1 to %d bytes, this one %d", ErrInvalid, MaxKey, len(key))
	case len(value) > maxValue:
		return fmt.Errorf("%w: a value of %d bytes, more than %d", ErrInvalid, len(value), maxValue)
	case ttl != 0 && ttl < MinTTL:
		return fmt.Errorf("%w: a time to live of %v, less than %v", ErrInvalid, ttl, MinTTL)
	}
	return nil
}

// Memory is a Store that a restart empties. Its zero value is ready for use.
type Memory struct {
	mu      sync.Mutex
	buckets map[string]*memoryBucket
}

// Bucket implements Store. The options of the first call hold.
func (m *Memory) Bucket(_ context.Context, name string, o BucketOptions) (Bucket, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := m.buckets[name]
	if b == nil {
		if o.MaxValue == 0 {
			o.MaxValue = DefaultMaxValue
		}
		b = &memoryBucket{o: o, keys: make(map[string]*memoryKey), watchers: make(map[*memoryWatcher]struct{})}
		if m.buckets == nil {
			m.buckets = make(map[string]*memoryBucket)
		}
		m.buckets[name] = b
	}
	return b, nil
}

type memoryBucket struct {
	o BucketOptions

	mu       sync.Mutex
	keys     map[string]*memoryKey
	size     int64
	revision uint64
	watchers map[*memoryWatcher]struct{}
}

type memoryKey struct {
	value    []byte
	revision uint64
	end      *time.Timer // nil: it stays
}

// Get implements Bucket.
func (b *memoryBucket) Get(ctx context.Context, key string) (Entry, error) {
	if err := b.check(ctx, key, nil, 0); err != nil {
		return Entry{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	k := b.keys[key]
	if k == nil {
		return Entry{}, ErrNotFound
	}
	return Entry{Key: key, Value: k.value, Revision: k.revision}, nil
}

func (b *memoryBucket) check(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, context.Cause(ctx))
	}
	return Check(key, value, b.o.MaxValue, ttl)
}

// Put implements Bucket.
func (b *memoryBucket) Put(ctx context.Context, key string, value []byte) (uint64, error) {
	return b.write(ctx, key, value, 0, func(*memoryKey) bool { return true })
}

// Create implements Bucket.
func (b *memoryBucket) Create(ctx context.Context, key string, value []byte, ttl time.Duration) (uint64, error) {
	return b.write(ctx, key, value, ttl, func(was *memoryKey) bool { return was == nil })
}

// Update implements Bucket.
func (b *memoryBucket) Update(
	ctx context.Context, key string, value []byte, revision uint64, ttl time.Duration,
) (uint64, error) {
	return b.write(ctx, key, value, ttl, func(was *memoryKey) bool { return was != nil && was.revision == revision })
}

// write writes the key if what was there allows it.
func (b *memoryBucket) write(
	ctx context.Context, key string, value []byte, ttl time.Duration, allowed func(was *memoryKey) bool,
) (uint64, error) {
	if err := b.check(ctx, key, value, ttl); err != nil {
		return 0, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	was := b.keys[key]
	if !allowed(was) {
		return 0, ErrConflict
	}
	size := b.size + int64(len(key)+len(value))
	if was != nil {
		size -= int64(len(key) + len(was.value))
	}
	if b.o.MaxBytes > 0 && size > b.o.MaxBytes && size > b.size {
		return 0, ErrFull
	}
	was.stop()
	b.size = size
	b.revision++
	k := &memoryKey{value: bytes.Clone(value), revision: b.revision}
	if ttl > 0 {
		k.end = time.AfterFunc(ttl, func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.remove(key, k)
		})
	}
	b.keys[key] = k
	b.tell(Entry{Key: key, Value: k.value, Revision: k.revision})
	return k.revision, nil
}

func (k *memoryKey) stop() {
	if k != nil && k.end != nil {
		k.end.Stop()
	}
}

// Delete implements Bucket.
func (b *memoryBucket) Delete(ctx context.Context, key string, revision uint64) error {
	if err := b.check(ctx, key, nil, 0); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	k := b.keys[key]
	if revision != 0 && (k == nil || k.revision != revision) {
		return ErrConflict
	}
	b.remove(key, k)
	return nil
}

// remove removes the key if it still is k; mu is held.
func (b *memoryBucket) remove(key string, k *memoryKey) {
	if k == nil || b.keys[key] != k {
		return
	}
	k.stop()
	delete(b.keys, key)
	b.size -= int64(len(key) + len(k.value))
	b.revision++
	b.tell(Entry{Key: key, Revision: b.revision, Deleted: true})
}

// Each implements Bucket.
func (b *memoryBucket) Each(ctx context.Context, prefix string, f func(Entry) error) error {
	b.mu.Lock()
	entries := b.now(prefix)
	b.mu.Unlock()
	for _, e := range entries {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := f(e); err != nil {
			return err
		}
	}
	return nil
}

// now is what begins with prefix, in the order of revisions; mu is held.
func (b *memoryBucket) now(prefix string) []Entry {
	var entries []Entry
	for key, k := range b.keys {
		if strings.HasPrefix(key, prefix) {
			entries = append(entries, Entry{Key: key, Value: k.value, Revision: k.revision})
		}
	}
	slices.SortFunc(entries, func(x, y Entry) int { return cmp.Compare(x.Revision, y.Revision) })
	return entries
}

// memoryWatcher is what one Watch has not been told yet: the latest of each key.
type memoryWatcher struct {
	prefix string
	wake   chan struct{}
	latest map[string]Entry
}

// tell notes a change for who watches; mu is held.
func (b *memoryBucket) tell(e Entry) {
	for w := range b.watchers {
		if strings.HasPrefix(e.Key, w.prefix) {
			w.latest[e.Key] = e
			select {
			case w.wake <- struct{}{}:
			default: // it is awake
			}
		}
	}
}

// Watch implements Bucket.
func (b *memoryBucket) Watch(ctx context.Context, prefix string, f func(Entry), ready func()) error {
	w := &memoryWatcher{prefix: prefix, wake: make(chan struct{}, 1), latest: make(map[string]Entry)}
	b.mu.Lock()
	entries := b.now(prefix)
	b.watchers[w] = struct{}{}
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.watchers, w)
	}()
	for {
		for _, e := range entries {
			if ctx.Err() != nil {
				return nil
			}
			f(e)
		}
		if ready != nil {
			ready()
			ready = nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-w.wake:
		}
		b.mu.Lock()
		entries = entries[:0]
		for _, e := range w.latest {
			entries = append(entries, e)
		}
		clear(w.latest)
		b.mu.Unlock()
		slices.SortFunc(entries, func(x, y Entry) int { return cmp.Compare(x.Revision, y.Revision) })
	}
}
