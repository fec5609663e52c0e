// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing_test

import (
	"slices"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing"
	"github.com/uspgate/uspgate/usp"
)

// signed appends a mac_signature to rec.
func signed(t *testing.T, rec usp.Record) usp.Record {
	t.Helper()
	b := protowire.AppendTag(slices.Clone(rec.Bytes()), 5, protowire.BytesType)
	out, err := usp.NewRecord(protowire.AppendBytes(b, []byte("signature")))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func wantQueued(t *testing.T, l *link, want ...string) {
	t.Helper()
	var got []string
	eventually(t, "what is on the Link", func() bool {
		got = append(texts(l.received()), texts(l.queued())...)
		return len(got) >= len(want)
	})
	if !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

func TestConnectRecordGoesHopByHop(t *testing.T) {
	t.Parallel()
	r := newRouter(t, routing.Options{})
	a, c := up(t, r, agentPeer(agentID)), up(t, r, controllerPeer(controllerID))
	// An MQTT one comes in, one of the egress MTP goes out [R-MTP.8].
	a.wantAck(a.send(usp.NewMQTTConnect(agentID, controllerID, true, "agent/topic")), nil)
	wantQueued(t, c, "connect "+string(agentID))
	if got := c.queued()[0].rec.Header().Type; got != usp.RecordWebSocketConnect {
		t.Errorf("got %v, want the Connect Record of the egress MTP", got)
	}
	a.wantAck(a.send(usp.NewMQTTConnect(agentID, controllerID, true, "agent/topic")), nil)
	a.send(msg(agentID, controllerID, "notify"))
	wantQueued(t, c, "connect "+string(agentID), "notify") // exactly one
}

func TestConnectRecordIsMadeBeforeTheFirstRecord(t *testing.T) {
	t.Parallel()
	r := newRouter(t, routing.Options{})
	p := agentPeer(agentID)
	p.Kind = mtp.CoAP // has none of its own
	a, c := up(t, r, p), up(t, r, controllerPeer(controllerID))
	a.send(msg(agentID, controllerID, "1"))
	a.send(msg(agentID, controllerID, "2"))
	wantQueued(t, c, "connect "+string(agentID), "1", "2")
	c.send(msg(controllerID, agentID, "get"))
	wantQueued(t, a, "get") // none towards an Agent
}

func TestConnectRecordsComeFirstAfterReconnect(t *testing.T) {
	t.Parallel()
	r := newRouter(t, routing.Options{})
	a, b := up(t, r, agentPeer(agentID)), up(t, r, agentPeer(otherAgent))
	c := up(t, r, controllerPeer(controllerID))
	a.send(msg(agentID, controllerID, "a1"))
	b.send(msg(otherAgent, controllerID, "b1"))
	c.deliver(4)
	c.kill()
	a.wantAck(a.send(msg(agentID, controllerID, "a2")), nil)
	c = up(t, r, controllerPeer(controllerID))
	c.deliver(3)
	got := texts(c.received())
	slices.Sort(got[:2])
	if want := []string{"connect " + string(agentID), "connect " + string(otherAgent), "a2"}; !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

func TestConnectRecordForAControllerThatComesLater(t *testing.T) {
	t.Parallel()
	r := newRouter(t, routing.Options{})
	a := up(t, r, agentPeer(agentID))
	a.wantAck(a.send(usp.NewWebSocketConnect(agentID, controllerID)), nil)
	// The Connect Record alone does not make the Controller known.
	a.wantAck(a.send(msg(agentID, controllerID, "nobody")), mtp.ErrUnroutable)
	c := up(t, r, controllerPeer(controllerID))
	wantQueued(t, c, "connect "+string(agentID))
}

func TestConnectRecordShowsWhatTheOtherSideIs(t *testing.T) {
	t.Parallel()
	r := newRouter(t, routing.Options{})
	p := controllerPeer(controllerID)
	p.Role = usp.RoleUnknown // has only connected so far
	c, a := up(t, r, p), up(t, r, agentPeer(agentID))
	a.wantAck(a.send(usp.NewWebSocketConnect(agentID, controllerID)), nil)
	wantQueued(t, c, "connect "+string(agentID))
}

func TestConnectRecordWaitsForWhoHasNotSpoken(t *testing.T) {
	t.Parallel()
	r := newRouter(t, routing.Options{})
	a := up(t, r, agentPeer(agentID))
	a.wantAck(a.send(usp.NewWebSocketConnect(agentID, controllerID)), nil)
	p := controllerPeer(controllerID)
	p.Role = usp.RoleUnknown
	wantQueued(t, up(t, r, p), "connect "+string(agentID))
}

func TestLinkThatShowsAnAgentBeginsWithItsConnectRecord(t *testing.T) {
	t.Parallel()
	r := newRouter(t, routing.Options{})
	a := up(t, r, agentPeer(agentID))
	for range 2 {
		p := controllerPeer(controllerID)
		p.Presents = agentID
		c := up(t, r, p)
		wantQueued(t, c, "connect "+string(agentID))
		a.send(usp.NewWebSocketConnect(agentID, controllerID)) // is no other one
		wantQueued(t, c, "connect "+string(agentID))
		c.kill()
	}
}

func TestLinkThatShowsAnAgentWhoIsAwayBeginsWithNothing(t *testing.T) {
	t.Parallel()
	r := newRouter(t, routing.Options{})
	p := controllerPeer(controllerID)
	p.Presents = agentID
	c, a := up(t, r, p), up(t, r, agentPeer(agentID))
	a.send(usp.NewWebSocketConnect(agentID, controllerID))
	a.send(msg(agentID, controllerID, "1"))
	wantQueued(t, c, "connect "+string(agentID), "1")
}

func TestDisconnectRecordObligesToANewConnectRecord(t *testing.T) {
	t.Parallel()
	r := newRouter(t, routing.Options{})
	a, c := up(t, r, agentPeer(agentID)), up(t, r, controllerPeer(controllerID))
	a.send(msg(agentID, controllerID, "1"))
	a.send(usp.NewDisconnect(agentID, controllerID, "bye", usp.CodeSessionContextTerminated))
	a.send(msg(agentID, controllerID, "2"))
	hello, bye := "connect "+string(agentID), "disconnect "+string(agentID)
	wantQueued(t, c, hello, "1", bye, hello, "2")
	c.send(usp.NewDisconnect(controllerID, agentID, "", 0))
	wantQueued(t, a, "disconnect "+string(controllerID))
	a.send(usp.NewWebSocketConnect(agentID, controllerID))
	wantQueued(t, c, hello, "1", bye, hello, "2", hello)
}

func TestConnectRecordIsWithheld(t *testing.T) {
	t.Parallel()
	t.Run("from a Controller that cannot cope", func(t *testing.T) {
		t.Parallel()
		r := newRouter(t, routing.Options{})
		p := controllerPeer(controllerID)
		p.NoConnectRecords = true
		a, c := up(t, r, agentPeer(agentID)), up(t, r, p)
		a.wantAck(a.send(usp.NewWebSocketConnect(agentID, controllerID)), nil)
		a.send(msg(agentID, controllerID, "1"))
		wantQueued(t, c, "1")
	})
	t.Run("if the Agent signs it", func(t *testing.T) {
		t.Parallel()
		r := newRouter(t, routing.Options{})
		a, c := up(t, r, agentPeer(agentID)), up(t, r, controllerPeer(controllerID))
		a.wantAck(a.send(signed(t, usp.NewWebSocketConnect(agentID, controllerID))), nil)
		a.send(msg(agentID, controllerID, "1"))
		wantQueued(t, c, "1")
	})
}

func TestConnectRecordWaitsForRoom(t *testing.T) {
	t.Parallel()
	r := newRouter(t, routing.Options{})
	a, b := up(t, r, agentPeer(agentID)), up(t, r, agentPeer(otherAgent))
	c := up(t, r, controllerPeer(controllerID))
	c.limit = 1
	a.send(usp.NewWebSocketConnect(agentID, controllerID))
	b.send(usp.NewWebSocketConnect(otherAgent, controllerID))
	b.send(msg(otherAgent, controllerID, "1"))
	c.deliver(3)
	wantQueued(t, c, "connect "+string(agentID), "connect "+string(otherAgent), "1")
}

func TestPairsAreBounded(t *testing.T) {
	t.Parallel()
	r := newRouter(t, routing.Options{MaxPairs: 1})
	a, b := up(t, r, agentPeer(agentID)), up(t, r, agentPeer(otherAgent))
	up(t, r, controllerPeer(controllerID)).auto = true
	a.wantAck(a.send(msg(agentID, controllerID, "x")), nil)
	b.wantAck(b.send(msg(otherAgent, controllerID, "x")), mtp.ErrBusy)
	b.wantAck(b.send(usp.NewWebSocketConnect(otherAgent, controllerID)), mtp.ErrBusy)
}

func TestPairsOfAbsentAgentsMakeRoom(t *testing.T) {
	t.Parallel()
	r := newRouter(t, routing.Options{MaxPairs: 1})
	a, b := up(t, r, agentPeer(agentID)), up(t, r, agentPeer(otherAgent))
	c := up(t, r, controllerPeer(controllerID))
	c.auto = true
	a.wantAck(a.send(msg(agentID, controllerID, "x")), nil)
	a.kill()
	b.wantAck(b.send(msg(otherAgent, controllerID, "y")), nil)
	wantQueued(t, c, "connect "+string(agentID), "x", "connect "+string(otherAgent), "y")
}

func TestControllerThatComesBackWithLinksPerAgent(t *testing.T) {
	t.Parallel()
	r := newRouter(t, routing.Options{})
	a, b := up(t, r, agentPeer(agentID)), up(t, r, agentPeer(otherAgent))
	up(t, r, controllerPeer(controllerID)).kill()
	for _, s := range []string{"1", "2", "3"} {
		a.wantAck(a.send(msg(agentID, controllerID, "a"+s)), nil)
		b.wantAck(b.send(msg(otherAgent, controllerID, "b"+s)), nil)
	}
	p := controllerPeer(controllerID)
	p.Presents = otherAgent
	cb := up(t, r, p) // those of the other Agent do not stand in its way
	cb.deliver(4)
	wantQueued(t, cb, "connect "+string(otherAgent), "b1", "b2", "b3")
	p.Presents = agentID
	ca := up(t, r, p)
	ca.deliver(4)
	a.send(msg(agentID, controllerID, "a4"))
	ca.deliver(5)
	wantQueued(t, ca, "connect "+string(agentID), "a1", "a2", "a3", "a4")
}
