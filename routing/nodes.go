// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing

import (
	"fmt"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// nodeKind is the kind of Links to other nodes, in logs and explanations.
const nodeKind mtp.Kind = "node"

// nodeLink makes an mtp.Link of a NodeLink. Its Connect Records are for the
// owner, who makes those of the Controller's MTP.
type nodeLink struct{ NodeLink }

func (nodeLink) Enqueue(usp.Record, mtp.Hint, mtp.Token) error { return mtp.ErrLinkDown }
func (nodeLink) Close(error)                                   {}
func (nodeLink) ConnectRecord(from, to usp.EndpointID) usp.Record {
	return usp.NewWebSocketConnect(from, to)
}

// nodePort is a port by which Forwards come and go.
type nodePort struct{ *port }

var _ PeerHandler = (*Router)(nil)

// NodeUp implements PeerHandler.
func (r *Router) NodeUp(node string, l NodeLink) (NodePort, error) {
	switch {
	case r.o.Peers == nil || node == "" || node == r.node:
		return nil, fmt.Errorf("routing: a Link to node %q of this one: %w", node, mtp.ErrForbidden)
	case r.closed():
		return nil, mtp.ErrDraining
	}
	link := nodeLink{l}
	p := &port{r: r, link: link, conn: link, node: l, peer: mtp.Peer{
		Kind: nodeKind, Listener: "node " + node, Remote: node, Shared: true,
		Identity: mtp.Identity{Method: "node", Any: true}, Node: node, Acks: true,
	}, hold: r.o.MaxHold}
	p.in.room.L = &p.in.mu
	r.sharedMu.Lock()
	if r.nodes == nil {
		r.nodes = make(map[string]*port)
	}
	r.nodes[node] = p
	r.sharedMu.Unlock()
	r.log.Info("node up", p.fields()...)
	r.steerFor(node)
	return nodePort{p}, nil
}

// nodePort is the Link to a node, nil if there is none.
func (r *Router) nodePort(node string) *port {
	r.sharedMu.Lock()
	defer r.sharedMu.Unlock()
	if p := r.nodes[node]; p != nil && !p.dead.Load() {
		return p
	}
	return nil
}

// Down implements NodePort.
func (n nodePort) Down(cause error) {
	n.r.sharedMu.Lock()
	if n.r.nodes[n.peer.Node] == n.port {
		delete(n.r.nodes, n.peer.Node)
	}
	n.r.sharedMu.Unlock()
	n.port.Down(cause)
}

// Accept implements NodePort.
func (n nodePort) Accept(f Forward, t mtp.Token) {
	p, r := n.port, n.r
	o := r.newOut()
	o.rec, o.in, o.inToken, o.trunk, o.fence = f.Record, p, t, f.Trunk, f.Fence
	o.hint, o.via = f.Hint, f.Via
	p.enter(o)
	p.in.mu.Lock()
	o.at -= min(max(0, f.Age), o.at-1)
	p.in.mu.Unlock()
	l, err := r.arrive(p, o, &f)
	if l == nil {
		p.refuse(o, err)
		return
	}
	o.lane.Store(l)
	l.accept(o)
}

// arrive is route for what another node has let through.
func (r *Router) arrive(p *port, o *out, f *Forward) (*lane, error) {
	e := r.table.get(f.To)
	if e == nil || e.owned == nil || f.Fence == 0 || !e.owned.holds(f.Fence) {
		return nil, ErrMoved
	}
	h := o.rec.Header()
	from := usp.Address{ID: h.From, Role: f.To.Role.Opposite()}
	if from.Role == usp.RoleAgent {
		o.sender = r.add(from) // whose Connect Record is made here
	} else {
		o.sender = r.table.get(from)
	}
	if o.sender != nil {
		o.sender.owned.noteLeg(p.peer.Node, f.Leg)
	}
	if h.Type.IsConnect() {
		return nil, r.arrived(p, o, f, e)
	}
	if !f.Sealed {
		r.answer(p, o, nil, mtp.Hint{})
	}
	return e.lane(h.From), nil
}

// arrived notes the pair of a Connect Record that another node has consumed.
func (r *Router) arrived(p *port, o *out, f *Forward, c *endpoint) error {
	from := o.rec.Header().From
	pr := c.pair(from)
	if pr == nil || o.sender == nil {
		r.metrics.connect(connectNoRoom)
		return mtp.ErrBusy
	}
	pr.signed.Store(f.Signed)
	pr.is(o.sender)
	c.lane(from).announce(p, f.Trunk, pr)
	return nil
}

// crossConnect tells the owner of the Controller of a pair.
func (l *lane) crossConnect(p *port, pr *pair, rec usp.Record, t mtp.Token) error {
	a := pr.from.Load()
	trunk := ""
	if a != nil {
		trunk, _ = a.way(l.ep.addr.ID)
	}
	return p.node.Forward(Forward{
		To: l.ep.addr, Fence: l.away.fence, Record: rec, Signed: pr.signed.Load(), Trunk: trunk, Leg: a.homeLeg(),
	}, t)
}

// announceAcross has the owner hear of a pair, after those before.
func (l *lane) announceAcross(pr *pair, fx *effects) {
	a := l.away
	if p := a.via; p == nil || pr.shown.Load() == p && pr.fresh() {
		return // a way that is found later begins with all pairs
	}
	a.announce = append(a.announce, pr)
	l.flush(fx)
}

// forgetNodes has the owner hear of every pair again: it may be another.
func (e *endpoint) forgetNodes() {
	x := e.more.Load()
	if x == nil {
		return
	}
	x.mu.RLock()
	defer x.mu.RUnlock()
	for _, pr := range x.pairs {
		pr.forgetNodes()
	}
}

func (pr *pair) forgetNodes() {
	pr.mu.Lock()
	defer pr.mu.Unlock()
	kept := pr.on[:0]
	for _, p := range pr.on {
		if p.node == nil {
			kept = append(kept, p)
		}
	}
	clear(pr.on[len(kept):])
	pr.on = kept
	if p := pr.shown.Load(); p != nil && p.node != nil {
		pr.shown.Store(nil)
	}
}

// homeLeg is the count of Links of an Endpoint that this node owns, 0 of any
// other.
func (e *endpoint) homeLeg() uint32 {
	if e == nil || e.owned == nil {
		return 0
	}
	e.owned.mu.Lock()
	mine := e.owned.state == ownMine
	e.owned.mu.Unlock()
	if !mine {
		return 0
	}
	return e.leg.Load()
}

// noteLeg takes note that the Endpoint has come up anew at its node.
func (o *owned) noteLeg(node string, leg uint32) {
	if o == nil || leg == 0 {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if seen := (legSeen{node, leg}); o.state != ownMine && o.leg != seen {
		o.leg = seen
		o.e.leg.Add(1)
	}
}

// Disown implements PeerHandler.
func (r *Router) Disown(a usp.Address, fence uint64, by Session, done func(error)) {
	e := r.table.get(a)
	if e == nil || e.owned == nil || r.closed() {
		done(nil)
		return
	}
	e.owned.mu.Lock()
	e.owned.disowns = append(e.owned.disowns, disowning{fence, by, done})
	e.owned.mu.Unlock()
	e.owned.schedule()
}

// OwnerChanged implements PeerHandler.
func (r *Router) OwnerChanged(a usp.Address) {
	if e := r.table.get(a); e != nil {
		if e.owned != nil {
			e.owned.schedule()
		}
		return
	}
	r.tellRemote(a)
}

// NodeDead implements PeerHandler.
func (r *Router) NodeDead(node string) {
	r.log.Warn("a node has died", fieldNode(node))
	r.steerFor(node)
	r.inherit(func(_ *Route, own Ownership) bool { return own.Node == node && !own.Alive })
	r.tellDead(node)
}

// inherit claims addresses with a route whose owner has died: Records may wait
// for them, and no Link of theirs will come up.
func (r *Router) inherit(which func(rt *Route, own Ownership) bool) {
	if r.o.Peers == nil {
		return
	}
	r.o.Peers.Each(func(a usp.Address, own Ownership) {
		rt := r.match(a)
		if rt == nil || rt.Via == "" || own.Info.Home && !rt.exact() || !which(rt, own) {
			return
		}
		if e := r.add(a); e != nil {
			e.owned.noteRestored()
			r.attachStatic(e)
		}
	})
}

// PeersLost implements PeerHandler.
func (r *Router) PeersLost() {
	r.log.Error("the lease of this node is lost: it owns nothing any more")
	r.table.each(func(e *endpoint) {
		if e.owned == nil {
			return
		}
		e.owned.mu.Lock()
		e.owned.lost = e.owned.lost || e.owned.state != ownNone
		e.owned.mu.Unlock()
		e.owned.schedule()
	})
}

// steerFor has the addresses look again that a node owns.
func (r *Router) steerFor(node string) {
	r.table.each(func(e *endpoint) {
		if e.owned == nil {
			return
		}
		if own := e.owned.remote.Load(); own != nil && own.Node == node {
			e.owned.schedule()
		}
	})
}

func (o *owned) noteRestored() {
	if o == nil {
		return
	}
	o.mu.Lock()
	o.restored = o.state == ownNone
	o.mu.Unlock()
	o.schedule()
}
