// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"testing"
	"time"

	broker5 "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/auth"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mqtt"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/usp"
)

func agentOf(id usp.EndpointID) usp.Address { return usp.Address{ID: id, Role: usp.RoleAgent} }

func controllerOf(id usp.EndpointID) usp.Address {
	return usp.Address{ID: id, Role: usp.RoleController}
}

// filtersOf are what a SUBSCRIBE or UNSUBSCRIBE names.
func filtersOf(pk packets.Packet) []string {
	var list []string
	for _, f := range pk.Filters {
		list = append(list, f.Filter)
	}
	slices.Sort(list)
	return list
}

func representer(t *testing.T, r *mtptest.Running) mtp.Representer {
	t.Helper()
	rep, ok := r.Transport.(mtp.Representer)
	if !ok {
		t.Fatalf("%T is no Representer", r.Transport)
	}
	return rep
}

// TestShared: whoever is represented is subscribed for, in pieces, again after
// a reconnect, and not when withdrawn; what it sends waits for that [R-MQTT.15,
// R-MQTT.17, R-MQTT.22, R-MQTT.24, R-MQTT.34].
func TestShared(t *testing.T) {
	t.Parallel()
	for _, version := range []byte{v5, v311} {
		below, joined := "", func(topic, _ string) string { return topic }
		if version == v311 {
			below, joined = "/#", func(topic, reply string) string { return topic + "/reply-to=" + escaped(reply) }
		}
		b := listen(t)
		hub, running := b.client(mqtt.ClientOptions{
			Shared: true, Version: mqtt.Version(version), MaxFilters: 2, MaxRepresented: 4,
		})
		rep := representer(t, running)
		p, pk := b.accept(version)
		if len(pk.Properties.User) != 0 {
			t.Errorf("CONNECT: got %+v, want no usp-endpoint-id of nobody", pk.Properties.User)
		}
		p.write(connack(version, 0))
		link := hub.Link()
		if !link.Peer.Shared || link.Peer.Role != usp.RoleUnknown || !link.Peer.Identity.Any {
			t.Errorf("Peer: got %+v", link.Peer)
		}
		rep.Represent(agentOf("a1"))
		sub := p.take(packets.Subscribe)
		if got, want := filtersOf(sub), []string{agentTopic("a1") + below}; !slices.Equal(got, want) {
			t.Errorf("SUBSCRIBE: got %q, want %q", got, want)
		}
		link.Send(record("a1", controller, 1), mtp.Hint{})
		p.write(suback(version, sub.PacketID, 1))
		got := p.take(packets.Publish)
		if want := joined(controllerTopic(controller), agentTopic("a1")); got.TopicName != want ||
			!bytes.Equal(got.Payload, record("a1", controller, 1)) {
			t.Errorf("PUBLISH: got %q to %s, want to %s", got.Payload, got.TopicName, want)
		}
		if version == v5 && got.Properties.ResponseTopic != agentTopic("a1") {
			t.Errorf("Response Topic: got %q, want %q", got.Properties.ResponseTopic, agentTopic("a1"))
		}
		p.write(puback(got.PacketID))
		rep.Represent(controllerOf("c1"))
		rep.Represent(controllerOf("c1"))
		link.Send(record("c1", agent, 2), mtp.Hint{})
		sub = p.take(packets.Subscribe) // first
		p.write(suback(version, sub.PacketID, 1))
		got = p.take(packets.Publish)
		if want := joined(agentTopic(agent), controllerTopic("c1")); got.TopicName != want {
			t.Errorf("PUBLISH: got %s, want %s", got.TopicName, want)
		}
		p.write(puback(got.PacketID))
		_ = p.Close()
		_ = link.WaitDown()

		rep.Represent(agentOf("a2"))
		rep.Represent(agentOf("a3"))
		rep.Represent(agentOf("too many"))
		rep.Withdraw(controllerOf("c1"))
		p, _ = b.accept(version)
		p.write(connack(version, 0))
		link = hub.Link()
		var all []string
		for range 2 {
			sub := p.take(packets.Subscribe)
			all = append(all, filtersOf(sub)...)
			p.write(suback(version, sub.PacketID, make([]byte, len(sub.Filters))...))
		}
		slices.Sort(all)
		want := []string{agentTopic("a1") + below, agentTopic("a2") + below, agentTopic("a3") + below}
		if !slices.Equal(all, want) {
			t.Errorf("SUBSCRIBE again: got %q, want %q", all, want)
		}
		rep.Withdraw(agentOf("a2"))
		if got, want := filtersOf(p.take(packets.Unsubscribe)), []string{agentTopic("a2") + below}; !slices.Equal(got, want) {
			t.Errorf("UNSUBSCRIBE: got %q, want %q", got, want)
		}
		connector, _ := link.Link.(mtp.Connector)
		cr := connector.ConnectRecord("a1", controller)
		if got := usp.ConnectTopic(&cr); got != agentTopic("a1") {
			t.Errorf("Connect Record: got topic %q, want %q", got, agentTopic("a1"))
		}
	}
}

