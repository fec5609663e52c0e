// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// identity is what a Port has learned of who speaks over its Link.
type identity struct {
	mu      sync.Mutex
	claimed usp.EndpointID // the one that an Identity without IDs has claimed
	roles   map[usp.EndpointID]roles
	bound   map[*endpoint]struct{} // more than one; see one
	one     *endpoint
	learned int

	// last is the sender of the last Record; it belongs to the goroutine that
	// calls Accept, and stays nil on a shared Link.
	last *endpoint
	// guess is the role in which an Endpoint was bound before it has shown one.
	guess usp.Role
}

// Bind implements mtp.Port.
func (p *port) Bind(a usp.Address, hint mtp.Hint) error {
	if !p.allows(a.ID) {
		return mtp.ErrForbidden
	}
	if a.Role == usp.RoleUnknown {
		a.Role = p.peer.Role
	}
	if a.Role != usp.RoleUnknown {
		return p.bind(a, hint)
	}
	// What the Endpoint was on other Links or is by a static route, it will be
	// here: what waits for it need not wait until it speaks. Its Records are
	// judged by what they show themselves. While another Link is up this one
	// may be that of the other role [R-ARC.1], unless that has proved who it is
	// and this one has not.
	was := usp.Address{ID: a.ID, Role: p.r.knownRole(a.ID)}
	beside := p.beside(was)
	if !beside {
		a = was
	}
	err := p.bind(a, hint)
	if err == nil && beside && !p.beside(was) { // it has gone meanwhile
		a = was
		err = p.bind(a, hint)
	}
	p.who.unguess(p.r.canon(a.ID), a.Role)
	return err
}

// beside reports whether the Endpoint has a Link of its own that this one may
// stand beside.
func (p *port) beside(a usp.Address) bool {
	e := p.r.table.get(a)
	if e == nil || e.direct.Load() == 0 {
		return false
	}
	links := e.main.links.Load()
	return links == nil || p.proves(a.ID) ||
		!slices.ContainsFunc(*links, func(b binding) bool { return b.p.proves(a.ID) })
}

// bind makes the address reachable over the Link.
func (p *port) bind(a usp.Address, hint mtp.Hint) error {
	if p.r.o.Admit != nil {
		if err := p.r.o.Admit(&p.peer, a); err != nil {
			return fmt.Errorf("routing: policy: %w: %w", mtp.ErrForbidden, err)
		}
	}
	return p.join(a, hint)
}

// join is bind without the policy.
func (p *port) join(a usp.Address, hint mtp.Hint) error {
	var stored *mtp.Hint
	if hint.Destination != "" {
		stored = &mtp.Hint{Destination: strings.Clone(hint.Destination)}
	}
	for {
		e := p.r.add(a)
		if e == nil {
			return mtp.ErrBusy
		}
		ok, err := e.bind(binding{p: p, hint: stored})
		if err != nil {
			return err
		}
		if ok {
			p.noteRole(e.addr.ID, a.Role)
			e.unroute() // what is at home here is not behind a pattern
			return nil
		}
	}
}

// bind adds the binding, or replaces its Hint; it is false if the endpoint has
// been evicted meanwhile.
func (e *endpoint) bind(b binding) (bool, error) {
	var fx effects
	e.main.mu.Lock()
	if e.gone.Load() {
		e.main.unlock(&fx)
		return false, nil
	}
	if b.via != 0 && e.leads(b.p) != b.via {
		e.main.unlock(&fx) // the route has changed, or the Endpoint has turned up
		return true, nil
	}
	l := &e.main
	if b.p.peer.Presents != "" {
		l = e.laneFor(b.p.peer.Presents)
		fx.pump = l.behind.Load() // main sorts
	}
	added, err := l.attach(b, &fx)
	if err == nil {
		b.p.who.note(e)
		if added {
			e.gain(b, &fx)
		}
		if l == &e.main {
			l.outcomes(&fx)
			l.relink(&fx)
		}
	}
	e.main.unlock(&fx)
	if err == nil {
		e.follow(l)
		if b.p.ended.Load() && b.p.who.forget(e) {
			e.unbind(b.p) // it went down meanwhile
		}
	}
	return true, err
}

