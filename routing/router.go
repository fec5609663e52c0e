// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing/buffer"
	"github.com/uspgate/uspgate/usp"
)

// Router relays Records between Links. It implements mtp.Handler. Safe for
// concurrent use; several of them live in one process without touching.
type Router struct {
	o       Options
	log     *zap.Logger
	metrics *metrics
	base    time.Time
	ctx     context.Context //nolint:containedctx // the Router's own life, for reads of the buffer
	cancel  context.CancelFunc

	table     table
	evictFrom atomic.Uint32
	pairs     atomic.Int64
	answers   replies
	watchers  watchers
	graces    graces
	outs      sync.Pool
	sealed    map[string]bool // Transports

	routesMu sync.Mutex // serializes changes of the next three
	routes   atomic.Pointer[[]Route]
	rules    atomic.Pointer[ruleList]
	aliases  atomic.Pointer[aliases] // nil: none

	sharedMu   sync.Mutex
	shared     map[string][]*port            // shared Links by Transport
	nodes      map[string]*port              // Links to other nodes
	identities map[string]map[*port]struct{} // Links by Identity.Name

	work struct {
		mu      sync.Mutex
		lanes   []*lane
		workers int
		closed  bool
		wg      sync.WaitGroup
	}
	bufferNoted atomic.Int64

	holds    holds
	node     string // this one, empty if it is the only one
	steering steering
}

var _ mtp.Handler = (*Router)(nil)

// New makes a Router; what waits in o.Buffer from before is known to it.
func New(o Options) (*Router, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	r := &Router{o: o, log: o.Log.Named("routing"), base: time.Now(), sealed: make(map[string]bool)}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.table.seed = maphash.MakeSeed()
	r.shared = make(map[string][]*port)
	r.identities = make(map[string]map[*port]struct{})
	r.routes.Store(&[]Route{})
	if o.Peers != nil {
		r.node = o.Peers.Node()
	}
	for _, name := range o.TrustedBrokers {
		r.sealed[name] = true
	}
	var err error
	if r.o.Buffer == nil {
		if r.o.Buffer, err = buffer.NewMemory(buffer.MemoryOptions{Metrics: o.Metrics}); err != nil {
			return nil, err
		}
	}
	r.holds = holds{wake: make(chan struct{}, 1), lanes: make(map[*lane]struct{})}
	r.holds.roomer, _ = r.o.Buffer.(buffer.Roomer)
	if r.metrics, err = newMetrics(o.Metrics, r); err != nil {
		return nil, err
	}
	if err := errors.Join(r.SetRules(o.Rules), r.SetAliases(o.Aliases), r.SetRoutes(o.Routes)); err != nil {
		return nil, err
	}
	if err := r.restore(); err != nil {
		return r, err
	}
	r.remember()
	return r, nil
}

// remember makes known who was at home here before.
func (r *Router) remember() {
	for _, a := range r.o.Known {
		e := r.add(a)
		if e == nil {
			r.log.Warn("more Endpoints were here than the table takes", zap.Int("max", r.o.MaxEndpoints))
			break
		}
		e.known.Store(true)
		e.home.Store(true)
	}
	r.o.Known = nil
}

// restore makes known for whom something waits.
func (r *Router) restore() error {
	for _, b := range r.o.Buffer.Lanes() {
		if r.canon(b.To.ID) != b.To.ID || r.canon(b.From) != b.From {
			if err := r.adopt(b); err != nil {
				return fmt.Errorf("routing: what waits for alias %q: %w", b.To.ID, err)
			}
			b.To.ID, b.From = r.canon(b.To.ID), r.canon(b.From)
		}
		e := r.add(b.To)
		if e == nil {
			r.log.Warn("Records wait for more Endpoints than the table takes", zap.Int("max", r.o.MaxEndpoints))
			return nil
		}
		e.known.Store(true)
		if e.owned != nil { // its lanes are read once it is ours
			e.owned.noteRestored()
			continue
		}
		if e.onward() != nil && !r.wasOnward(b, e) {
			e.home.Store(true)
		}
		if b.From != "" {
			var fx effects
			e.main.mu.Lock()
			e.laneFor(b.From)
			e.main.unlock(&fx)
		}
	}
	return nil
}

// wasOnward reports that what waits was to go by e's route; else it waits for
// an Endpoint that was at home here.
func (r *Router) wasOnward(b buffer.Lane, e *endpoint) bool {
	items, err := r.o.Buffer.Read(r.ctx, b, 0, 1, 1)
	return err == nil && len(items) > 0 && e.onward().rank(items[0].Via) != 0
}

