// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// pair is an Agent and a Controller that have to do with each other. Connect
// Records go hop by hop: what the Agent sends ends here, and each Link to the
// Controller gets one of its own MTP, once, before any other Record of the
// pair [R-MTP.6, R-MTP.8].
type pair struct {
	agent usp.EndpointID
	// signed: the Agent signs its Connect Records; nobody else can make one.
	signed atomic.Bool
	// shown is the Link that got one last: a short cut for on.
	shown atomic.Pointer[port]
	// from is the Agent's address, if it is known; leg, its count of Links for
	// which on holds: when the Agent has come up anew, all get one again.
	from atomic.Pointer[endpoint]
	leg  atomic.Uint32
	// passed is when a Connect Record last went from trunk to trunk.
	passed atomic.Int64

	mu sync.Mutex
	on []*port // every Link that got one and was not parted from since
}

// fresh reports that the Agent has not come up anew since leg was noted.
func (pr *pair) fresh() bool {
	e := pr.from.Load()
	return e == nil || e.leg.Load() == pr.leg.Load()
}

// is notes the Agent's address.
func (pr *pair) is(e *endpoint) {
	if e != nil && pr.from.Load() != e {
		pr.from.Store(e)
	}
}

// onwardRest is how long a pair rests after a Connect Record that went from trunk
// to trunk. They are made anew at every hop, so nothing else would end one that
// goes in a circle while the tables of gateways contradict each other.
const onwardRest = time.Second

// onward reports whether a Connect Record may go from trunk to trunk, and notes
// that it does.
func (pr *pair) onward(now time.Duration) bool {
	last := time.Duration(pr.passed.Load())
	if last != 0 && now-last < onwardRest {
		return false
	}
	pr.passed.Store(int64(now))
	return true
}

// part has everybody get a Connect Record before anything else of the pair.
func (pr *pair) part() {
	pr.mu.Lock()
	pr.on = nil
	pr.shown.Store(nil)
	pr.mu.Unlock()
}

