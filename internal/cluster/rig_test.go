// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/uspgate/uspgate/internal/store"
)

// world is a Store that several nodes share, each through a door that can be shut.
type world struct{ *store.Memory }

// door is the Store of one node.
type door struct {
	w store.Store

	mu   sync.Mutex
	shut bool
}

func newWorld() *world { return &world{&store.Memory{}} }

func (w *world) door() *door { return &door{w: w} }

func (d *door) setShut(shut bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shut = shut
}

func (d *door) open() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.shut {
		return store.ErrUnavailable
	}
	return nil
}

func (d *door) Bucket(ctx context.Context, name string, o store.BucketOptions) (store.Bucket, error) {
	b, err := d.w.Bucket(ctx, name, o)
	return &doorBucket{b, d}, err
}

type doorBucket struct {
	store.Bucket

	d *door
}

func (b *doorBucket) Get(ctx context.Context, key string) (store.Entry, error) {
	if err := b.d.open(); err != nil {
		return store.Entry{}, err
	}
	return b.Bucket.Get(ctx, key)
}

func (b *doorBucket) Create(ctx context.Context, key string, value []byte, ttl time.Duration) (uint64, error) {
	if err := b.d.open(); err != nil {
		return 0, err
	}
	return b.Bucket.Create(ctx, key, value, ttl)
}

func (b *doorBucket) Update(
	ctx context.Context, key string, value []byte, revision uint64, ttl time.Duration,
) (uint64, error) {
	if err := b.d.open(); err != nil {
		return 0, err
	}
	return b.Bucket.Update(ctx, key, value, revision, ttl)
}

func (b *doorBucket) Delete(ctx context.Context, key string, revision uint64) error {
	if err := b.d.open(); err != nil {
		return err
	}
	return b.Bucket.Delete(ctx, key, revision)
}

// Watch of a door that is shut tells nothing until that is open again.
func (b *doorBucket) Watch(ctx context.Context, prefix string, f func(store.Entry), ready func()) error {
	wait := func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for b.d.open() != nil && ctx.Err() == nil {
			<-tick.C
		}
	}
	return b.Bucket.Watch(ctx, prefix, func(e store.Entry) {
		wait()
		f(e)
	}, func() {
		wait()
		ready()
	})
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
