// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"slices"
	"sync"

	"github.com/uspgate/uspgate/usp"
)

// Grant is a Controller that another one has added to an Agent, and that is enabled there.
type Grant struct {
	Controller usp.EndpointID `json:"id"`
	// Protocol, by its TR-181 name, and Destination, a topic of MQTT or a destination of
	// STOMP, are where its MTP table says that it is reached. Empty: nowhere in particular.
	Protocol    string `json:"protocol,omitempty"`
	Destination string `json:"destination,omitempty"`
}

// grants is who may control which Agent because of its Controller table, also while the
// Agent sleeps: only Agents with such rows cost anything.
type grants struct {
	mu sync.RWMutex
	of map[usp.EndpointID][]Grant // by Agent
	// ways is how many Agents each of them may control, by where they say that it is.
	ways map[usp.EndpointID]map[Grant]int
}

// set replaces the Grants of an Agent, and returns those Controllers that had none.
func (g *grants) set(agent usp.EndpointID, list []Grant) (added []usp.EndpointID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	before := g.of[agent]
	for _, have := range before {
		if ways := g.ways[have.Controller]; ways[have] > 1 {
			ways[have]--
		} else if delete(ways, have); len(ways) == 0 {
			delete(g.ways, have.Controller)
		}
	}
	if g.ways == nil {
		g.ways = make(map[usp.EndpointID]map[Grant]int)
	}
	for _, want := range list {
		if g.ways[want.Controller] == nil {
			g.ways[want.Controller] = make(map[Grant]int)
		}
		g.ways[want.Controller][want]++
		if !slices.ContainsFunc(before, func(have Grant) bool { return have.Controller == want.Controller }) {
			added = append(added, want.Controller)
		}
	}
	switch {
	case len(list) == 0:
		delete(g.of, agent)
	case g.of == nil:
		g.of = map[usp.EndpointID][]Grant{agent: list}
	default:
		g.of[agent] = list
	}
	return added
}

// Grants returns the Controllers that others have added to an Agent, also while it sleeps.
// The list is not to be changed.
func (h *Host) Grants(agent usp.EndpointID) []Grant {
	h.grants.mu.RLock()
	defer h.grants.mu.RUnlock()
	return h.grants.of[agent]
}

// Granted reports whether another Controller has added c to an Agent. It does not block.
func (h *Host) Granted(agent, c usp.EndpointID) bool {
	return slices.ContainsFunc(h.Grants(agent), func(g Grant) bool { return g.Controller == c })
}

// GrantOf returns where a Controller is reached that has been added to some Agent; ok is
// false if it has been added to none. Where Agents do not agree, nothing is said of it: who
// may write to one of them shall not lead astray what the others send.
func (h *Host) GrantOf(c usp.EndpointID) (g Grant, ok bool) {
	h.grants.mu.RLock()
	defer h.grants.mu.RUnlock()
	ways := h.grants.ways[c]
	if len(ways) == 1 {
		for g = range ways {
			return g, true
		}
	}
	return Grant{Controller: c}, len(ways) > 0
}

// Serves reports whether an Agent is one of this Host, asleep or not. It does not block.
func (h *Host) Serves(agent usp.EndpointID) bool {
	h.registry.mu.Lock()
	defer h.registry.mu.Unlock()
	return h.registry.byID[agent] != nil
}

// granted returns the Grants of the Agent, nil for none. The lock is held.
func (a *Agent) granted() []Grant {
	var list []Grant
	a.local.each(controllerTable, func(row string) {
		id := usp.EndpointID(a.local.get(row + "EndpointID"))
		if a.local.values[row+hiddenOrigin] != originAdded || id == "" || !a.local.isTrue(row+"Enable") {
			return
		}
		g := Grant{Controller: id}
		g.Protocol, g.Destination = a.local.way(row)
		list = append(list, g)
	})
	return list
}

// grant tells who may control the Agent now. To one that is new it shows itself [R-MTP.6],
// and sends an OnBoardRequest [R-NOT.6]. It reports whether that has changed. The lock is
// held.
func (a *Agent) grant() bool {
	list := a.granted()
	before := a.host.Grants(a.id)
	if slices.Equal(before, list) {
		return false
	}
	added := a.host.grants.set(a.id, list)
	for i := range list {
		if slices.Contains(added, list[i].Controller) || !slices.Contains(before, list[i]) {
			a.post(usp.NewWebSocketConnect(a.id, list[i].Controller))
		}
	}
	for _, c := range added {
		if !a.local.isTrue(a.controllerRow(c) + "OnBoardingComplete") {
			a.onBoard(c)
		}
	}
	return true
}
