// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing

import (
	"context"
	"maps"
	"time"

	"github.com/uspgate/uspgate/usp"
)

// Bounds of the pause between two searches for who is to be forgotten.
const (
	sweepMin = time.Minute
	sweepMax = time.Hour
)

// sweepUntil forgets who has been away for too long, now and then, until ctx
// ends.
func (r *Router) sweepUntil(ctx context.Context) {
	ticker := time.NewTicker(min(max(r.o.ForgetAfter/8, sweepMin), sweepMax))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			r.sweep(now.Add(-r.o.ForgetAfter).UnixNano()) //nolint:contextcheck // what it starts lives as long as the Router
		}
	}
}

// sweep forgets addresses, and bindings over shared Links, of which nothing has
// been seen since limit, in Unix nanoseconds.
func (r *Router) sweep(limit int64) {
	r.table.each(func(e *endpoint) {
		e.dropLanes()
		if e.idle() > limit {
			return
		}
		if rt := e.route.Load(); rt != nil && rt.exact() {
			return
		}
		e.unbindSilent()
		if e.evictable() && e.leave(false) {
			r.table.remove(e)
			r.metrics.forgot.Inc()
		}
	})
	r.forgetRoles()
}

// unbindSilent ends the bindings over trunks of an Endpoint that was heard
// there, and is not any more. One that was never heard has been bound by
// somebody who knows it.
func (e *endpoint) unbindSilent() {
	links := e.main.links.Load()
	if links == nil || e.heard.Load() == heardNothing || e.direct.Load() > 0 {
		return
	}
	for _, b := range *links {
		if b.via == 0 && b.p.trunk() && b.p.who.forget(e) {
			e.unbind(b.p)
		}
	}
}

// dropLanes takes away the lanes of counterparts that have neither a Link nor
// anything on its way or waiting.
func (e *endpoint) dropLanes() {
	if e.lanes.Load() == 0 {
		return
	}
	var fx effects
	e.main.mu.Lock()
	x := e.more.Load()
	x.mu.RLock()
	lanes := maps.Clone(x.lanes)
	x.mu.RUnlock()
	for id, l := range lanes {
		if l.behind.Load() || l.links.Load() != nil || !l.mu.TryLock() {
			continue
		}
		var own effects
		l.outcomes(&own)
		if l.empty() { // whoever waits for its lock finds that it is not the lane any more
			x.mu.Lock()
			delete(x.lanes, id)
			x.mu.Unlock()
			e.lanes.Add(-1)
		}
		l.unlock(&own)
	}
	e.main.unlock(&fx)
}

// forgetRoles forgets in which role IDs have spoken over shared Links that the
// table does not have any more.
func (r *Router) forgetRoles() {
	r.sharedMu.Lock()
	var ports []*port
	for _, list := range r.shared {
		ports = append(ports, list...)
	}
	r.sharedMu.Unlock()
	for _, p := range ports {
		p.who.mu.Lock()
		for id := range p.who.roles {
			if !r.table.has(id) {
				delete(p.who.roles, id)
			}
		}
		p.who.mu.Unlock()
	}
}

// has reports whether an ID is known in any role.
func (t *table) has(id usp.EndpointID) bool {
	for _, role := range everyRole {
		if t.get(usp.Address{ID: id, Role: role}) != nil {
			return true
		}
	}
	return false
}
