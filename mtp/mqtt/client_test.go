// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt_test

import (
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mqtt"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/usp"
)

// broker is one that the test plays by hand.
type broker struct {
	net.Listener
	t *testing.T
}

func listen(t *testing.T) *broker {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return &broker{l, t}
}

// accept takes the next connection and its CONNECT.
func (b *broker) accept(version byte) (*peer, packets.Packet) {
	b.t.Helper()
	conn, err := b.Accept()
	if err != nil {
		b.t.Fatal(err)
	}
	p := newPeer(b.t, conn, version)
	return p, p.take(packets.Connect)
}

// take returns the next packet of the client, which is of this type.
func (p *peer) take(kind byte) packets.Packet {
	p.t.Helper()
	first, err := p.r.ReadByte()
	if err != nil {
		p.t.Fatalf("got %v, want %s", err, packets.PacketNames[kind])
	}
	pk := packets.Packet{ProtocolVersion: p.version}
	if err := pk.FixedHeader.Decode(first); err != nil || pk.FixedHeader.Type != kind {
		p.t.Fatalf("got %s, want %s", packets.PacketNames[pk.FixedHeader.Type], packets.PacketNames[kind])
	}
	pk.FixedHeader.Remaining, _, _ = packets.DecodeLength(p.r)
	body := make([]byte, pk.FixedHeader.Remaining)
	for n := 0; n < len(body); {
		k, err := p.r.Read(body[n:])
		if err != nil {
			p.t.Fatal(err)
		}
		n += k
	}
	decode := map[byte]func([]byte) error{
		packets.Connect: pk.ConnectDecode, packets.Publish: pk.PublishDecode, packets.Puback: pk.PubackDecode,
		packets.Subscribe: pk.SubscribeDecode, packets.Unsubscribe: pk.UnsubscribeDecode,
		packets.Pubrec: pk.PubrecDecode, packets.Pubcomp: pk.PubcompDecode,
		packets.Pingreq: func([]byte) error { return nil }, packets.Disconnect: pk.DisconnectDecode,
	}[kind]
	if err := decode(body); err != nil {
		p.t.Fatalf("%s: %v", packets.PacketNames[kind], err)
	}
	return pk
}

func connack(version byte, reason byte, properties ...[]byte) []byte {
	if version == v311 {
		return packet(0x20, []byte{0, reason})
	}
	return packet(0x20, []byte{0, reason}, props(properties...))
}

func suback(version byte, id uint16, reasons ...byte) []byte {
	if version == v311 {
		return packet(0x90, []byte{byte(id >> 8), byte(id)}, reasons)
	}
	return packet(0x90, []byte{byte(id >> 8), byte(id), 0}, reasons)
}

// client starts a client of b.
func (b *broker) client(o mqtt.ClientOptions) (*mtptest.Recorder, *mtptest.Running) {
	b.t.Helper()
	if o.URL == "" {
		o.URL = "mqtt://" + b.Addr().String()
	}
	if o.Endpoint == "" && !o.Shared {
		o.Endpoint = agent
	}
	if o.Role == usp.RoleUnknown && !o.Shared {
		o.Role = usp.RoleAgent
	}
	o.Retry.Interval = 10 * time.Millisecond
	o.CloseTimeout = 200 * time.Millisecond
	c, err := mqtt.NewClient(o)
	if err != nil {
		b.t.Fatal(err)
	}
	r := mtptest.NewRecorder(b.t)
	return r, mtptest.Start(b.t, c, r)
}

