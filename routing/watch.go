// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing

import (
	"slices"
	"sync"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// Event tells that an Endpoint came or went.
type Event struct {
	Address usp.Address
	State   Presence
	MTP     mtp.Kind
	At      time.Time
}

// watchers call who watches, one Event at a time in the order of happening.
type watchers struct {
	mu    sync.Mutex
	list  []*watcher
	queue []Event
	busy  bool // somebody is in dispatch
}

type watcher struct{ f func(Event) }

// Watch calls f for every Endpoint that comes or goes from now on, one call at
// a time, in order per address. f must not block, and may call the Router. The
// result ends it; a call that is under way then may still end after it.
func (r *Router) Watch(f func(Event)) (stop func()) {
	w := &watcher{f}
	ws := &r.watchers
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.list = append(slices.Clone(ws.list), w)
	return func() {
		ws.mu.Lock()
		defer ws.mu.Unlock()
		ws.list = slices.DeleteFunc(slices.Clone(ws.list), func(o *watcher) bool { return o == w })
	}
}

// push queues an Event; dispatch has to follow without a lock. It is false if
// nobody watches.
func (ws *watchers) push(e Event) bool {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if len(ws.list) == 0 {
		return false
	}
	ws.queue = append(ws.queue, e)
	return true
}

// dispatch calls the watchers for what is queued, unless somebody does already.
func (ws *watchers) dispatch() {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.busy {
		return
	}
	ws.busy = true
	for len(ws.queue) > 0 {
		queue, list := ws.queue, ws.list
		ws.queue = nil
		ws.mu.Unlock()
		for _, e := range queue {
			for _, w := range list {
				w.f(e)
			}
		}
		ws.mu.Lock()
	}
	ws.busy = false
}

// presence is what the Links tell of the Endpoint. Behind a broker nobody
// knows until a Record has come; a Disconnect Record ends that again.
func (e *endpoint) presence() Presence {
	switch heard := e.heard.Load(); {
	case e.direct.Load() > 0:
		return Online
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

// tell queues an Event if the presence has changed; main.mu is held.
func (e *endpoint) tell(fx *effects) {
	now := e.presence()
	if now == e.last {
		return
	}
	e.last = now
	event := Event{Address: e.addr, State: now, At: time.Now()}
	if p := e.by.Load(); p != nil {
		event.MTP = p.peer.Kind
	}
	fx.notify = e.r.watchers.push(event) || fx.notify
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
	e.tell(&fx)
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
