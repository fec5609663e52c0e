// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing"
	"github.com/uspgate/uspgate/usp"
)

func TestGuard(t *testing.T) {
	t.Parallel()
	claims := mtp.Peer{Role: usp.RoleController, Identity: mtp.Identity{Method: "none"}}
	presents := controllerPeer(controllerID)
	presents.Presents = agentID
	trunk := mtp.Peer{Role: usp.RoleController, Shared: true, Identity: mtp.Identity{Any: true}}
	own, none := controllerPeer(controllerID), usp.Record{}
	hello := usp.NewWebSocketConnect("self::x", controllerID)
	for _, tc := range []struct {
		name  string
		peer  mtp.Peer
		first usp.Record // accepted before
		rec   usp.Record
		want  error
	}{
		{"its own from_id", own, none, msg(controllerID, agentID, ""), nil},
		{"another's from_id [R-SEC.4c]", own, none, msg("self::x", agentID, ""), mtp.ErrForbidden},
		{"the first claim", claims, none, msg("self::x", agentID, ""), nil},
		{"a second claim", claims, msg("self::x", agentID, ""), msg("self::y", agentID, ""), mtp.ErrForbidden},
		{"anybody on a trunk", trunk, msg("self::x", agentID, ""), msg("self::y", agentID, ""), nil},
		{"the Endpoint that it shows", presents, none, msg(controllerID, agentID, ""), nil},
		{"another than it shows", presents, none, msg(controllerID, otherAgent, ""), mtp.ErrForbidden},
		{"itself [R-ARC.2]", trunk, none, msg(agentID, agentID, ""), mtp.ErrForbidden},
		{"a Connect Record of a Controller", trunk, none, hello, mtp.ErrForbidden},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := newRouter(t, routing.Options{})
			up(t, r, agentPeer(agentID)).auto = true
			up(t, r, agentPeer(otherAgent)).auto = true
			l := up(t, r, tc.peer)
			if tc.first.Len() > 0 {
				l.wantAck(l.send(tc.first), nil)
			}
			l.wantAck(l.send(tc.rec), tc.want)
		})
	}
}

func TestNeverBackToTheLinkItCameFrom(t *testing.T) {
	t.Parallel()
	r := newRouter(t, routing.Options{})
	trunk := up(t, r, mtp.Peer{Kind: mtp.MQTT, Shared: true, Identity: mtp.Identity{Any: true}})
	for _, a := range []usp.Address{{ID: agentID, Role: usp.RoleAgent}, {ID: controllerID, Role: usp.RoleController}} {
		if err := trunk.port.Bind(a, mtp.Hint{}); err != nil {
			t.Fatal(err)
		}
	}
	trunk.wantAck(trunk.send(msg(controllerID, agentID, "x")), mtp.ErrUnroutable)
	if got := trunk.outstanding(); got != 0 {
		t.Fatalf("got %d Records back on the Link they came from", got)
	}
}

func TestLinkUpIsRefused(t *testing.T) {
	t.Parallel()
	r := newRouter(t, routing.Options{})
	p := agentPeer(agentID)
	p.Endpoint = otherAgent
	if _, err := dial(t, r, p); !errors.Is(err, mtp.ErrForbidden) {
		t.Errorf("a handshake as somebody else: got %v, want ErrForbidden", err)
	}
	up(t, r, agentPeer(agentID))
	claim := mtp.Peer{Endpoint: agentID, Role: usp.RoleAgent, Identity: mtp.Identity{Method: "handshake"}}
	if _, err := dial(t, r, claim); !errors.Is(err, mtp.ErrForbidden) {
		t.Errorf("a claim to a proven Endpoint ID: got %v, want ErrForbidden", err)
	}
}

