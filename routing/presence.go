// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing

import (
	"cmp"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// told is what the watchers know of an address.
type told struct {
	state Presence
	from  *Ownership // if another node has told
	by    *port      // whose Link was in use
	// due is when a loss is told that is held back, 0 if there is none; waits
	// says that the address stands in the queue for it.
	due   time.Duration
	waits bool
}

// presence is what the Links tell of the Endpoint. Behind a broker nobody
// knows until a Record has come; a Disconnect Record ends that again.
func (e *endpoint) presence() Presence {
	switch heard := e.heard.Load(); {
	case e.direct.Load() > 0:
		return Online
	case e.elsewhere() != nil:
		return cmp.Or(e.elsewhere().Info.State, Unknown)
	case e.links.Load() > 0 && heard == heardRecord:
		return Online
	case e.links.Load() > 0 && heard == heardNothing, e.seen.Load() == 0:
		return Unknown
	default:
		return Offline
	}
}

// stamp notes that the Link came or went.
func (e *endpoint) stamp() { e.seen.Store(time.Now().UnixNano()) }

// inUse is the Link in use or, if there is none, the last one.
func (e *endpoint) inUse() *port {
	if p, _ := best(e.main.links.Load()); p != nil {
		return p
	}
	return e.by.Load()
}

// event is what the watchers know.
func (e *endpoint) event() Event {
	event := Event{Address: e.addr, State: cmp.Or(e.told.state, e.presence()), At: time.Now()}
	if own := e.elsewhere(); own != nil {
		there := eventOf(e.addr, own)
		there.State = event.State
		return there
	}
	if p := e.inUse(); p != nil {
		event.MTP, event.Listener, event.Shared = p.peer.Kind, p.peer.Listener, p.peer.Shared
	}
	return event
}

// tell queues an Event if the presence has changed, or the Transport; main.mu
// is held. A loss is held back for the grace.
func (e *endpoint) tell(fx *effects, lost bool) {
	now, p, t, from := e.presence(), e.inUse(), &e.told, e.elsewhere()
	if e.owned != nil {
		e.owned.schedule() // others are told
	}
	if now == Offline && t.due != 0 {
		return
	}
	if grace := e.r.o.PresenceGrace; now == Offline && now != t.state && lost && grace > 0 {
		t.due = e.r.now() + grace
		if !t.waits {
			t.waits = true
			e.r.graces.push(e.r, e, t.due)
		}
		return
	}
	t.due = 0
	move := now == t.state
	if move && sameWay(t.by, p) && sameInfo(t.from, from) {
		return
	}
	t.state, t.by, t.from = now, p, from
	fx.notify = e.r.watchers.push(queued{Event: e.event(), move: move}) || fx.notify
}

// sameWay reports that a watcher would see no difference.
func sameWay(a, b *port) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.peer.Kind == b.peer.Kind && a.peer.Listener == b.peer.Listener && a.peer.Shared == b.peer.Shared
}

// sameInfo is sameWay for what other nodes have told.
func sameInfo(a, b *Ownership) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Node == b.Node && a.Info.MTP == b.Info.MTP && a.Info.Listener == b.Info.Listener &&
		a.Info.Shared == b.Info.Shared
}

// tellGone tells the end of an address; main.mu is held.
func (e *endpoint) tellGone(fx *effects) {
	t := &e.told
	t.due = 0
	if t.state != Offline && e.known.Load() {
		t.state = Offline
		fx.notify = e.r.watchers.push(queued{Event: e.event()}) || fx.notify
	}
}

// graceOver tells a loss that has been held back, unless the Endpoint is there
// again.
func (e *endpoint) graceOver(now time.Duration) {
	var fx effects
	e.main.mu.Lock()
	switch t := &e.told; {
	case t.due > now: // it was back, and was lost again
		e.r.graces.push(e.r, e, t.due)
	case t.due != 0:
		t.due, t.waits = 0, false
		e.tell(&fx, false)
	default:
		t.waits = false
	}
	e.main.unlock(&fx)
}

// graces are the losses that are held back, the next to be told first: one
// timer, and each address once at most.
type graces struct {
	mu    sync.Mutex
	queue []grace
	timer *time.Timer
}

type grace struct {
	e   *endpoint
	due time.Duration
}

func (g *graces) push(r *Router, e *endpoint, due time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	i, _ := slices.BinarySearchFunc(g.queue, due, func(o grace, due time.Duration) int {
		if o.due > due {
			return 1
		}
		return -1
	})
	g.queue = slices.Insert(g.queue, i, grace{e, due})
	if i == 0 {
		g.arm(r)
	}
}

// arm sets the timer to the first; mu is held.
func (g *graces) arm(r *Router) {
	d := max(0, g.queue[0].due-r.now())
	if g.timer == nil {
		g.timer = time.AfterFunc(d, r.gracesOver)
	} else {
		g.timer.Reset(d)
	}
}

// gracesOver is called by the timer.
func (r *Router) gracesOver() {
	if !r.begin() {
		return
	}
	defer r.end()
	g, now := &r.graces, r.now()
	for {
		g.mu.Lock()
		if len(g.queue) == 0 {
			g.queue = nil
			g.mu.Unlock()
			return
		}
		first := g.queue[0]
		if first.due > now {
			g.arm(r)
			g.mu.Unlock()
			return
		}
		g.queue[0] = grace{}
		g.queue = g.queue[1:]
		g.mu.Unlock()
		first.e.graceOver(now)
	}
}

// touch notes a Record from the Endpoint.
func (e *endpoint) touch(now time.Duration) {
	e.seen.Store(e.r.base.Add(now).UnixNano())
	if e.heard.Load() != heardRecord {
		e.hear(heardRecord)
	}
}

func (e *endpoint) hear(what int32) {
	var fx effects
	e.main.mu.Lock()
	e.heard.Store(what)
	e.tell(&fx, false)
	e.main.unlock(&fx)
}

// farewell notes a Disconnect Record: over a shared Link there is no other sign
// that an Endpoint has left.
func (p *port) farewell(from usp.Address) {
	if p.direct() {
		return
	}
	if e := p.r.table.get(from); e != nil {
		e.hear(heardFarewell)
	}
}

// Presence implements mtp.Port. It concerns who is bound to the Link, by Bind or
// by a route, and makes nobody known.
func (p *port) Presence(a usp.Address, present bool) {
	if p.direct() {
		return // the Link itself says it
	}
	if a.Role == usp.RoleUnknown {
		a.Role = p.peer.Role
	}
	for _, role := range everyRole {
		if a.Role != usp.RoleUnknown && a.Role != role {
			continue
		}
		e := p.r.table.get(usp.Address{ID: a.ID, Role: role})
		switch {
		case e == nil || !p.who.has(e):
		case present:
			e.touch(p.r.now())
		default:
			e.stamp()
			e.hear(heardFarewell)
		}
	}
}

// orderly reports that a cause of Port.Down says that nothing was lost.
func orderly(cause error) bool { return cause == nil || errors.Is(cause, mtp.ErrDraining) }
