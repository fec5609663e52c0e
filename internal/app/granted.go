// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"cmp"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/internal/config"
	"github.com/uspgate/uspgate/routing"
	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/usp"
)

// maxGranted is how many Controllers have a route because Controllers have added them to
// Virtual Agents: each costs every look at the routes. Others are reached while they are
// connected.
const maxGranted = 256

// granted gives the Controllers a route that have been added to Virtual Agents, so that
// Records wait for them, and go where they say that they are.
type granted struct {
	config *config.Config
	router *routing.Router
	log    *zap.Logger

	mu     sync.Mutex
	routes map[usp.EndpointID]routing.Route
}

// shown is told of each Connect Record of a Virtual Agent, before it leaves.
func (g *granted) shown(to usp.EndpointID, h *agent.Host) {
	grant, ok := h.GrantOf(to)
	if !ok {
		return
	}
	want := g.route(&grant)
	if exposes(g.config, want.Via) {
		h.Meet(to, nil, false)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	have, ok := g.routes[to]
	if ok && have.Via == want.Via && have.Destination == want.Destination {
		return
	}
	list := slices.DeleteFunc(g.router.Routes(), func(r routing.Route) bool { return ok && r.Match == have.Match })
	if !ok && len(g.routes) >= maxGranted {
		list = g.withoutGone(list, h)
	}
	if !ok && len(g.routes) >= maxGranted {
		return
	}
	if slices.ContainsFunc(list, func(r routing.Route) bool { return r.Match == string(to) }) {
		return // the configuration says where it is
	}
	if err := g.router.SetRoutes(slices.Concat([]routing.Route{want}, list)); err != nil {
		g.log.Warn("a Controller that was added to a Virtual Agent has no route",
			zap.String("controller", string(to)), zap.Error(err))
		return
	}
	if g.routes == nil {
		g.routes = make(map[usp.EndpointID]routing.Route)
	}
	g.routes[to] = want
}

// withoutGone takes the routes out of the list of Controllers that no Agent has any more; mu is
// held.
func (g *granted) withoutGone(list []routing.Route, h *agent.Host) []routing.Route {
	maps.DeleteFunc(g.routes, func(c usp.EndpointID, _ routing.Route) bool {
		if _, ok := h.GrantOf(c); ok {
			return false
		}
		list = slices.DeleteFunc(list, func(r routing.Route) bool { return r.Match == string(c) })
		return true
	})
	return list
}

// exposes reports whether what goes over a shared binding can be read on the way.
func exposes(c *config.Config, binding string) bool {
	i := slices.IndexFunc(c.MTP, func(m config.MTP) bool { return m.Name == binding })
	if i < 0 {
		return false
	}
	u, err := url.Parse(c.MTP[i].Connect)
	if err != nil || u.Scheme == "unix" {
		return false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	local := err == nil && ip.IsLoopback() || u.Hostname() == "localhost"
	return !local && !slices.Contains([]string{"wss", "mqtts", "stomps", "coaps"}, u.Scheme)
}

// route is by the shared binding of its protocol, and else by the one whose peer speaks for
// it, if there is any.
func (g *granted) route(grant *agent.Grant) routing.Route {
	r := routing.Route{Match: string(grant.Controller), Role: usp.RoleController}
	for i := range g.config.MTP {
		m := &g.config.MTP[i]
		if r.Via == "" && m.Shared() && !m.Trunk && m.Role != "agent" && strings.EqualFold(m.Type, grant.Protocol) {
			r.Via, r.Destination = m.Name, grant.Destination
		}
	}
	r.Via = cmp.Or(r.Via, behind(g.config, r.Match))
	r.Transit = isBroker(g.config, r.Via)
	return r
}