func TestNewestAuthenticatedLinkWins(t *testing.T) {
	t.Parallel()
	mqtt := agentPeer(agentID)
	mqtt.Kind = mtp.MQTT
	shows := func(id usp.EndpointID) mtp.Peer {
		p := controllerPeer(controllerID)
		p.Presents = id
		return p
	}
	for _, tc := range []struct {
		name           string
		first, second  mtp.Peer
		wantReplaced   bool
		from, to       usp.EndpointID
		wantSecondGets bool
	}{
		{"same kind [R-WS.4]", agentPeer(agentID), agentPeer(agentID), true, controllerID, agentID, true},
		{"another kind", agentPeer(agentID), mqtt, false, controllerID, agentID, true},
		{"same pair", shows(agentID), shows(agentID), true, agentID, controllerID, true},
		{"another pair", shows(agentID), shows(otherAgent), false, agentID, controllerID, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := newRouter(t, routing.Options{})
			first, second := up(t, r, tc.first), up(t, r, tc.second)
			if got := errors.Is(first.isClosed(), mtp.ErrReplaced); got != tc.wantReplaced {
				t.Errorf("the older Link is replaced: got %v, want %v", got, tc.wantReplaced)
			}
			p := controllerPeer(tc.from)
			if tc.from == agentID {
				p = agentPeer(tc.from)
			}
			up(t, r, p).send(msg(tc.from, tc.to, "x"))
			winner := first
			if tc.wantSecondGets {
				winner = second
			}
			eventually(t, "the Record on the right Link", func() bool {
				return slices.Contains(texts(winner.queued()), "x")
			})
		})
	}
}

func TestEndpointThatIsAgentAndController(t *testing.T) {
	t.Parallel()
	const both = usp.EndpointID("self::both")
	r := newRouter(t, routing.Options{})
	asAgent, asController := up(t, r, agentPeer(both)), up(t, r, controllerPeer(both))
	c, a := up(t, r, controllerPeer(controllerID)), up(t, r, agentPeer(agentID))
	c.send(msg(controllerID, both, "request"))
	a.send(msg(agentID, both, "notify"))
	if got := texts(asAgent.queued()); !slices.Equal(got, []string{"request"}) {
		t.Errorf("as Agent it got %v, want the request", got)
	}
	if got := texts(asController.queued()); !slices.Equal(got, []string{"connect " + string(agentID), "notify"}) {
		t.Errorf("as Controller it got %v, want the notification", got)
	}
}

func TestSenderWithoutRole(t *testing.T) {
	t.Parallel()
	unknown := mtp.Peer{Identity: mtp.Identity{Method: "none"}}
	t.Run("served while to_id has one role", func(t *testing.T) {
		t.Parallel()
		r := newRouter(t, routing.Options{})
		a := up(t, r, agentPeer(agentID))
		l := up(t, r, unknown)
		l.send(msg(controllerID, agentID, "get"))
		a.deliver(1)
		// The role of the sender has shown: the answer finds it.
		a.send(msg(agentID, controllerID, "answer"))
		if got := texts(l.queued()); !slices.Contains(got, "answer") {
			t.Errorf("got %v, want the answer", got)
		}
		// And from now on a target with both roles is no question.
		up(t, r, controllerPeer(agentID))
		tok := l.send(msg(controllerID, agentID, "get 2"))
		a.deliver(2)
		l.wantAck(tok, nil)
	})
	t.Run("refused if to_id has two", func(t *testing.T) {
		t.Parallel()
		r := newRouter(t, routing.Options{})
		up(t, r, agentPeer(agentID))
		up(t, r, controllerPeer(agentID))
		l := up(t, r, unknown)
		l.wantAck(l.send(msg(controllerID, agentID, "get")), mtp.ErrUnroutable)
	})
	t.Run("shown by a Connect Record", func(t *testing.T) {
		t.Parallel()
		r := newRouter(t, routing.Options{})
		l := up(t, r, unknown)
		l.wantAck(l.send(usp.NewWebSocketConnect(agentID, controllerID)), nil)
		c := up(t, r, controllerPeer(controllerID))
		c.send(msg(controllerID, agentID, "get"))
		if got := texts(l.queued()); !slices.Equal(got, []string{"get"}) {
			t.Errorf("got %v, want the request", got)
		}
	})
	t.Run("reached by who has a role", func(t *testing.T) {
		t.Parallel()
		r := newRouter(t, routing.Options{})
		p := unknown
		p.Endpoint = agentID
		l := up(t, r, p)
		c := up(t, r, controllerPeer(controllerID))
		c.send(msg(controllerID, agentID, "get"))
		if got := texts(l.queued()); !slices.Equal(got, []string{"get"}) {
			t.Errorf("got %v, want the request", got)
		}
		for _, e := range r.Endpoints() {
			if e.EndpointID == agentID && e.Role != "agent" {
				t.Errorf("got role %s, want agent only", e.Role)
			}
		}
	})
}

