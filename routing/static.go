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

// maxFallbacks is how many Transports a route may name beside Via.
const maxFallbacks = 16

// Route is a static route: it makes Endpoints known before they were seen, so
// that Records wait for them, says over which binding they are reached, and
// who may send to them.
//
// What a Link shows of an Endpoint comes before what a route says. A route of
// one Endpoint is a way beside the Endpoint's own Links; one of a pattern is
// the way to those Endpoints only that this gateway has not met, so that a
// default route ("*", the last) does not take what is at home here.
type Route struct {
	// Match is an Endpoint ID; * stands for any characters, also none.
	Match string
	// Role of the Endpoints; RoleUnknown: whichever the sender asks for. A sender
	// whose own role is not known asks for none: for Records from a trunk that
	// carries both roles, routes have to name theirs.
	Role usp.Role
	// Via names the Transport whose shared Links (a broker, a trunk) reach
	// them. Empty: wherever they turn up. Of its Links those are used whose
	// Identity may speak for the Endpoint.
	Via string
	// Fallback names more of them, in the order in which they are used while
	// the Links of those before are down; at most 16.
	Fallback []string
	// Destination is where on these Links: an MQTT topic, a STOMP destination;
	// {endpoint_id} stands for the Endpoint ID.
	Destination string
	// AllowFrom are patterns like Match of who may send to them; empty: anyone
	// whom the Rules let through.
	AllowFrom []string
	// Transit lets Records that came over one trunk go on to them over another.
	// Without it a trunk leads to the Endpoints of this gateway only.
	Transit bool
}

// exact reports that the route names one Endpoint.
func (rt *Route) exact() bool { return !strings.Contains(rt.Match, "*") }

// matches reports whether a is meant.
func (rt *Route) matches(a usp.Address) bool {
	return (rt.Role == usp.RoleUnknown || a.Role == usp.RoleUnknown || rt.Role == a.Role) && a.ID.Like(rt.Match)
}

// allows reports whether from may send to the Endpoints of the route.
func (rt *Route) allows(from usp.EndpointID) bool {
	return len(rt.AllowFrom) == 0 || slices.ContainsFunc(rt.AllowFrom, from.Like)
}

// rank is the place of a Transport among those of the route, from 1; 0 if it
// is none of them.
func (rt *Route) rank(transport string) uint8 {
	if rt.Via == transport && transport != "" {
		return 1
	}
	if i := slices.Index(rt.Fallback, transport); i >= 0 {
		return uint8(i) + 2
	}
	return 0
}

// destination is that of one Endpoint.
func (rt *Route) destination(id usp.EndpointID) string {
	return strings.ReplaceAll(rt.Destination, endpointField, string(id))
}

func (rt *Route) check() error {
	switch {
	case rt.Match == "":
		return errors.New("routing: a route without match")
	case rt.Destination != "" && rt.Via == "":
		return fmt.Errorf("routing: route %q has a destination and no via", rt.Match)
	case len(rt.Fallback) > 0 && rt.Via == "":
		return fmt.Errorf("routing: route %q has a fallback and no via", rt.Match)
	case len(rt.Fallback) > maxFallbacks:
		return fmt.Errorf("routing: route %q has more than %d fallbacks", rt.Match, maxFallbacks)
	}
	for i, name := range rt.Fallback {
		if name == "" || name == rt.Via || slices.Contains(rt.Fallback[:i], name) {
			return fmt.Errorf("routing: route %q names transport %q twice, or an empty one", rt.Match, name)
		}
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
		now := r.match(e.addr)
		e.route.Store(now)
		e.unroute()
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

// onward is the route by which e is reached, nil if there is none with a way or
// if e has shown itself here and only a pattern means it.
func (e *endpoint) onward() *Route {
	rt := e.route.Load()
	if rt == nil || rt.Via == "" || e.home.Load() && !rt.exact() {
		return nil
	}
	return rt
}

// leads is the place of p among the ways of the route of e, 0 if it is none.
func (e *endpoint) leads(p *port) uint8 {
	rt := e.onward()
	if rt == nil || !p.peer.Identity.Allows(e.addr.ID) {
		return 0
	}
	return rt.rank(p.peer.Listener)
}

// attachStatic binds e to the shared Links of its route that are up.
func (r *Router) attachStatic(e *endpoint) {
	rt := e.onward()
	if rt == nil {
		return
	}
	r.joinAll(rt.Via, e)
	for _, name := range rt.Fallback {
		r.joinAll(name, e)
	}
}

func (r *Router) joinAll(transport string, e *endpoint) {
	for _, p := range r.sharedLinks(transport) {
		r.joinStatic(p, e)
	}
}

func (r *Router) joinStatic(p *port, e *endpoint) {
	rt, via := e.onward(), e.leads(p)
	if via == 0 {
		return
	}
	var hint *mtp.Hint
	if rt.Destination != "" {
		hint = &mtp.Hint{Destination: rt.destination(e.addr.ID)}
	}
	if _, err := e.bind(binding{p, hint, via}); err != nil {
		r.log.Warn("a static route could not be bound",
			p.fields(zap.String("to", string(e.addr.ID)), zap.Error(err))...)
		return
	}
	p.noteRole(e.addr.ID, e.addr.Role)
}

// unroute ends the bindings by a route that does not lead there any more.
func (e *endpoint) unroute() {
	links := e.main.links.Load()
	if links == nil {
		return
	}
	for _, b := range *links {
		if b.via != 0 && e.leads(b.p) != b.via && b.p.who.forget(e) {
			e.unbind(b.p)
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
	if !slices.ContainsFunc(list, func(rt Route) bool { return rt.rank(p.peer.Listener) != 0 }) {
		return
	}
	r.inherit(func(rt *Route, own Ownership) bool { return rt.rank(p.peer.Listener) != 0 && !own.Alive })
	r.table.each(func(e *endpoint) {
		if e.leads(p) != 0 {
			r.joinStatic(p, e)
		}
	})
}
