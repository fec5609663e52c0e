// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/uspgate/uspgate/internal/cluster"
	"github.com/uspgate/uspgate/internal/engine"
	"github.com/uspgate/uspgate/internal/engine/enginetest"
	"github.com/uspgate/uspgate/internal/store"
	"github.com/uspgate/uspgate/routing"
	"github.com/uspgate/uspgate/routing/peerstest"
)

// wire is a Bus that can be cut: what is sent over it, and to it, gets lost then.
type wire struct {
	cluster.Bus

	cut atomic.Bool
}

func (w *wire) Request(ctx context.Context, node, service string, data []byte) ([]byte, error) {
	if w.cut.Load() {
		<-ctx.Done()
		return nil, cluster.ErrNoReply
	}
	return w.Bus.Request(ctx, node, service, data)
}

func (w *wire) Send(node, service string, data []byte, timeout time.Duration, done func([]byte, error)) error {
	if w.cut.Load() {
		time.AfterFunc(timeout, func() { done(nil, cluster.ErrNoReply) })
		return nil
	}
	return w.Bus.Send(node, service, data, timeout, done)
}

func (w *wire) Serve(node, service string, h cluster.BusHandler) (stop func(), err error) {
	return w.Bus.Serve(node, service, func(data []byte, reply func([]byte)) {
		if w.cut.Load() {
			return
		}
		h(data, func(data []byte) {
			if !w.cut.Load() {
				reply(data)
			}
		})
	})
}

// late is a Store whose answers to claims can be kept back.
type late struct {
	store.Store

	mu   sync.Mutex
	wait chan struct{} // nil: they are not
}

func (l *late) set(keep bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case keep:
		l.wait = make(chan struct{})
	case l.wait != nil:
		close(l.wait)
		l.wait = nil
	}
}

func (l *late) Bucket(ctx context.Context, name string, o store.BucketOptions) (store.Bucket, error) {
	b, err := l.Store.Bucket(ctx, name, o)
	if name == "LEASE" {
		return b, err
	}
	return &lateBucket{b, l}, err
}

type lateBucket struct {
	store.Bucket

	l *late
}

// answer waits until the answer may come.
func (b *lateBucket) answer() {
	b.l.mu.Lock()
	wait := b.l.wait
	b.l.mu.Unlock()
	if wait != nil {
		<-wait
	}
}

func (b *lateBucket) Create(ctx context.Context, key string, value []byte, ttl time.Duration) (uint64, error) {
	defer b.answer()
	return b.Bucket.Create(ctx, key, value, ttl)
}

func (b *lateBucket) Update(
	ctx context.Context, key string, value []byte, revision uint64, ttl time.Duration,
) (uint64, error) {
	defer b.answer()
	return b.Bucket.Update(ctx, key, value, revision, ttl)
}

// country is a peerstest.Net of Nodes. open gives each its Store and Bus.
type country struct {
	open  func(t *testing.T) (store.Store, cluster.Bus)
	lease time.Duration
}

func (c *country) Join(t *testing.T, name string, h routing.PeerHandler) peerstest.Member {
	t.Helper()
	s, bus := c.open(t)
	d := &door{w: s}
	l, w := &late{Store: d}, &wire{Bus: bus}
	n, err := cluster.New(t.Context(), cluster.Options{Name: name, Store: l, Bus: w, Lease: c.lease})
	if err != nil {
		t.Fatalf("New: got %v, want nil", err)
	}
	n.Attach(h)
	if err := n.Join(t.Context()); err != nil {
		t.Fatalf("Join: got %v, want nil", err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	var killed atomic.Bool
	t.Cleanup(func() {
		l.set(false)
		cancel()
		// The next process of a node that was killed has its name.
		if err := <-ended; err != nil && (!killed.Load() || !errors.Is(err, cluster.ErrNameTaken)) {
			t.Errorf("Run of %s: got %v, want nil", name, err)
		}
	})
	eventually(t, name+" is ready", func() bool { return n.Ready() == nil })
	reach := func(reached bool) {
		d.setShut(!reached)
		w.cut.Store(!reached)
	}
	return peerstest.Member{
		Peers: n.Peers(), Late: l.set,
		Kill: func() {
			killed.Store(true)
			reach(false)
		},
		Expire: func() {
			reach(false)
			eventually(t, "the lease of "+name+" has run out", func() bool { return n.Ready() != nil })
		},
		Renew: func() {
			reach(true)
			eventually(t, name+" has a new lease", func() bool { return n.Ready() == nil })
		},
	}
}

func TestPeers(t *testing.T) {
	t.Parallel()
	peerstest.Run(t, peerstest.Suite{New: func(t *testing.T) peerstest.Net {
		t.Helper()
		hub, shared := cluster.NewMemoryHub(), &store.Memory{}
		return &country{
			open:  func(*testing.T) (store.Store, cluster.Bus) { return shared, hub.Bus() },
			lease: cluster.MinLease,
		}
	}})
}

// quarter is a part of a Store and a Bus, whose names all begin with its own.
type quarter struct {
	store.Store
	cluster.Bus

	name string
}

func (q *quarter) Bucket(ctx context.Context, name string, o store.BucketOptions) (store.Bucket, error) {
	return q.Store.Bucket(ctx, q.name+name, o)
}

func (q *quarter) Request(ctx context.Context, node, service string, data []byte) ([]byte, error) {
	return q.Bus.Request(ctx, q.name+node, service, data)
}

func (q *quarter) Send(node, service string, data []byte, timeout time.Duration, done func([]byte, error)) error {
	return q.Bus.Send(q.name+node, service, data, timeout, done)
}

func (q *quarter) Serve(node, service string, h cluster.BusHandler) (stop func(), err error) {
	return q.Bus.Serve(q.name+node, service, h)
}

// TestPeersOnThreeServers has each node have an Engine of its own on three NATS servers,
// which all tests of the suite share.
func TestPeersOnThreeServers(t *testing.T) {
	t.Parallel()
	nats := enginetest.New(t, 3)
	var quarters atomic.Int32
	t.Run("Suite", func(t *testing.T) { //nolint:paralleltest // the servers end after it
		peerstest.Run(t, peerstest.Suite{New: func(t *testing.T) peerstest.Net {
			t.Helper()
			name := fmt.Sprintf("Q%d-", quarters.Add(1))
			return &country{
				open: func(t *testing.T) (store.Store, cluster.Bus) {
					t.Helper()
					e, err := engine.Open(t.Context(), engine.Options{URL: nats.URL(), Replicas: 3})
					if err != nil {
						t.Fatalf("Open: got %v, want nil", err)
					}
					t.Cleanup(e.Close)
					q := &quarter{e.Store(), e.Bus(), name}
					return q, q
				},
				lease: 2 * cluster.MinLease,
			}
		}})
	})
}
