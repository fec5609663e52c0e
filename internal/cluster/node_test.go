// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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

func TestNodesSeeEachOther(t *testing.T) {
	t.Parallel()
	o := newTown(t)
	a, b := o.start("a", nil), o.start("b", nil)
	eventually(t, "both see two", func() bool { return len(a.Nodes()) == 2 && len(b.Nodes()) == 2 })
	eventually(t, "they are linked", func() bool { return a.links("b") == 1 && b.links("a") == 1 })
	if err := a.Ready(); err != nil {
		t.Errorf("Ready: got %v, want nil", err)
	}
	begin := time.Now()
	b.stop()
	eventually(t, "a sees b go", func() bool { return len(a.Nodes()) == 1 && a.sawDead("b") && a.links("b") == 0 })
	if took := time.Since(begin); took > o.lease/2 {
		t.Errorf("a node that leaves was seen to after %v, want at once", took)
	}
	b = o.start("b", nil)
	eventually(t, "b is back", func() bool { return a.links("b") == 1 && b.links("a") == 1 })
}

func TestNameTaken(t *testing.T) {
	t.Parallel()
	o := newTown(t)
	o.start("a", nil)
	options, _, _ := o.options("a")
	n, err := cluster.New(t.Context(), options)
	if err != nil {
		t.Fatalf("New: got %v, want nil", err)
	}
	err = n.Join(t.Context())
	if !errors.Is(err, cluster.ErrNameTaken) {
		t.Errorf("Join: got %v, want ErrNameTaken", err)
	}
	t.Log(err)
}

// A process that was killed does not keep its successor from its name for longer
// than its lease.
func TestJoinAfterKill(t *testing.T) {
	t.Parallel()
	o := newTown(t)
	options, _, _ := o.options("a")
	killed, err := cluster.New(t.Context(), options)
	if err != nil {
		t.Fatalf("New: got %v, want nil", err)
	}
	if err := killed.Join(t.Context()); err != nil {
		t.Fatalf("Join: got %v, want nil", err)
	}
	begin := time.Now()
	o.start("a", nil)
	if took := time.Since(begin); took > o.lease+time.Second {
		t.Errorf("got the name after %v, want %v or little more", took, o.lease)
	}
}

// A process that knows that the one before it has ended does not wait for its lease.
func TestJoinAfterCertainEnd(t *testing.T) {
	t.Parallel()
	o := newTown(t)
	var instance string
	options, _, _ := o.options("a")
	options.Remember = func(i string) error {
		instance = i
		return nil
	}
	killed, err := cluster.New(t.Context(), options)
	if err != nil {
		t.Fatalf("New: got %v, want nil", err)
	}
	if err := killed.Join(t.Context()); err != nil {
		t.Fatalf("Join: got %v, want nil", err)
	}
	begin := time.Now()
	o.start("a", func(options *cluster.Options) { options.Previous = instance })
	if took := time.Since(begin); took > o.lease/2 {
		t.Errorf("got the name after %v, want it at once", took)
	}
}

func TestClaimOfWhatNobodyOwns(t *testing.T) {
	t.Parallel()
	o := newTown(t)
	a, b := o.start("a", nil), o.start("b", nil)
	x := agent(1)
	own, err := a.claim(t, x, nil)
	if err != nil || !own.Mine || !own.Alive || own.Node != "a" || own.Fence == 0 {
		t.Fatalf("got %+v, %v, want it", own, err)
	}
	if got := a.Peers().Owner(x); got != own {
		t.Errorf("Owner at a: got %+v, want %+v", got, own)
	}
	eventually(t, "b sees it", func() bool { return b.Peers().Owner(x).Fence == own.Fence })
	if got := b.Peers().Owner(x); got.Node != "a" || got.Mine || !got.Alive {
		t.Errorf("Owner at b: got %+v, want a, alive", got)
	}
	if _, err := b.claim(t, x, nil); !errors.Is(err, routing.ErrKept) {
		t.Errorf("b without a Link: got %v, want ErrKept", err)
	}
	again, err := a.claim(t, x, nil)
	if err != nil || again.Fence <= own.Fence {
		t.Errorf("a once more: got %+v, %v, want a newer fence", again, err)
	}
	info := routing.Info{
		State: routing.Online, Up: true, Direct: true, Home: true, MTP: mtp.WebSocket, Listener: "ws", Leg: 7,
	}
	a.Peers().Announce(x, again.Fence, info)
	eventually(t, "b sees what a announces", func() bool { return b.Peers().Owner(x).Info == info })
	if got := b.Peers().Owner(x).Fence; got != again.Fence {
		t.Errorf("after Announce: got fence %d, want %d as before", got, again.Fence)
	}
	a.Peers().Release(x, own.Fence) // not by that fence
	a.Peers().Announce(x, own.Fence, routing.Info{})
	a.Peers().Release(x, again.Fence)
	eventually(t, "nobody owns it", func() bool {
		return b.Peers().Owner(x) == routing.Ownership{} && a.Peers().Owner(x) == routing.Ownership{}
	})
	if own, err := b.claim(t, x, nil); err != nil || own.Fence <= again.Fence {
		t.Errorf("b after Release: got %+v, %v, want it with a newer fence", own, err)
	}
}

