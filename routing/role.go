// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing

import (
	"go.uber.org/zap"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// roles is a set of roles.
type roles uint8

const (
	isAgent roles = 1 << iota
	isController
)

func roleBit(r usp.Role) roles {
	switch r {
	case usp.RoleAgent:
		return isAgent
	case usp.RoleController:
		return isController
	default:
		return 0
	}
}

// roleOf is the role of the sender, unknown if the Link has not shown it or
// has shown both.
func (p *port) roleOf(from usp.EndpointID) usp.Role {
	if p.peer.Role != usp.RoleUnknown {
		return p.peer.Role
	}
	from = p.r.canon(from)
	p.who.mu.Lock()
	defer p.who.mu.Unlock()
	switch p.who.roles[from] {
	case isAgent:
		return usp.RoleAgent
	case isController:
		return usp.RoleController
	default:
		return usp.RoleUnknown
	}
}

// noteRole remembers that id has the role on this Link.
func (p *port) noteRole(id usp.EndpointID, role usp.Role) {
	bit := roleBit(role)
	id = p.r.canon(id)
	if p.peer.Role != usp.RoleUnknown || bit == 0 {
		return
	}
	p.who.mu.Lock()
	defer p.who.mu.Unlock()
	have, ok := p.who.roles[id]
	if have&bit != 0 {
		return
	}
	if p.who.roles == nil {
		p.who.roles = make(map[usp.EndpointID]roles)
	}
	if !ok {
		if len(p.who.roles) >= p.r.o.MaxEndpoints {
			return
		}
		id = cloneID(id)
	}
	p.who.roles[id] = have | bit
}

// show is called when the role of an Endpoint on this Link has come to light:
// what was bound without a role is bound with it.
func (p *port) showRole(id usp.EndpointID, role usp.Role) {
	p.noteRole(id, role)
	p.guessed(id, role)
	e := p.r.table.get(usp.Address{ID: id, Role: usp.RoleUnknown})
	if e == nil || !p.who.has(e) {
		return
	}
	var hint mtp.Hint
	if links := e.main.links.Load(); links != nil {
		for _, b := range *links {
			if b.p == p && b.hint != nil {
				hint = *b.hint
			}
		}
	}
	if p.bind(usp.Address{ID: id, Role: role}, hint) != nil {
		return
	}
	if p.who.forget(e) {
		e.unbind(p)
	}
	if e.leave(false) {
		p.r.table.remove(e)
	}
}

// guessed takes back what was bound in another role than the one shown.
func (p *port) guessed(id usp.EndpointID, role usp.Role) {
	p.who.mu.Lock()
	guess := p.who.guess
	p.who.guess = usp.RoleUnknown
	p.who.mu.Unlock()
	if guess == usp.RoleUnknown || guess == role {
		return
	}
	if e := p.r.table.get(usp.Address{ID: id, Role: guess}); e != nil && p.who.forget(e) {
		e.unbind(p)
	}
	if err := p.bind(usp.Address{ID: id, Role: role}, mtp.Hint{}); err != nil {
		p.r.log.Warn("an Endpoint could not be bound in the role that it has shown", p.fields(zap.Error(err))...)
	}
}

// knownRole is the one role that an Endpoint is known in, on whatever Link; it
// is a Controller also if Agents have shown themselves to it.
func (r *Router) knownRole(id usp.EndpointID) usp.Role {
	agent := r.table.get(usp.Address{ID: id, Role: usp.RoleAgent})
	controller := r.table.get(usp.Address{ID: id, Role: usp.RoleController})
	isAgent := agent != nil && agent.known.Load() || r.ownedBy(usp.Address{ID: id, Role: usp.RoleAgent})
	isController := controller != nil && (controller.known.Load() || controller.hasPairs()) ||
		r.ownedBy(usp.Address{ID: id, Role: usp.RoleController})
	switch {
	case isAgent && !isController:
		return usp.RoleAgent
	case isController && !isAgent:
		return usp.RoleController
	default:
		return usp.RoleUnknown
	}
}

// unguess forgets a role that no Record has shown yet, but for what it was.
func (w *identity) unguess(id usp.EndpointID, role usp.Role) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.roles, id)
	w.guess = role
}
