// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt_test

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"
	paho3 "github.com/eclipse/paho.mqtt.golang"
	"github.com/mochi-mqtt/server/v2/packets"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mqtt"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/usp"
)

// foreign is the MQTT 5 client of the Eclipse Foundation.
type foreign struct {
	*paho.Client
	t    *testing.T
	conn net.Conn
	got  chan *paho.Publish
}

func newForeign(t *testing.T, addr string, c *paho.Connect) *foreign {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	f := &foreign{t: t, conn: conn, got: make(chan *paho.Publish, 1000)}
	f.Client = paho.NewClient(paho.ClientConfig{Conn: conn, OnPublishReceived: []func(paho.PublishReceived) (bool, error){
		func(p paho.PublishReceived) (bool, error) {
			f.got <- p.Packet
			return true, nil
		},
	}})
	c.CleanStart, c.KeepAlive = true, 30
	if _, err := f.Connect(t.Context(), c); err != nil {
		t.Fatalf("Connect: %v", err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		<-f.Done()
	})
	return f
}

func (f *foreign) subscribe(id int, options ...paho.SubscribeOptions) {
	f.t.Helper()
	s := &paho.Subscribe{Subscriptions: options}
	if id > 0 {
		s.Properties = &paho.SubscribeProperties{SubscriptionIdentifier: &id}
	}
	if ack, err := f.Subscribe(f.t.Context(), s); err != nil {
		f.t.Fatalf("Subscribe: %v, %+v", err, ack)
	}
}

// publish returns the reason of the PUBACK.
func (f *foreign) publish(p *paho.Publish) byte {
	f.t.Helper()
	resp, err := f.Publish(f.t.Context(), p)
	if resp == nil && p.QoS == 0 && err == nil {
		return 0
	}
	if resp == nil {
		f.t.Fatalf("Publish: %v", err)
	}
	return resp.ReasonCode
}

func (f *foreign) next() *paho.Publish {
	f.t.Helper()
	select {
	case p := <-f.got:
		return p
	case <-time.After(mtptest.Timeout):
		f.t.Fatal("nothing has come")
		return nil
	}
}

// wantNext fails unless the next message is this one.
func (f *foreign) wantNext(topic, payload string, qos byte, retain bool) *paho.Publish {
	f.t.Helper()
	p := f.next()
	if p.Topic != topic || string(p.Payload) != payload || p.QoS != qos || p.Retain != retain {
		f.t.Fatalf("got %s %q QoS %d retain %v, want %s %q QoS %d retain %v",
			p.Topic, p.Payload, p.QoS, p.Retain, topic, payload, qos, retain)
	}
	return p
}

// wantNothing makes sure that nothing is on its way, by a message to itself.
func (f *foreign) wantNothing() {
	f.t.Helper()
	f.subscribe(0, paho.SubscribeOptions{Topic: "to/myself/+"})
	topic := "to/myself/" + fmt.Sprintf("%p", f)
	f.publish(&paho.Publish{Topic: topic, QoS: 1, Payload: []byte("mine")})
	f.wantNext(topic, "mine", 0, false)
}

