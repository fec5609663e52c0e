// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing"
	"github.com/uspgate/uspgate/routing/buffer"
	"github.com/uspgate/uspgate/usp"
)

func TestWatch(t *testing.T) {
	t.Parallel()
	r := newRouter(t, routing.Options{PresenceGrace: -1})
	var mu sync.Mutex
	var got []string
	stop := r.Watch(func(e routing.Event) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, fmt.Sprintf("%s %s %s", e.Address.ID, e.MTP, e.State))
	})
	a := up(t, r, agentPeer(agentID))
	second := agentPeer(agentID)
	second.Kind = mtp.MQTT
	b := up(t, r, second) // there already
	a.kill()
	b.kill()
	broker := overBroker(t, r)
	broker.send(msg(controllerID, agentID, "a sign of life"))
	broker.send(usp.NewDisconnect(controllerID, agentID, "", 0))
	stop()
	broker.kill()
	want := []string{
		"os::012345-A websocket online", "os::012345-A mqtt offline",
		"self::controller mqtt unknown", "self::controller mqtt online", "self::controller mqtt offline",
	}
	mu.Lock()
	defer mu.Unlock()
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestEndpointsAsJSON(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRouter(t, routing.Options{Routes: []routing.Route{{Match: "self::static", Role: usp.RoleController}}})
		a := up(t, r, agentPeer(agentID))
		v := up(t, r, mtp.Peer{Kind: mtp.Virtual, Role: usp.RoleAgent, Shared: true, Identity: mtp.Identity{Any: true}})
		if err := v.port.Bind(usp.Address{ID: otherAgent, Role: usp.RoleAgent}, mtp.Hint{}); err != nil {
			t.Fatal(err)
		}
		a.kill()
		got, err := json.Marshal(r.Endpoints())
		if err != nil {
			t.Fatal(err)
		}
		want := `[{"endpoint_id":"os::012345-A","role":"agent","kind":"link","mtp":"websocket",` +
			`"state":"offline","last_seen":"2000-01-01T00:00:00Z"},` +
			`{"endpoint_id":"os::012345-B","role":"agent","kind":"virtual","mtp":"virtual",` +
			`"state":"online","last_seen":"2000-01-01T00:00:00Z"},` +
			`{"endpoint_id":"self::static","role":"controller","kind":"static","mtp":"","state":"unknown"}]`
		if string(got) != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		v.kill()
	})
}

func TestExplain(t *testing.T) {
	t.Parallel()
	r := newRouter(t, routing.Options{Routes: []routing.Route{
		{Match: "os::9*", Role: usp.RoleAgent, Via: "up", Destination: "a/{endpoint_id}", AllowFrom: []string{"self::*"}},
	}})
	p := agentPeer(agentID)
	p.Remote = "192.0.2.1:5"
	a, c := up(t, r, p), up(t, r, controllerPeer(controllerID))
	agentOf := func(id usp.EndpointID) usp.Address { return usp.Address{ID: id, Role: usp.RoleAgent} }
	expect := func(a usp.Address, parts ...string) {
		t.Helper()
		got := r.Explain(a)
		for _, part := range parts {
			if !strings.Contains(got, part) {
				t.Errorf("got %q, want it to say %q", got, part)
			}
		}
	}
	expect(agentOf(agentID), "straight", `websocket Link "websocket"`, "192.0.2.1:5")
	expect(agentOf("os::1-X"), "not known", "unroutable")
	expect(agentOf("os::9-X"), "static route", `"up"`, "a/os::9-X")
	a.kill()
	c.wantAck(c.send(msg(controllerID, agentID, "x")), nil)
	expect(agentOf(agentID), "buffer", "1 wait", "offline", "last seen")
	c.wantAck(c.send(msg(controllerID, "os::9-X", "x")), nil)
	expect(agentOf("os::9-X"), "Only self::* may send")
	expect(usp.Address{ID: agentID}, "(agent)", "(controller)")
}