// TestClientConnect: what the client says and what it learns [R-MQTT.7,
// R-MQTT.8, R-MQTT.12, R-MQTT.13, R-MQTT.14, R-MQTT.15, R-MQTT.21].
func TestClientConnect(t *testing.T) {
	t.Parallel()
	offered := user("subscribe-topic", "given/by/broker")
	response := prop(0x1a, str("answers/here"))
	tests := map[string]struct {
		options mqtt.ClientOptions
		connack [][]byte
		filters []string
		reply   string
	}{
		"own topic": {mqtt.ClientOptions{}, nil, []string{agentTopic(agent)}, agentTopic(agent)},
		"subscribe-topic": {
			mqtt.ClientOptions{},
			[][]byte{offered, user("subscribe-topic", "and/#"), user("other", "x")},
			[]string{"and/#", "given/by/broker", agentTopic(agent)},
			agentTopic(agent),
		},
		"Response Information": {
			mqtt.ClientOptions{}, [][]byte{response, offered}, []string{"answers/here", "given/by/broker"}, "answers/here",
		},
		"Response Information is covered": {
			mqtt.ClientOptions{},
			[][]byte{response, user("subscribe-topic", "answers/#")},
			[]string{"answers/#"},
			"answers/here",
		},
		"configured": {
			mqtt.ClientOptions{Subscriptions: []string{"usp/v1/agent/+"}}, nil, []string{"usp/v1/agent/+"}, agentTopic(agent),
		},
		"Controller": {
			mqtt.ClientOptions{Role: usp.RoleController},
			[][]byte{response},
			[]string{controllerTopic(agent)},
			controllerTopic(agent),
		},
		"3.1.1": {mqtt.ClientOptions{Version: mqtt.Version311}, nil, []string{agentTopic(agent) + "/#"}, agentTopic(agent)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := listen(t)
			version := max(byte(tt.options.Version), v311)
			if tt.options.Version == 0 {
				version = v5
			}
			tt.options.URL = "mqtt://me:secret@" + b.Addr().String()
			hub, _ := b.client(tt.options)
			p, pk := b.accept(version)
			c := &pk.Connect
			id := map[byte]string{v311: string(agent)}[version] // [R-MQTT.8]
			if c.ClientIdentifier != id || string(c.Username) != "me" || string(c.Password) != "secret" ||
				c.Keepalive != 60 || !c.Clean || pk.ProtocolVersion != version {
				t.Errorf("CONNECT: got %+v", c)
			}
			said := []packets.UserProperty{{Key: "usp-endpoint-id", Val: string(agent)}}
			if version == v5 && (!slices.Equal(pk.Properties.User, said) || pk.Properties.RequestResponseInfo != 1) {
				t.Errorf("CONNECT: got %+v", pk.Properties)
			}
			p.write(connack(version, 0, tt.connack...))
			link := hub.Link()
			link.Send(record(agent, controller, 1), mtp.Hint{})
			var filters []string
			sub := p.take(packets.Subscribe)
			for _, f := range sub.Filters {
				if f.NoLocal != (version == v5) {
					t.Errorf("%s: got No Local %v, want it in MQTT 5", f.Filter, f.NoLocal)
				}
				filters = append(filters, f.Filter)
			}
			slices.Sort(tt.filters)
			if !slices.Equal(filters, tt.filters) {
				t.Errorf("SUBSCRIBE: got %q, want %q", filters, tt.filters)
			}
			p.write(suback(version, sub.PacketID, make([]byte, len(filters))...))
			got, topic, reply := p.take(packets.Publish), controllerTopic(controller), tt.reply
			if tt.options.Role == usp.RoleController {
				topic = agentTopic(controller)
			}
			if version == v311 { // [R-MQTT.24]
				topic, reply = topic+"/reply-to="+strings.ReplaceAll(reply, "/", "%2F"), ""
			}
			if got.TopicName != topic || got.Properties.ResponseTopic != reply || got.FixedHeader.Qos != 1 {
				t.Errorf("PUBLISH: got %q, Response Topic %q, want %q, %q",
					got.TopicName, got.Properties.ResponseTopic, topic, reply)
			}
		})
	}
}

