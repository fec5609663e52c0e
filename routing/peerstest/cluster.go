// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package peerstest

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing"
	"github.com/uspgate/uspgate/usp"
)

// Options shape a Cluster. The zero value has no delays.
type Options struct {
	// Delay is how long each message takes: an entry of the directory to a node, a
	// request, a Forward, its outcome. It is called once per message; order is
	// kept. nil: none.
	Delay func() time.Duration
	// Outcome is how much longer a node needs to hear of a claim of its own than the
	// others do.
	Outcome time.Duration
	// Lease is how long after the death of a node the others learn of it.
	// Default 1 s.
	Lease time.Duration
	// Ask is how long an owner may take to give an address up. Default 10 s.
	Ask time.Duration
	// Window is how many Forwards are outstanding per Link and direction. Default 64.
	Window int
}

// Cluster is what the nodes share. Safe for concurrent use.
type Cluster struct {
	o Options

	mu     sync.Mutex
	nodes  map[string]*Node
	all    []*Node // with those whose name another one has now
	owners map[usp.Address]entry
	over   map[life]bool // leases that have run out for everybody
	fence  uint64
	wg     sync.WaitGroup
	ended  chan struct{}
}

// life is one lease of a node.
type life struct {
	node  string
	epoch int
}

// entry is one address in the directory; the zero life is nobody's.
type entry struct {
	by    life
	fence uint64
	info  routing.Info
}

// New makes a Cluster without nodes.
func New(o Options) *Cluster {
	if o.Delay == nil {
		o.Delay = func() time.Duration { return 0 }
	}
	if o.Lease == 0 {
		o.Lease = time.Second
	}
	if o.Ask == 0 {
		o.Ask = 10 * time.Second
	}
	if o.Window == 0 {
		o.Window = 64
	}
	return &Cluster{
		o: o, nodes: make(map[string]*Node), owners: make(map[usp.Address]entry),
		over: make(map[life]bool), ended: make(chan struct{}),
	}
}

// Close ends every Link, and returns when no goroutine of the Cluster is alive.
func (c *Cluster) Close() {
	c.mu.Lock()
	nodes := slices.Collect(maps.Values(c.nodes))
	c.mu.Unlock()
	for _, n := range nodes {
		n.mu.Lock()
		sessions := slices.Collect(maps.Values(n.sessions))
		n.mu.Unlock()
		for _, s := range sessions {
			s.end()
		}
	}
	close(c.ended)
	c.wg.Wait()
	c.mu.Lock()
	nodes = c.all
	c.mu.Unlock()
	for _, n := range nodes {
		n.finish()
	}
}

// Node is one of the nodes; it implements routing.Peers.
type Node struct {
	c    *Cluster
	name string

	mu       sync.Mutex
	h        routing.PeerHandler
	view     map[usp.Address]entry
	given    map[usp.Address]uint64 // fences by which it has given up
	dead     map[life]bool          // as this node sees it
	stopped  bool                   // its process has died
	expired  bool                   // its lease has
	epoch    int
	sessions map[string]*session
	tasks    chan task // in order, each after a delay
}

// task is what a node is told. The outcome of a claim is told after the end, too.
type task struct {
	f       func()
	outcome bool
}

var _ routing.Peers = (*Node)(nil)