// pair returns that of the Agent with this Controller, made if necessary; nil
// if there are too many.
func (e *endpoint) pair(agent usp.EndpointID) *pair {
	x := e.extras()
	x.mu.RLock()
	pr := x.pairs[agent]
	x.mu.RUnlock()
	if pr != nil {
		return pr
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if e.r.pairs.Load() >= int64(e.r.o.MaxPairs) && !e.prune(x) {
		return nil
	}
	if pr = x.pairs[agent]; pr == nil {
		agent = cloneID(agent)
		pr = &pair{agent: agent}
		if x.pairs == nil {
			x.pairs = make(map[usp.EndpointID]*pair)
		}
		x.pairs[agent] = pr
		e.r.pairs.Add(1)
	}
	return pr
}

// prune forgets the pairs of Agents that are not there, at most once a second;
// x.mu is held. It is false if that makes no room.
func (e *endpoint) prune(x *extras) bool {
	now := e.r.now()
	if x.pruned != 0 && now-x.pruned < time.Second {
		return false
	}
	x.pruned = now
	for id := range x.pairs {
		if a := e.r.table.get(usp.Address{ID: id, Role: usp.RoleAgent}); a == nil || !a.there() {
			delete(x.pairs, id)
			e.r.pairs.Add(-1)
		}
	}
	return e.r.pairs.Load() < int64(e.r.o.MaxPairs)
}

// knownPair is pair without making one.
func (e *endpoint) knownPair(agent usp.EndpointID) *pair {
	x := e.more.Load()
	if x == nil {
		return nil
	}
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.pairs[agent]
}

// hasPairs reports whether any Agent has to do with the Controller.
func (e *endpoint) hasPairs() bool {
	x := e.more.Load()
	if x == nil {
		return false
	}
	x.mu.RLock()
	defer x.mu.RUnlock()
	return len(x.pairs) > 0
}

// pairUp notes the pair of a Record from an Agent to a Controller.
func (l *lane) pairUp(o *out) error {
	if l.ep.addr.Role != usp.RoleController {
		return nil
	}
	if o.pair = l.ep.pair(o.rec.Header().From); o.pair == nil {
		l.ep.r.metrics.connect(connectNoRoom)
		return mtp.ErrBusy
	}
	o.pair.is(o.sender)
	return nil
}

// introduce sends the Connect Record of o's pair if the Link has not had it.
func (l *lane) introduce(p *port, o *out) error {
	if p.conn == nil || o.pair == nil || o.pair.shown.Load() == p && o.pair.fresh() {
		return nil
	}
	return l.show(p, o.pair)
}

// show sends pr's Connect Record over p, unless it went before or cannot be
// made.
func (l *lane) show(p *port, pr *pair) error {
	if p.conn == nil {
		return nil
	}
	pr.mu.Lock()
	defer pr.mu.Unlock()
	r := l.ep.r
	if e := pr.from.Load(); e != nil {
		if leg := e.leg.Load(); leg != pr.leg.Load() {
			pr.on = nil
			pr.leg.Store(leg)
		}
	}
	if !slices.Contains(pr.on, p) {
		if pr.signed.Load() && p.node == nil {
			r.metrics.connect(connectSigned)
		} else if err := l.sendConnect(p, pr); err != nil {
			return err
		}
		pr.on = append(slices.DeleteFunc(pr.on, func(p *port) bool { return p.dead.Load() }), p)
	}
	pr.shown.Store(p)
	return nil
}

func (l *lane) sendConnect(p *port, pr *pair) error {
	r := l.ep.r
	rec := p.conn.ConnectRecord(pr.agent, l.ep.addr.ID)
	if rec.Len() == 0 {
		return nil
	}
	o := r.newOut()
	o.rec = rec
	var hint mtp.Hint
	if l.hint != nil {
		hint = *l.hint
	}
	t := p.take(o)
	enqueue := func() error { return p.link.Enqueue(rec, hint, t) }
	if p.node != nil {
		enqueue = func() error { return l.crossConnect(p, pr, rec, t) }
	}
	if err := enqueue(); err != nil && p.cancel(t) {
		r.free(o)
		return err
	}
	r.metrics.connect(connectMade)
	return nil
}

// parted is called when a Disconnect Record has passed: a new Connect Record
// has to come before anything else of the pair [R-MTP.8].
func (l *lane) parted(h *usp.Header) {
	switch l.ep.addr.Role {
	case usp.RoleController:
		l.ep.part(h.From)
	case usp.RoleAgent:
		if c := l.ep.r.table.get(usp.Address{ID: h.From, Role: usp.RoleController}); c != nil {
			c.part(h.To)
		}
	case usp.RoleUnknown:
	}
}

// part parts the Controller from an Agent, by whatever ID that has shown itself.
func (e *endpoint) part(agent usp.EndpointID) {
	if pr := e.knownPair(agent); pr != nil {
		pr.part()
	}
	a := e.r.aliases.Load()
	if a == nil {
		return
	}
	own := e.r.canon(agent)
	for _, id := range append([]usp.EndpointID{own}, a.all[own]...) {
		if pr := e.knownPair(id); pr != nil {
			pr.part()
		}
	}
}

// announces reports whether Connect Records have to go first on p.
func (l *lane) announces(p *port) bool {
	if l.ep.addr.Role != usp.RoleController || p.conn == nil {
		return false
	}
	if l.from != "" {
		return true
	}
	return l.ep.hasPairs()
}

// pairsFor lists whose Connect Records a Link that has come up gets at once:
// the one Agent that it shows, or every Agent of the Controller that is there.
// Any other is shown before its first Record.
func (l *lane) pairsFor(p *port) []*pair {
	if p == nil || !l.announces(p) {
		return nil
	}
	if l.from != "" {
		if pr := l.shownPair(); pr != nil {
			return []*pair{pr}
		}
		return nil
	}
	x := l.ep.more.Load()
	x.mu.RLock()
	defer x.mu.RUnlock()
	list := make([]*pair, 0, len(x.pairs))
	for id, pr := range x.pairs {
		if own := x.lanes[l.ep.r.canon(id)]; own != nil && own.links.Load() != nil {
			continue
		}
		a := l.ep.r.table.get(usp.Address{ID: id, Role: usp.RoleAgent})
		if a == nil || a.links.Load() == 0 && (p.node != nil || !a.there()) {
			continue // another node tells of those that are there
		}
		pr.is(a)
		if trunk, _ := a.way(l.ep.addr.ID); l.passes(p, trunk) == nil {
			list = append(list, pr)
		}
	}
	return list
}

// shownPair is that of the one Agent whom the lane's Links show, if it is there.
// Of one behind a broker nobody knows before it has shown itself.
func (l *lane) shownPair() *pair {
	a := l.ep.r.table.get(usp.Address{ID: l.from, Role: usp.RoleAgent})
	if a == nil || a.links.Load() == 0 {
		return nil
	}
	if a.direct.Load() == 0 {
		return l.ep.knownPair(l.from)
	}
	pr := l.ep.pair(l.from)
	if pr != nil {
		pr.is(a)
	}
	return pr
}

// connect consumes a Connect Record: its sender is an Agent, on this Link, and
// has to do with the Controller that it is addressed to.
func (r *Router) connect(p *port, o *out, hint mtp.Hint) error {
	h := o.rec.Header()
	if p.peer.Role == usp.RoleController {
		return errRole
	}
	c := r.add(usp.Address{ID: h.To, Role: usp.RoleController})
	if c == nil {
		return mtp.ErrBusy
	}
	if err := r.permit(p, c, usp.Address{ID: h.From, Role: usp.RoleAgent}, h); err != nil {
		return err
	}
	p.showRole(h.From, usp.RoleAgent)
	a, err := p.sender(usp.Address{ID: h.From, Role: usp.RoleAgent}, c, o, hint)
	if err != nil {
		return err // nothing of it is kept that a later Link could be shown
	}
	pr := c.pair(h.From)
	if pr == nil {
		r.metrics.connect(connectNoRoom)
		return mtp.ErrBusy
	}
	r.attachStatic(c)
	pr.signed.Store(h.Signed)
	pr.is(a)
	r.reveal(c.addr)
	r.metrics.connect(connectConsumed)
	if out, _ := c.way(h.From); p.name != "" && (out == "" || pr.onward(o.at)) {
		pr.part() // over a trunk it is the sign that the Agent has come up anew
	}
	c.lane(h.From).announce(p, p.name, pr)
	return nil
}

// announce shows a pair now if the Controller is there. The Connect Record came
// over from, and before that over a trunk, if that is named.
func (l *lane) announce(from *port, trunk string, pr *pair) {
	var fx effects
	l.mu.Lock()
	l.outcomes(&fx)
	switch p := l.link; {
	case l.away != nil:
		l.announceAcross(pr, &fx)
	case p == nil || p == from || p.conn == nil || pr.shown.Load() == p && pr.fresh() || l.passes(p, trunk) != nil:
	case l.live:
		if err := l.show(p, pr); err == nil {
			break
		}
		l.spill(&fx, true)
		l.sp.announce = append(l.sp.announce, pr)
	default:
		l.sp.announce = append(l.sp.announce, pr)
		fx.pump = true
	}
	l.unlock(&fx)
}