func TestPolicy(t *testing.T) {
	t.Parallel()
	refuse := errors.New("not listed")
	r := newRouter(t, routing.Options{
		Policy: func(_ *mtp.Peer, from, to usp.Address, _ *usp.Header) error {
			if from.Role == usp.RoleController && to.Role == usp.RoleAgent && from.ID != controllerID {
				return refuse
			}
			return nil
		},
		Admit: func(_ *mtp.Peer, a usp.Address) error {
			if a.ID == "self::thief" {
				return refuse
			}
			return nil
		},
	})
	a := up(t, r, agentPeer(agentID))
	c, other := up(t, r, controllerPeer(controllerID)), up(t, r, controllerPeer("self::other"))
	c.send(msg(controllerID, agentID, "x"))
	other.wantAck(other.send(msg("self::other", agentID, "y")), mtp.ErrForbidden)
	if got := texts(a.queued()); !slices.Equal(got, []string{"x"}) {
		t.Errorf("got %v, want the listed Controller's Record only", got)
	}
	if _, err := dial(t, r, controllerPeer("self::thief")); !errors.Is(err, mtp.ErrForbidden) {
		t.Errorf("got %v, want the Link refused", err)
	}
}

func TestRouteAllowFrom(t *testing.T) {
	t.Parallel()
	r := newRouter(t, routing.Options{Routes: []routing.Route{
		{Match: "os::0123*-A", AllowFrom: []string{"self::c*"}},
	}})
	c, other := up(t, r, controllerPeer(controllerID)), up(t, r, controllerPeer("self::other"))
	c.wantAck(c.send(msg(controllerID, agentID, "kept")), nil)
	other.wantAck(other.send(msg("self::other", agentID, "x")), mtp.ErrForbidden)
	other.wantAck(other.send(msg("self::other", "os::999999-A", "x")), mtp.ErrUnroutable)
}

func TestRoutePatterns(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		pattern, id string
		want        bool
	}{
		{"os::1-A", "os::1-A", true},
		{"os::1-A", "os::1-AB", false},
		{"*", "os::1-A", true},
		{"os::*", "ops::1-A", false},
		{"*-A", "os::1-A", true},
		{"os::*-*-A", "os::1-A", false},
		{"os::*-*-A", "os::1-2-A", true},
		{"*A*A", "A", false},
		{"o*s::*", "os::", true},
	} {
		r := newRouter(t, routing.Options{Routes: []routing.Route{{Match: tc.pattern, Role: usp.RoleAgent}}})
		c := up(t, r, controllerPeer(controllerID))
		want := error(nil)
		if !tc.want {
			want = mtp.ErrUnroutable
		}
		tok := c.send(msg(controllerID, usp.EndpointID(tc.id), "x"))
		if err, _ := c.acked(tok); !errors.Is(err, want) {
			t.Errorf("%q and %q: got %v, want %v", tc.pattern, tc.id, err, want)
		}
	}
}