// Join makes a node that is alive. Nothing reaches it before Attach. One of a name that was
// killed is the next process of that node.
func (c *Cluster) Join(name string) *Node {
	n := &Node{
		c: c, name: name, view: make(map[usp.Address]entry), given: make(map[usp.Address]uint64),
		dead: make(map[life]bool), sessions: make(map[string]*session), tasks: make(chan task, 1<<16),
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if was := c.nodes[name]; was != nil {
		was.mu.Lock()
		n.epoch = was.epoch + 1
		was.mu.Unlock()
	}
	maps.Copy(n.view, c.owners)
	for a := range c.owners {
		if by := c.owners[a].by; !c.lives(by) {
			n.dead[by] = true
		}
	}
	c.nodes[name] = n
	c.all = append(c.all, n)
	return n
}

// Attach has events go to h, and links the node with the others.
func (n *Node) Attach(h routing.PeerHandler) {
	n.mu.Lock()
	n.h = h
	n.mu.Unlock()
	n.c.wg.Go(n.run)
	n.c.mu.Lock()
	others := slices.Collect(maps.Values(n.c.nodes))
	n.c.mu.Unlock()
	for _, o := range others {
		o.mu.Lock()
		attached := o.h != nil && !o.stopped
		o.mu.Unlock()
		if o != n && attached {
			connect(n, o)
		}
	}
}

// run does what the node is told, in order.
func (n *Node) run() {
	for {
		select {
		case x := <-n.tasks:
			late := x.outcome && n.c.o.Outcome > 0
			if n.c.wait() && (!late || n.c.pause(n.c.o.Outcome)) || x.outcome {
				x.f()
			}
		case <-n.c.ended:
			return
		}
	}
}

// finish tells the outcomes that nobody has told.
func (n *Node) finish() {
	for {
		select {
		case x := <-n.tasks:
			if x.outcome {
				x.f()
			}
		default:
			return
		}
	}
}

// wait lets one message take its time; it is false after the end.
func (c *Cluster) wait() bool { return c.pause(c.o.Delay()) }

func (c *Cluster) pause(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	select {
	case <-time.After(d):
		return true
	case <-c.ended:
		return false
	}
}

// tell has f run at the node, unless its process has died.
func (n *Node) tell(f func(h routing.PeerHandler)) {
	n.tasks <- task{f: func() {
		n.mu.Lock()
		h, stopped := n.h, n.stopped
		n.mu.Unlock()
		if !stopped && h != nil {
			f(h)
		}
	}}
}

func (n *Node) isExpired() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.stopped || n.expired
}

// Node implements routing.Peers.
func (n *Node) Node() string { return n.name }

// Owner implements routing.Peers.
func (n *Node) Owner(a usp.Address) routing.Ownership {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.owner(a)
}

func (n *Node) owner(a usp.Address) routing.Ownership {
	e, ok := n.view[a]
	if !ok {
		return routing.Ownership{}
	}
	own := routing.Ownership{Node: e.by.node, Fence: e.fence, Alive: !n.dead[e.by], Info: e.info}
	if own.Node == n.name {
		own.Alive = e.by.epoch == n.epoch && !n.expired
		own.Mine = own.Alive && n.given[a] != own.Fence
	}
	return own
}

// lives reports that a lease holds; mu is held.
func (c *Cluster) lives(by life) bool {
	return c.nodes[by.node] != nil && !c.over[by]
}

// Each implements routing.Peers.
func (n *Node) Each(f func(a usp.Address, o routing.Ownership)) {
	n.mu.Lock()
	list := make(map[usp.Address]routing.Ownership, len(n.view))
	for a := range n.view {
		list[a] = n.owner(a)
	}
	n.mu.Unlock()
	for a, own := range list {
		f(a, own)
	}
}

// publish has every node see the entry of a; c.mu is held.
func (c *Cluster) publish(a usp.Address, e entry) {
	if e.by.node == "" {
		delete(c.owners, a)
	} else {
		c.owners[a] = e
	}
	for _, n := range c.nodes {
		n.tell(func(h routing.PeerHandler) {
			if n.see(a, e) {
				h.OwnerChanged(a)
			}
		})
	}
}

// see takes an entry over; it is false if that is older than what is known.
func (n *Node) see(a usp.Address, e entry) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.view[a].fence > e.fence:
		return false
	case e.by.node == "":
		delete(n.view, a)
	default:
		n.view[a] = e
	}
	return true
}

// Claim implements routing.Peers.
func (n *Node) Claim(a usp.Address, by *routing.Session, done func(routing.Ownership, error)) {
	n.c.wg.Go(func() {
		if !n.c.wait() {
			done(routing.Ownership{}, mtp.ErrBusy)
			return
		}
		if err := n.claim(a, by, done); err != nil {
			done(routing.Ownership{}, err)
		}
	})
}