func escaped(topic string) string {
	return string(bytes.ReplaceAll([]byte(topic), []byte("/"), []byte("%2F")))
}

// TestSharedDenied: without any subscription the connection is given up, for
// another try [R-MQTT.17].
func TestSharedDenied(t *testing.T) {
	t.Parallel()
	b := listen(t)
	hub, running := b.client(mqtt.ClientOptions{Shared: true})
	representer(t, running).Represent(agentOf("a1"))
	p, _ := b.accept(v5)
	p.write(connack(v5, 0))
	p.write(suback(v5, p.take(packets.Subscribe).PacketID, 0x87))
	if err := hub.Link().WaitDown(); err == nil {
		t.Error("cause: got nil, want an error")
	}
	p, _ = b.accept(v5)
	p.write(connack(v5, 0))
	p.write(suback(v5, p.take(packets.Subscribe).PacketID, 1))
	hub.Link().Send(record("a1", controller, 1), mtp.Hint{})
	p.take(packets.Publish)
}

// TestSharedRoles: an Endpoint that is represented as Agent and Controller
// speaks to each counterpart as what that is not, as soon as that is known
// [R-ARC.0]; what a counterpart says of its topics is kept.
func TestSharedRoles(t *testing.T) {
	t.Parallel()
	b := listen(t)
	hub, running := b.client(mqtt.ClientOptions{Shared: true})
	rep := representer(t, running)
	rep.Represent(agentOf("both"))
	rep.Represent(controllerOf("both"))
	p, _ := b.accept(v5)
	p.write(connack(v5, 0))
	p.write(suback(v5, p.take(packets.Subscribe).PacketID, 1, 1))
	link := hub.Link()
	token := link.Send(record("both", "x", 1), mtp.Hint{})
	if got := link.Settlement(); got.Token != token || !errors.Is(got.Err, mtp.ErrUnroutable) {
		t.Errorf("Settled: got %+v, want %v: nobody knows what x is", got, mtp.ErrUnroutable)
	}
	p.write(publish(v5, 1, controllerTopic("both"), record("x", "both", 1), uspMsg, responseTopic("x/own/topic")))
	p.take(packets.Puback)
	link.Next()
	link.Send(record("both", "x", 2), mtp.Hint{})
	got := p.take(packets.Publish)
	if got.TopicName != "x/own/topic" || got.Properties.ResponseTopic != controllerTopic("both") {
		t.Errorf("to an Agent: got %s, Response Topic %s", got.TopicName, got.Properties.ResponseTopic)
	}
	p.write(puback(got.PacketID))
	connector, _ := link.Link.(mtp.Connector)
	connector.ConnectRecord("both", "y")
	link.Send(record("both", "y", 1), mtp.Hint{})
	got = p.take(packets.Publish)
	if got.TopicName != controllerTopic("y") || got.Properties.ResponseTopic != agentTopic("both") {
		t.Errorf("to a Controller: got %s, Response Topic %s", got.TopicName, got.Properties.ResponseTopic)
	}
	p.write(puback(got.PacketID))
	link.Send(record("both", "x", 3), mtp.Hint{Destination: "per/request"})
	if got := p.take(packets.Publish); got.TopicName != "per/request" {
		t.Errorf("per request: got %s, want per/request", got.TopicName)
	}
}

