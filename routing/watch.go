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
	// MTP, Listener and Shared are those of the Link in use, or of the last one:
	// its kind, its Transport, and whether others are behind it, too. Empty if
	// there was none.
	MTP      mtp.Kind
	Listener string
	Shared   bool
	// Node is where the Endpoint is, if that is another node of this gateway. Of
	// those the same may be told twice.
	Node string
	At   time.Time
}

// watchers call who watches, one Event at a time in the order of happening.
type watchers struct {
	mu    sync.Mutex
	list  []*watcher
	queue []queued
	busy  bool // somebody is in dispatch
}

type watcher struct {
	f   func(Event)
	all bool // also of moves
}

// queued is an Event on its way.
type queued struct {
	Event
	move bool     // the state is as it was
	only *watcher // who is told; nil: everybody
}

// Watch calls f for every Endpoint that comes or goes from now on, one call at
// a time, in order per address. f must not block, and may call the Router. The
// result ends it; a call that is under way then may still end after it.
func (r *Router) Watch(f func(Event)) (stop func()) { return r.watch(&watcher{f: f}) }

// WatchAll is Watch that begins with every address as it is, and is also told
// when an Endpoint is reached over another Transport than before: without a gap
// it shows who is where. An address that is forgotten goes Offline.
func (r *Router) WatchAll(f func(Event)) (stop func()) {
	w := &watcher{f: f, all: true}
	stop = r.watch(w)
	r.table.each(func(e *endpoint) {
		if !e.known.Load() {
			return
		}
		var fx effects
		e.main.mu.Lock()
		if !e.gone.Load() {
			fx.notify = r.watchers.push(queued{Event: e.event(), only: w})
		}
		e.main.unlock(&fx)
	})
	r.eachRemote(func(a usp.Address, own *Ownership) {
		if r.watchers.push(queued{Event: eventOf(a, own), only: w}) {
			r.watchers.dispatch()
		}
	})
	return stop
}

func (r *Router) watch(w *watcher) (stop func()) {
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

func (ws *watchers) any() bool {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	return len(ws.list) > 0
}

// push queues an Event; dispatch has to follow without a lock. It is false if
// nobody watches.
func (ws *watchers) push(e queued) bool {
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
		for i := range queue {
			for _, w := range list {
				if w.wants(&queue[i]) {
					w.f(queue[i].Event)
				}
			}
		}
		ws.mu.Lock()
	}
	ws.busy = false
}

func (w *watcher) wants(e *queued) bool {
	if e.only != nil {
		return e.only == w
	}
	return w.all || !e.move
}
