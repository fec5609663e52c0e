// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing"
	"github.com/uspgate/uspgate/usp"
)

// trunkPeer is a gateway, or a broker of somebody else, behind a Transport.
func trunkPeer(transport string, patterns ...string) mtp.Peer {
	who := mtp.Identity{Method: "password", Patterns: patterns, Any: len(patterns) == 0}
	return mtp.Peer{Kind: mtp.WebSocket, Listener: transport, Shared: true, Identity: who, NoConnectRecords: true}
}

func TestFromTrunkToTrunk(t *testing.T) {
	t.Parallel()
	const far = usp.EndpointID("os::far-1")
	there := routing.Route{Match: "self::*", Role: usp.RoleController, Via: "west"}
	for _, tc := range []struct {
		name   string
		routes []routing.Route
		to     usp.EndpointID
		want   error
		reason string // of route_refused_total
	}{
		{"to an Endpoint of this gateway", nil, agentID, nil, ""},
		{"on without transit", []routing.Route{there, {Match: "*", Via: "east"}}, far, mtp.ErrUnroutable, "transit"},
		{"on with transit", []routing.Route{there, {Match: "*", Via: "east", Transit: true}}, far, nil, ""},
		{"back", []routing.Route{there, {Match: "*", Via: "west", Transit: true}}, far, mtp.ErrUnroutable, "loop"},
		{
			"from where the sender is not",
			[]routing.Route{{Match: "*", Via: "east", Transit: true}},
			far, mtp.ErrUnroutable, "loop",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			reg := prometheusRegistry()
			r := newRouter(t, routing.Options{Routes: tc.routes, Metrics: reg})
			up(t, r, agentPeer(agentID)).auto = true
			up(t, r, trunkPeer("east")).auto = true
			p := trunkPeer("west")
			p.Role = usp.RoleController
			west := up(t, r, p)
			west.wantAck(west.send(msg(controllerID, tc.to, "x")), tc.want)
			if tc.reason != "" {
				if got := value(t, reg, "uspgate_route_refused_total "+tc.reason); got != 1 {
					t.Errorf("refused as %s: got %v, want 1", tc.reason, got)
				}
			}
		})
	}
}

func TestRecordThatComesRoundIsRefused(t *testing.T) {
	t.Parallel()
	r := newRouter(t, routing.Options{})
	up(t, r, agentPeer(agentID))
	up(t, r, controllerPeer(controllerID))
	p := trunkPeer("ring")
	p.Role = usp.RoleController
	ring := up(t, r, p)
	ring.wantAck(ring.send(msg(controllerID, agentID, "x")), mtp.ErrUnroutable)
	x := r.Explanations("", usp.Address{ID: controllerID, Role: usp.RoleController})[0]
	if x.Loops == nil || x.Loops.Count != 1 || x.Loops.Via != "ring" {
		t.Errorf("explained with %+v, want one loop over the trunk", x.Loops)
	}
}

func TestBufferedRecordDoesNotGoBackOverItsTrunk(t *testing.T) {
	t.Parallel()
	r := newRouter(t, routing.Options{Routes: []routing.Route{{Match: string(agentID), Role: usp.RoleAgent}}})
	p := trunkPeer("west")
	west := up(t, r, p)
	if err := west.port.Bind(usp.Address{ID: controllerID, Role: usp.RoleController}, mtp.Hint{}); err != nil {
		t.Fatal(err)
	}
	west.wantAck(west.send(msg(controllerID, agentID, "waits")), nil)
	c := up(t, r, controllerPeer("self::here"))
	c.wantAck(c.send(msg("self::here", agentID, "goes")), nil)
	if err := west.port.Bind(usp.Address{ID: agentID, Role: usp.RoleAgent}, mtp.Hint{}); err != nil {
		t.Fatal(err)
	}
	wantQueued(t, west, "goes")
}

func TestDefaultRouteIsForWhomThisGatewayHasNotMet(t *testing.T) {
	t.Parallel()
	r := newRouter(t, routing.Options{Routes: []routing.Route{{Match: "*", Via: "up"}}})
	trunk, c := up(t, r, trunkPeer("up")), up(t, r, controllerPeer(controllerID))
	a := up(t, r, agentPeer(agentID))
	c.send(msg(controllerID, agentID, "here"))
	a.deliver(1)
	a.kill()
	c.wantAck(c.send(msg(controllerID, agentID, "waits")), nil)
	c.send(msg(controllerID, "os::far-1", "leaves"))
	wantQueued(t, trunk, "leaves")
	// It has moved behind the trunk: what waits follows.
	trunk.wantAck(trunk.send(usp.NewWebSocketConnect(agentID, controllerID)), nil)
	wantQueued(t, trunk, "leaves", "waits")
}

func TestTrunksOfOneTransportByTheirPatterns(t *testing.T) {
	t.Parallel()
	r := newRouter(t, routing.Options{Routes: []routing.Route{{Match: "*", Via: "hub"}}})
	c := up(t, r, controllerPeer(controllerID))
	a, b := up(t, r, trunkPeer("hub", "os::A-*")), up(t, r, trunkPeer("hub", "os::B-*"))
	c.send(msg(controllerID, "os::A-1", "a"))
	c.send(msg(controllerID, "os::B-1", "b"))
	wantQueued(t, a, "a")
	wantQueued(t, b, "b")
	a.wantAck(a.send(msg("os::B-1", controllerID, "forged")), mtp.ErrForbidden)
}