func TestClaimFromOneThatLives(t *testing.T) {
	t.Parallel()
	o := newTown(t)
	a, b := o.start("a", nil), o.start("b", nil)
	x := agent(1)
	own, err := a.claim(t, x, direct)
	if err != nil {
		t.Fatalf("got %v, want nil", err)
	}
	eventually(t, "b sees it", func() bool { return b.Peers().Owner(x).Fence == own.Fence })
	for _, want := range []error{routing.ErrKept, mtp.ErrForbidden, mtp.ErrBusy} {
		a.mu.Lock()
		a.refuse = fmt.Errorf("wrapped: %w", want)
		a.mu.Unlock()
		if _, err := b.claim(t, x, direct); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
		if !a.Peers().Owner(x).Mine {
			t.Errorf("after %v it is not a's any more", want)
		}
	}
	a.mu.Lock()
	a.refuse = nil
	a.mu.Unlock()
	got, err := b.claim(t, x, direct)
	if err != nil || !got.Mine || got.Fence <= own.Fence {
		t.Fatalf("got %+v, %v, want it", got, err)
	}
	if a.Peers().Owner(x).Mine {
		t.Error("it is still a's")
	}
	eventually(t, "a sees who has it", func() bool { return a.Peers().Owner(x).Node == "b" })
}

// deaf is a Bus on which nobody is at a node that is called so.
type deaf struct {
	cluster.Bus

	to atomic.Pointer[string]
}

func (d *deaf) Send(node, service string, data []byte, timeout time.Duration, done func([]byte, error)) error {
	if to := d.to.Load(); to != nil && strings.HasPrefix(node, *to+".") {
		done(nil, cluster.ErrNoNode)
		return nil
	}
	return d.Bus.Send(node, service, data, timeout, done)
}

// Of an owner whose process has gone, and whose lease still runs, the Endpoint that
// has come here itself is taken over before that is over; nobody else is.
func TestEndpointComesFromOneWhoHasGone(t *testing.T) {
	t.Parallel()
	o := newTown(t)
	o.lease = 10 * cluster.MinLease
	a := o.start("a", nil)
	d := &deaf{}
	b := o.start("b", func(options *cluster.Options) {
		d.Bus = options.Bus
		options.Bus = d
	})
	for _, x := range []usp.Address{agent(1), agent(2)} {
		if _, err := a.claim(t, x, direct); err != nil {
			t.Fatalf("got %v, want nil", err)
		}
		eventually(t, "b sees it", func() bool { return b.Peers().Owner(x).Node == "a" })
	}
	name := "a"
	d.to.Store(&name)
	if _, err := b.claim(t, agent(1), direct); !errors.Is(err, mtp.ErrBusy) {
		t.Errorf("at once: got %v, want ErrBusy", err)
	}
	eventually(t, "b has it", func() bool { _, err := b.claim(t, agent(1), direct); return err == nil })
	for _, by := range []routing.Session{
		{Kind: mtp.WebSocket},
		{Kind: mtp.MQTT, Proven: true, Shared: true},
		{Kind: mtp.WebSocket, Proven: true, Standby: true},
	} {
		if _, err := b.claim(t, agent(2), &by); !errors.Is(err, mtp.ErrBusy) {
			t.Errorf("by %+v: got %v, want ErrBusy", by, err)
		}
	}
	if b.sawDead("a") {
		t.Error("the lease was over: the test shows nothing")
	}
	eventually(t, "a sees it", func() bool { return a.Peers().Owner(agent(1)).Node == "b" })
}

// Of two nodes that claim the same address at a time one gets it, with the
// newest fence, and both know in the end who.
func TestClaimsRace(t *testing.T) {
	t.Parallel()
	o := newTown(t)
	nodes := []*house{o.start("a", nil), o.start("b", nil), o.start("c", nil)}
	const addresses, rounds = 20, 10
	var mu sync.Mutex
	fences := map[uint64]string{}
	var all sync.WaitGroup
	for i := range addresses {
		for _, h := range nodes {
			all.Go(func() {
				for range rounds {
					own, err := h.claim(t, agent(i), direct)
					if err != nil {
						continue
					}
					mu.Lock()
					if who := fences[own.Fence]; who != "" {
						t.Errorf("fence %d is %s's and %s's", own.Fence, who, h.Name())
					}
					fences[own.Fence] = h.Name()
					mu.Unlock()
				}
			})
		}
	}
	all.Wait()
	if len(fences) < addresses {
		t.Errorf("%d claims succeeded, want at least %d", len(fences), addresses)
	}
	for i := range addresses {
		eventually(t, "all agree", func() bool {
			own := nodes[0].Peers().Owner(agent(i))
			for _, h := range nodes[1:] {
				if got := h.Peers().Owner(agent(i)); got.Fence != own.Fence || got.Node != own.Node {
					return false
				}
			}
			return own.Node != "" && fences[own.Fence] == own.Node
		})
	}
}

