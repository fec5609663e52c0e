// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"maps"
	"sync"

	"github.com/uspgate/uspgate/internal/state"
	"github.com/uspgate/uspgate/translate/device"
	"github.com/uspgate/uspgate/usp"
)

// shared are the Virtual Agents of several nodes, as far as this one serves them.
type shared struct {
	kept *state.State
	link *virtualLink
	// left are requests of adopted Agents that are not answered yet.
	left map[device.Key]device.State

	mu    sync.Mutex
	bound map[usp.EndpointID]struct{} // that the router reaches here
}

// agentAt is the address of a Virtual Agent.
func agentAt(id usp.EndpointID) usp.Address { return usp.Address{ID: id, Role: usp.RoleAgent} }

// adopt serves the Virtual Agents for which mine is true from now on, with what the
// node before has left unanswered. It is called once at a time.
func (a *App) adopt(ctx context.Context, mine func(usp.Address) bool) error {
	s := &a.shared
	here := func(id usp.EndpointID) bool { // also what is this node's since Records wait for it
		return mine(agentAt(id)) || a.node.Peers().Owner(agentAt(id)).Mine
	}
	left, err := s.kept.Journal().Adopt(ctx, func(to string) bool { return here(usp.EndpointID(to)) })
	if err != nil {
		return err
	}
	if s.left == nil {
		s.left = make(map[device.Key]device.State)
	}
	maps.Copy(s.left, left)
	err = a.host.Adopt(ctx, here, a.bindAgent)
	if err != nil {
		return err
	}
	if err := a.host.Settle(ctx, s.left); err != nil {
		return err
	}
	clear(s.left)
	return nil
}

// lose ends the service of a Virtual Agent that another node serves now.
func (a *App) lose(at usp.Address) {
	a.shared.mu.Lock()
	delete(a.shared.bound, at.ID)
	a.shared.mu.Unlock()
	a.shared.link.port.Unbind(at)
	a.host.Leave(at.ID)
	a.shared.kept.Journal().Leave(string(at.ID))
}

// serve makes those Virtual Agents reachable that are this node's from the start:
// all where there is one node, and as they are adopted where there are several.
func (a *App) serve(kept *state.State, link *virtualLink) error {
	if a.node == nil {
		return a.host.Load(link.bind)
	}
	a.shared.kept, a.shared.link = kept, link
	a.shared.bound = make(map[usp.EndpointID]struct{})
	return nil
}

// bindAgent makes a Virtual Agent reachable here, if it is not.
func (a *App) bindAgent(id usp.EndpointID) error {
	s := &a.shared
	s.mu.Lock()
	_, bound := s.bound[id]
	s.bound[id] = struct{}{}
	s.mu.Unlock()
	if bound {
		return nil
	}
	err := s.link.bind(id)
	if err != nil {
		s.mu.Lock()
		delete(s.bound, id)
		s.mu.Unlock()
	}
	return err
}