// TestPlainWildcards: messages go to whoever is subscribed, once, with the
// highest QoS, in both versions; properties are handed on.
func TestPlainWildcards(t *testing.T) {
	t.Parallel()
	hub := mtptest.NewRecorder(t)
	addr := serve(t, mqtt.ServerOptions{Plain: true}, hub)
	sub := newForeign(t, addr, &paho.Connect{ClientID: "sub"})
	sub.subscribe(7, paho.SubscribeOptions{Topic: "home/+/temperature"}, paho.SubscribeOptions{Topic: "home/#", QoS: 1})
	sub.subscribe(9, paho.SubscribeOptions{Topic: "home/kitchen/temperature", QoS: 2})
	old := make(chan paho3.Message, 10)
	c3 := old311(t, addr, "sub3")
	wait3(t, c3.Subscribe("home/kitchen/#", 1, func(_ paho3.Client, m paho3.Message) { old <- m }))

	pub := newForeign(t, addr, &paho.Connect{ClientID: "pub"})
	expiry := uint32(60)
	if got := pub.publish(&paho.Publish{
		Topic: "home/kitchen/temperature", QoS: 1, Payload: []byte("21"),
		Properties: &paho.PublishProperties{
			ContentType: "text/plain", ResponseTopic: "answers", CorrelationData: []byte("42"), MessageExpiry: &expiry,
			User: paho.UserProperties{{Key: "a", Value: "b"}},
		},
	}); got != 0 {
		t.Errorf("PUBACK: got %#x, want 0", got)
	}
	p := sub.wantNext("home/kitchen/temperature", "21", 1, false)
	if p.Properties.ContentType != "text/plain" || p.Properties.ResponseTopic != "answers" ||
		string(p.Properties.CorrelationData) != "42" || p.Properties.User.Get("a") != "b" ||
		p.Properties.MessageExpiry == nil || *p.Properties.MessageExpiry != 60 {
		t.Errorf("properties: got %+v", p.Properties)
	}
	if m := <-old; m.Topic() != "home/kitchen/temperature" || string(m.Payload()) != "21" || m.Qos() != 1 {
		t.Errorf("3.1.1: got %s %q QoS %d", m.Topic(), m.Payload(), m.Qos())
	}
	wait3(t, c3.Publish("home", 0, false, "from 3.1.1"))
	sub.wantNext("home", "from 3.1.1", 0, false)
	if got := pub.publish(&paho.Publish{Topic: "nobody/is/here", QoS: 1}); got != 0x10 {
		t.Errorf("PUBACK without subscribers: got %#x, want 0x10", got)
	}
	for i := range 50 { // of one publisher nothing overtakes anything
		pub.publish(&paho.Publish{Topic: "home/x", QoS: byte(i % 3), Payload: fmt.Append(nil, i)})
	}
	for i := range 50 {
		sub.wantNext("home/x", fmt.Sprint(i), min(byte(i%3), 1), false)
	}
	if _, err := sub.Unsubscribe(t.Context(), &paho.Unsubscribe{Topics: []string{
		"home/#", "home/+/temperature", "home/kitchen/temperature",
	}}); err != nil {
		t.Error(err)
	}
	if got := pub.publish(&paho.Publish{Topic: "home/x", QoS: 1}); got != 0x10 {
		t.Errorf("PUBACK after UNSUBSCRIBE: got %#x, want 0x10", got)
	}
	if n := hub.Links(); n != 0 {
		t.Errorf("links: got %d, want none for clients that are no Endpoints", n)
	}
}

func old311(t *testing.T, addr, id string) paho3.Client {
	t.Helper()
	c := paho3.NewClient(paho3.NewClientOptions().AddBroker("tcp://" + addr).SetClientID(id).
		SetProtocolVersion(4).SetAutoReconnect(false).SetConnectTimeout(mtptest.Timeout))
	wait3(t, c.Connect())
	t.Cleanup(func() { c.Disconnect(100) })
	return c
}

func wait3(t *testing.T, token paho3.Token) {
	t.Helper()
	if !token.WaitTimeout(mtptest.Timeout) || token.Error() != nil {
		t.Fatalf("got %v, want success", token.Error())
	}
}

// TestPlainSubscriptionOptions: no local, retain as published, retain handling
// and identifiers [MQTT-3.8.3-3, MQTT-3.3.1-9 to 13, MQTT-3.3.4-3].
func TestPlainSubscriptionOptions(t *testing.T) {
	t.Parallel()
	addr := serve(t, mqtt.ServerOptions{Plain: true}, mtptest.NewRecorder(t))
	pub := newForeign(t, addr, &paho.Connect{ClientID: "pub"})
	pub.publish(&paho.Publish{Topic: "a/b", QoS: 1, Retain: true, Payload: []byte("before")})
	pub.publish(&paho.Publish{Topic: "a/b", QoS: 1, Retain: true, Payload: []byte("kept")})
	pub.publish(&paho.Publish{Topic: "a/c", QoS: 1, Retain: true, Payload: []byte("gone")})
	pub.publish(&paho.Publish{Topic: "a/c", QoS: 1, Retain: true})

	sub := newForeign(t, addr, &paho.Connect{ClientID: "sub"})
	sub.subscribe(5, paho.SubscribeOptions{Topic: "a/#", QoS: 1, RetainHandling: 1, RetainAsPublished: true})
	p := sub.wantNext("a/b", "kept", 1, true)
	if p.Properties.SubscriptionIdentifier == nil || *p.Properties.SubscriptionIdentifier != 5 {
		t.Errorf("Subscription Identifier: got %+v, want 5", p.Properties.SubscriptionIdentifier)
	}
	sub.subscribe(5, paho.SubscribeOptions{Topic: "a/#", QoS: 1, RetainHandling: 1, RetainAsPublished: true})
	sub.subscribe(0, paho.SubscribeOptions{Topic: "a/b", RetainHandling: 2})
	sub.wantNothing() // again, and not wanted
	pub.publish(&paho.Publish{Topic: "a/d", QoS: 1, Retain: true, Payload: []byte("now")})
	sub.wantNext("a/d", "now", 1, true)
	sub.subscribe(0, paho.SubscribeOptions{Topic: "e", NoLocal: true}, paho.SubscribeOptions{Topic: "f"})
	sub.publish(&paho.Publish{Topic: "e", Payload: []byte("not to me")})
	sub.publish(&paho.Publish{Topic: "f", Retain: true, Payload: []byte("to me")})
	sub.wantNext("f", "to me", 0, false)
	plus := newForeign(t, addr, &paho.Connect{ClientID: "plus"})
	plus.subscribe(0, paho.SubscribeOptions{Topic: "+/b", QoS: 1}, paho.SubscribeOptions{Topic: "f/#"})
	plus.wantNext("a/b", "kept", 1, true)
	plus.wantNext("f", "to me", 0, true)
}