// wire is one end of a trunk between two Routers of a net.
type wire struct {
	net      *network
	at, peer int
	port     mtp.Port
}

func (w *wire) Enqueue(rec usp.Record, _ mtp.Hint, t mtp.Token) error {
	w.net.mu.Lock()
	w.net.queue = append(w.net.queue, crossing{w, rec})
	w.net.mu.Unlock()
	w.port.Settled(t, nil)
	return nil
}
func (w *wire) Ack(mtp.Token, error) {}
func (w *wire) Close(error)          {}
func (w *wire) ConnectRecord(from, to usp.EndpointID) usp.Record {
	return usp.NewWebSocketConnect(from, to)
}

type crossing struct {
	over *wire // the end at which it left
	rec  usp.Record
}

// network are some Routers, each with an Agent and a Controller, and trunks.
type network struct {
	routers []*routing.Router
	routes  [][]routing.Route
	ends    map[[2]int]*wire
	agents  []*link
	control []*link

	mu     sync.Mutex
	queue  []crossing
	tokens mtp.Token
	visits map[string]map[int]int // of Records with a text, per Router
	steps  int
}

func agentOf(i int) usp.EndpointID      { return usp.EndpointID(fmt.Sprintf("os::net-%d", i)) }
func controllerOf(i int) usp.EndpointID { return usp.EndpointID(fmt.Sprintf("self::net-%d", i)) }

// first is the route of a Router that means id, found as the documents say.
func (n *network) first(at int, id usp.EndpointID) *routing.Route {
	for i := range n.routes[at] {
		if id.Like(n.routes[at][i].Match) {
			return &n.routes[at][i]
		}
	}
	return nil
}

// arrives says whether a Record has a way by the rules of DESIGN.md.
func (n *network) arrives(from, to usp.EndpointID, home, target int) bool {
	at, before := home, -1
	for hops := 0; ; hops++ {
		if at == target {
			return true
		}
		if before >= 0 && at == home || hops > len(n.routers) {
			return false
		}
		rt := n.first(at, to)
		if rt == nil {
			return false
		}
		if before >= 0 {
			back := n.first(at, from)
			if rt.Via == transportTo(before) || !rt.Transit || back == nil || back.Via != transportTo(before) {
				return false
			}
		}
		var next int
		if _, err := fmt.Sscanf(rt.Via, "to-%d", &next); err != nil {
			return false
		}
		before, at = at, next
	}
}

func transportTo(i int) string { return fmt.Sprintf("to-%d", i) }

// carry has everything cross that is on a trunk, until nothing is.
func (n *network) carry() {
	for {
		synctest.Wait()
		n.mu.Lock()
		queue := n.queue
		n.queue = nil
		n.mu.Unlock()
		if len(queue) == 0 || n.steps > 10_000 {
			return
		}
		for _, c := range queue {
			n.steps++
			n.tokens++
			if !c.rec.Header().Type.IsConnect() {
				n.visit(string(c.rec.Header().Payload), c.over.peer)
			}
			n.ends[[2]int{c.over.peer, c.over.at}].port.Accept(c.rec, mtp.Hint{}, n.tokens)
		}
	}
}

func (n *network) visit(text string, at int) {
	if n.visits[text] == nil {
		n.visits[text] = make(map[int]int)
	}
	n.visits[text][at]++
}

func drawNetwork(rt *rapid.T) (size int, edges [][2]int, routes [][]routing.Route) {
	size = rapid.IntRange(3, 5).Draw(rt, "routers")
	near := make([][]int, size)
	for i := range size {
		for j := range i {
			if j == i-1 || rapid.Bool().Draw(rt, "edge") {
				edges = append(edges, [2]int{i, j})
				near[i], near[j] = append(near[i], j), append(near[j], i)
			}
		}
	}
	routes = make([][]routing.Route, size)
	for i := range size {
		add := func(what, agents, controllers string) {
			for _, match := range []struct {
				pattern string
				role    usp.Role
			}{{agents, usp.RoleAgent}, {controllers, usp.RoleController}} {
				routes[i] = append(routes[i], routing.Route{
					Match: match.pattern, Role: match.role,
					Via:     transportTo(rapid.SampledFrom(near[i]).Draw(rt, "via"+what)),
					Transit: rapid.IntRange(0, 3).Draw(rt, "transit"+what) > 0,
				})
			}
		}
		for j := range size {
			if j != i && rapid.IntRange(0, 2).Draw(rt, "has a route") > 0 {
				add("", fmt.Sprintf("os::net-%d*", j), fmt.Sprintf("self::net-%d*", j))
			}
		}
		add(" by default", "os::*", "self::*")
	}
	return size, edges, routes
}

