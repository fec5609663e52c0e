// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing

import (
	"fmt"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// Errors of the guard and of the table.
var (
	errIdentity  = classError{mtp.ErrForbidden, "routing: the Link may not speak for this from_id"}
	errPresents  = classError{mtp.ErrForbidden, "routing: the Link shows one Endpoint, and to_id is another"}
	errRoute     = classError{mtp.ErrForbidden, "routing: the route does not let this from_id through"}
	errRule      = classError{mtp.ErrForbidden, "routing: a rule does not let this from_id through"}
	errRole      = classError{mtp.ErrForbidden, "routing: a Connect Record from a Controller"}
	errAmbiguous = classError{mtp.ErrUnroutable, "routing: to_id is Agent and Controller, the sender's role unknown"}
)

// allows reports whether the Link may speak for id. An Identity that names
// nobody speaks for the first ID that is claimed [R-SEC.4c]. Who may speak for
// an Endpoint may for its aliases.
func (p *port) allows(id usp.EndpointID) bool {
	if id == "" {
		return false
	}
	who := &p.peer.Identity
	if who.Any || len(who.IDs) > 0 || len(who.Patterns) > 0 {
		return p.speaksFor(id)
	}
	p.who.mu.Lock()
	defer p.who.mu.Unlock()
	if p.who.claimed == "" {
		p.who.claimed = cloneID(p.r.canon(id))
	}
	return p.who.claimed == id || p.r.aliases.Load() != nil && p.who.claimed == p.r.canon(id)
}

// speaksFor is allows for an Identity that names somebody.
func (p *port) speaksFor(id usp.EndpointID) bool {
	who := &p.peer.Identity
	return who.Allows(id) || p.r.aliases.Load() != nil && who.Allows(p.r.canon(id))
}

// proves reports that the Link's right to speak for id is more than a claim.
func (p *port) proves(id usp.EndpointID) bool {
	who := &p.peer.Identity
	return (who.Any || len(who.IDs) > 0 || len(who.Patterns) > 0) && p.speaksFor(id)
}

// guard refuses Records that the Link may not send.
func (p *port) guard(h *usp.Header) error {
	switch {
	case p.r.same(h.From, h.To):
		return errSelf // [R-ARC.2]
	case !p.allows(h.From):
		return errIdentity // [R-SEC.4c]
	case p.peer.Presents != "" && !p.r.same(h.To, p.peer.Presents):
		return errPresents
	}
	return nil
}

// permit asks the rules, the route and the policy.
func (r *Router) permit(p *port, e *endpoint, from usp.Address, h *usp.Header) error {
	if err := e.lets(h.From); err != nil {
		return err
	}
	if r.o.Policy == nil {
		return nil
	}
	if err := r.o.Policy(&p.peer, from, e.addr, h); err != nil {
		return fmt.Errorf("routing: policy: %w: %w", mtp.ErrForbidden, err)
	}
	return nil
}

// lets is the answer of the rules and of the route.
func (e *endpoint) lets(from usp.EndpointID) error {
	if u := e.rules.Load().decide(from); u != nil && u.Deny {
		return errRule
	}
	if rt := e.route.Load(); rt != nil && !rt.allows(from) {
		return errRoute
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
	sender, err := p.sender(from, e, o, hint)
	if err != nil {
		return nil, err
	}
	o.sender = sender
	if h.Type == usp.RecordDisconnect {
		p.farewell(from)
	}
	r.answer(p, o, sender, hint)
	return e.lane(h.From), nil
}

// sender is the address that the Record comes from, if it is known, after it has
// been taken note of. Over a trunk the Record may be refused.
func (p *port) sender(from usp.Address, e *endpoint, o *out, hint mtp.Hint) (*endpoint, error) {
	if p.name == "" {
		return p.learn(from.ID, from.Role, hint, o.at), nil
	}
	s := p.r.lookup(from)
	if s == nil {
		s = p.r.table.get(from)
	}
	if err := p.r.passage(p, s, e, o.rec.Header()); err != nil {
		if s != nil {
			s.noteLoop(p, err)
		}
		return nil, err
	}
	if s != nil {
		s.touch(o.at)
		if s.home.Load() {
			p.r.moved(p, s)
		}
	}
	return s, nil
}

// target finds the address for to_id: the opposite role of the sender's or,
// while that is unknown, the one role that to_id has.
func (r *Router) target(to usp.EndpointID, sender usp.Role) (*endpoint, error) {
	if sender != usp.RoleUnknown {
		return r.reach(usp.Address{ID: to, Role: sender.Opposite()})
	}
	agent := r.lookup(usp.Address{ID: to, Role: usp.RoleAgent})
	controller := r.lookup(usp.Address{ID: to, Role: usp.RoleController})
	switch {
	case agent != nil && controller != nil:
		return nil, errAmbiguous
	case agent != nil:
		return agent, nil
	case controller != nil:
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
	if e := r.lookup(a); e != nil {
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
