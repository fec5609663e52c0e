// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster_test

import (
	"context"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/uspgate/uspgate/internal/store"
)

// world is a Store that several nodes share, each through a door that can be shut.
type world struct {
	mu      sync.Mutex
	buckets map[string]*worldBucket
}

type worldBucket struct {
	mu       sync.Mutex
	revision uint64
	keys     map[string]store.Entry
	timers   map[string]*time.Timer
	watchers map[*worldWatch]bool
}

type worldWatch struct {
	prefix string
	mu     sync.Mutex
	queue  []store.Entry
	bell   chan struct{}
}

// door is the Store of one node.
type door struct {
	w    *world
	mu   sync.Mutex
	shut bool
}

func newWorld() *world { return &world{buckets: map[string]*worldBucket{}} }

func (w *world) door() *door { return &door{w: w} }

func (d *door) setShut(shut bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shut = shut
}

func (d *door) isShut() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.shut
}

func (d *door) Bucket(_ context.Context, name string, _ store.BucketOptions) (store.Bucket, error) {
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	b := d.w.buckets[name]
	if b == nil {
		b = &worldBucket{
			keys: map[string]store.Entry{}, timers: map[string]*time.Timer{}, watchers: map[*worldWatch]bool{},
		}
		d.w.buckets[name] = b
	}
	return &doorBucket{d, b}, nil
}

type doorBucket struct {
	d *door
	b *worldBucket
}

func (b *doorBucket) open() error {
	if b.d.isShut() {
		return store.ErrUnavailable
	}
	return nil
}

func (b *doorBucket) Get(_ context.Context, key string) (store.Entry, error) {
	if err := b.open(); err != nil {
		return store.Entry{}, err
	}
	b.b.mu.Lock()
	defer b.b.mu.Unlock()
	e, ok := b.b.keys[key]
	if !ok {
		return e, store.ErrNotFound
	}
	return e, nil
}

func (b *doorBucket) Put(_ context.Context, key string, value []byte) (uint64, error) {
	return b.write(key, value, 0, func(store.Entry, bool) bool { return true })
}

func (b *doorBucket) Create(_ context.Context, key string, value []byte, ttl time.Duration) (uint64, error) {
	return b.write(key, value, ttl, func(_ store.Entry, there bool) bool { return !there })
}

func (b *doorBucket) Update(
	_ context.Context, key string, value []byte, revision uint64, ttl time.Duration,
) (uint64, error) {
	return b.write(key, value, ttl, func(e store.Entry, there bool) bool { return there && e.Revision == revision })
}

func (b *doorBucket) write(
	key string, value []byte, ttl time.Duration, may func(store.Entry, bool) bool,
) (uint64, error) {
	if err := b.open(); err != nil {
		return 0, err
	}
	w := b.b
	w.mu.Lock()
	defer w.mu.Unlock()
	e, there := w.keys[key]
	if !may(e, there) {
		return 0, store.ErrConflict
	}
	w.set(store.Entry{Key: key, Value: value})
	if ttl > 0 {
		revision := w.revision
		w.timers[key] = time.AfterFunc(ttl, func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.keys[key].Revision == revision {
				w.set(store.Entry{Key: key, Deleted: true})
			}
		})
	}
	return w.revision, nil
}

func (w *worldBucket) set(e store.Entry) {
	w.revision++
	e.Revision = w.revision
	if t := w.timers[e.Key]; t != nil {
		t.Stop()
		delete(w.timers, e.Key)
	}
	if e.Deleted {
		delete(w.keys, e.Key)
	} else {
		w.keys[e.Key] = e
	}
	for x := range w.watchers {
		if strings.HasPrefix(e.Key, x.prefix) {
			x.push(e)
		}
	}
}

func (b *doorBucket) Delete(_ context.Context, key string, revision uint64) error {
	if err := b.open(); err != nil {
		return err
	}
	b.b.mu.Lock()
	defer b.b.mu.Unlock()
	e, there := b.b.keys[key]
	if revision != 0 && (!there || e.Revision != revision) {
		return store.ErrConflict
	}
	if there {
		b.b.set(store.Entry{Key: key, Deleted: true})
	}
	return nil
}

func (b *doorBucket) Each(_ context.Context, prefix string, f func(store.Entry) error) error {
	if err := b.open(); err != nil {
		return err
	}
	b.b.mu.Lock()
	keys := maps.Clone(b.b.keys)
	b.b.mu.Unlock()
	for key, e := range keys {
		if strings.HasPrefix(key, prefix) {
			if err := f(e); err != nil {
				return err
			}
		}
	}
	return nil
}

func (x *worldWatch) push(e store.Entry) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.queue = append(x.queue, e)
	select {
	case x.bell <- struct{}{}:
	default:
	}
}

// Watch of a door that is shut tells nothing until that is open again.
func (b *doorBucket) Watch(ctx context.Context, prefix string, f func(store.Entry), ready func()) error {
	x := &worldWatch{prefix: prefix, bell: make(chan struct{}, 1)}
	b.b.mu.Lock()
	for key, e := range b.b.keys {
		if strings.HasPrefix(key, prefix) {
			x.push(e)
		}
	}
	b.b.watchers[x] = true
	b.b.mu.Unlock()
	defer func() {
		b.b.mu.Lock()
		delete(b.b.watchers, x)
		b.b.mu.Unlock()
	}()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	told := false
	for {
		if b.open() == nil {
			x.mu.Lock()
			queue := x.queue
			x.queue = nil
			x.mu.Unlock()
			for _, e := range queue {
				f(e)
			}
			if !told {
				told = true
				ready()
			}
		}
		select {
		case <-x.bell:
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// eventually polls until f is true.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	begin := time.Now()
	defer func() {
		if d := time.Since(begin); d > time.Second {
			t.Logf("%s took %v", what, d)
		}
	}()
	deadline := time.Now().Add(20 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: has not happened in time", what)
		}
		<-tick.C
	}
}
