// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing"
	"github.com/uspgate/uspgate/routing/buffer"
	"github.com/uspgate/uspgate/usp"
)

func TestRelayIsAcknowledgedWhenDelivered(t *testing.T) {
	t.Parallel()
	r := newRouter(t, routing.Options{})
	a, c := up(t, r, agentPeer(agentID)), up(t, r, controllerPeer(controllerID))
	rec := msg(controllerID, agentID, "get")
	tok := c.send(rec)
	if got := a.outstanding(); got != 1 {
		t.Fatalf("got %d Records on the Agent's Link, want 1", got)
	}
	if _, ok := c.acked(tok); ok {
		t.Fatal("acknowledged before it was delivered")
	}
	a.settle(0, nil)
	c.wantAck(tok, nil)
	if got := a.received()[0].rec; !bytes.Equal(got.Bytes(), rec.Bytes()) {
		t.Fatalf("got %x, want the bytes that came in, %x", got.Bytes(), rec.Bytes())
	}
}

func TestNegativeOutcomeReachesTheSender(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ outcome, want error }{
		{mtp.ErrTooLarge, mtp.ErrTooLarge},
		{mtp.ErrForbidden, mtp.ErrForbidden},
		{mtp.ErrBusy, mtp.ErrBusy},
		{fmt.Errorf("reason 151"), mtp.ErrBusy},
	} {
		r := newRouter(t, routing.Options{})
		a, c := up(t, r, agentPeer(agentID)), up(t, r, controllerPeer(controllerID))
		tok := c.send(msg(controllerID, agentID, "get"))
		a.settle(0, tc.outcome)
		c.wantAck(tok, tc.want)
	}
}

func TestLargeRecordIsRefused(t *testing.T) {
	t.Parallel()
	r := newRouter(t, routing.Options{})
	p := agentPeer(agentID)
	p.MaxRecord = 100
	a, c := up(t, r, p), up(t, r, controllerPeer(controllerID))
	c.wantAck(c.send(msg(controllerID, agentID, string(make([]byte, 200)))), mtp.ErrTooLarge)
	c.send(msg(controllerID, agentID, "small"))
	if got := a.outstanding(); got != 1 {
		t.Fatalf("got %d Records, want the small one", got)
	}
}

// Who was here before the process began is not a stranger, and a default route is
// not its way.
func TestWhoWasHereBeforeIsKnown(t *testing.T) {
	t.Parallel()
	r := newRouter(t, routing.Options{
		Known:  []usp.Address{{ID: agentID, Role: usp.RoleAgent}},
		Routes: []routing.Route{{Match: "*", Via: "trunk"}},
	})
	c := up(t, r, controllerPeer(controllerID))
	trunk := up(t, r, mtp.Peer{Kind: mtp.WebSocket, Listener: "trunk", Shared: true})
	c.wantAck(c.send(msg(controllerID, agentID, "1")), nil)
	if got := trunk.outstanding(); got != 0 {
		t.Errorf("got %d Records on the trunk, want none", got)
	}
	a := up(t, r, agentPeer(agentID))
	a.deliver(1)
	if got := texts(a.received()); !slices.Equal(got, []string{"1"}) {
		t.Errorf("got %q, want the Record that waited", got)
	}
}

func TestRecordsForAnAbsentEndpointWait(t *testing.T) {
	t.Parallel()
	r := newRouter(t, routing.Options{})
	c := up(t, r, controllerPeer(controllerID))
	c.wantAck(c.send(msg(controllerID, agentID, "nobody")), mtp.ErrUnroutable)
	a := up(t, r, agentPeer(agentID))
	a.kill()
	for _, s := range []string{"1", "2", "3"} {
		c.wantAck(c.send(msg(controllerID, agentID, s)), nil)
	}
	a = up(t, r, agentPeer(agentID))
	a.deliver(3)
	if got := texts(a.received()); !slices.Equal(got, []string{"1", "2", "3"}) {
		t.Fatalf("got %v, want what waited, in order", got)
	}
	eventually(t, "live again", func() bool {
		tok := c.send(msg(controllerID, agentID, "4"))
		_, early := c.acked(tok)
		a.deliver(len(a.received()) + 1)
		return !early
	})
}

func TestStaticRouteMakesKnown(t *testing.T) {
	t.Parallel()
	r := newRouter(t, routing.Options{Routes: []routing.Route{{Match: "os::*", Role: usp.RoleAgent}}})
	c := up(t, r, controllerPeer(controllerID))
	c.wantAck(c.send(msg(controllerID, agentID, "1")), nil)
	a := up(t, r, agentPeer(agentID))
	a.deliver(1)
}

