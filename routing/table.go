// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/uspgate/uspgate/usp"
)

// shards is how many parts the table has; a power of two.
const shards = 256

// table holds every address. A lookup takes one read lock of a shard and
// allocates nothing, whatever the size.
type table struct {
	seed  maphash.Seed
	count atomic.Int64
	parts [shards]part
}

type part struct {
	mu sync.RWMutex
	m  map[usp.Address]*endpoint // an address with aliases under each ID
	_  [24]byte                  // one cache line per lock
}

func (t *table) part(id usp.EndpointID) *part {
	return &t.parts[maphash.String(t.seed, string(id))%shards]
}

// endpoint is one address.
type endpoint struct {
	r    *Router
	addr usp.Address
	main lane
	// known: Records wait for it while it is away. gone: it has been evicted.
	known, gone atomic.Bool
	// home: a Link has shown it here, so a route by a pattern is not its way.
	home atomic.Bool
	// links is how many bindings all its lanes have; direct, how many of these
	// say that it is there, unlike a broker's; routed, how many are by a route.
	links, direct, routed atomic.Int32
	// leg counts the Links that it came up on: for an Agent, what obliges to a
	// new Connect Record.
	leg atomic.Uint32
	// lanes is how many it has beside main; behind, how many of these wait for
	// main to become empty.
	lanes, behind atomic.Int32
	// seen is when the last Record came from it or its Link came or went, in
	// Unix nanoseconds.
	seen  atomic.Int64
	made  int64                   // when it became known, likewise
	heard atomic.Int32            // since the Link came: nothing, something, a farewell
	told  told                    // to the watchers; under main.mu
	by    atomic.Pointer[port]    // the last Link, for its kind
	route atomic.Pointer[Route]   // the first that matches
	rules atomic.Pointer[ruleSet] // those that concern it
	more  atomic.Pointer[extras]
	owned *owned // nil where there is only one node
}

// Values of endpoint.heard.
const (
	heardNothing int32 = iota
	heardRecord
	heardFarewell // a Disconnect Record
)

// extras are what few addresses have.
type extras struct {
	mu    sync.RWMutex
	lanes map[usp.EndpointID]*lane // per counterpart, see Peer.Presents
	pairs map[usp.EndpointID]*pair // of a Controller, by Agent
	// pruned is when pairs of absent Agents were last forgotten.
	pruned time.Duration
	// loops are the Records from the Endpoint that were refused as such.
	loops loops
}

// get returns the endpoint of a, nil if there is none.
func (t *table) get(a usp.Address) *endpoint {
	s := t.part(a.ID)
	s.mu.RLock()
	e := s.m[a]
	s.mu.RUnlock()
	return e
}

// add returns the endpoint of a, made if necessary; nil if the table is full.
// What is asked for by an alias is made as what the alias stands for.
func (r *Router) add(a usp.Address) *endpoint {
	if e := r.table.get(a); e != nil {
		return e
	}
	if r.table.count.Load() >= int64(r.o.MaxEndpoints) && !r.evict() {
		return nil
	}
	a.ID = cloneID(r.canon(a.ID))
	e, made := r.enter(a)
	if made {
		r.nameAliases(e)
	}
	return e
}

func (r *Router) enter(a usp.Address) (e *endpoint, made bool) {
	s := r.table.part(a.ID)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.m[a]; e != nil {
		return e, false
	}
	e = &endpoint{r: r, addr: a, made: time.Now().UnixNano()}
	e.main.ep = e
	if rt := r.match(a); rt != nil {
		e.route.Store(rt)
		e.known.Store(true)
	}
	e.rules.Store(r.rules.Load().set(a))
	e.sharedOut()
	if s.m == nil {
		s.m = make(map[usp.Address]*endpoint)
	}
	s.m[a] = e
	r.table.count.Add(1)
	return e, true
}

// remove forgets e.
func (t *table) remove(e *endpoint) {
	if t.drop(e.addr, e) {
		t.count.Add(-1)
	}
	if a := e.r.aliases.Load(); a != nil {
		for _, alias := range a.all[e.addr.ID] {
			t.drop(usp.Address{ID: alias, Role: e.addr.Role}, e)
		}
	}
}

func (t *table) drop(a usp.Address, e *endpoint) bool {
	s := t.part(a.ID)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.m[a] != e {
		return false
	}
	delete(s.m, a)
	return true
}

// each calls f for every endpoint, without a lock of the table.
func (t *table) each(f func(*endpoint)) {
	var batch []*endpoint
	for i := range t.parts {
		s := &t.parts[i]
		s.mu.RLock()
		batch = batch[:0]
		for a, e := range s.m {
			if a == e.addr { // not an alias
				batch = append(batch, e)
			}
		}
		s.mu.RUnlock()
		for _, e := range batch {
			f(e)
		}
	}
}