// TestPlainAndRecords: Content Type, reply topic, an Endpoint's topic and a
// configured filter make a Record, everything else is plain [R-MQTT.27a].
func TestPlainAndRecords(t *testing.T) {
	t.Parallel()
	hub := mtptest.NewRecorder(t)
	addr := serve(t, mqtt.ServerOptions{Plain: true, RecordFilters: []string{"devices/+/usp"}}, hub)
	watcher := newForeign(t, addr, &paho.Connect{ClientID: "watcher"})
	watcher.subscribe(0, paho.SubscribeOptions{Topic: "any/#"}, paho.SubscribeOptions{Topic: "devices/#"})
	p := agentPeer(t, addr, v5, agent)
	link := hub.Link()
	rec := record(agent, controller, 1)
	for i, raw := range [][]byte{
		publish(v5, 1, "any/topic", rec, uspMsg),
		publish(v5, 2, "any/topic", rec, prop(0x03, str("application/vnd.bbf.usp.msg"))),
		publish(v5, 3, "any/topic/reply-to=my%2Ftopic", rec),
		publish(v5, 4, controllerTopic("somebody"), rec),
		publish(v5, 5, controllerTopic("somebody")+"/below", rec),
		publish(v5, 6, "devices/x/usp", rec),
	} {
		p.write(raw)
		p.wantPuback(uint16(i+1), 0)
		link.Next()
	}
	p.write(publish(v5, 7, controllerTopic("somebody"), []byte("no Record")))
	p.wantPuback(7, 0x99)
	p.write(publish(v5, 8, "any/topic", rec)) // it may look like one
	p.wantPuback(8, 0)
	watcher.wantNext("any/topic", string(rec), 0, false)
	watcher.wantNothing()
}

// TestPlainAnswers: a client of plain MQTT that sends a Record is an Endpoint
// from then on, whose reply address is learned.
func TestPlainAnswers(t *testing.T) {
	t.Parallel()
	hub := mtptest.NewRecorder(t)
	addr := serve(t, mqtt.ServerOptions{Plain: true}, hub)
	p := dial(t, addr, v5)
	p.write(connect(v5, "box 1"), subscribe(v5, 1, "alarms/#", "my/own/topic"))
	p.wantConnack(0)
	p.want(packets.Suback)
	p.ping()
	if n := hub.Links(); n != 0 {
		t.Errorf("links: got %d, want none yet", n)
	}
	p.write(publish(v5, 1, "to/the/controller", record(agent, controller, 1), uspMsg, responseTopic("my/own/topic")))
	link := hub.Link()
	if got := link.Next().Hint.ReplyTo; got != "my/own/topic" {
		t.Errorf("reply topic: got %q, want my/own/topic", got)
	}
	p.wantPuback(1, 0)
	link.Send(record(controller, agent, 1), mtp.Hint{})
	if got := p.wantPublish(record(controller, agent, 1)); got.TopicName != "my/own/topic" {
		t.Errorf("topic: got %q, want my/own/topic", got.TopicName)
	}
}