// claim has done be called if it succeeds, before anything that follows from that.
func (n *Node) claim(a usp.Address, by *routing.Session, done func(routing.Ownership, error)) error {
	c := n.c
	c.mu.Lock()
	have := c.owners[a]
	owner, lives := c.nodes[have.by.node], c.lives(have.by)
	c.mu.Unlock()
	if lives && owner != n {
		if by == nil {
			return routing.ErrKept
		}
		if err := owner.ask(a, have.fence, *by); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.owners[a]; now.fence != have.fence || n.isExpired() {
		return mtp.ErrBusy
	}
	c.fence++
	e := entry{by: life{n.name, n.epoch}, fence: c.fence, info: have.info}
	n.see(a, e)
	own := n.Owner(a)
	n.tasks <- task{func() { done(own, nil) }, true}
	c.publish(a, e)
	return nil
}

// ask has the owner give a up.
func (n *Node) ask(a usp.Address, fence uint64, by routing.Session) error {
	answer := make(chan error, 1)
	n.tell(func(h routing.PeerHandler) {
		h.Disown(a, fence, by, func(err error) {
			if err == nil {
				n.mu.Lock()
				n.given[a] = fence
				n.mu.Unlock()
			}
			answer <- err
		})
	})
	select {
	case err := <-answer:
		if !n.c.wait() {
			return mtp.ErrBusy
		}
		return err
	case <-time.After(n.c.o.Ask):
		return mtp.ErrBusy
	case <-n.c.ended:
		return mtp.ErrBusy
	}
}

// Release implements routing.Peers.
func (n *Node) Release(a usp.Address, fence uint64) {
	n.c.mu.Lock()
	defer n.c.mu.Unlock()
	if e := n.c.owners[a]; e.by.node == n.name && e.fence == fence && !n.isExpired() {
		n.c.publish(a, entry{fence: fence})
	}
}

// Announce implements routing.Peers.
func (n *Node) Announce(a usp.Address, fence uint64, info routing.Info) {
	n.c.mu.Lock()
	defer n.c.mu.Unlock()
	if e := n.c.owners[a]; e.by.node == n.name && e.fence == fence && !n.isExpired() {
		e.info = info
		n.c.publish(a, e)
	}
}

// Kill ends the process of the node without a word: nothing that it does has any
// effect from now on. After the lease the others learn that it is dead.
func (n *Node) Kill() {
	n.mu.Lock()
	n.stopped = true
	sessions := slices.Collect(maps.Values(n.sessions))
	n.mu.Unlock()
	for _, s := range sessions {
		s.end()
	}
	n.c.wg.Go(func() {
		select {
		case <-time.After(n.c.o.Lease):
			n.mu.Lock()
			n.expired = true
			last := n.epoch
			n.mu.Unlock()
			for epoch := range last + 1 { // of an earlier lease it may not have learnt yet
				n.c.bury(life{n.name, epoch})
			}
		case <-n.c.ended:
		}
	})
}

// Expire has the lease of the node run out while its process lives: it learns
// that itself first, and the others after that, by three tenths of the Lease. A
// node that others could replace before would go on using what it has lost.
func (n *Node) Expire() {
	n.mu.Lock()
	n.expired = true
	dead := life{n.name, n.epoch}
	n.mu.Unlock()
	n.tell(func(h routing.PeerHandler) {
		h.PeersLost()
		n.c.wg.Go(func() {
			select {
			case <-time.After(n.c.o.Lease * 3 / 10):
				n.c.bury(dead)
			case <-n.c.ended:
			}
		})
	})
}

// Renew gives a node whose lease has run out a new one: a life that owns nothing.
func (n *Node) Renew() {
	n.c.mu.Lock()
	defer n.c.mu.Unlock()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.epoch++
	n.expired = false
}

// bury has the other nodes learn of a death.
func (c *Cluster) bury(dead life) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over[dead] = true
	for _, o := range c.nodes {
		if o.name == dead.node {
			continue
		}
		o.tell(func(h routing.PeerHandler) {
			o.mu.Lock()
			o.dead[dead] = true
			o.mu.Unlock()
			h.NodeDead(dead.node)
		})
	}
}