// A node that is cut off gives up before the others take what it had.
func TestFence(t *testing.T) {
	t.Parallel()
	o := newTown(t)
	a, b := o.start("a", nil), o.start("b", nil)
	x := agent(1)
	own, err := a.claim(t, x, direct)
	if err != nil {
		t.Fatalf("got %v, want nil", err)
	}
	eventually(t, "b sees it", func() bool { return b.Peers().Owner(x).Fence == own.Fence })
	a.door.setShut(true)
	o.hub.Cut(a.bus, true)
	var fencedFirst bool
	eventually(t, "b sees a die", func() bool {
		mine := a.Peers().Owner(x).Mine // before
		if b.sawDead("a") {
			fencedFirst = !mine
			return true
		}
		return false
	})
	if !fencedFirst {
		t.Error("a still held what b may take")
	}
	if a.fenced() != 1 || a.Ready() == nil {
		t.Errorf("a was told %d times that all is lost, ready %v, want once and not ready", a.fenced(), a.Ready())
	}
	got, err := b.claim(t, x, nil)
	if err != nil || got.Fence <= own.Fence {
		t.Fatalf("b: got %+v, %v, want it", got, err)
	}
	if _, err := a.claim(t, agent(2), nil); err == nil {
		t.Error("a claims without a lease: got nil, want an error")
	}
	a.door.setShut(false)
	o.hub.Cut(a.bus, false)
	eventually(t, "a is back", func() bool { return a.Ready() == nil && a.Peers().Owner(x).Node == "b" })
	eventually(t, "linked again", func() bool { return a.links("b") == 1 && b.links("a") == 1 })
	if _, err := a.claim(t, x, direct); err != nil {
		t.Errorf("a claims it from b: got %v, want nil", err)
	}
}

// A Bus that loses what it is given ends the Link; the next one is up soon.
func TestLinkIsMadeAnew(t *testing.T) {
	t.Parallel()
	o := newTown(t)
	a, b := o.start("a", nil), o.start("b", nil)
	eventually(t, "linked", func() bool { return a.links("b") == 1 && b.links("a") == 1 })
	o.hub.Cut(b.bus, true)
	time.AfterFunc(50*time.Millisecond, func() { o.hub.Cut(b.bus, false) })
	eventually(t, "linked", func() bool { return a.links("b") == 1 && b.links("a") == 1 })
}

func TestAdopt(t *testing.T) {
	t.Parallel()
	const agents = 60
	o := newTown(t)
	var mu sync.Mutex
	adopted := map[string]int{}
	calls := map[string]int{}
	// with has the node claim all that is its, but not at the first call.
	with := func(name string, h **house) func(*cluster.Options) {
		return func(options *cluster.Options) {
			options.Adopt = func(_ context.Context, mine func(usp.Address) bool) error {
				for i := range agents {
					if !mine(agent(i)) || i%3 == 0 {
						continue
					}
					mu.Lock()
					calls[name]++
					first := calls[name] == 1
					mu.Unlock()
					if first {
						return errors.New("not now")
					}
					if _, err := (*h).claim(t, agent(i), direct); err != nil {
						return err
					}
					mu.Lock()
					adopted[name]++
					mu.Unlock()
				}
				return nil
			}
		}
	}
	var lost []usp.Address
	a := o.start("a", func(options *cluster.Options) {
		options.Lost = func(x usp.Address) {
			mu.Lock()
			defer mu.Unlock()
			lost = append(lost, x)
		}
	})
	for i := range agents {
		if _, err := a.claim(t, agent(i), nil); err != nil {
			t.Fatalf("got %v, want nil", err)
		}
	}
	var b, c *house
	b = o.start("b", with("b", &b))
	c = o.start("c", with("c", &c))
	eventually(t, "c sees all", func() bool { return c.Peers().Owner(agent(agents-1)).Node == "a" })
	a.door.setShut(true)
	eventually(t, "all are adopted", func() bool {
		for i := range agents {
			if own := b.Peers().Owner(agent(i)); i%3 != 0 && (own.Node == "a" || !own.Alive) {
				return false
			}
		}
		return true
	})
	mu.Lock()
	if adopted["b"] < agents/6 || adopted["c"] < agents/6 {
		t.Errorf("adopted: got %v, want them spread", adopted)
	}
	mu.Unlock()
	if own := b.Peers().Owner(agent(0)); own.Node != "a" {
		t.Errorf("one that is not adopted: got %+v, want it as it was", own)
	}
	a.door.setShut(false)
	eventually(t, "a hears what it has lost", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(lost) == agents*2/3
	})
}