// TestPlainOff: without Plain there are no retained messages and no way from
// client to client.
func TestPlainOff(t *testing.T) {
	t.Parallel()
	addr := serve(t, mqtt.ServerOptions{}, mtptest.NewRecorder(t))
	sub := dial(t, addr, v5)
	sub.write(connect(v5, "sub"), subscribe(v5, 1, "a/#"))
	if got := sub.wantConnack(0).Properties; !got.RetainAvailableFlag || !got.SubIDAvailableFlag {
		t.Errorf("CONNACK: got %+v, want Retain Available and Subscription Identifiers Available 0", got)
	}
	sub.want(packets.Suback)
	pub := dial(t, addr, v5)
	pub.write(connect(v5, "pub"), publish(v5, 1, "a/b", []byte("plain")))
	pub.wantConnack(0)
	pub.wantPuback(1, 0x99)
	sub.ping()
}

// TestPlainAccess: nobody reads the Record topics of another Endpoint, and
// PlainACL decides on all other topics [R-MQTT.40].
func TestPlainAccess(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	addr := serve(t, mqtt.ServerOptions{
		Plain: true, Metrics: reg,
		Auth: func(l mqtt.Login) (mtp.Identity, error) { return mtp.Identity{Method: "password"}, nil },
		PlainACL: func(a mqtt.PlainAccess) bool {
			return a.Identity.Name == "alice" && a.ClientID == "c" &&
				(a.Topic == "mine/#" && !a.Write || a.Topic == "mine/x" && a.Write)
		},
	}, mtptest.NewRecorder(t))
	f := newForeign(t, addr, &paho.Connect{
		ClientID: "c", UsernameFlag: true, Username: "alice",
		Properties: &paho.ConnectProperties{User: paho.UserProperties{{Key: "usp-endpoint-id", Value: string(agent)}}},
	})
	for filter, want := range map[string]byte{
		"mine/#": 1, "other": 0x87, agentTopic("other"): 0x87, "usp/#": 0x87, "#": 0x87,
		strings.Repeat("/", 40): 0x87,
	} {
		ack, _ := f.Subscribe(t.Context(), &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: filter, QoS: 1}}})
		if ack == nil || !slices.Equal(ack.Reasons, []byte{want}) {
			t.Errorf("SUBACK for %s: got %+v, want %#x", filter, ack, want)
		}
	}
	for topic, want := range map[string]byte{"mine/x": 0, "mine/y": 0x87, "$SYS/x": 0x87, strings.Repeat("/", 40): 0x87} {
		if got := f.publish(&paho.Publish{Topic: topic, QoS: 1}); got != want {
			t.Errorf("PUBACK for %s: got %#x, want %#x", topic, got, want)
		}
	}
	f.wantNext("mine/x", "", 1, false)
	if got := plainCount(t, reg, "forbidden"); got != 3 {
		t.Errorf("forbidden: got %v, want 3", got)
	}
}

func plainCount(t *testing.T, reg *prometheus.Registry, result string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "uspgate_mqtt_plain_messages_total" && m.GetLabel()[0].GetValue() == result {
				return m.GetCounter().GetValue()
			}
		}
	}
	t.Fatalf("no metric for %s", result)
	return 0
}

// TestPlainBounds: what is retained is bounded in number and bytes, filters and
// topics in levels; room is given back.
func TestPlainBounds(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	addr := serve(t, mqtt.ServerOptions{
		Plain: true, RetainedMessages: 2, RetainedBytes: 100, MaxLevels: 3, Metrics: reg,
	}, mtptest.NewRecorder(t))
	f := newForeign(t, addr, &paho.Connect{ClientID: "c"})
	f.subscribe(0, paho.SubscribeOptions{Topic: "+"})
	keep := func(topic string, size int, want byte) {
		t.Helper()
		if got := f.publish(&paho.Publish{Topic: topic, QoS: 1, Retain: true, Payload: make([]byte, size)}); got != want {
			t.Errorf("PUBACK for %s: got %#x, want %#x", topic, got, want)
		}
		f.next() // it is delivered all the same
	}
	const full = 0x97
	keep("a", 10, 0)
	keep("b", 89, full) // 101 bytes with the topics
	keep("b", 88, 0)
	keep("c", 1, full)
	keep("a", 0, 0)
	keep("c", 1, 0)
	keep("d", 1, full)
	if got := testutil.ToFloat64(gauge(t, reg)); got != 2 {
		t.Errorf("retained: got %v, want 2", got)
	}
	for filter, want := range map[string]byte{"a/b/c": 1, "a/b/c/d": full, "a/b/#": 1} {
		ack, _ := f.Subscribe(t.Context(), &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: filter, QoS: 1}}})
		if ack == nil || !slices.Equal(ack.Reasons, []byte{want}) {
			t.Errorf("SUBACK for %s: got %+v, want %#x", filter, ack, want)
		}
	}
	// In 3.1.1 nobody can be told, and nobody is cut off for it.
	c3 := old311(t, addr, "c3")
	wait3(t, c3.Publish("e", 1, true, "too much"))
	wait3(t, c3.Publish("e", 1, false, "fine"))
	if got := plainCount(t, reg, "not_retained"); got != 4 {
		t.Errorf("not retained: got %v, want 4", got)
	}
}

