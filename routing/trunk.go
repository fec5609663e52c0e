// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing

import (
	"errors"
	"time"

	"github.com/uspgate/uspgate/usp"
)

// loops are Records from an Endpoint that came over a trunk and were refused.
type loops struct {
	count int
	via   string // the Transport of the last
	at    time.Time
}

// passage decides whether a Record that came over the trunk p may go on to e.
// DESIGN.md says why no Record circulates if every gateway decides so.
func (r *Router) passage(p *port, sender, e *endpoint, h *usp.Header) error {
	if sender != nil && sender.here() {
		return errLoop // it is here, so the Record has been here
	}
	out, transit := e.way(h.From)
	if out == "" {
		return nil
	}
	switch {
	case out == p.name:
		return errLoop
	case !transit:
		return errTransit
	}
	// Who passes a Record on knows the way back, and takes it from there only.
	if sender == nil {
		var err error
		if sender, err = r.reach(usp.Address{ID: h.From, Role: e.addr.Role.Opposite()}); err != nil {
			return errReverse
		}
	}
	if back, _ := sender.way(h.To); back != p.name {
		return errReverse
	}
	return nil
}

// way is the Transport of the trunk by which Records from an Endpoint go to e,
// or will once it is up, and whether those may that came over another; empty if
// they go to e itself, or wait for it here.
func (e *endpoint) way(from usp.EndpointID) (transport string, transit bool) {
	rt := e.route.Load()
	transit = rt != nil && rt.Transit
	if p, _ := e.lane(from).choose(); p != nil {
		return p.name, transit
	}
	if rt := e.onward(); rt != nil {
		return rt.Via, transit
	}
	return "", transit
}

// passes is why a Record that came over a trunk may not leave by p, nil if it
// may.
func (l *lane) passes(p *port, trunk string) error {
	switch {
	case trunk == "" || p.name == "":
		return nil
	case p.name == trunk:
		return errLoop
	}
	if rt := l.ep.route.Load(); rt == nil || !rt.Transit {
		return errTransit
	}
	return nil
}

// noteLoop counts a Record from e that was refused by passage.
func (e *endpoint) noteLoop(p *port, err error) {
	if !errors.Is(err, errLoop) && !errors.Is(err, errReverse) {
		return
	}
	x := e.extras()
	x.mu.Lock()
	defer x.mu.Unlock()
	x.loops.count++
	x.loops.via, x.loops.at = p.name, time.Now()
}

// moved takes note that an Endpoint that was at home here speaks over a trunk to
// which its route leads: it has moved behind it, and so does what waits for it.
func (r *Router) moved(p *port, e *endpoint) {
	rt := e.route.Load()
	if rt == nil || rt.exact() || rt.rank(p.name) == 0 || e.links.Load() > e.routed.Load() {
		return
	}
	e.home.Store(false)
	r.attachStatic(e)
}
