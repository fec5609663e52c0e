// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing

import (
	"cmp"
	"slices"
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
	// Node owns the address, if that is another node of this gateway.
	Node string `json:"node,omitempty"`
}

// Endpoints lists every address that is known, sorted by Endpoint ID and role.
func (r *Router) Endpoints() []EndpointInfo {
	list := make([]EndpointInfo, 0, r.table.count.Load())
	r.table.each(func(e *endpoint) {
		if e.known.Load() {
			list = append(list, e.info())
		}
	})
	r.eachRemote(func(a usp.Address, own *Ownership) { list = append(list, infoOf(a, own)) })
	slices.SortFunc(list, func(a, b EndpointInfo) int {
		return cmp.Or(cmp.Compare(a.EndpointID, b.EndpointID), cmp.Compare(a.Role, b.Role))
	})
	return list
}

// Endpoint is one line of Endpoints.
func (r *Router) Endpoint(a usp.Address) (EndpointInfo, bool) {
	e := r.table.get(a)
	if e != nil && e.known.Load() {
		return e.info(), true
	}
	if r.o.Peers != nil {
		if own := r.o.Peers.Owner(a); own.Node != "" {
			return infoOf(a, &own), true
		}
	}
	return EndpointInfo{}, false
}

// infoOf is the line of an address that is another node's.
func infoOf(a usp.Address, own *Ownership) EndpointInfo {
	event := eventOf(a, own)
	return EndpointInfo{
		EndpointID: a.ID, Role: a.Role.String(), Kind: "remote", MTP: event.MTP, State: event.State, Node: own.Node,
	}
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
	if own := e.elsewhere(); own != nil {
		info.Kind, info.MTP, info.Node = "remote", own.Info.MTP, own.Node
	}
	if seen := e.seen.Load(); seen != 0 {
		info.LastSeen = time.Unix(0, seen).UTC()
	}
	return info
}

// QueueInfo is one line of `queues list`: what waits in one lane.
type QueueInfo struct {
	EndpointID usp.EndpointID `json:"endpoint_id"`
	Role       string         `json:"role"`
	// From is the counterpart, if the Endpoint has a Link for each of them.
	From    usp.EndpointID `json:"from,omitempty"`
	Records int            `json:"records"`
	Bytes   int64          `json:"bytes"`
	Oldest  time.Time      `json:"oldest,omitzero"`
}

// Queues lists what waits in the buffer, sorted by Endpoint ID, role and
// counterpart.
func (r *Router) Queues() []QueueInfo {
	lanes := r.o.Buffer.Lanes()
	list := make([]QueueInfo, 0, len(lanes))
	for _, l := range lanes {
		if d := r.o.Buffer.Depth(l); d.Records > 0 {
			list = append(list, QueueInfo{l.To.ID, l.To.Role.String(), l.From, d.Records, d.Bytes, d.Oldest})
		}
	}
	slices.SortFunc(list, func(a, b QueueInfo) int {
		return cmp.Or(cmp.Compare(a.EndpointID, b.EndpointID), cmp.Compare(a.Role, b.Role), cmp.Compare(a.From, b.From))
	})
	return list
}