// TestClientID: an MQTT 5 client without a ClientID keeps the one that it was
// given [R-MQTT.8, R-MQTT.9, R-MQTT.11].
func TestClientAssignedID(t *testing.T) {
	t.Parallel()
	b := listen(t)
	b.client(mqtt.ClientOptions{Username: "me", Password: "secret"})
	for _, want := range []string{"", "given", "given"} {
		p, pk := b.accept(v5)
		c := pk.Connect
		if c.ClientIdentifier != want || string(c.Username) != "me" || string(c.Password) != "secret" {
			t.Errorf("CONNECT: got %q as %s, want %q as me", c.ClientIdentifier, c.Username, want)
		}
		p.write(connack(v5, 0, prop(0x12, str("given"))))
		p.take(packets.Subscribe)
		_ = p.Close()
	}
}

// TestClientPeer: what the options say of the Link.
func TestClientPeer(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		options mqtt.ClientOptions
		want    mtp.Peer
	}{
		"presents": {
			mqtt.ClientOptions{Presents: true, Order: 3},
			mtp.Peer{Presents: agent, Shared: true, Order: 3, Identity: mtp.Identity{Any: true}},
		},
		"peer": {
			mqtt.ClientOptions{Peer: controller},
			mtp.Peer{Endpoint: controller, Identity: mtp.Identity{IDs: []usp.EndpointID{controller}}},
		},
		"patterns": {
			mqtt.ClientOptions{Patterns: []string{"os::00D09E-*"}},
			mtp.Peer{Shared: true, Identity: mtp.Identity{Patterns: []string{"os::00D09E-*"}}},
		},
	} {
		b := listen(t)
		hub, _ := b.client(tt.options)
		p, _ := b.accept(v5)
		p.write(connack(v5, 0))
		got := hub.Link().Peer
		if got.Presents != tt.want.Presents || got.Endpoint != tt.want.Endpoint || got.Shared != tt.want.Shared ||
			got.Order != tt.want.Order || got.Identity.Any != tt.want.Identity.Any || !got.Loopback ||
			!slices.Equal(got.Identity.IDs, tt.want.Identity.IDs) ||
			!slices.Equal(got.Identity.Patterns, tt.want.Identity.Patterns) {
			t.Errorf("%s: got %+v, want %+v", name, got, tt.want)
		}
	}
}

// TestClientPresence: wills and retained messages of counterparts are presence,
// and the own one is told the same way.
func TestClientPresence(t *testing.T) {
	t.Parallel()
	b := listen(t)
	hub, running := b.client(mqtt.ClientOptions{Presence: "usp/v1/presence/{endpoint_id}", Announce: true})
	p, pk := b.accept(v5)
	own := "usp/v1/presence/" + string(agent)
	if c := pk.Connect; !c.WillFlag || !c.WillRetain || c.WillTopic != own || string(c.WillPayload) != "offline" {
		t.Errorf("will: got %+v", c)
	}
	p.write(connack(v5, 0))
	sub := p.take(packets.Subscribe)
	if got, want := filtersOf(sub), []string{agentTopic(agent), "usp/v1/presence/+"}; !slices.Equal(got, want) {
		t.Errorf("SUBSCRIBE: got %q, want %q", got, want)
	}
	p.write(suback(v5, sub.PacketID, 1, 1))
	wantState := func(state string) {
		t.Helper()
		if got := p.take(packets.Publish); got.TopicName != own || string(got.Payload) != state ||
			!got.FixedHeader.Retain || got.Properties.ContentType != "" {
			t.Errorf("PUBLISH: got %s %q, want %s", got.TopicName, got.Payload, state)
		}
	}
	wantState("online")
	link := hub.Link()
	for i, tt := range []struct {
		payload string
		present bool
	}{{"online", true}, {"", false}, {"1", true}, {"0", false}, {"{\"x\":1}", true}, {" Offline\n", false}} {
		id := usp.EndpointID(fmt.Sprint("proto::c", i))
		p.write(publish(v5, uint16(i+1), "usp/v1/presence/"+string(id), []byte(tt.payload)))
		p.take(packets.Puback)
		if got, ok := link.Present()[controllerOf(id)]; !ok || got != tt.present {
			t.Errorf("%q: got %v, %v, want %v", tt.payload, got, ok, tt.present)
		}
	}
	p.write(publish(v5, 0, "usp/v1/presence/"+string(agent), []byte("online")))
	go running.Stop(t)
	wantState("offline")
	p.take(packets.Disconnect)
	_ = p.Close()
	_ = link.WaitDown()
	if n := len(link.Present()); n != 6 {
		t.Errorf("presence: got %d, want 6: nobody hears of itself", n)
	}
}