func TestDyingLinkLeavesItsRecordsAheadOfNewerOnes(t *testing.T) {
	t.Parallel()
	r := newRouter(t, routing.Options{})
	a, c := up(t, r, agentPeer(agentID)), up(t, r, controllerPeer(controllerID))
	a.limit = 3
	var toks []mtp.Token
	for i := range 6 { // 0..2 under way, 3..5 spilled
		toks = append(toks, c.send(msg(controllerID, agentID, fmt.Sprint(i))))
	}
	a.settle(0, nil)
	a.kill()
	for i := 6; i < 8; i++ {
		toks = append(toks, c.send(msg(controllerID, agentID, fmt.Sprint(i))))
	}
	for _, tok := range toks {
		c.wantAck(tok, nil)
	}
	b := up(t, r, agentPeer(agentID))
	b.deliver(7)
	want := []string{"1", "2", "3", "4", "5", "6", "7"}
	if got := texts(b.received()); !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

func TestFullBufferIsNeverAcknowledged(t *testing.T) {
	t.Parallel()
	q, err := buffer.NewMemory(buffer.MemoryOptions{Limits: buffer.Limits{MaxRecords: 2}})
	if err != nil {
		t.Fatal(err)
	}
	r := newRouter(t, routing.Options{Buffer: q})
	c := up(t, r, controllerPeer(controllerID))
	up(t, r, agentPeer(agentID)).kill()
	c.wantAck(c.send(msg(controllerID, agentID, "1")), nil)
	c.wantAck(c.send(msg(controllerID, agentID, "2")), nil)
	c.wantAck(c.send(msg(controllerID, agentID, "3")), mtp.ErrBusy)
	a := up(t, r, agentPeer(agentID))
	a.deliver(2)
	if got := texts(a.received()); !slices.Equal(got, []string{"1", "2"}) {
		t.Fatalf("got %v, want the two that were acknowledged", got)
	}
}

func TestSpillAfterFreesTheSender(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRouter(t, routing.Options{SpillAfter: 100 * time.Millisecond, WindowRecords: 4})
		c := up(t, r, controllerPeer(controllerID))
		var dead []*link
		for i := range 8 {
			dead = append(dead, up(t, r, agentPeer(usp.EndpointID(fmt.Sprintf("os::D-%d", i)))))
		}
		alive := up(t, r, agentPeer(agentID))
		alive.auto = true
		start := time.Now()
		for i := range 8 { // twice the window, all to neighbours that take nothing
			c.send(msg(controllerID, usp.EndpointID(fmt.Sprintf("os::D-%d", i)), "x"))
		}
		c.send(msg(controllerID, agentID, "to the living"))
		if d := time.Since(start); d > 250*time.Millisecond {
			t.Errorf("eight dead neighbours held the sender up for %v, want at most two times 100 ms", d)
		}
		if got := len(alive.received()); got != 1 {
			t.Errorf("got %d Records, want 1", got)
		}
		<-time.After(200 * time.Millisecond)
		for tok := mtp.Token(1); tok <= 9; tok++ {
			c.wantAck(tok, nil)
		}
		for _, l := range append(dead, alive, c) {
			l.kill()
		}
	})
}

func TestWindowBlocksOnlyItsOwnLink(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRouter(t, routing.Options{SpillAfter: time.Hour, WindowRecords: 2})
		a, c := up(t, r, agentPeer(agentID)), up(t, r, controllerPeer(controllerID))
		d := up(t, r, controllerPeer("self::other"))
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range 3 {
				c.send(msg(controllerID, agentID, "x"))
			}
		}()
		synctest.Wait()
		if got := a.outstanding(); got != 2 {
			t.Fatalf("got %d Records past a window of 2", got)
		}
		d.send(msg("self::other", agentID, "y"))
		if got := a.outstanding(); got != 3 {
			t.Fatalf("got %d Records, want the other Controller's too", got)
		}
		a.settle(0, nil)
		<-done
		for _, l := range []*link{a, c, d} {
			l.kill()
		}
	})
}

func TestBusyPeerIsTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRouter(t, routing.Options{})
		c := up(t, r, controllerPeer(controllerID))
		up(t, r, agentPeer(agentID)).kill()
		for _, s := range []string{"1", "2", "3"} {
			c.send(msg(controllerID, agentID, s))
		}
		a := up(t, r, agentPeer(agentID))
		synctest.Wait()
		a.settle(1, nil)
		a.settle(0, mtp.ErrBusy)
		a.settle(0, nil)
		<-time.After(2 * time.Second)
		synctest.Wait()
		a.settle(0, nil)
		synctest.Wait()
		if got := texts(a.received()); !slices.Equal(got, []string{"2", "3", "1"}) {
			t.Errorf("got %v, want the refused one again and no other", got)
		}
		for _, l := range []*link{a, c} {
			l.kill()
		}
	})
}
