// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package endpoint is the end of the Links that a simulated Controller or
// Agent holds: it keeps what waits to be sent, and knows over which Link and
// by which address each counterpart is reached. It starts no goroutines.
package endpoint

import (
	"slices"
	"strings"
	"sync"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// DefaultBacklog is how many Records may wait for one Link.
const DefaultBacklog = 4096

// Options configure a Node. The callbacks are called without locks held; Up and
// Receive by the Link's goroutine, which they must not block for long.
type Options struct {
	// ID is the own Endpoint ID: Records to others are dropped [R-E2E.1].
	ID usp.EndpointID
	// Backlog bounds the Records that wait for one Link; 0: DefaultBacklog.
	Backlog int
	// Up tells of a new Link; what it sends goes out first.
	Up func(l *Link)
	// Receive takes a Record for ID. The Link acknowledges it afterwards.
	Receive func(l *Link, rec usp.Record, hint mtp.Hint)
	// Dropped tells of a Record that was for somebody else.
	Dropped func(rec usp.Record)
}

// Node is the mtp.Handler of one simulated Endpoint.
type Node struct {
	opts Options

	mu      sync.Mutex
	links   []*Link // in the order of their coming
	routes  map[usp.EndpointID]route
	changed chan struct{} // closed and replaced when links or routes change
}

type route struct {
	link *Link
	hint mtp.Hint
}

// NewNode returns a Node without Links. Up and Dropped may be nil.
func NewNode(o Options) *Node {
	if o.Backlog <= 0 {
		o.Backlog = DefaultBacklog
	}
	if o.Up == nil {
		o.Up = func(*Link) {}
	}
	if o.Dropped == nil {
		o.Dropped = func(usp.Record) {}
	}
	return &Node{opts: o, routes: make(map[usp.EndpointID]route), changed: make(chan struct{})}
}

// LinkUp implements mtp.Handler.
func (n *Node) LinkUp(l mtp.Link, p mtp.Peer) (mtp.Port, error) {
	link := &Link{node: n, link: l, peer: p, out: make(map[mtp.Token]func(error))}
	n.mu.Lock()
	n.links = append(n.links, link)
	if p.Endpoint != "" && !p.Shared {
		n.routes[p.Endpoint] = route{link: link}
	}
	n.announce()
	n.mu.Unlock()
	n.opts.Up(link)
	return port{link}, nil
}

// announce wakes those that wait for a route; the caller holds mu.
func (n *Node) announce() {
	close(n.changed)
	n.changed = make(chan struct{})
}

// Route returns the Link and the Hint to reach an Endpoint by: those learned,
// or the only Link there is, or the newest one that many share. A nil Link
// means that there is none; changed is closed when that may be different.
func (n *Node) Route(to usp.EndpointID) (l *Link, hint mtp.Hint, changed <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if r, ok := n.routes[to]; ok {
		return r.link, r.hint, n.changed
	}
	if len(n.links) == 1 {
		return n.links[0], mtp.Hint{}, n.changed
	}
	for _, link := range slices.Backward(n.links) {
		if link.peer.Shared {
			return link, mtp.Hint{}, n.changed
		}
	}
	return nil, mtp.Hint{}, n.changed
}

// Learn notes that an Endpoint is reached over l; destination is where in its
// MTP, or empty for what is known already.
func (n *Node) Learn(id usp.EndpointID, l *Link, destination string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	old, ok := n.routes[id]
	if ok && old.link == l && (destination == "" || destination == old.hint.Destination) {
		return
	}
	if !slices.Contains(n.links, l) {
		return
	}
	id = usp.EndpointID(strings.Clone(string(id))) // may be a view into a Record
	n.routes[id] = route{link: l, hint: mtp.Hint{Destination: destination}}
	n.announce()
}

// Known reports whether id has been learned, and a channel that is closed when
// that may be different.
func (n *Node) Known(id usp.EndpointID) (known bool, changed <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	_, known = n.routes[id]
	return known, n.changed
}

// Links returns the Links that are up.
func (n *Node) Links() []*Link {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.links)
}

func (n *Node) forget(id usp.EndpointID, l *Link) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if r, ok := n.routes[id]; ok && r.link == l {
		delete(n.routes, id)
		n.announce()
	}
}

func (n *Node) down(l *Link) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.links = slices.DeleteFunc(n.links, func(o *Link) bool { return o == l })
	for id, r := range n.routes {
		if r.link == l {
			delete(n.routes, id)
		}
	}
	n.announce()
}

// port implements mtp.Port for one Link.
type port struct{ l *Link }

// Bind implements mtp.Port.
func (p port) Bind(a usp.Address, hint mtp.Hint) error {
	p.l.node.Learn(a.ID, p.l, hint.Destination)
	return nil
}

// Unbind implements mtp.Port.
func (p port) Unbind(a usp.Address) { p.l.node.forget(a.ID, p.l) }

// Presence implements mtp.Port: who is asked for is tried.
func (p port) Presence(usp.Address, bool) {}

// Accept implements mtp.Port.
func (p port) Accept(rec usp.Record, hint mtp.Hint, t mtp.Token) {
	if rec.Header().To == p.l.node.opts.ID {
		p.l.node.opts.Receive(p.l, rec, hint)
	} else {
		p.l.node.opts.Dropped(rec)
	}
	p.l.link.Ack(t, nil)
}

// Settled implements mtp.Port.
func (p port) Settled(t mtp.Token, err error) { p.l.settled(t, err) }

// Down implements mtp.Port.
func (p port) Down(error) {
	p.l.node.down(p.l)
	p.l.end()
}