func (n *network) build(t *testing.T, size int, edges [][2]int) {
	t.Helper()
	for i := range size {
		r := newRouter(t, routing.Options{Routes: n.routes[i]})
		n.routers = append(n.routers, r)
		a, c := up(t, r, agentPeer(agentOf(i))), up(t, r, controllerPeer(controllerOf(i)))
		a.auto, c.auto = true, true
		n.agents, n.control = append(n.agents, a), append(n.control, c)
	}
	for _, e := range edges {
		for _, end := range [][2]int{e, {e[1], e[0]}} {
			w := &wire{net: n, at: end[0], peer: end[1]}
			p := trunkPeer(transportTo(end[1]))
			p.NoConnectRecords = false
			port, err := n.routers[end[0]].LinkUp(w, p)
			if err != nil {
				t.Fatal(err)
			}
			w.port = port
			n.ends[end] = w
		}
	}
}

// TestNothingCirculates joins Routers by trunks with random routes, default
// routes in all directions among them: each Record is at each Router at most
// once, and arrives if it has a way.
func TestNothingCirculates(t *testing.T) {
	t.Parallel()
	arrived, failed := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		size, edges, routes := drawNetwork(rt)
		var fault string
		synctest.Test(t, func(t *testing.T) {
			n := &network{routes: routes, ends: map[[2]int]*wire{}, visits: map[string]map[int]int{}}
			n.build(t, size, edges)
			fault = n.play(&arrived, &failed)
			for _, w := range n.ends {
				w.port.Down(nil)
			}
			for i := range size {
				n.agents[i].kill()
				n.control[i].kill()
			}
			for _, r := range n.routers {
				ctx, cancel := context.WithCancel(context.Background())
				cancel()
				_ = r.Run(ctx)
			}
		})
		if fault != "" {
			rt.Fatal(fault)
		}
	})
	if arrived == 0 || failed == 0 {
		t.Errorf("%d Records arrived, %d did not: the test shows nothing", arrived, failed)
	}
	t.Logf("%d Records arrived, %d had no way", arrived, failed)
}

// play sends a Record from everybody to everybody, and compares.
func (n *network) play(arrived, failed *int) string {
	for i := range n.routers {
		for j := range n.routers {
			n.agents[i].send(usp.NewWebSocketConnect(agentOf(i), controllerOf(j)))
			n.carry()
			for _, s := range []struct {
				by, to     *link
				from, dest usp.EndpointID
			}{
				{n.control[i], n.agents[j], controllerOf(i), agentOf(j)},
				{n.agents[i], n.control[j], agentOf(i), controllerOf(j)},
			} {
				text := string(s.from) + " " + string(s.dest)
				n.visit(text, i)
				s.by.send(msg(s.from, s.dest, text))
				n.carry()
				got := slices.Contains(texts(s.to.received()), text)
				if want := n.arrives(s.from, s.dest, i, j); got != want {
					return fmt.Sprintf("%s: arrived %v, want %v", text, got, want)
				}
				if got {
					*arrived++
				} else {
					*failed++
				}
			}
		}
	}
	if n.steps > 10_000 {
		return "Records circulate"
	}
	for text, at := range n.visits {
		for i, times := range at {
			// It may be sent to a Router where it has been, and is refused there.
			if times > 2 || sum(at) > len(n.routers)+1 {
				return fmt.Sprintf("%s was at Router %d %d times", text, i, times)
			}
		}
	}
	return ""
}

func sum(at map[int]int) (n int) {
	for _, times := range at {
		n += times
	}
	return n
}

// TestDeadDestinationBehindATrunk sends to many live Endpoints and a dead one
// over one trunk: the living wait no longer for it than without it.
func TestDeadDestinationBehindATrunk(t *testing.T) {
	t.Parallel()
	latency := func(dead bool) (p99 time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			r := newRouter(t, routing.Options{})
			p := trunkPeer("trunk")
			p.Role = usp.RoleController
			trunk := up(t, r, p)
			var links []*link
			for i := range 20 {
				links = append(links, up(t, r, agentPeer(agentOf(i))))
				links[i].auto = i > 0 || !dead
			}
			var waited []time.Duration
			for k := range 5000 { // 2,000 a second, every tenth to the dead one
				to := k%19 + 1
				if k%10 == 0 {
					to = 0
				}
				start := time.Now()
				tok := trunk.send(msg(controllerID, agentOf(to), "x"))
				if to > 0 {
					if _, ok := trunk.acked(tok); !ok {
						t.Fatalf("Record %d to the living was not delivered at once", k)
					}
					waited = append(waited, time.Since(start))
				}
				<-time.After(500 * time.Microsecond)
			}
			slices.Sort(waited)
			p99 = waited[len(waited)*99/100]
			<-time.After(time.Second)
			for tok := mtp.Token(1); tok <= 5000; tok++ {
				trunk.wantAck(tok, nil) // those to the dead one are kept
			}
			for _, l := range append(links, trunk) {
				l.kill()
			}
		})
		return p99
	}
	if without, with := latency(false), latency(true); with != without {
		t.Errorf("p99 of the living: got %v with a dead neighbour, want %v as without", with, without)
	}
}
