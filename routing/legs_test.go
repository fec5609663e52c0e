// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing"
	"github.com/uspgate/uspgate/usp"
)

func TestConnectRecordAgainWhenTheAgentsLegComesUpAnew(t *testing.T) {
	t.Parallel()
	hello := "connect " + string(agentID)
	t.Run("direct", func(t *testing.T) {
		t.Parallel()
		r := newRouter(t, routing.Options{})
		a, c := up(t, r, agentPeer(agentID)), up(t, r, controllerPeer(controllerID))
		a.send(usp.NewWebSocketConnect(agentID, controllerID))
		a.send(msg(agentID, controllerID, "1"))
		a.kill()
		a = up(t, r, agentPeer(agentID))
		a.send(usp.NewWebSocketConnect(agentID, controllerID))
		a.send(msg(agentID, controllerID, "2"))
		wantQueued(t, c, hello, "1", hello, "2")
	})
	t.Run("shared", func(t *testing.T) {
		t.Parallel()
		r := newRouter(t, routing.Options{})
		p := trunkPeer("broker")
		p.Role = usp.RoleAgent
		a, c := up(t, r, p), up(t, r, controllerPeer(controllerID))
		a.send(usp.NewMQTTConnect(agentID, controllerID, true, "t"))
		a.send(msg(agentID, controllerID, "1"))
		a.send(usp.NewMQTTConnect(agentID, controllerID, true, "t"))
		a.send(msg(agentID, controllerID, "2"))
		wantQueued(t, c, hello, "1", hello, "2")
	})
	t.Run("of what an Agent that has left has sent", func(t *testing.T) {
		t.Parallel()
		r := newRouter(t, routing.Options{})
		a := up(t, r, agentPeer(agentID))
		up(t, r, controllerPeer(controllerID)).kill()
		a.wantAck(a.send(msg(agentID, controllerID, "1")), nil)
		a.kill()
		wantQueued(t, up(t, r, controllerPeer(controllerID)), hello, "1")
	})
}

func TestOneIDThatIsBothBehindABroker(t *testing.T) {
	t.Parallel()
	const both = usp.EndpointID("self::both")
	r := newRouter(t, routing.Options{})
	p := trunkPeer("broker")
	broker := up(t, r, p)
	for role, topic := range map[usp.Role]string{usp.RoleAgent: "a", usp.RoleController: "c"} {
		if err := broker.port.Bind(usp.Address{ID: both, Role: role}, mtp.Hint{Destination: topic}); err != nil {
			t.Fatal(err)
		}
	}
	c, a := up(t, r, controllerPeer(controllerID)), up(t, r, agentPeer(agentID))
	c.send(msg(controllerID, both, "request"))
	a.send(msg(agentID, both, "notify"))
	wantQueued(t, broker, "request", "notify")
	wantDestinations(t, broker, "a", "c")
	broker.send(msg(both, agentID, "as Controller"))
	broker.send(msg(both, controllerID, "as Agent"))
	wantQueued(t, a, "as Controller")
	wantQueued(t, c, "connect "+string(both), "as Agent")
}

func TestOrderOfLinks(t *testing.T) {
	t.Parallel()
	r := newRouter(t, routing.Options{})
	c := up(t, r, controllerPeer(controllerID))
	first, second := agentPeer(agentID), agentPeer(agentID)
	second.Kind, second.Order = mtp.MQTT, 1
	a := up(t, r, first)
	b := up(t, r, second)
	c.send(msg(controllerID, agentID, "1"))
	wantQueued(t, a, "1")
	a.kill() // what was on it goes over the other
	b.deliver(1)
	c.send(msg(controllerID, agentID, "2"))
	b.deliver(2)
	a = up(t, r, first)
	eventually(t, "the preferred Link again", func() bool {
		c.send(msg(controllerID, agentID, "3"))
		for b.outstanding() > 0 {
			b.settle(0, nil)
		}
		return a.outstanding() > 0
	})
	text := r.Explain(usp.Address{ID: agentID, Role: usp.RoleAgent})
	if !strings.Contains(text, `if that is down, mqtt Link "mqtt", order 1`) {
		t.Errorf("got %q, want the other Link as fallback", text)
	}
}

func TestRouteFallback(t *testing.T) {
	t.Parallel()
	r := newRouter(t, routing.Options{Routes: []routing.Route{
		{Match: "os::*", Role: usp.RoleAgent, Via: "a", Fallback: []string{"b"}},
	}})
	c, a, b := up(t, r, controllerPeer(controllerID)), up(t, r, trunkPeer("a")), up(t, r, trunkPeer("b"))
	c.send(msg(controllerID, agentID, "1"))
	wantQueued(t, a, "1")
	a.kill()
	wantQueued(t, b, "1")
}

func TestRules(t *testing.T) {
	t.Parallel()
	r := newRouter(t, routing.Options{Rules: []routing.Rule{
		{From: "self::good", To: "os::*", Role: usp.RoleAgent},
		{From: "self::*", To: "os::*", Role: usp.RoleAgent, Deny: true},
	}})
	a := up(t, r, agentPeer(agentID))
	good, bad := up(t, r, controllerPeer("self::good")), up(t, r, controllerPeer("self::bad"))
	good.send(msg("self::good", agentID, "in"))
	bad.wantAck(bad.send(msg("self::bad", agentID, "out")), mtp.ErrForbidden)
	wantQueued(t, a, "in")
	a.send(msg(agentID, "self::bad", "answers are another matter"))
	bad.deliver(2)
	to := usp.Address{ID: agentID, Role: usp.RoleAgent}
	if x := r.Explanations("self::bad", to)[0]; x.Verdict != routing.Refused {
		t.Errorf("got %+v, want refused", x)
	}
	if x := r.Explanations("self::good", to)[0]; x.Verdict != routing.Forwarded {
		t.Errorf("got %+v, want forwarded", x)
	}
	if err := r.SetRules(nil); err != nil {
		t.Fatal(err)
	}
	bad.send(msg("self::bad", agentID, "now"))
	wantQueued(t, a, "in", "now")
}

