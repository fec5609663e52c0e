// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package stomp_test

import (
	"slices"
	"testing"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/mtp/stomp"
	"github.com/uspgate/uspgate/usp"
)

// TestRepresent: a shared connection is subscribed for whom it represents, also
// after it has come again, and has each one's own reply-to-dest.
func TestRepresent(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	hub := mtptest.NewRecorder(t)
	c := connectTo(t, stomp.ClientOptions{
		URL: b.url(), Shared: true, MaxRepresented: 3, Role: usp.RoleController, Endpoint: "self::gw",
	}, hub)
	c.Represent(usp.Address{ID: "os::1", Role: usp.RoleController})
	p, _ := b.accept()
	p.write(connectedFrame)
	if got := p.want("SUBSCRIBE").headers["destination"]; got != escape(controllerDest("os::1")) {
		t.Errorf("destination: got %q", got)
	}
	link := hub.Link()
	representer := link.Link.(mtp.Representer)
	two, three := usp.Address{ID: "os::2", Role: usp.RoleController}, usp.Address{ID: "os::3", Role: usp.RoleAgent}
	representer.Represent(two)
	representer.Represent(two)
	representer.Represent(three)
	representer.Represent(usp.Address{ID: "os::4", Role: usp.RoleAgent}) // there is no room
	link.Send(record("os::2", agent, 1), mtp.Hint{})
	second := p.want("SUBSCRIBE")
	if second.headers["destination"] != escape(controllerDest("os::2")) {
		t.Errorf("destination: got %q", second.raw)
	}
	if got := p.want("SUBSCRIBE").headers["destination"]; got != escape(agentDest("os::3")) {
		t.Errorf("destination: got %q", got)
	}
	f := p.want("SEND") // after its SUBSCRIBE
	if f.headers["reply-to-dest"] != escape(controllerDest("os::2")) ||
		f.headers["destination"] != escape(agentDest(agent)) {
		t.Errorf("SEND: got %q", f.raw)
	}
	c.Withdraw(two)
	c.Withdraw(two)
	if got := p.want("UNSUBSCRIBE").headers["id"]; got != second.headers["id"] {
		t.Errorf("UNSUBSCRIBE: got id %q, want %q", got, second.headers["id"])
	}
	_ = p.Close()
	p, _ = b.accept()
	p.write(connectedFrame)
	dests := []string{p.want("SUBSCRIBE").headers["destination"], p.want("SUBSCRIBE").headers["destination"]}
	slices.Sort(dests)
	if want := []string{escape(agentDest("os::3")), escape(controllerDest("os::1"))}; !slices.Equal(dests, want) {
		t.Errorf("destinations: got %q, want %q", dests, want)
	}
	hub.Link().Send(record("os::1", agent, 2), mtp.Hint{})
	p.want("SEND")
}

// TestBothRoles: of a shared connection without a role each Endpoint has that in
// which it is represented.
func TestBothRoles(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	hub := mtptest.NewRecorder(t)
	c, err := stomp.NewClient(stomp.ClientOptions{
		LinkOptions: stomp.LinkOptions{HeartBeat: -1}, URL: b.url(), Shared: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	mtptest.Start(t, c, hub)
	c.Represent(usp.Address{ID: agent, Role: usp.RoleAgent})
	c.Represent(usp.Address{ID: controller, Role: usp.RoleController})
	p, first := b.accept()
	if _, ok := first.headers["endpoint-id"]; ok || first.headers["heart-beat"] != "0,0" ||
		first.headers["host"] != "127.0.0.1" {
		t.Errorf("STOMP: got %q", first.raw)
	}
	p.write(connectedFrame)
	p.want("SUBSCRIBE")
	p.want("SUBSCRIBE")
	link := hub.Link()
	if link.Peer.Role != usp.RoleUnknown {
		t.Errorf("Role: got %v, want unknown", link.Peer.Role)
	}
	for _, from := range []usp.EndpointID{agent, controller} {
		link.Send(record(from, "os::x", 1), mtp.Hint{})
		own, to := agentDest(agent), controllerDest("os::x")
		if from == controller {
			own, to = controllerDest(controller), agentDest("os::x")
		}
		if f := p.want("SEND"); f.headers["reply-to-dest"] != escape(own) || f.headers["destination"] != escape(to) {
			t.Errorf("SEND from %s: got %q", from, f.raw)
		}
	}
}

// TestPeerAndPatterns: who the other side may be.
func TestPeerAndPatterns(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	hub := mtptest.NewRecorder(t)
	connectTo(t, stomp.ClientOptions{
		LinkOptions: stomp.LinkOptions{Patterns: []string{"os::*"}, Order: 3}, URL: b.url(), Peer: controller,
	}, hub)
	p, _ := b.accept()
	p.write(connectedFrame)
	confirm(p)
	got := hub.Link().Peer
	if got.Shared || got.Endpoint != controller || got.Order != 3 || !got.Identity.Allows(controller) ||
		!got.Identity.Allows("os::1") || got.Identity.Allows("self::other") {
		t.Errorf("Peer: got %+v", got)
	}
}
