// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uspgate/uspgate/routing"
	"github.com/uspgate/uspgate/routing/peerstest"
	"github.com/uspgate/uspgate/usp"
)

// pace is a delay that a test changes.
type pace struct{ d atomic.Int64 }

func (p *pace) set(d time.Duration)  { p.d.Store(int64(d)) }
func (p *pace) delay() time.Duration { return time.Duration(p.d.Load()) }

// A node whose lease runs out while it acquires the lanes may be done after the
// next owner: nothing of it gets into the buffer behind that one's back, and that
// one acquires them again.
func TestLateAcquireOfALostLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := delays(time.Millisecond)
		o.Lease = 100 * time.Millisecond
		ro := routing.Options{
			SpillAfter: 20 * time.Millisecond, Routes: []routing.Route{{Match: "*", Role: usp.RoleAgent}},
		}
		g := newGateway(t, 0, o, ro)
		defer g.close()
		var store pace
		g.store = peerstest.NewStore(g.mem, store.delay)
		a, b := g.join("A", ro), g.join("B", ro)
		atA, atB := a.up(t, controllerPeer("self::a")), b.up(t, controllerPeer("self::b"))
		<-time.After(100 * time.Millisecond)

		store.set(200 * time.Millisecond)
		tok := atA.send(msg("self::a", agentID, "1")) // has A claim the Agent's address, and acquire it
		<-time.After(20 * time.Millisecond)
		store.set(time.Millisecond)
		a.Expire()
		<-time.After(60 * time.Millisecond) // the others have learnt of it
		agent := b.up(t, agentPeer(agentID))
		<-time.After(50 * time.Millisecond)
		if own := b.Owner(usp.Address{ID: agentID, Role: usp.RoleAgent}); !own.Mine {
			t.Fatalf("before the Acquire of A has ended: got owner %q, want B", own.Node)
		}
		<-time.After(300 * time.Millisecond)
		agent.deliver(1)
		atA.wantAck(tok, nil)
		wantTexts(t, agent, "1")

		agent.kill() // B finds that the lanes were taken from it, and acquires them
		<-time.After(100 * time.Millisecond)
		tok = atB.send(msg("self::b", agentID, "2"))
		<-time.After(100 * time.Millisecond)
		atB.wantAck(tok, nil)
		agent = b.up(t, agentPeer(agentID))
		agent.deliver(1)
		wantTexts(t, agent, "2")
	})
}

// A claim from before the lease was lost may be carried out after the one that
// counts: the others forward by its fence.
func TestLateClaimOfALostLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var messages pace
		messages.set(time.Millisecond)
		g := newGateway(t, 2, peerstest.Options{Delay: messages.delay}, routing.Options{})
		defer g.close()
		a, b := g.nodes[0], g.nodes[1]
		c := b.up(t, controllerPeer(controllerID))
		<-time.After(100 * time.Millisecond)

		messages.set(200 * time.Millisecond)
		agent := a.up(t, agentPeer(agentID))
		<-time.After(20 * time.Millisecond)
		messages.set(time.Millisecond)
		a.Expire()
		<-time.After(20 * time.Millisecond)
		a.Renew()
		<-time.After(100 * time.Millisecond)
		own := a.Owner(usp.Address{ID: agentID, Role: usp.RoleAgent})
		if !own.Mine {
			t.Fatalf("before the late claim: got owner %q, want A", own.Node)
		}
		<-time.After(time.Second)
		if now := a.Owner(usp.Address{ID: agentID, Role: usp.RoleAgent}); now.Fence == own.Fence {
			t.Fatal("the late claim was not carried out")
		}
		tok := c.send(msg(controllerID, agentID, "there"))
		agent.deliver(1)
		c.wantAck(tok, nil)
		wantTexts(t, agent, "there")
	})
}

// A node that hears later than the others that an address is its own gets it all the
// same, although they send by each fence that they see.
func TestNodeThatHearsOfItsClaimsLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := delays(time.Millisecond)
		o.Outcome = 300 * time.Millisecond
		g := newGateway(t, 2, o, routing.Options{})
		defer g.close()
		c := g.nodes[1].up(t, controllerPeer(controllerID))
		<-time.After(time.Second) // B has heard of its own claim
		agent := g.nodes[0].up(t, agentPeer(agentID))
		<-time.After(20 * time.Millisecond) // B knows of A's claim, A does not yet
		tok := c.send(msg(controllerID, agentID, "1"))
		<-time.After(10 * time.Second)
		agent.deliver(1)
		c.wantAck(tok, nil)
		wantTexts(t, agent, "1")
	})
}
