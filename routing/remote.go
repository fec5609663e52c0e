// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing

import (
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/usp"
)

func fieldNode(node string) zap.Field { return zap.String("node", node) }

// lookup is the endpoint of a if it is known, here or at another node.
func (r *Router) lookup(a usp.Address) *endpoint {
	if e := r.table.get(a); e != nil && e.known.Load() {
		return e
	}
	if r.o.Peers == nil {
		return nil
	}
	a.ID = r.canon(a.ID)
	if r.o.Peers.Owner(a).Node == "" {
		return nil
	}
	e := r.add(a)
	if e != nil {
		e.known.Store(true)
	}
	return e
}

// sharedOut makes the endpoint one that is shared out among nodes; it is not in the
// table yet.
func (e *endpoint) sharedOut() {
	if e.r.o.Peers == nil || e.addr.Role == usp.RoleUnknown {
		return
	}
	e.owned = &owned{e: e}
	e.main.away = &away{}
	if own := e.r.o.Peers.Owner(e.addr); own.Node != "" {
		e.known.Store(true)
		e.home.Store(own.Info.Home)
		if own.Node != e.r.node {
			e.owned.remote.Store(&own)
			e.owned.leg = legSeen{own.Node, own.Info.Leg}
		}
	}
}

// born gives a new lane what the others of the address have; main.mu is held.
func (l *lane) born() {
	o := l.ep.owned
	if o == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	l.fence = o.fence
	if o.state != ownMine {
		l.away = &away{}
	}
}

// elsewhere is who owns the address if that is another node, nil if not.
func (e *endpoint) elsewhere() *Ownership {
	if e.owned == nil {
		return nil
	}
	return e.owned.remote.Load()
}

// there reports that the Endpoint has a Link, here or at the owner's node.
func (e *endpoint) there() bool {
	if e.links.Load() > 0 {
		return true
	}
	own := e.elsewhere()
	return own != nil && own.Alive && own.Info.Up
}

// here reports that the Endpoint itself is at the other end of a Link of this
// gateway.
func (e *endpoint) here() bool {
	if e.direct.Load() > 0 {
		return true
	}
	own := e.elsewhere()
	return own != nil && own.Alive && own.Info.Direct
}

// note takes over what the owner has told.
func (o *owned) note(own Ownership) {
	e := o.e
	if own.Node != "" {
		e.known.Store(true)
		if own.Info.Home && e.home.CompareAndSwap(false, true) {
			e.unroute()
		}
	}
	var now *Ownership
	if own.Node != "" && own.Node != e.r.node {
		if !own.Alive {
			own.Info.State, own.Info.Up, own.Info.Direct = Offline, false, false
		}
		now = &own
	}
	before := o.remote.Load()
	if now == nil && before == nil || now != nil && before != nil && *now == *before {
		return
	}
	o.remote.Store(now)
	if now != nil {
		o.noteLeg(own.Node, own.Info.Leg)
	}
	lost := now != nil && !now.Alive
	var fx effects
	e.main.mu.Lock()
	e.tell(&fx, lost)
	e.main.unlock(&fx)
}

// retell has watchers and nodes hear how the address is now that it is ours.
func (o *owned) retell() {
	var fx effects
	o.e.main.mu.Lock()
	o.e.tell(&fx, true)
	o.e.main.unlock(&fx)
}

// present is what the owner announces.
func (e *endpoint) present() Info {
	info := Info{
		State: e.presence(), Up: e.links.Load() > 0, Direct: e.direct.Load() > 0, Home: e.home.Load(), Leg: e.leg.Load(),
	}
	if p := e.inUse(); p != nil {
		info.MTP, info.Listener, info.Shared = p.peer.Kind, p.peer.Listener, p.peer.Shared
	}
	return info
}

// eventOf is what there is to tell of an address at another node.
func eventOf(a usp.Address, own *Ownership) Event {
	event := Event{
		Address: a, State: own.Info.State, MTP: own.Info.MTP, Listener: own.Info.Listener, Shared: own.Info.Shared,
		Node: own.Node, At: time.Now(),
	}
	if !own.Alive || own.Node == "" || event.State == "" {
		event.State = Offline
	}
	return event
}

// tellRemote tells of an address that this node has nothing to do with. Watchers
// may hear the same twice.
func (r *Router) tellRemote(a usp.Address) {
	own := r.o.Peers.Owner(a)
	if own.Node == r.node {
		return
	}
	if r.watchers.push(queued{Event: eventOf(a, &own)}) {
		r.watchers.dispatch()
	}
}

// tellDead tells that the Endpoints of a dead node have gone, those that are not
// back within the grace.
func (r *Router) tellDead(node string) {
	if !r.watchers.any() {
		return
	}
	time.AfterFunc(max(0, r.o.PresenceGrace), func() {
		if !r.begin() {
			return
		}
		defer r.end()
		r.o.Peers.Each(func(a usp.Address, own Ownership) {
			if own.Node == node && !own.Alive && r.table.get(a) == nil {
				r.watchers.push(queued{Event: eventOf(a, &own)})
			}
		})
		r.watchers.dispatch()
	})
}

// eachRemote calls f for the addresses that only other nodes know.
func (r *Router) eachRemote(f func(a usp.Address, own *Ownership)) {
	if r.o.Peers == nil {
		return
	}
	r.o.Peers.Each(func(a usp.Address, own Ownership) {
		if e := r.table.get(a); own.Node != r.node && (e == nil || !e.known.Load()) {
			f(a, &own)
		}
	})
}

// ownedBy reports that some node owns the address.
func (r *Router) ownedBy(a usp.Address) bool {
	return r.o.Peers != nil && r.o.Peers.Owner(a).Node != ""
}
