// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"strings"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/internal/store"
	"github.com/uspgate/uspgate/usp"
)

// watch keeps the copy as the Store is.
func (o *Owners) watch(ctx context.Context) {
	for ctx.Err() == nil {
		there := make(map[string]bool)
		ready := false
		err := o.bucket.Watch(ctx, "", func(e store.Entry) {
			if !ready && !e.Deleted {
				there[e.Key] = true
			}
			o.saw(e)
		}, func() {
			ready = true
			o.only(there)
			there = nil
			o.loaded()
		})
		if ctx.Err() == nil {
			o.n.log.Warn("watching the owners is interrupted", zap.Error(err))
			pause(ctx, watchAgain)
		}
	}
}

// loaded notes that the copy is as the Store was a moment ago.
func (o *Owners) loaded() {
	select {
	case <-o.ready:
	default:
		close(o.ready)
	}
}

// saw takes what the Store says of one key.
func (o *Owners) saw(e store.Entry) {
	if name, ok := strings.CutPrefix(e.Key, bindingKey("")); ok {
		o.sawBinding(name, e)
		return
	}
	a, ok := addressOf(e.Key)
	if !ok {
		return
	}
	if e.Deleted {
		o.apply(a, e.Revision, nil, nil)
		return
	}
	r, err := parseRecord(e.Value)
	if err != nil {
		o.n.log.Warn("an owner does not parse", zap.Stringer("address", a), zap.Error(err))
		return
	}
	if r.node == o.n.o.Name && r.fence == 0 && o.writes.hold(a, e.Revision, r) {
		return
	}
	o.apply(a, e.Revision, r, nil)
}

// only forgets what the Store does not have any more: it was deleted while nobody
// watched.
func (o *Owners) only(there map[string]bool) {
	var gone []usp.Address
	for i := range o.shards {
		s := &o.shards[i]
		s.mu.RLock()
		for a := range s.m {
			if !there[ownerKey(a)] {
				gone = append(gone, a)
			}
		}
		s.mu.RUnlock()
	}
	for _, a := range gone {
		o.gone(a)
	}
	o.onlyBindings(there)
}

// gone looks at one that was not in the Store when the watch began.
func (o *Owners) gone(a usp.Address) {
	e, known := o.get(a)
	if known && e.by.node == o.n.o.Name && !e.by.dead.Load() {
		return // claimed since then, and the watch will say so
	}
	s := o.shard(a)
	s.mu.Lock()
	if e, known = s.m[a]; known {
		if e.by != nil {
			o.count(e.by, -1)
		}
		delete(s.m, a)
	}
	s.mu.Unlock()
	o.n.teller.changed(a)
}
