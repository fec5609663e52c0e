// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/uspgate/uspgate/internal/store"
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing"
	"github.com/uspgate/uspgate/usp"
)

// knownBucket holds one key for each Endpoint that was at home here; the value is
// when it was last written, in Unix seconds.
const knownBucket = "KNOWN"

// knownWriters is how many keys are written at a time.
const knownWriters = 32

// known remembers which Endpoints were here, over the end of the process. What is
// sent to one of them before it is back has to wait, like any Record for an
// Endpoint that is away: an MQTT 3.1.1 sender would not even hear that nobody
// knows it.
type known struct {
	bucket store.Bucket
	forget time.Duration
	log    *zap.Logger

	written map[usp.Address]time.Time // run has it

	mu   sync.Mutex
	due  map[usp.Address]struct{}
	wake chan struct{}
}

// openKnown returns what is remembered of before, but for those who have not been
// here for longer than forget.
func openKnown(
	ctx context.Context, s store.Store, forget time.Duration, log *zap.Logger,
) (*known, []usp.Address, error) {
	k := &known{
		forget: forget, log: log.Named("known"), written: make(map[usp.Address]time.Time),
		due: make(map[usp.Address]struct{}), wake: make(chan struct{}, 1),
	}
	var err error
	if k.bucket, err = s.Bucket(ctx, knownBucket, store.BucketOptions{Cache: true}); err != nil {
		return nil, nil, err
	}
	var old []string
	var list []usp.Address
	err = k.bucket.Each(ctx, "", func(e store.Entry) error {
		a, at, ok := parseKnown(e)
		if !ok || time.Since(at) > forget {
			old = append(old, e.Key)
			return nil
		}
		k.written[a] = at
		list = append(list, a)
		return nil
	})
	for _, key := range old {
		err = errors.Join(err, k.bucket.Delete(ctx, key, 0))
	}
	if err != nil {
		return nil, nil, fmt.Errorf("which Endpoints were here: %w", err)
	}
	return k, list, nil
}

func knownKey(a usp.Address) string { return a.Role.String() + " " + string(a.ID) }

func parseKnown(e store.Entry) (a usp.Address, at time.Time, ok bool) {
	for _, role := range []usp.Role{usp.RoleAgent, usp.RoleController} {
		prefix := role.String() + " "
		if len(e.Key) > len(prefix) && e.Key[:len(prefix)] == prefix && len(e.Value) == 8 {
			id := usp.EndpointID(e.Key[len(prefix):])
			return usp.Address{ID: id, Role: role}, time.Unix(int64(binary.BigEndian.Uint64(e.Value)), 0), true
		}
	}
	return usp.Address{}, time.Time{}, false
}

// watch is called by the Router. Virtual Agents are remembered elsewhere; who is
// behind a broker or a trunk is reached by a route.
func (k *known) watch(e routing.Event) {
	if e.MTP == mtp.Virtual || e.Shared || e.MTP == "" || e.Node != "" || e.Address.Role == usp.RoleUnknown {
		return
	}
	k.mu.Lock()
	k.due[e.Address] = struct{}{}
	k.mu.Unlock()
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// run remembers who comes to r, until ctx ends.
func (k *known) run(ctx context.Context, r *routing.Router) error {
	defer r.WatchAll(k.watch)()
	sweep := time.NewTicker(min(max(k.forget/8, time.Minute), time.Hour))
	defer sweep.Stop()
	for {
		select {
		case <-ctx.Done():
			k.write(context.WithoutCancel(ctx))
			return nil
		case <-k.wake:
			k.write(ctx)
		case <-sweep.C:
			k.sweep(ctx, r)
		}
	}
}

// write remembers those who are due, unless that was done lately.
func (k *known) write(ctx context.Context) {
	k.mu.Lock()
	due := k.due
	k.due = make(map[usp.Address]struct{})
	k.mu.Unlock()
	now := time.Now()
	var group errgroup.Group
	group.SetLimit(knownWriters)
	var mu sync.Mutex
	var done []usp.Address
	for a := range due {
		if now.Sub(k.written[a]) < k.forget/8 {
			delete(due, a)
			continue
		}
		group.Go(func() error {
			_, err := k.bucket.Put(ctx, knownKey(a), binary.BigEndian.AppendUint64(nil, uint64(now.Unix())))
			if err == nil {
				mu.Lock()
				done = append(done, a)
				mu.Unlock()
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		k.log.Error("who is here can not be remembered; it will be later", zap.Error(err))
	}
	for _, a := range done {
		k.written[a] = now
		delete(due, a)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	maps.Copy(k.due, due)
}

// sweep forgets whom the Router has forgotten, and keeps those who are here.
func (k *known) sweep(ctx context.Context, r *routing.Router) {
	for a := range k.written {
		info, ok := r.Endpoint(a)
		switch {
		case !ok:
			if err := k.bucket.Delete(ctx, knownKey(a), 0); err != nil {
				k.log.Error("an Endpoint can not be forgotten; it will be", zap.Error(err))
				return
			}
			delete(k.written, a)
		case info.State == routing.Online:
			k.mu.Lock()
			k.due[a] = struct{}{}
			k.mu.Unlock()
		}
	}
	k.write(ctx)
}