func TestStaticRouteViaSharedLink(t *testing.T) {
	t.Parallel()
	r := newRouter(t, routing.Options{Routes: []routing.Route{
		{Match: "os::*", Role: usp.RoleAgent, Via: "broker", Destination: "usp/v1/agent/{endpoint_id}"},
		{Match: string(otherAgent), Role: usp.RoleAgent},
	}})
	c := up(t, r, controllerPeer(controllerID))
	c.wantAck(c.send(msg(controllerID, agentID, "waits")), nil)
	broker := up(t, r, mtp.Peer{Kind: mtp.MQTT, Listener: "broker", Shared: true, Identity: mtp.Identity{Any: true}})
	eventually(t, "the waiting Record", func() bool { return broker.outstanding() == 1 })
	broker.deliver(1)
	c.send(msg(controllerID, otherAgent, "first match counts"))
	eventually(t, "the second Record", func() bool { return broker.outstanding() == 1 })
	for _, o := range append(broker.received(), broker.queued()...) {
		want := "usp/v1/agent/" + string(o.rec.Header().To)
		if o.hint.Destination != want {
			t.Errorf("got destination %q, want %q", o.hint.Destination, want)
		}
	}
	if err := r.SetRoutes(nil); err != nil {
		t.Fatal(err)
	}
	broker.deliver(2)
	eventually(t, "the route taken back", func() bool {
		before := broker.outstanding()
		c.send(msg(controllerID, agentID, "no way"))
		return before == 0 && broker.outstanding() == 0
	})
	for _, bad := range []routing.Route{{}, {Match: "*", Destination: "x"}} {
		if err := r.AddStatic(bad); err == nil {
			t.Errorf("route %+v is taken, want an error", bad)
		}
	}
}

func TestTableIsBounded(t *testing.T) {
	t.Parallel()
	r := newRouter(t, routing.Options{MaxEndpoints: 20})
	c := up(t, r, controllerPeer(controllerID))
	for i := range 100 { // come and gone: they make room
		up(t, r, agentPeer(usp.EndpointID(fmt.Sprintf("os::1-%d", i)))).kill()
	}
	if got := len(r.Endpoints()); got > 20 {
		t.Errorf("got %d addresses, want at most 20", got)
	}
	var refused int
	for i := range 30 { // these stay
		if _, err := dial(t, r, agentPeer(usp.EndpointID(fmt.Sprintf("os::2-%d", i)))); errors.Is(err, mtp.ErrBusy) {
			refused++
		}
	}
	if refused != 11 {
		t.Errorf("got %d refused, want 11: the Controller and 19 Agents fill the table", refused)
	}
	tok := c.send(msg(controllerID, "os::2-0", "x"))
	if _, ok := c.acked(tok); ok {
		t.Error("an address with a Link was evicted")
	}
}

func TestLearningIsBounded(t *testing.T) {
	t.Parallel()
	r := newRouter(t, routing.Options{LearnPerLink: 3})
	up(t, r, agentPeer(agentID)).auto = true
	l := up(t, r, mtp.Peer{Role: usp.RoleController, Identity: mtp.Identity{Any: true}})
	for i := range 10 {
		l.wantAck(l.send(msg(usp.EndpointID(fmt.Sprintf("self::%d", i)), agentID, "x")), nil)
	}
	learned := 0
	for _, e := range r.Endpoints() {
		if strings.HasPrefix(string(e.EndpointID), "self::") {
			learned++
		}
	}
	if learned != 3 {
		t.Errorf("one Link taught %d addresses, want 3", learned)
	}
}

func TestNegativeLimitIsAnError(t *testing.T) {
	t.Parallel()
	for _, o := range []routing.Options{{WindowRecords: -1}, {WindowBytes: -1}, {SpillAfter: -1}, {MaxPairs: -1}} {
		if _, err := routing.New(o); err == nil {
			t.Errorf("New(%+v) succeeded, want an error", o)
		}
	}
}
