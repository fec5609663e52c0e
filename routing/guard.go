// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing

import (
	"fmt"
	"strings"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// Errors of the guard and of the table.
var (
	errIdentity  = classError{mtp.ErrForbidden, "routing: the Link may not speak for this from_id"}
	errPresents  = classError{mtp.ErrForbidden, "routing: the Link shows one Endpoint, and to_id is another"}
	errRoute     = classError{mtp.ErrForbidden, "routing: the route does not let this from_id through"}
	errRole      = classError{mtp.ErrForbidden, "routing: a Connect Record from a Controller"}
	errAmbiguous = classError{mtp.ErrUnroutable, "routing: to_id is Agent and Controller, the sender's role unknown"}
)

// allows reports whether the Link may speak for id. An Identity that names
// nobody speaks for the first ID that is claimed [R-SEC.4c].
func (p *port) allows(id usp.EndpointID) bool {
	if id == "" {
		return false
	}
	who := &p.peer.Identity
	if who.Any || len(who.IDs) > 0 || len(who.Patterns) > 0 {
		return who.Allows(id)
	}
	p.who.mu.Lock()
	defer p.who.mu.Unlock()
	if p.who.claimed == "" {
		p.who.claimed = usp.EndpointID(strings.Clone(string(id)))
	}
	return p.who.claimed == id
}

// proves reports that the Link's right to speak for id is more than a claim.
func (p *port) proves(id usp.EndpointID) bool {
	who := &p.peer.Identity
	return (who.Any || len(who.IDs) > 0 || len(who.Patterns) > 0) && who.Allows(id)
}

// guard refuses Records that the Link may not send.
func (p *port) guard(h *usp.Header) error {
	switch {
	case h.From == h.To:
		return errSelf // [R-ARC.2]
	case !p.allows(h.From):
		return errIdentity // [R-SEC.4c]
	case p.peer.Presents != "" && h.To != p.peer.Presents:
		return errPresents
	}
	return nil
}

// permit asks the route and the policy.
func (r *Router) permit(p *port, e *endpoint, from usp.Address, h *usp.Header) error {
	if rt := e.route.Load(); rt != nil && !rt.allows(h.From) {
		return errRoute
	}
	if r.o.Policy == nil {
		return nil
	}
	if err := r.o.Policy(&p.peer, from, e.addr, h); err != nil {
		return fmt.Errorf("routing: policy: %w: %w", mtp.ErrForbidden, err)
	}
	return nil
}

// route decides on a Record: its lane, or why there is none; neither for a
// Connect Record, which has done its work.
func (r *Router) route(p *port, o *out, hint mtp.Hint) (*lane, error) {
	h := o.rec.Header()
	if err := p.guard(h); err != nil {
		return nil, err
	}
	if h.Type.IsConnect() {
		return nil, r.connect(p, o, hint)
	}
	role := p.roleOf(h.From)
	e, err := r.target(h.To, role)
	if err != nil {
		_ = p.learn(h.From, role, hint, o.at) // the sender is there all the same
		return nil, err
	}
	from := usp.Address{ID: h.From, Role: role}
	if role == usp.RoleUnknown {
		from.Role = e.addr.Role.Opposite()
	}
	if err := r.permit(p, e, from, h); err != nil {
		return nil, err
	}
	if role == usp.RoleUnknown {
		p.showRole(h.From, from.Role)
	}
	sender := p.learn(h.From, from.Role, hint, o.at)
	if h.Type == usp.RecordDisconnect {
		p.farewell(from)
	}
	r.answer(p, o, sender, hint)
	return e.lane(h.From), nil
}

// target finds the address for to_id: the opposite role of the sender's or,
// while that is unknown, the one role that to_id has.
func (r *Router) target(to usp.EndpointID, sender usp.Role) (*endpoint, error) {
	if sender != usp.RoleUnknown {
		return r.reach(usp.Address{ID: to, Role: sender.Opposite()})
	}
	agent := r.table.get(usp.Address{ID: to, Role: usp.RoleAgent})
	controller := r.table.get(usp.Address{ID: to, Role: usp.RoleController})
	hasAgent, hasController := agent != nil && agent.known.Load(), controller != nil && controller.known.Load()
	switch {
	case hasAgent && hasController:
		return nil, errAmbiguous
	case hasAgent:
		return agent, nil
	case hasController:
		return controller, nil
	}
	if rt := r.match(usp.Address{ID: to}); rt != nil && rt.Role != usp.RoleUnknown {
		return r.reach(usp.Address{ID: to, Role: rt.Role})
	}
	r.metrics.misses.Inc()
	return nil, mtp.ErrUnroutable
}

// reveal gives Links that have not shown their role that of a: somebody whose
// role is known addresses them in it. It is false if there are none.
func (r *Router) reveal(a usp.Address) bool {
	e := r.table.get(usp.Address{ID: a.ID})
	if e == nil {
		return false
	}
	if links := e.main.links.Load(); links != nil {
		for _, b := range *links {
			b.p.showRole(a.ID, a.Role)
		}
	}
	return true
}

// reach finds an address whose role is known, or makes it: of a Link that had
// not shown its role, which it has now, or from a static route.
func (r *Router) reach(a usp.Address) (*endpoint, error) {
	if e := r.table.get(a); e != nil && e.known.Load() {
		return e, nil
	}
	if r.reveal(a) {
		if e := r.table.get(a); e != nil && e.known.Load() {
			return e, nil
		}
	}
	if r.match(a) != nil {
		if e := r.add(a); e != nil {
			r.attachStatic(e)
			return e, nil
		}
		return nil, mtp.ErrBusy
	}
	r.metrics.misses.Inc()
	return nil, mtp.ErrUnroutable
}
