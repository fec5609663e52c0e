// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// Presence says whether an Endpoint is there, as far as its Links tell.
type Presence string

// The presences. Behind a broker of somebody else an Endpoint is unknown until
// a Record of it has come.
const (
	Online  Presence = "online"
	Offline Presence = "offline"
	Unknown Presence = "unknown"
)

// EndpointInfo is one line of `endpoints list`; as JSON it is what
// `endpoints list -o json` prints.
type EndpointInfo struct {
	EndpointID usp.EndpointID `json:"endpoint_id"`
	// Role is "agent", "controller", or "unknown" while a Link has not shown it.
	Role string `json:"role"`
	// Kind is "link", "virtual", "static" or "remote".
	Kind string `json:"kind"`
	// MTP of the Link in use, or of the last one; empty if there was none.
	MTP      mtp.Kind  `json:"mtp"`
	State    Presence  `json:"state"`
	LastSeen time.Time `json:"last_seen,omitzero"`
}

// Endpoints lists every address that is known, sorted by Endpoint ID and role.
func (r *Router) Endpoints() []EndpointInfo {
	list := make([]EndpointInfo, 0, r.table.count.Load())
	r.table.each(func(e *endpoint) {
		if e.known.Load() {
			list = append(list, e.info())
		}
	})
	slices.SortFunc(list, func(a, b EndpointInfo) int {
		return cmp.Or(cmp.Compare(a.EndpointID, b.EndpointID), cmp.Compare(a.Role, b.Role))
	})
	return list
}

// Endpoint is one line of Endpoints.
func (r *Router) Endpoint(a usp.Address) (EndpointInfo, bool) {
	e := r.table.get(a)
	if e == nil || !e.known.Load() {
		return EndpointInfo{}, false
	}
	return e.info(), true
}

func (e *endpoint) info() EndpointInfo {
	info := EndpointInfo{EndpointID: e.addr.ID, Role: e.addr.Role.String(), Kind: "link", State: e.presence()}
	if p := e.by.Load(); p != nil {
		info.MTP = p.peer.Kind
		if p.peer.Kind == mtp.Virtual {
			info.Kind = "virtual"
		}
	}
	if rt := e.route.Load(); rt != nil && (rt.Via != "" || info.MTP == "") {
		info.Kind = "static"
	}
	if seen := e.seen.Load(); seen != 0 {
		info.LastSeen = time.Unix(0, seen).UTC()
	}
	return info
}

// Explain says in a sentence where a Record to a would go now, and why. With
// an unknown role it says so for both.
func (r *Router) Explain(a usp.Address) string {
	if a.Role == usp.RoleUnknown {
		agent, controller := a, a
		agent.Role, controller.Role = usp.RoleAgent, usp.RoleController
		return r.Explain(agent) + "\n" + r.Explain(controller)
	}
	e := r.table.get(a)
	if e == nil || !e.known.Load() {
		if rt := r.match(a); rt != nil {
			return fmt.Sprintf("%s has not been seen; the static route %q makes it known%s.", a, rt.Match, rt.where(a.ID))
		}
		return fmt.Sprintf("%s is not known: no Link has shown it and no static route matches, "+
			"so a Record to it is refused as unroutable.", a)
	}
	var lines []string
	e.eachLane(func(l *lane) {
		if l == &e.main && e.lanes.Load() > 0 && l.links.Load() == nil && l.clean() {
			return // all goes through the lanes of the counterparts
		}
		if len(lines) < explainLanes {
			lines = append(lines, l.explain())
		}
	})
	if n := int(e.lanes.Load()); n > explainLanes {
		lines = append(lines, fmt.Sprintf("%s has a lane of its own for each of %d counterparts.", a, n))
	}
	if rt := e.route.Load(); rt != nil && len(rt.AllowFrom) > 0 {
		lines = append(lines, fmt.Sprintf("Only %s may send to it (static route %q).",
			strings.Join(rt.AllowFrom, ", "), rt.Match))
	}
	return strings.Join(lines, "\n")
}

// explainLanes is how many lanes of one address Explain speaks of.
const explainLanes = 8

// where describes the route's way.
func (rt *Route) where(id usp.EndpointID) string {
	switch {
	case rt.Via == "":
		return ", so a Record to it waits in the buffer"
	case rt.Destination == "":
		return fmt.Sprintf(", via %q", rt.Via)
	default:
		return fmt.Sprintf(", via %q to %q", rt.Via, strings.ReplaceAll(rt.Destination, endpointField, string(id)))
	}
}

func (l *lane) explain() string {
	depth := l.ep.r.o.Buffer.Depth(l.key())
	var fx effects
	l.mu.Lock()
	p, hint, live, flying, puts := l.link, l.hint, l.live, l.flying, l.puts
	l.unlock(&fx)
	var b strings.Builder
	fmt.Fprintf(&b, "A Record to %s", l.ep.addr)
	if l.from != "" {
		fmt.Fprintf(&b, " from %s", l.from)
	}
	switch {
	case p == nil || p.dead.Load():
		fmt.Fprintf(&b, " goes to the buffer, where %d wait: the Endpoint is %s", depth.Records, l.ep.presence())
		if seen := l.ep.seen.Load(); seen != 0 {
			fmt.Fprintf(&b, ", last seen %s", time.Unix(0, seen).UTC().Format(time.RFC3339))
		}
		return b.String() + "."
	case live:
		b.WriteString(" goes straight to its")
	default:
		fmt.Fprintf(&b, " goes to the buffer, behind %d that are being drained to its", depth.Records+puts)
	}
	fmt.Fprintf(&b, " %s Link %q", p.peer.Kind, p.peer.Listener)
	if p.peer.Remote != "" {
		fmt.Fprintf(&b, " at %s", p.peer.Remote)
	}
	if hint != nil {
		fmt.Fprintf(&b, ", destination %q", hint.Destination)
	}
	if flying > 0 {
		fmt.Fprintf(&b, "; %d are under way", flying)
	}
	return b.String() + "."
}