// startMochi runs the library's broker, a foreign one for the client role.
func startMochi(t *testing.T) string {
	t.Helper()
	s := broker5.New(&broker5.Options{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err := s.AddHook(new(auth.AllowHook), nil); err != nil {
		t.Fatal(err)
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.AddListener(listeners.NewNet("t", l)); err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return l.Addr().String()
}

// onBroker starts a client of the broker at addr.
func onBroker(t *testing.T, addr string, o mqtt.ClientOptions) (*mtptest.Port, mtp.Representer) {
	t.Helper()
	o.URL, o.Retry.Interval = "mqtt://"+addr, 10*time.Millisecond
	c, err := mqtt.NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	r := mtptest.NewRecorder(t)
	mtptest.Start(t, c, r)
	return r.Link(), c
}

// TestSharedBroker has two gateways and two Endpoints of their own on a foreign
// broker, one gateway with exact topics and one with a prefix: every Record
// comes to whom it is for and to nobody else, answers find their way, and what
// others exchange is not relayed again.
func TestSharedBroker(t *testing.T) {
	t.Parallel()
	for _, version := range []mqtt.Version{mqtt.Version5, mqtt.Version311} {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			t.Parallel()
			addr := startMochi(t)
			shared := mqtt.ClientOptions{Shared: true, Version: version, ClientID: "gw1"}
			exact, rep1 := onBroker(t, addr, shared)
			shared.ClientID, shared.Prefix = "gw2", "uspgate/gw2"
			prefix, rep2 := onBroker(t, addr, shared)
			const (
				south, a = usp.EndpointID("os::a-south"), usp.EndpointID("os::a-a")
				north, c = usp.EndpointID("self::north"), usp.EndpointID("self::c")
			)
			rep1.Represent(agentOf(south))
			rep2.Represent(controllerOf(north))
			lone, _ := onBroker(t, addr, mqtt.ClientOptions{Endpoint: a, Role: usp.RoleAgent, Version: version})
			ctrl, _ := onBroker(t, addr, mqtt.ClientOptions{Endpoint: c, Role: usp.RoleController, Version: version})
			for from, port := range map[usp.EndpointID]*mtptest.Port{south: exact, north: prefix, a: lone, c: ctrl} {
				port.Send(record(from, "proto::nobody", 0), mtp.Hint{Destination: "nobody"})
				port.Settlement() // so it is subscribed
			}
			// An Agent of the one gateway and a Controller on the broker.
			pass(t, exact, ctrl, record(south, c, 1), mtp.Hint{}, agentTopic(south))
			pass(t, ctrl, exact, record(c, south, 2), mtp.Hint{Destination: agentTopic(south)}, controllerTopic(c))
			// A Controller behind the other one, and an Agent on the broker, which
			// knows where to answer from what it got.
			own := "uspgate/gw2/controller/" + string(north)
			pass(t, prefix, lone, record(north, a, 3), mtp.Hint{}, own)
			pass(t, lone, prefix, record(a, north, 4), mtp.Hint{Destination: own}, agentTopic(a))
			// Between gateway and gateway.
			pass(t, prefix, exact, record(north, south, 5), mtp.Hint{}, own)
			pass(t, exact, prefix, record(south, north, 6), mtp.Hint{}, agentTopic(south))
			// Between others.
			pass(t, lone, ctrl, record(a, c, 7), mtp.Hint{}, agentTopic(a))
			pass(t, ctrl, lone, record(c, a, 8), mtp.Hint{}, controllerTopic(c))
			// The next that each gateway sees is the next for it.
			pass(t, ctrl, exact, record(c, south, 9), mtp.Hint{}, controllerTopic(c))
			pass(t, lone, prefix, record(a, north, 10), mtp.Hint{Destination: own}, agentTopic(a))
		})
	}
}

// pass sends a Record and wants it to arrive next, with this reply topic.
func pass(t *testing.T, from, to *mtptest.Port, rec []byte, hint mtp.Hint, reply string) {
	t.Helper()
	from.Send(rec, hint)
	if err := from.Settlement().Err; err != nil {
		t.Fatalf("Settled: got %v, want nil", err)
	}
	if got := to.Next(); !bytes.Equal(got.Record.Bytes(), rec) || got.Hint.ReplyTo != reply {
		t.Fatalf("got %q with reply topic %q, want %q with %q", got.Record.Bytes(), got.Hint.ReplyTo, rec, reply)
	}
}