// TestClientSubscriptionDenied: without a subscription nothing is sent, and the
// client tries again [R-MQTT.17, R-MQTT.33].
func TestClientSubscriptionDenied(t *testing.T) {
	t.Parallel()
	b := listen(t)
	hub, _ := b.client(mqtt.ClientOptions{Subscriptions: []string{"more"}})
	p, _ := b.accept(v5)
	p.write(connack(v5, 0))
	link := hub.Link()
	token := link.Send(record(agent, controller, 1), mtp.Hint{})
	p.write(suback(v5, p.take(packets.Subscribe).PacketID, 0x87, 0x87))
	p.take(packets.Disconnect) // [R-MQTT.17]
	if err := link.WaitDown(); err == nil {
		t.Error("cause: got nil, want an error")
	}
	if got := link.Settlement(); got.Token != token || !errors.Is(got.Err, mtp.ErrLinkDown) {
		t.Errorf("Settled: got %+v, want %d with %v", got, token, mtp.ErrLinkDown)
	}
	p.wantEnd()
	p, _ = b.accept(v5)
	p.write(connack(v5, 0))
	p.write(suback(v5, p.take(packets.Subscribe).PacketID, 0x87, 0)) // one is enough
	hub.Link().Send(record(agent, controller, 2), mtp.Hint{})
	p.take(packets.Publish)
}

// TestClientBounds: the broker's limits are kept: Maximum QoS [R-MQTT.20],
// Receive Maximum and Maximum Packet Size.
func TestClientBounds(t *testing.T) {
	t.Parallel()
	b := listen(t)
	hub, _ := b.client(mqtt.ClientOptions{})
	p, _ := b.accept(v5)
	p.write(connack(v5, 0, []byte{0x21, 0, 2}, []byte{0x27, 0, 0, 4, 0}))
	p.write(suback(v5, p.take(packets.Subscribe).PacketID, 0))
	link := hub.Link()
	if link.Peer.MaxRecord != 1024 || !link.Peer.Shared || link.Peer.Role != usp.RoleController {
		t.Errorf("Peer: got %+v", link.Peer)
	}
	for i := range 4 {
		link.Send(record(agent, controller, i), mtp.Hint{})
	}
	first, second := p.take(packets.Publish).PacketID, p.take(packets.Publish).PacketID
	p.write(publish(v5, 1, agentTopic(agent), record(controller, agent, 1), responseTopic("back")))
	p.take(packets.Puback) // and no third PUBLISH
	if got := link.Next(); got.Hint.ReplyTo != "back" {
		t.Errorf("reply topic: got %q, want back", got.Hint.ReplyTo)
	}
	p.write(puback(second), []byte{0x40, 3, byte(first >> 8), byte(first), 0x10}) // out of order, against the rules
	if got := link.Settlement(); got != (mtptest.Settlement{Token: 2}) {
		t.Errorf("Settled: got %+v, want 2 <nil>", got)
	}
	if got := link.Settlement(); got.Token != 1 || !errors.Is(got.Err, mtp.ErrUnroutable) {
		t.Errorf("Settled: got %+v, want 1 with %v", got, mtp.ErrUnroutable)
	}
	p.take(packets.Publish)
	p.take(packets.Publish)
	_ = p.Close()
	if err := link.WaitDown(); err == nil {
		t.Error("cause: got nil, want an error")
	}

	p, _ = b.accept(v5)
	p.write(connack(v5, 0, []byte{0x24, 0}))
	p.write(suback(v5, p.take(packets.Subscribe).PacketID, 0))
	link = hub.Link()
	link.Send(record(agent, controller, 1), mtp.Hint{})
	if got := p.take(packets.Publish); got.FixedHeader.Qos != 0 {
		t.Errorf("QoS: got %d, want 0", got.FixedHeader.Qos)
	}
	if got := link.Settlement(); got.Err != nil {
		t.Errorf("Settled: got %v, want nil", got.Err)
	}
}

// TestClientKeepAlive: the client pings, and a broker that is silent is gone.
func TestClientKeepAlive(t *testing.T) {
	t.Parallel()
	b := listen(t)
	hub, _ := b.client(mqtt.ClientOptions{})
	p, _ := b.accept(v5)
	p.write(connack(v5, 0, []byte{0x13, 0, 1})) // Server Keep Alive 1 s
	p.write(suback(v5, p.take(packets.Subscribe).PacketID, 0))
	p.take(packets.Pingreq)
	if err := hub.Link().WaitDown(); err == nil {
		t.Error("cause: got nil, want an error")
	}
}