func TestAlias(t *testing.T) {
	t.Parallel()
	const alias = usp.EndpointID("uuid::alias")
	r := newRouter(t, routing.Options{Aliases: []routing.Alias{{Alias: alias, Endpoint: agentID}}})
	a, c := up(t, r, agentPeer(agentID)), up(t, r, controllerPeer(controllerID))
	c.send(msg(controllerID, alias, "1"))
	c.send(msg(controllerID, agentID, "2"))
	wantQueued(t, a, "1", "2")
	if got := a.queued()[0].rec.Header().To; got != alias {
		t.Errorf("got to_id %s, want the bytes as they came", got)
	}
	a.send(msg(alias, controllerID, "3"))
	wantQueued(t, c, "connect "+string(alias), "3")
	if got := len(r.Endpoints()); got != 2 {
		t.Errorf("got %d addresses, want 2", got)
	}
	if got := r.Explain(usp.Address{ID: alias, Role: usp.RoleAgent}); !strings.Contains(got, "alias of "+string(agentID)) {
		t.Errorf("got %q, want the alias named", got)
	}
	if err := r.SetAliases([]routing.Alias{{Alias: controllerID, Endpoint: agentID}}); err == nil {
		t.Error("an ID with a Link became an alias")
	}
	if err := r.SetAliases(nil); err != nil {
		t.Fatal(err)
	}
	c.wantAck(c.send(msg(controllerID, alias, "4")), mtp.ErrUnroutable)
}

func TestPresenceGrace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRouter(t, routing.Options{PresenceGrace: 10 * time.Second})
		var mu sync.Mutex
		var got []string
		r.Watch(func(e routing.Event) {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, string(e.State))
		})
		want := func(states ...string) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if !slices.Equal(got, states) {
				t.Fatalf("got %v, want %v", got, states)
			}
		}
		up(t, r, agentPeer(agentID)).kill()
		<-time.After(9 * time.Second)
		a := up(t, r, agentPeer(agentID))
		<-time.After(9 * time.Second)
		want("online")
		a.kill()
		<-time.After(9 * time.Second)
		want("online")
		<-time.After(2 * time.Second)
		want("online", "offline")
		up(t, r, agentPeer(agentID)).port.Down(nil)
		want("online", "offline", "online", "offline")
	})
}

func TestWatchAllShowsWhoIsWhere(t *testing.T) {
	t.Parallel()
	r := newRouter(t, routing.Options{})
	a := up(t, r, agentPeer(agentID))
	var mu sync.Mutex
	var got []string
	stop := r.WatchAll(func(e routing.Event) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, fmt.Sprint(e.State, " ", e.Listener, " ", e.Shared))
	})
	defer stop()
	p := trunkPeer("broker")
	broker := up(t, r, p)
	if err := broker.port.Bind(usp.Address{ID: agentID, Role: usp.RoleAgent}, mtp.Hint{}); err != nil {
		t.Fatal(err)
	}
	a.port.Down(nil)
	mu.Lock()
	defer mu.Unlock()
	if want := []string{"online websocket false", "online broker true"}; len(got) < 2 || got[0] != want[0] ||
		!strings.HasSuffix(got[len(got)-1], "broker true") {
		t.Errorf("got %q, want first %q and last behind the broker", got, want[0])
	}
}

func TestLinksAreBounded(t *testing.T) {
	t.Parallel()
	r := newRouter(t, routing.Options{MaxLinksPerEndpoint: 2, MaxLinksPerIdentity: 2})
	for i, want := range []error{nil, nil, mtp.ErrBusy} {
		p := agentPeer(agentID)
		p.Order = i
		if _, err := dial(t, r, p); !errors.Is(err, want) {
			t.Errorf("Link %d of one Endpoint: got %v, want %v", i, err, want)
		}
		p = agentPeer(usp.EndpointID(fmt.Sprintf("os::1-%d", i)))
		p.Identity.Name = "somebody"
		if _, err := dial(t, r, p); !errors.Is(err, want) {
			t.Errorf("Link %d of one identity: got %v, want %v", i, err, want)
		}
	}
	up(t, r, agentPeer(agentID)) // takes the place of an older one
}

func TestForget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRouter(t, routing.Options{ForgetAfter: 24 * time.Hour})
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error)
		go func() { ended <- r.Run(ctx) }()
		c := up(t, r, controllerPeer(controllerID))
		up(t, r, agentPeer(agentID)).kill()
		up(t, r, agentPeer(otherAgent)).kill()
		c.wantAck(c.send(msg(controllerID, otherAgent, "waits")), nil)
		<-time.After(23 * time.Hour)
		if got := len(r.Endpoints()); got != 3 {
			t.Errorf("got %d addresses after 23 h, want 3", got)
		}
		<-time.After(3 * time.Hour)
		synctest.Wait()
		if _, ok := r.Endpoint(usp.Address{ID: agentID, Role: usp.RoleAgent}); ok || len(r.Endpoints()) != 2 {
			t.Errorf("got %v, want all but the one that was away", r.Endpoints())
		}
		if q := r.Queues(); len(q) != 1 || q[0].EndpointID != otherAgent || q[0].Records != 1 {
			t.Errorf("got queues %+v, want the one that waits", q)
		}
		c.kill()
		cancel()
		<-ended
	})
}
