// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing

import (
	"cmp"
	"strings"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// Verdict is what would become of a Record now.
type Verdict string

// The verdicts.
const (
	Forwarded Verdict = "forwarded" // to the Link in use
	Buffered  Verdict = "buffered"  // kept, and sent on later
	Refused   Verdict = "refused"
)

// Explanation says where a Record to an address would go now, and why; as JSON
// it is what `routes explain -o json` prints.
type Explanation struct {
	EndpointID usp.EndpointID `json:"endpoint_id"`
	Role       string         `json:"role"`
	// From is the sender that was asked about, empty for anybody.
	From usp.EndpointID `json:"from,omitempty"`
	// AliasOf is the Endpoint for which the ID stands.
	AliasOf usp.EndpointID `json:"alias_of,omitempty"`
	Known   bool           `json:"known"`
	Verdict Verdict        `json:"verdict"`
	// Reason is why it is refused.
	Reason   string    `json:"reason,omitempty"`
	State    Presence  `json:"state,omitempty"`
	LastSeen time.Time `json:"last_seen,omitzero"`
	// GraceUntil is when watchers are told that it has gone.
	GraceUntil time.Time `json:"grace_until,omitzero"`
	// Learned is true if a Link has shown it here: then a pattern is not its way.
	Learned bool `json:"learned"`
	// Node owns it, if that is another node of this gateway: Records go there.
	Node string `json:"node,omitempty"`
	// Route is the static route that means it, Rules those that do.
	Route *RouteInfo `json:"route,omitempty"`
	Rules []RuleInfo `json:"rules,omitempty"`
	Lanes []LaneInfo `json:"lanes,omitempty"`
	// MoreLanes is how many are not listed.
	MoreLanes int `json:"more_lanes,omitempty"`
	// Loops are Records from it that came over a trunk and were refused.
	Loops *LoopInfo `json:"loops,omitempty"`
}

// RouteInfo is a static route.
type RouteInfo struct {
	Match       string   `json:"match"`
	Via         string   `json:"via,omitempty"`
	Fallback    []string `json:"fallback,omitempty"`
	Destination string   `json:"destination,omitempty"` // of this Endpoint
	AllowFrom   []string `json:"allow_from,omitempty"`
	Transit     bool     `json:"transit,omitempty"`
	// InUse: Records go by it, or would.
	InUse bool `json:"in_use"`
}

// RuleInfo is a rule that concerns an address.
type RuleInfo struct {
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
	Deny bool   `json:"deny"`
}

// LaneInfo is a line of Records to the address: for all counterparts, or for
// one that has Links of its own.
type LaneInfo struct {
	From     usp.EndpointID `json:"from,omitempty"`
	Verdict  Verdict        `json:"verdict"`
	Waiting  int            `json:"waiting"`
	UnderWay int            `json:"under_way"`
	// Links, the one in use first, then in the order in which they would be.
	Links []LinkInfo `json:"links,omitempty"`
}

// LinkInfo is a Link by which an address is reached.
type LinkInfo struct {
	MTP         mtp.Kind `json:"mtp"`
	Listener    string   `json:"listener"`
	Remote      string   `json:"remote,omitempty"`
	Destination string   `json:"destination,omitempty"`
	Order       int      `json:"order"`
	Shared      bool     `json:"shared"`
	// Routed: a static route leads there, the Endpoint has not shown itself.
	Routed bool `json:"routed"`
	InUse  bool `json:"in_use"`
}

// LoopInfo are Records refused because they came round.
type LoopInfo struct {
	Count int       `json:"count"`
	Via   string    `json:"via"` // the Transport of the last
	At    time.Time `json:"at"`
}

// explainLanes is how many lanes of one address are explained.
const explainLanes = 8

// Explain says in sentences where a Record to a would go now, and why. With an
// unknown role it says so for both.
func (r *Router) Explain(a usp.Address) string { return r.ExplainFrom("", a) }

// ExplainFrom is Explain for Records from one Endpoint: also whether the rules
// let them through.
func (r *Router) ExplainFrom(from usp.EndpointID, to usp.Address) string {
	list := r.Explanations(from, to)
	texts := make([]string, len(list))
	for i := range list {
		texts[i] = list[i].String()
	}
	return strings.Join(texts, "\n")
}

// Explanations is what ExplainFrom says, as data: one, or with an unknown role
// one for each. An empty from is anybody.
func (r *Router) Explanations(from usp.EndpointID, to usp.Address) []Explanation {
	if to.Role != usp.RoleUnknown {
		return []Explanation{r.explain(from, to)}
	}
	agent, controller := to, to
	agent.Role, controller.Role = usp.RoleAgent, usp.RoleController
	return []Explanation{r.explain(from, agent), r.explain(from, controller)}
}

func (r *Router) explain(from usp.EndpointID, to usp.Address) Explanation {
	x := Explanation{EndpointID: to.ID, Role: to.Role.String(), From: from, Verdict: Buffered}
	if own := r.canon(to.ID); own != to.ID {
		x.AliasOf = own
		to.ID = own
	}
	e := r.table.get(to)
	if e == nil || !e.known.Load() {
		r.explainUnknown(&x, to)
	} else {
		e.explain(&x)
	}
	if from == "" {
		return x
	}
	if e == nil { // as it would be
		e = &endpoint{r: r, addr: to}
		e.route.Store(r.match(to))
		e.rules.Store(r.rules.Load().set(to))
	}
	switch err := e.lets(from); {
	case r.same(from, to.ID):
		x.refuse(errSelf)
	case err != nil:
		x.refuse(err)
	}
	return x
}

// refuse sets the verdict.
func (x *Explanation) refuse(err error) { x.Verdict, x.Reason = Refused, err.Error() }

// explainUnknown is for an address that a Record would make known, or not.
func (r *Router) explainUnknown(x *Explanation, to usp.Address) {
	for _, u := range r.rules.Load().set(to).list() {
		x.Rules = append(x.Rules, u.info())
	}
	rt := r.match(to)
	if rt == nil {
		x.Verdict, x.Reason = Refused, "no Link has shown it and no static route matches"
		return
	}
	x.Route = rt.info(to.ID)
	x.Route.InUse = rt.Via != ""
	for _, name := range append([]string{rt.Via}, rt.Fallback...) {
		if links := r.sharedLinks(name); len(links) > 0 {
			x.Verdict = Forwarded
		}
	}
}

// explain fills in what is known of e.
func (e *endpoint) explain(x *Explanation) {
	info := e.info()
	x.Known, x.State, x.LastSeen, x.Learned = true, info.State, info.LastSeen, e.home.Load()
	x.Node = info.Node
	var fx effects
	e.main.mu.Lock()
	if due := e.told.due; due != 0 {
		x.GraceUntil = e.r.base.Add(due).UTC()
	}
	e.main.unlock(&fx)
	if rt := e.route.Load(); rt != nil {
		x.Route = rt.info(e.addr.ID)
		x.Route.InUse = e.onward() != nil && e.links.Load() == e.routed.Load()
	}
	for _, u := range e.rules.Load().list() {
		x.Rules = append(x.Rules, u.info())
	}
	if more := e.more.Load(); more != nil {
		more.mu.RLock()
		if n := more.loops; n.count > 0 {
			x.Loops = &LoopInfo{n.count, n.via, n.at.UTC()}
		}
		more.mu.RUnlock()
	}
	e.eachLane(func(l *lane) {
		switch {
		case l == &e.main && e.lanes.Load() > 0 && l.links.Load() == nil && l.clean():
			// all goes through the lanes of the counterparts
		case x.From != "" && l != e.lane(x.From):
		case len(x.Lanes) < explainLanes:
			x.Lanes = append(x.Lanes, l.info())
		default:
			x.MoreLanes++
		}
	})
	if len(x.Lanes) > 0 {
		x.Verdict = x.Lanes[0].Verdict
	}
}

func (l *lane) info() LaneInfo {
	info := LaneInfo{From: l.from, Verdict: Buffered, Waiting: l.ep.r.o.Buffer.Depth(l.key()).Records}
	var fx effects
	l.mu.Lock()
	used := l.link
	if l.live && used != nil && !used.dead.Load() {
		info.Verdict = Forwarded
	}
	info.UnderWay = l.flying
	info.Waiting += l.puts
	l.unlock(&fx)
	links := l.links.Load()
	if links == nil && l.from != "" {
		links = l.ep.main.links.Load()
	}
	for _, b := range ranked(links) {
		li := LinkInfo{
			MTP: b.p.peer.Kind, Listener: b.p.peer.Listener, Remote: b.p.peer.Remote, Order: b.p.peer.Order,
			Shared: b.p.peer.Shared, Routed: b.via != 0, InUse: b.p == used,
		}
		if b.hint != nil {
			li.Destination = b.hint.Destination
		}
		info.Links = append(info.Links, li)
	}
	return info
}

// ranked are the bindings whose Link is not gone, in the order of preference.
func ranked(links *[]binding) []binding {
	var list []binding
	for links != nil {
		left := make([]binding, 0, len(*links))
		p, _ := best(links)
		if p == nil {
			break
		}
		for _, b := range *links {
			switch {
			case b.p == p:
				list = append(list, b)
			case !b.p.dead.Load():
				left = append(left, b)
			}
		}
		links = &left
	}
	return list
}

func (s *ruleSet) list() []Rule {
	if s == nil {
		return nil
	}
	return s.rules
}

func (u *Rule) info() RuleInfo { return RuleInfo{cmp.Or(u.From, "*"), cmp.Or(u.To, "*"), u.Deny} }

// info is the route as it means one Endpoint.
func (rt *Route) info(id usp.EndpointID) *RouteInfo {
	return &RouteInfo{
		Match: rt.Match, Via: rt.Via, Fallback: rt.Fallback, Destination: rt.destination(id),
		AllowFrom: rt.AllowFrom, Transit: rt.Transit,
	}
}