// TestClientStops: a stop waits for PUBACKs and says good-bye [R-MQTT.35].
func TestClientStops(t *testing.T) {
	t.Parallel()
	for version, option := range map[byte]mqtt.Version{v5: mqtt.Version5, v311: mqtt.Version311} {
		b := listen(t)
		hub, running := b.client(mqtt.ClientOptions{Version: option})
		p, _ := b.accept(version)
		p.write(connack(version, 0))
		p.write(suback(version, p.take(packets.Subscribe).PacketID, 0))
		link := hub.Link()
		link.Send(record(agent, controller, 1), mtp.Hint{})
		id := p.take(packets.Publish).PacketID
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			running.Stop(t)
		}()
		p.write(puback(id))
		p.take(packets.Disconnect)
		_ = p.Close()
		<-stopped
		if got := link.Settlement(); got.Err != nil {
			t.Errorf("Settled: got %v, want nil", got.Err)
		}
		if err := link.WaitDown(); !errors.Is(err, mtp.ErrDraining) {
			t.Errorf("cause: got %v, want %v", err, mtp.ErrDraining)
		}
	}
}

// TestClientStopsWithin: a stop does not wait for a broker that says nothing.
func TestClientStopsWithin(t *testing.T) {
	t.Parallel()
	for _, steps := range []int{0, 1, 2} {
		b := listen(t)
		_, running := b.client(mqtt.ClientOptions{})
		if steps > 0 {
			p, _ := b.accept(v5)
			if steps > 1 {
				p.write(connack(v5, 0))
				p.take(packets.Subscribe)
			}
		}
		running.Stop(t)
	}
}

// TestClientMalformed: what a broker may say wrongly costs the connection.
func TestClientMalformed(t *testing.T) {
	t.Parallel()
	for name, input := range map[string][]byte{
		"packet of a client": {0xc0, 0},
		"huge packet":        {0x30, 0xff, 0xff, 0xff, 0x7f},
		"endless length":     {0x30, 0x80, 0x80, 0x80, 0x80, 0x00},
		"cut off PUBLISH":    {0x30, 3, 0, 9, 'a'},
		"PUBLISH without id": {0x32, 5, 0, 1, 'a', 0, 0},
		"DISCONNECT":         {0xe0, 1, 0x8b},
		"SUBACK cut off":     {0x90, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := listen(t)
			hub, _ := b.client(mqtt.ClientOptions{})
			p, _ := b.accept(v5)
			p.write(connack(v5, 0))
			p.write(suback(v5, p.take(packets.Subscribe).PacketID, 0), input)
			if err := hub.Link().WaitDown(); err == nil {
				t.Error("cause: got nil, want an error")
			}
		})
	}
}

// TestClientOptions: what is wrong is said at once.
func TestClientOptions(t *testing.T) {
	t.Parallel()
	good := mqtt.ClientOptions{URL: "mqtt://h", Endpoint: agent, Role: usp.RoleAgent}
	if c, err := mqtt.NewClient(good); err != nil || c.Addr() != "mqtt://h:1883" {
		t.Errorf("got %v, %v, want mqtt://h:1883", c.Addr(), err)
	}
	for name, change := range map[string]func(*mqtt.ClientOptions){
		"scheme":        func(o *mqtt.ClientOptions) { o.URL = "http://h" },
		"host":          func(o *mqtt.ClientOptions) { o.URL = "mqtt://" },
		"Endpoint":      func(o *mqtt.ClientOptions) { o.Endpoint = "" },
		"role":          func(o *mqtt.ClientOptions) { o.Role = usp.RoleUnknown },
		"version":       func(o *mqtt.ClientOptions) { o.Version = 3 },
		"keep-alive":    func(o *mqtt.ClientOptions) { o.KeepAlive = time.Millisecond },
		"subscriptions": func(o *mqtt.ClientOptions) { o.Subscriptions = []string{"a/#/b"} },
		"topics":        func(o *mqtt.ClientOptions) { o.Topics = mqtt.Topics{Agent: "a", Controller: "b"} },
		"inflight":      func(o *mqtt.ClientOptions) { o.MaxInflight = 1 << 15 },
	} {
		o := good
		change(&o)
		if _, err := mqtt.NewClient(o); err == nil {
			t.Errorf("%s: got nil, want an error", name)
		}
	}
}
