// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/uspgate/uspgate/internal/cluster"
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing"
	"github.com/uspgate/uspgate/usp"
)

// town is what the nodes of a test share.
type town struct {
	t     *testing.T
	world *world
	hub   *cluster.MemoryHub
	lease time.Duration
}

func newTown(t *testing.T) *town {
	t.Helper()
	return &town{t: t, world: newWorld(), hub: cluster.NewMemoryHub(), lease: cluster.MinLease}
}

// house is one node with a Router that does what the test wants.
type house struct {
	*cluster.Node
	door *door
	bus  *cluster.MemoryBus

	stop  func()
	ended chan error

	mu      sync.Mutex
	disowns []usp.Address
	refuse  error
	changed map[usp.Address]int
	dead    []string
	lost    int
	ups     map[string]int
}

func (o *town) options(name string) (cluster.Options, *door, *cluster.MemoryBus) {
	d, b := o.world.door(), o.hub.Bus()
	return cluster.Options{Name: name, Store: d, Bus: b, Lease: o.lease}, d, b
}

// start makes a node and runs it until the test ends.
func (o *town) start(name string, change func(*cluster.Options)) *house {
	o.t.Helper()
	return o.startWith(name, change, func(h *house) routing.PeerHandler { return h })
}

func (o *town) startWith(
	name string, change func(*cluster.Options), router func(*house) routing.PeerHandler,
) *house {
	o.t.Helper()
	options, d, b := o.options(name)
	if change != nil {
		change(&options)
	}
	n, err := cluster.New(o.t.Context(), options)
	if err != nil {
		o.t.Fatalf("New: got %v, want nil", err)
	}
	h := &house{
		Node: n, door: d, bus: b, ended: make(chan error, 1),
		changed: map[usp.Address]int{}, ups: map[string]int{},
	}
	n.Attach(router(h))
	if err := n.Join(o.t.Context()); err != nil {
		o.t.Fatalf("Join: got %v, want nil", err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(o.t.Context()))
	go func() { h.ended <- n.Run(ctx) }()
	h.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-h.ended; err != nil {
			o.t.Errorf("Run of %s: got %v, want nil", name, err)
		}
	})
	o.t.Cleanup(h.stop)
	eventually(o.t, name+" is ready", func() bool { return n.Ready() == nil })
	return h
}

func (h *house) NodeUp(node string, _ routing.NodeLink) (routing.NodePort, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ups[node]++
	return &housePort{h, node}, nil
}

type housePort struct {
	h    *house
	node string
}

func (*housePort) Accept(routing.Forward, mtp.Token) {}
func (*housePort) Settled(mtp.Token, error)          {}
func (p *housePort) Down(error) {
	p.h.mu.Lock()
	defer p.h.mu.Unlock()
	p.h.ups[p.node]--
}

func (h *house) NodeDead(node string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.dead = append(h.dead, node)
}

func (h *house) Disown(a usp.Address, _ uint64, _ routing.Session, done func(error)) {
	h.mu.Lock()
	h.disowns = append(h.disowns, a)
	err := h.refuse
	h.mu.Unlock()
	go done(err)
}

func (h *house) OwnerChanged(a usp.Address) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.changed[a]++
}

func (h *house) PeersLost() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lost++
}

func (h *house) links(node string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ups[node]
}

func (h *house) sawDead(node string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Contains(h.dead, node)
}

func (h *house) fenced() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.lost
}

// claim waits for the outcome.
func (h *house) claim(t *testing.T, a usp.Address, by *routing.Session) (routing.Ownership, error) {
	t.Helper()
	type outcome struct {
		own routing.Ownership
		err error
	}
	c := make(chan outcome, 2)
	h.Peers().Claim(a, by, func(own routing.Ownership, err error) { c <- outcome{own, err} })
	select {
	case o := <-c:
		return o.own, o.err
	case <-time.After(20 * time.Second):
		t.Fatal("Claim: done has not been called")
		return routing.Ownership{}, nil
	}
}

func agent(n int) usp.Address {
	return usp.Address{ID: usp.EndpointID(fmt.Sprintf("os::00D09E-%d", n)), Role: usp.RoleAgent}
}

var direct = &routing.Session{Kind: mtp.WebSocket, Proven: true}