// Run blocks until ctx ends, then stops draining and returns when no goroutine
// of the Router is alive. Meanwhile it forgets who has been away for long. End
// the Transports first: Links that go down afterwards still put what they owe
// into the buffer, but new ones are refused.
func (r *Router) Run(ctx context.Context) error {
	r.sweepUntil(ctx)
	r.work.mu.Lock()
	r.work.closed = true
	r.work.mu.Unlock()
	r.cancel()
	r.work.wg.Wait()
	return nil
}

// begin notes that a timer runs; it is false after the end.
func (r *Router) begin() bool {
	r.work.mu.Lock()
	defer r.work.mu.Unlock()
	if r.work.closed {
		return false
	}
	r.work.wg.Add(1)
	return true
}

func (r *Router) end() { r.work.wg.Done() }

func (r *Router) closed() bool {
	r.work.mu.Lock()
	defer r.work.mu.Unlock()
	return r.work.closed
}

// now is the time since the Router was made, never 0.
func (r *Router) now() time.Duration { return max(1, time.Since(r.base)) }

// LinkUp implements mtp.Handler. A Link whose peer has said who it is, in its
// handshake or certificate, is bound at once. It is refused with ErrForbidden
// if the peer may not be that Endpoint, with ErrBusy if the table is full or
// there are too many Links of the Endpoint or identity, with ErrDraining after
// the end.
func (r *Router) LinkUp(l mtp.Link, peer mtp.Peer) (mtp.Port, error) {
	if r.closed() {
		return nil, mtp.ErrDraining
	}
	p := &port{r: r, link: l, peer: peer, sealed: r.sealed[peer.Listener]}
	p.peer.Identity.IDs, p.peer.Identity.Patterns = slices.Clone(peer.Identity.IDs), slices.Clone(peer.Identity.Patterns)
	if p.trunk() {
		p.name = peer.Listener
	}
	p.in.room.L = &p.in.mu
	p.hold = cmp.Or(peer.MaxHold, r.o.MaxHold)
	p.stalls = !peer.Acks && !peer.Shared && peer.Kind != mtp.Virtual
	if c, ok := l.(mtp.Connector); ok && !peer.NoConnectRecords {
		p.conn = c
	}
	if peer.Endpoint != "" {
		if err := p.Bind(usp.Address{ID: peer.Endpoint, Role: peer.Role}, mtp.Hint{}); err != nil {
			p.refused()
			return nil, err
		}
	}
	if err := r.joinIdentity(p); err != nil {
		p.refused()
		return nil, err
	}
	if peer.Shared {
		r.sharedMu.Lock()
		r.shared[peer.Listener] = append(r.shared[peer.Listener], p)
		r.sharedMu.Unlock()
		r.joinRoutes(p)
	}
	r.log.Debug("link up", p.fields()...)
	return p, nil
}

// refused undoes what LinkUp has begun.
func (p *port) refused() {
	p.dead.Store(true)
	p.ended.Store(true)
	p.unbindAll()
}

// joinIdentity counts p among the Links of its identity. It comes after Bind, so
// that a Link does not stand in the way of the one that replaces it.
func (r *Router) joinIdentity(p *port) error {
	name := p.peer.Identity.Name
	if name == "" || r.o.MaxLinksPerIdentity == 0 {
		return nil
	}
	r.sharedMu.Lock()
	defer r.sharedMu.Unlock()
	links, n := r.identities[name], 0
	for o := range links {
		if !o.dead.Load() && !o.replaced.Load() {
			n++
		}
	}
	if n >= r.o.MaxLinksPerIdentity {
		r.metrics.links(linksIdentity)
		return errLinks
	}
	if links == nil {
		links = make(map[*port]struct{})
		r.identities[name] = links
	}
	links[p] = struct{}{}
	return nil
}

func (r *Router) leaveIdentity(p *port) {
	name := p.peer.Identity.Name
	if name == "" || r.o.MaxLinksPerIdentity == 0 {
		return
	}
	r.sharedMu.Lock()
	defer r.sharedMu.Unlock()
	delete(r.identities[name], p)
	if len(r.identities[name]) == 0 {
		delete(r.identities, name)
	}
}

// unshare takes p off the shared Links.
func (r *Router) unshare(p *port) {
	if !p.peer.Shared {
		return
	}
	r.sharedMu.Lock()
	defer r.sharedMu.Unlock()
	name := p.peer.Listener
	r.shared[name] = slices.DeleteFunc(r.shared[name], func(o *port) bool { return o == p })
	if len(r.shared[name]) == 0 {
		delete(r.shared, name)
	}
}
