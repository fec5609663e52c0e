// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing"
	"github.com/uspgate/uspgate/routing/buffer"
	"github.com/uspgate/uspgate/routing/peerstest"
	"github.com/uspgate/uspgate/usp"
)

// gateway is some nodes that are one gateway.
type gateway struct {
	t     *testing.T
	c     *peerstest.Cluster
	store *peerstest.Store
	mem   *buffer.Memory
	nodes []*gateNode
	gone  []*gateNode // have died
	seen  *[]outgoing // by every Link of every node, by time
}

type gateNode struct {
	*peerstest.Node

	r     *routing.Router
	q     *peerstest.Queue
	stop  func()
	links []*link
}

func newGateway(t *testing.T, size int, o peerstest.Options, ro routing.Options) *gateway {
	t.Helper()
	mem, err := buffer.NewMemory(buffer.MemoryOptions{})
	if err != nil {
		t.Fatal(err)
	}
	g := &gateway{t: t, c: peerstest.New(o), store: peerstest.NewStore(mem, o.Delay), mem: mem}
	for i := range size {
		g.join(string(rune('A'+i)), ro)
	}
	return g
}

// join starts one more node.
func (g *gateway) join(name string, ro routing.Options) *gateNode {
	g.t.Helper()
	n := &gateNode{Node: g.c.Join(name), q: g.store.Queue()}
	ro.Peers, ro.Buffer = n.Node, n.q
	n.r = newRouter(g.t, ro)
	journal.Lock()
	if g.seen == nil {
		g.seen = new([]outgoing)
	}
	journals[n.r] = g.seen
	journal.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = n.r.Run(ctx)
	}()
	n.stop = func() { cancel(); <-ended }
	g.nodes = append(g.nodes, n)
	n.Attach(n.r)
	return n
}

// up brings a Link up at a node.
func (n *gateNode) up(t *testing.T, p mtp.Peer) *link {
	t.Helper()
	l := up(t, n.r, p)
	n.links = append(n.links, l)
	return l
}

// bury takes a node that has died off the list.
func (g *gateway) bury(n *gateNode) {
	g.nodes = slices.DeleteFunc(g.nodes, func(o *gateNode) bool { return o == n })
	g.gone = append(g.gone, n)
}

// journal is everything that was enqueued on any Link, by time.
func (g *gateway) journal() *[]outgoing { return g.seen }

// close ends everything.
func (g *gateway) close() {
	g.nodes = append(g.nodes, g.gone...)
	for _, n := range g.nodes {
		for _, l := range n.links {
			if !l.isDown() {
				l.kill()
			}
		}
	}
	g.c.Close()
	for _, n := range g.nodes {
		n.stop()
		n.q.Wait() // only now nothing more is put
	}
}

// delays are the delays of every message of a test that has some.
func delays(d time.Duration) peerstest.Options {
	return peerstest.Options{Delay: func() time.Duration { return d }}
}

func cluster(t *testing.T, size int, o peerstest.Options, ro routing.Options, f func(t *testing.T, g *gateway)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t, size, o, ro)
		defer g.close()
		f(t, g)
	})
}

func wantTexts(t *testing.T, l *link, want ...string) {
	t.Helper()
	if got := texts(l.received()); !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
}

func TestRecordCrossesToTheNodeOfItsEndpoint(t *testing.T) {
	cluster(t, 2, delays(time.Millisecond), routing.Options{}, func(t *testing.T, g *gateway) {
		t.Helper()
		a, b := g.nodes[0], g.nodes[1]
		agent := a.up(t, agentPeer(agentID))
		c := b.up(t, controllerPeer(controllerID))
		<-time.After(time.Second)
		tok := c.send(msg(controllerID, agentID, "there"))
		agent.deliver(1)
		c.wantAck(tok, nil)
		wantTexts(t, agent, "there")
		agent.send(msg(agentID, controllerID, "and back"))
		c.deliver(2)
		wantTexts(t, c, "connect "+string(agentID), "and back")
	})
}

func TestEndpointMovesToAnotherNode(t *testing.T) {
	cluster(t, 2, delays(time.Millisecond), routing.Options{}, func(t *testing.T, g *gateway) {
		t.Helper()
		a, b := g.nodes[0], g.nodes[1]
		old := a.up(t, agentPeer(agentID))
		c := b.up(t, controllerPeer(controllerID))
		<-time.After(time.Second)
		c.send(msg(controllerID, agentID, "1"))
		<-time.After(10 * time.Millisecond)
		agent := b.up(t, agentPeer(agentID))
		var toks []mtp.Token
		for _, text := range []string{"2", "3", "4"} {
			toks = append(toks, c.send(msg(controllerID, agentID, text)))
		}
		<-time.After(100 * time.Millisecond)
		if err := old.isClosed(); err != mtp.ErrReplaced { //nolint:errorlint // the very one
			t.Fatalf("the Link at the node before: closed with %v, want %v", err, mtp.ErrReplaced)
		}
		old.kill()
		agent.deliver(4)
		for _, tok := range toks {
			c.wantAck(tok, nil)
		}
		wantTexts(t, agent, "1", "2", "3", "4")
		if info, _ := a.r.Endpoint(usp.Address{ID: agentID, Role: usp.RoleAgent}); info.Node != "B" {
			t.Errorf("node A says that the Agent is at %q, want B", info.Node)
		}
	})
}
