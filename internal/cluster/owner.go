// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"hash/maphash"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/uspgate/uspgate/internal/store"
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing"
	"github.com/uspgate/uspgate/usp"
)

// Owners is who owns which address, and implements routing.Peers: a copy in
// memory of what the Store says, some 200 bytes for each address. Safe for
// concurrent use.
type Owners struct {
	n      *Node
	bucket store.Bucket
	seed   maphash.Seed
	shards [64]ownerShard

	mu       sync.Mutex // a leaf
	holders  map[holderKey]*holder
	interned map[string]string // names of Transports and kinds
	bindings map[string]bindingOwner
	watchers map[string][]chan<- struct{} // of bindings

	writes writes
	ready  chan struct{} // closed once all is known
}

var _ routing.Peers = (*Owners)(nil)

type ownerShard struct {
	mu sync.RWMutex
	m  map[usp.Address]owned
}

// owned is one address.
type owned struct {
	by       *holder // nil: it has been deleted here, and the watch will say so
	fence    uint64
	revision uint64 // of the key
	info     infoBits
	leg      uint32
	// given: it was given up to another node that has not taken it yet.
	given    bool
	mtp      mtp.Kind
	listener string
}

// holder is one life of a node. Those of addresses share it.
type holder struct {
	holderKey

	dead  atomic.Bool
	owned atomic.Int64
	// missing is since when nobody has been there on the Bus, by Node.now; 0: not.
	missing atomic.Int64
}

type holderKey struct {
	node  string
	epoch uint64
}

func newOwners(n *Node, bucket store.Bucket) *Owners {
	o := &Owners{
		n: n, bucket: bucket, seed: maphash.MakeSeed(),
		holders: make(map[holderKey]*holder), interned: make(map[string]string),
		bindings: make(map[string]bindingOwner), watchers: make(map[string][]chan<- struct{}),
	}
	for i := range o.shards {
		o.shards[i].m = make(map[usp.Address]owned)
	}
	o.ready = make(chan struct{})
	o.writes.init(n.o.MaxWrites)
	return o
}

func (o *Owners) shard(a usp.Address) *ownerShard {
	return &o.shards[maphash.Comparable(o.seed, a)%uint64(len(o.shards))]
}

// Node implements routing.Peers.
func (o *Owners) Node() string { return o.n.o.Name }

// Owner implements routing.Peers.
func (o *Owners) Owner(a usp.Address) routing.Ownership {
	e, ok := o.get(a)
	if !ok {
		return routing.Ownership{}
	}
	return o.ownership(&e)
}

func (o *Owners) get(a usp.Address) (owned, bool) {
	s := o.shard(a)
	s.mu.RLock()
	defer s.mu.RUnlock()
	e, ok := s.m[a]
	return e, ok && e.by != nil
}

func (o *Owners) ownership(e *owned) routing.Ownership {
	own := routing.Ownership{
		Node: e.by.node, Fence: e.fence, Alive: !e.by.dead.Load(), Info: e.infoOf(),
	}
	if e.by.node == o.n.o.Name {
		l := o.n.alive()
		own.Alive = l != nil && l.epoch == e.by.epoch
		own.Mine = own.Alive && !e.given
	}
	return own
}

// Each implements routing.Peers.
func (o *Owners) Each(f func(usp.Address, routing.Ownership)) {
	type pair struct {
		a usp.Address
		e owned
	}
	var list []pair
	for i := range o.shards {
		s := &o.shards[i]
		list = list[:0]
		s.mu.RLock()
		for a, e := range s.m {
			if e.by != nil {
				list = append(list, pair{a, e})
			}
		}
		s.mu.RUnlock()
		for j := range list {
			f(list[j].a, o.ownership(&list[j].e))
		}
	}
}

// holder returns the one for a life of a node.
func (o *Owners) holder(node string, epoch uint64) *holder {
	dead := o.n.isDead(node, epoch)
	o.mu.Lock()
	defer o.mu.Unlock()
	key := holderKey{node, epoch}
	h := o.holders[key]
	if h == nil {
		h = &holder{holderKey: key}
		o.holders[key] = h
	}
	if dead {
		h.dead.Store(true)
	}
	return h
}

// judge looks whose life is over.
func (o *Owners) judge() {
	o.mu.Lock()
	all := make([]*holder, 0, len(o.holders))
	for key, h := range o.holders {
		if h.dead.Load() && h.owned.Load() == 0 {
			delete(o.holders, key)
			continue
		}
		all = append(all, h)
	}
	o.mu.Unlock()
	for _, h := range all {
		if !h.dead.Load() && o.n.isDead(h.node, h.epoch) {
			h.dead.Store(true)
		}
	}
	o.writes.abandon(func(h *holder) bool { return h.dead.Load() })
	o.tellBindings("")
}

func (o *Owners) intern(s string) string {
	if s == "" {
		return ""
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if have, ok := o.interned[s]; ok {
		return have
	}
	if len(o.interned) >= maxInterned {
		return s
	}
	o.interned[s] = s
	return s
}

// maxInterned bounds the names that are kept once.
const maxInterned = 4096

// apply takes what the Store says of an address, unless something newer is known.
// before, if not nil, is called with the shard locked, before the change shows.
func (o *Owners) apply(a usp.Address, revision uint64, r *record, before func()) {
	var e owned
	if r != nil {
		e = owned{
			by: o.holder(r.node, r.epoch), fence: r.fence, revision: revision,
			info: r.info, leg: r.leg, mtp: mtp.Kind(o.intern(r.mtp)), listener: o.intern(r.listener),
		}
		if e.fence == 0 {
			e.fence = revision
		}
	}
	s := o.shard(a)
	s.mu.Lock()
	was, known := s.m[a]
	if known && was.revision >= revision || !known && r == nil {
		s.mu.Unlock()
		return
	}
	if before != nil {
		before()
	}
	if known && was.by != nil {
		o.count(was.by, -1)
	}
	if r == nil {
		delete(s.m, a)
	} else {
		if known && was.given && was.fence == e.fence {
			e.given = true
		}
		if !known {
			a.ID = usp.EndpointID(strings.Clone(string(a.ID))) // not the whole of what it came in
		}
		s.m[a] = e
		o.count(e.by, 1)
	}
	s.mu.Unlock()
	o.n.teller.changed(a)
	if lost := o.n.o.Lost; lost != nil && r != nil && known && was.by != nil && !was.given &&
		was.by.node == o.n.o.Name && r.node != o.n.o.Name {
		o.n.teller.post(func(routing.PeerHandler) { lost(a) })
	}
}

func (o *Owners) count(h *holder, by int64) {
	if h.owned.Add(by); h.node == o.n.o.Name {
		o.n.met.owned.Add(float64(by))
	}
}

// lifeOver has nothing be this node's that was so in that life.
func (o *Owners) lifeOver(l *life) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if h := o.holders[holderKey{o.n.o.Name, l.epoch}]; h != nil {
		h.dead.Store(true)
	}
}