func TestTwoRoutersShareNothing(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	r1, r2 := newRouter(t, routing.Options{Metrics: reg}), newRouter(t, routing.Options{Metrics: reg})
	up(t, r1, agentPeer(agentID))
	c := up(t, r2, controllerPeer(controllerID))
	c.wantAck(c.send(msg(controllerID, agentID, "x")), mtp.ErrUnroutable)
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewPedanticRegistry()
	r := newRouter(t, routing.Options{Metrics: reg})
	a, c := up(t, r, agentPeer(agentID)), up(t, r, controllerPeer(controllerID))
	c.send(msg(controllerID, agentID, "x"))
	a.deliver(1)
	c.send(msg(controllerID, "os::nobody-1", "x"))
	a.kill()
	c.wantAck(c.send(msg(controllerID, agentID, "y")), nil)
	for name, want := range map[string]float64{
		"uspgate_route_misses_total": 1, "uspgate_queue_depth": 1, "uspgate_endpoints": 2,
		"uspgate_route_refused_total unroutable": 1, "uspgate_route_refused_total loop": 0,
	} {
		if got := value(t, reg, name); got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
	if n, err := testutil.GatherAndCount(reg, "uspgate_relay_duration_seconds"); err != nil || n != 1 {
		t.Errorf("relay_duration_seconds: got %d series (%v), want 1", n, err)
	}
	problems, err := testutil.GatherAndLint(reg)
	if err != nil || len(problems) > 0 {
		t.Errorf("promlint: %v, %v", problems, err)
	}
}

func prometheusRegistry() *prometheus.Registry { return prometheus.NewPedanticRegistry() }

// value is that of a metric, named with its label value if it has one.
func value(t *testing.T, reg prometheus.Gatherer, name string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			full := []string{f.GetName()}
			for _, l := range m.GetLabel() {
				full = append(full, l.GetValue())
			}
			if strings.Join(full, " ") == name {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

func TestRunEnds(t *testing.T) {
	t.Parallel()
	mem, err := buffer.NewMemory(buffer.MemoryOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r := newRouter(t, routing.Options{Buffer: mem})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	a, c := up(t, r, agentPeer(agentID)), up(t, r, controllerPeer(controllerID))
	tok := c.send(msg(controllerID, agentID, "owed"))
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if _, err := dial(t, r, agentPeer(otherAgent)); !errors.Is(err, mtp.ErrDraining) {
		t.Errorf("got %v for a Link after the end, want ErrDraining", err)
	}
	a.kill() // what it owes is kept, and acknowledged
	c.wantAck(tok, nil)
	// The next Router finds it.
	r = newRouter(t, routing.Options{Buffer: mem})
	if e, ok := r.Endpoint(usp.Address{ID: agentID, Role: usp.RoleAgent}); !ok || e.State != routing.Unknown {
		t.Errorf("got %+v, %v, want an address that is known and not seen", e, ok)
	}
	a = up(t, r, agentPeer(agentID))
	a.deliver(1)
}

func TestRedeliver(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		kind    mtp.Kind
		after   time.Duration
		orderly bool
		want    []string
	}{
		{"lost connection", mtp.WebSocket, time.Second, false, []string{"2", "3", "4"}},
		{"long after", mtp.WebSocket, time.Minute, false, nil},
		{"good-bye", mtp.WebSocket, time.Second, true, nil},
		{"an MTP with acknowledgements", mtp.CoAP, time.Second, false, nil},
		{"replaced", mtp.WebSocket, time.Second, false, []string{"2", "3", "4"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRouter(t, routing.Options{Redeliver: 5 * time.Second, RedeliverRecords: 3})
				p := agentPeer(agentID)
				p.Kind = tc.kind
				a, c := up(t, r, p), up(t, r, controllerPeer(controllerID))
				a.auto = true
				for _, s := range []string{"1", "2", "3", "4"} {
					c.send(msg(controllerID, agentID, s))
				}
				<-time.After(tc.after)
				end := a.kill
				if tc.orderly {
					end = func() { a.port.Down(nil) }
				}
				if tc.name != "replaced" {
					end()
				}
				b := up(t, r, agentPeer(agentID))
				if tc.name == "replaced" {
					end()
				}
				synctest.Wait()
				if got := texts(b.queued()); !slices.Equal(got, tc.want) {
					t.Errorf("got %v again, want %v", got, tc.want)
				}
				b.kill()
				c.kill()
			})
		})
	}
}

func TestUnbind(t *testing.T) {
	t.Parallel()
	r := newRouter(t, routing.Options{})
	l := up(t, r, mtp.Peer{Kind: mtp.Virtual, Role: usp.RoleAgent, Shared: true, Identity: mtp.Identity{Any: true}})
	c := up(t, r, controllerPeer(controllerID))
	for i := range 40 {
		a := usp.Address{ID: usp.EndpointID(fmt.Sprintf("os::1-%d", i)), Role: usp.RoleAgent}
		if err := l.port.Bind(a, mtp.Hint{}); err != nil {
			t.Fatal(err)
		}
	}
	l.port.Unbind(usp.Address{ID: "os::1-7", Role: usp.RoleAgent})
	c.wantAck(c.send(msg(controllerID, "os::1-7", "kept")), nil)
	c.send(msg(controllerID, "os::1-8", "relayed"))
	if got := texts(l.queued()); !slices.Equal(got, []string{"relayed"}) {
		t.Errorf("got %v, want only what is still bound", got)
	}
}