// gain notes a new binding; main.mu is held.
func (e *endpoint) gain(b binding, fx *effects) {
	e.known.Store(true)
	first := e.links.Add(1) == 1
	e.leg.Add(1)
	if b.via != 0 {
		e.routed.Add(1)
	} else {
		e.home.Store(true)
		if e.owned != nil {
			e.owned.wanted()
		}
	}
	switch {
	case b.p.direct():
		e.direct.Add(1)
	case first && e.told.due == 0: // within the grace what was known holds
		e.heard.Store(heardNothing)
	}
	e.by.Store(b.p)
	e.stamp()
	e.tell(fx, false)
}

// follow has the lanes look for their Links anew after a change of changed.
func (e *endpoint) follow(changed *lane) {
	e.eachLane(func(l *lane) {
		if l == &e.main || changed != l && changed != &e.main {
			return
		}
		var fx effects
		l.update(&fx)
	})
}

// attach appends b to the lane's bindings, which main.mu guards. The newest
// Link wins, but nobody who has only claimed an Endpoint ID takes it from one
// who has proved it. An older Link of the same kind and Order with the same peer
// is closed, on any MTP where the peer itself is at the other end: two of them
// are one Endpoint that lost its first connection [R-WS.4].
func (l *lane) attach(b binding, fx *effects) (added bool, err error) {
	var old []binding
	if p := l.links.Load(); p != nil {
		old = *p
	}
	if err := l.admits(b, old); err != nil {
		return false, err
	}
	links := make([]binding, 0, len(old)+1)
	added = true
	for _, o := range old {
		switch {
		case o.p == b.p:
			added = false
			switch {
			case o.via != 0 && b.via == 0: // it has turned up there itself
				l.ep.routed.Add(-1)
				l.ep.home.Store(true)
				o = b
			case o.via != 0 || b.via == 0:
				o = b
			}
		case b.replaces(o):
			o.p.replaced.Store(true)
			fx.closes = append(fx.closes, o.p)
		}
		links = append(links, o)
	}
	if added {
		links = append(links, b)
	}
	l.links.Store(&links)
	return added, nil
}

// replaces reports that o is an older connection of the same peer.
func (b binding) replaces(o binding) bool {
	return o.p.peer.Kind == b.p.peer.Kind && o.p.peer.Order == b.p.peer.Order && !o.p.dead.Load() &&
		b.p.peer.Kind != mtp.Virtual && !o.p.peer.Shared && !b.p.peer.Shared
}

// admits refuses a binding beside those that there are. One by a route has been
// configured, and takes nothing from anybody.
func (l *lane) admits(b binding, old []binding) error {
	if b.via != 0 {
		return nil
	}
	id, n := l.ep.addr.ID, 0
	proven := b.p.proves(id)
	for _, o := range old {
		switch {
		case o.p == b.p:
			return nil
		case o.p.dead.Load() || o.via != 0:
		case !proven && o.p.proves(id):
			return mtp.ErrForbidden
		case !o.p.replaced.Load() && !b.replaces(o):
			n++
		}
	}
	if n >= l.ep.r.o.MaxLinksPerEndpoint {
		l.ep.r.metrics.links(linksEndpoint)
		return errLinks
	}
	return nil
}

// detach takes the binding of p away; main.mu is held.
func (l *lane) detach(p *port) (b binding, ok bool) {
	old := l.links.Load()
	if old == nil {
		return b, false
	}
	i := slices.IndexFunc(*old, func(b binding) bool { return b.p == p })
	if i < 0 {
		return b, false
	}
	b = (*old)[i]
	if len(*old) == 1 {
		l.links.Store(nil)
		return b, true
	}
	links := slices.Concat((*old)[:i], (*old)[i+1:])
	l.links.Store(&links)
	return b, true
}

// unbind takes the Link away from the endpoint.
func (e *endpoint) unbind(p *port) {
	var fx effects
	e.main.mu.Lock()
	l := &e.main
	if p.peer.Presents != "" {
		if l = e.own(p.peer.Presents); l == nil {
			l = &e.main
		}
	}
	if b, ok := l.detach(p); ok {
		e.links.Add(-1)
		if p.direct() {
			e.direct.Add(-1)
		}
		if b.via != 0 {
			e.routed.Add(-1)
		}
		e.stamp()
		e.tell(&fx, p.lost.Load())
		if l == &e.main {
			l.outcomes(&fx)
			l.relink(&fx)
		}
	}
	e.main.unlock(&fx)
	e.follow(l)
	if e.direct.Load() == 0 && e.addr.Role != usp.RoleUnknown {
		e.r.heirs(e.addr.ID)
	}
}

