// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// endpointField stands for the Endpoint ID in Route.Destination.
const endpointField = "{endpoint_id}"

// Route is a static route: it makes Endpoints known before they were seen, so
// that Records wait for them, says over which binding they are reached, and
// who may send to them.
type Route struct {
	// Match is an Endpoint ID; * stands for any characters, also none.
	Match string
	// Role of the Endpoints; RoleUnknown: whichever the sender asks for.
	Role usp.Role
	// Via names the Transport whose shared Links (a broker, a trunk) reach
	// them. Empty: wherever they turn up.
	Via string
	// Destination is where on that Link: an MQTT topic, a STOMP destination;
	// {endpoint_id} stands for the Endpoint ID.
	Destination string
	// AllowFrom are patterns like Match of who may send to them; empty: anyone.
	AllowFrom []string
}

// exact reports that the route names one Endpoint.
func (rt *Route) exact() bool { return !strings.Contains(rt.Match, "*") }

// matches reports whether a is meant.
func (rt *Route) matches(a usp.Address) bool {
	return (rt.Role == usp.RoleUnknown || a.Role == usp.RoleUnknown || rt.Role == a.Role) && a.ID.Like(rt.Match)
}

// allows reports whether from may send to the Endpoints of the route.
func (rt *Route) allows(from usp.EndpointID) bool {
	if len(rt.AllowFrom) == 0 {
		return true
	}
	for _, pattern := range rt.AllowFrom {
		if from.Like(pattern) {
			return true
		}
	}
	return false
}

func (rt *Route) check() error {
	switch {
	case rt.Match == "":
		return errors.New("routing: a route without match")
	case rt.Destination != "" && rt.Via == "":
		return fmt.Errorf("routing: route %q has a destination and no via", rt.Match)
	}
	return nil
}

// Routes returns the static routes in the order in which they are tried.
func (r *Router) Routes() []Route { return slices.Clone(*r.routes.Load()) }

// SetRoutes replaces the static routes. Of several that match an Endpoint the
// first counts. Endpoints that a route no longer names stay known.
func (r *Router) SetRoutes(routes []Route) error {
	for i := range routes {
		if err := routes[i].check(); err != nil {
			return err
		}
	}
	list := slices.Clone(routes)
	r.routesMu.Lock()
	defer r.routesMu.Unlock()
	r.routes.Store(&list)
	r.table.each(func(e *endpoint) {
		before, now := e.route.Load(), r.match(e.addr)
		e.route.Store(now)
		if before != nil && before.Via != "" && (now == nil || now.Via != before.Via) {
			r.detachStatic(e, before.Via)
		}
		if now != nil {
			e.known.Store(true)
			r.attachStatic(e)
		}
	})
	for i := range list {
		if rt := &list[i]; rt.exact() && rt.Role != usp.RoleUnknown {
			if e := r.add(usp.Address{ID: usp.EndpointID(rt.Match), Role: rt.Role}); e != nil {
				r.attachStatic(e)
			}
		}
	}
	return nil
}

// AddStatic appends one static route.
func (r *Router) AddStatic(route Route) error { return r.SetRoutes(append(r.Routes(), route)) }

// match returns the first route that means a, nil if none does.
func (r *Router) match(a usp.Address) *Route {
	list := *r.routes.Load()
	for i := range list {
		if list[i].matches(a) {
			return &list[i]
		}
	}
	return nil
}

// attachStatic binds e to the shared Links of its route that are up.
func (r *Router) attachStatic(e *endpoint) {
	rt := e.route.Load()
	if rt == nil || rt.Via == "" {
		return
	}
	for _, p := range r.sharedLinks(rt.Via) {
		r.joinStatic(p, e, rt)
	}
}

func (r *Router) joinStatic(p *port, e *endpoint, rt *Route) {
	hint := mtp.Hint{Destination: strings.ReplaceAll(rt.Destination, endpointField, string(e.addr.ID))}
	if err := p.join(e.addr, hint); err != nil {
		r.log.Warn("a static route could not be bound",
			p.fields(zap.String("to", string(e.addr.ID)), zap.Error(err))...)
	}
}

func (r *Router) detachStatic(e *endpoint, via string) {
	for _, p := range r.sharedLinks(via) {
		if p.who.forget(e) {
			e.unbind(p)
		}
	}
}

// sharedLinks returns the shared Links of a Transport that are up.
func (r *Router) sharedLinks(listener string) []*port {
	r.sharedMu.Lock()
	defer r.sharedMu.Unlock()
	return slices.Clone(r.shared[listener])
}

// joinRoutes binds a shared Link that has come up to the Endpoints that are
// routed via its Transport.
func (r *Router) joinRoutes(p *port) {
	list := *r.routes.Load()
	if !slices.ContainsFunc(list, func(rt Route) bool { return rt.Via == p.peer.Listener }) {
		return
	}
	r.table.each(func(e *endpoint) {
		if rt := e.route.Load(); rt != nil && rt.Via == p.peer.Listener {
			r.joinStatic(p, e, rt)
		}
	})
}