// gauge wraps uspgate_mqtt_retained_messages.
func gauge(t *testing.T, reg *prometheus.Registry) prometheus.Gauge {
	t.Helper()
	g := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "uspgate_mqtt_retained_messages", Help: "Messages of plain MQTT that are retained.",
	})
	err := reg.Register(g)
	already, ok := err.(prometheus.AlreadyRegisteredError) //nolint:errorlint // as documented
	if !ok {
		t.Fatalf("got %v, want the gauge that is there", err)
	}
	return already.ExistingCollector.(prometheus.Gauge)
}

// TestPlainSlow: a client that reads nothing loses messages of plain MQTT,
// whatever their QoS; nobody else feels it, and Records have their own room.
func TestPlainSlow(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	hub := mtptest.NewRecorder(t)
	addr := serve(t, mqtt.ServerOptions{Plain: true, QueueRecords: 10, Metrics: reg}, hub)
	slow := dial(t, addr, v5)
	slow.write(connect(v5, "slow", iAm(agent), []byte{0x21, 0, 5}), subscribe(v5, 1, "a", agentTopic(agent)))
	slow.wantConnack(0)
	slow.want(packets.Suback)
	link := hub.Link()
	other := newForeign(t, addr, &paho.Connect{ClientID: "other"})
	other.subscribe(0, paho.SubscribeOptions{Topic: "a", QoS: 1})
	for i := range 30 {
		other.publish(&paho.Publish{Topic: "a", QoS: 1, Payload: fmt.Append(nil, i)})
		other.wantNext("a", fmt.Sprint(i), 1, false)
	}
	if got := plainCount(t, reg, "dropped"); got != 20 {
		t.Errorf("dropped: got %v, want 20", got)
	}
	for i := range 10 {
		if _, err := link.Enqueue(record(controller, agent, i), mtp.Hint{}); err != nil {
			t.Fatalf("Enqueue: got %v, want nil", err)
		}
	}
	for i := range 10 {
		p := slow.wantPublish(fmt.Append(nil, i))
		slow.write(puback(p.PacketID))
	}
	for i := range 10 {
		p := slow.wantPublish(record(controller, agent, i))
		slow.write(puback(p.PacketID))
		if got := link.Settlement(); got.Err != nil {
			t.Errorf("Settled: got %v, want nil", got.Err)
		}
	}
}

// TestPlainExpiry: what is too old is not delivered [MQTT-3.3.2-5].
func TestPlainExpiry(t *testing.T) {
	t.Parallel()
	addr := serve(t, mqtt.ServerOptions{Plain: true, RetainedMessages: 1}, mtptest.NewRecorder(t))
	f := newForeign(t, addr, &paho.Connect{ClientID: "c"})
	second := uint32(1)
	f.publish(&paho.Publish{
		Topic: "a", QoS: 1, Retain: true, Payload: []byte("short"),
		Properties: &paho.PublishProperties{MessageExpiry: &second},
	})
	eventually(t, func() bool { // and its room is given back
		return f.publish(&paho.Publish{Topic: "b", QoS: 1, Retain: true, Payload: []byte("long")}) == 0x10
	})
	f.subscribe(0, paho.SubscribeOptions{Topic: "+", QoS: 0})
	f.wantNext("b", "long", 0, true)
	f.wantNothing()
}

// TestPlainLeaves: a client that has gone leaves nothing behind.
func TestPlainLeaves(t *testing.T) {
	t.Parallel()
	addr := serve(t, mqtt.ServerOptions{Plain: true, Role: usp.RoleAgent}, mtptest.NewRecorder(t))
	f := newForeign(t, addr, &paho.Connect{ClientID: "c"})
	for range 3 {
		p := dial(t, addr, v311)
		p.write(connect(v311, "gone"), subscribe(v311, 1, "a/b/c"))
		p.wantConnack(0)
		p.want(packets.Suback)
		_ = p.Close()
	}
	eventually(t, func() bool { return f.publish(&paho.Publish{Topic: "a/b/c", QoS: 1}) == 0x10 })
}