// heirs has the Links that have not shown a role look again what it may be: the
// Link beside which they stood is gone.
func (r *Router) heirs(id usp.EndpointID) {
	e := r.table.get(usp.Address{ID: id})
	if e == nil {
		return
	}
	e.eachLane(func(l *lane) {
		links := l.links.Load()
		if links == nil {
			return
		}
		for _, b := range *links {
			var hint mtp.Hint
			if b.hint != nil {
				hint = *b.hint
			}
			_ = b.p.Bind(usp.Address{ID: id}, hint) // or it stays as it is
		}
	})
}

// Unbind implements mtp.Port.
func (p *port) Unbind(a usp.Address) {
	if a.Role == usp.RoleUnknown {
		a.Role = p.peer.Role
	}
	e := p.r.table.get(a)
	if e == nil || !p.who.forget(e) {
		return
	}
	e.unbind(p)
	if a.Role == usp.RoleUnknown && e.leave(false) { // it is bound with its role by now
		p.r.table.remove(e)
	}
}

// unbindAll ends every binding of the Link.
func (p *port) unbindAll() {
	for _, e := range p.who.all() {
		if p.who.forget(e) {
			e.unbind(p)
		}
	}
}

// all lists what is bound.
func (w *identity) all() []*endpoint {
	w.mu.Lock()
	defer w.mu.Unlock()
	bound := make([]*endpoint, 0, len(w.bound)+1)
	if w.one != nil {
		bound = append(bound, w.one)
	}
	for e := range w.bound {
		bound = append(bound, e)
	}
	return bound
}

// note remembers that e is bound here.
func (w *identity) note(e *endpoint) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.one == e:
	case w.one == nil && w.bound == nil:
		w.one = e
	default:
		if w.bound == nil {
			w.bound = make(map[*endpoint]struct{})
		}
		w.bound[e] = struct{}{}
	}
}

func (w *identity) forget(e *endpoint) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	ok := w.one == e
	if ok {
		w.one = nil
	} else {
		_, ok = w.bound[e]
		delete(w.bound, e)
	}
	if w.one == nil && len(w.bound) == 1 { // mostly the address with its role, after the one without
		for last := range w.bound {
			w.one = last
		}
		w.bound = nil
	}
	return ok
}

func (w *identity) has(e *endpoint) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, ok := w.bound[e]
	return ok || w.one == e
}

// direct reports that the Endpoint itself is at the other end of the Link, or
// in this process: not behind a broker.
func (p *port) direct() bool { return !p.peer.Shared || p.peer.Kind == mtp.Virtual }

// trunk reports that others are behind the Link, out of this process.
func (p *port) trunk() bool { return p.peer.Shared && p.peer.Kind != mtp.Virtual }

// learn binds the sender of a Record that has been let through, notes the sign
// of life, and returns the sender's address if it is known. On a shared Link
// only Bind binds.
func (p *port) learn(from usp.EndpointID, role usp.Role, hint mtp.Hint, now time.Duration) *endpoint {
	w := &p.who
	if e := w.last; e != nil && e.addr.ID == from && e.addr.Role == role && !e.gone.Load() {
		e.touch(now)
		return e
	}
	a := usp.Address{ID: from, Role: role}
	e := p.r.table.get(a)
	if !p.peer.Shared && (e == nil || !w.has(e)) && p.mayLearn() {
		if p.bind(a, mtp.Hint{Destination: hint.ReplyTo}) == nil {
			e = p.r.table.get(a)
		}
	}
	if e == nil {
		return nil
	}
	e.touch(now)
	if !p.peer.Shared {
		w.last = e
	}
	return e
}

// mayLearn counts the addresses that the Link has taught.
func (p *port) mayLearn() bool {
	p.who.mu.Lock()
	defer p.who.mu.Unlock()
	if p.who.learned >= p.r.o.LearnPerLink {
		return false
	}
	p.who.learned++
	return true
}