// evictSample is how many candidates of a shard are looked at.
const evictSample = 64

// evict makes room for one address: of a sample, the one longest away that
// owes nothing and that no exact route names. It is false if there is none.
func (r *Router) evict() bool {
	start := r.evictFrom.Add(1)
	for i := range uint32(shards) {
		var oldest *endpoint
		s := &r.table.parts[(start+i)%shards]
		s.mu.RLock()
		n := 0
		for _, e := range s.m {
			if n++; n > evictSample {
				break
			}
			if e.evictable() && (oldest == nil || e.idle() < oldest.idle()) {
				oldest = e
			}
		}
		s.mu.RUnlock()
		if oldest != nil && oldest.leave(false) {
			r.table.remove(oldest)
			return true
		}
	}
	return false
}

// idle is since when nothing has been seen of e, in Unix nanoseconds.
func (e *endpoint) idle() int64 { return max(e.seen.Load(), e.made) }

// evictable is a first look; leave decides. Bindings by a pattern hold nobody:
// the next Record makes the address anew.
func (e *endpoint) evictable() bool {
	if e.links.Load() > e.routed.Load() || e.lanes.Load() > 0 || e.gone.Load() {
		return false
	}
	rt := e.route.Load()
	return rt == nil || !rt.exact()
}

// leave marks the endpoint as gone if it has no Link of its own, nothing on its
// way and nothing waiting; whoever holds a pointer to it finds out under
// main.mu. A route of its own does not keep it if even is true.
func (e *endpoint) leave(even bool) bool {
	if !e.main.mu.TryLock() {
		return false
	}
	var fx effects
	e.main.outcomes(&fx)
	ok := (e.evictable() || even && e.links.Load() == e.routed.Load() && e.lanes.Load() == 0) && e.main.empty()
	if ok = ok && e.owned.idle(); ok {
		e.gone.Store(true)
		if links := e.main.links.Swap(nil); links != nil {
			for _, b := range *links {
				b.p.who.forget(e)
			}
		}
		if x := e.more.Load(); x != nil {
			x.mu.Lock()
			e.r.pairs.Add(-int64(len(x.pairs)))
			x.pairs = nil
			x.mu.Unlock()
		}
		e.tellGone(&fx)
	}
	e.main.unlock(&fx)
	return ok
}

// lane returns that for Records from the given sender. While a counterpart's
// own lane is behind, Records for it go through main as those before did.
func (e *endpoint) lane(from usp.EndpointID) *lane {
	if e.lanes.Load() > 0 {
		if l := e.own(from); l != nil && !l.behind.Load() {
			return l
		}
	}
	return &e.main
}

// own returns the lane of one counterpart, nil if it has none.
func (e *endpoint) own(from usp.EndpointID) *lane {
	x := e.more.Load()
	if x == nil {
		return nil
	}
	from = e.r.canon(from)
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.lanes[from]
}

// laneFor returns the lane of one counterpart, made if necessary; main.mu is
// held. A new lane is behind if main is not empty.
func (e *endpoint) laneFor(from usp.EndpointID) *lane {
	if l := e.own(from); l != nil {
		return l
	}
	from = cloneID(e.r.canon(from))
	l := &lane{ep: e, from: from}
	if !e.main.empty() {
		l.behind.Store(true)
		e.behind.Add(1)
	}
	l.born()
	x := e.extras()
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.lanes == nil {
		x.lanes = make(map[usp.EndpointID]*lane)
	}
	x.lanes[from] = l
	e.lanes.Add(1)
	return l
}

// catchUp opens the lanes that are behind, if main is empty; main.mu is held.
func (e *endpoint) catchUp() {
	if e.behind.Load() == 0 || !e.main.empty() {
		return
	}
	x := e.more.Load()
	x.mu.RLock()
	defer x.mu.RUnlock()
	for _, l := range x.lanes {
		if l.behind.CompareAndSwap(true, false) {
			e.behind.Add(-1)
		}
	}
}

func (e *endpoint) extras() *extras {
	if x := e.more.Load(); x != nil {
		return x
	}
	e.more.CompareAndSwap(nil, &extras{})
	return e.more.Load()
}

// eachLane calls f for every lane, the one of all counterparts first.
func (e *endpoint) eachLane(f func(*lane)) {
	f(&e.main)
	x := e.more.Load()
	if x == nil {
		return
	}
	x.mu.RLock()
	lanes := make([]*lane, 0, len(x.lanes))
	for _, l := range x.lanes {
		lanes = append(lanes, l)
	}
	x.mu.RUnlock()
	for _, l := range lanes {
		f(l)
	}
}
