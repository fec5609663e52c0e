// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mqtt"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/usp"
)

// TestPubackOrder: a PUBLISH is acknowledged when the router has delivered or
// kept its Record, in the order of receipt [R-MQTT.20, MQTT-4.6.0-2].
func TestPubackOrder(t *testing.T) {
	t.Parallel()
	hub := mtptest.NewRecorder(t)
	hub.Hold, hub.Window = true, 8
	addr := serve(t, mqtt.ServerOptions{}, hub)
	p := agentPeer(t, addr, v5, agent)
	link := hub.Link()
	tokens := make([]mtp.Token, 4)
	for i := range tokens {
		p.write(publish(v5, uint16(40-i), controllerTopic(controller), record(agent, controller, i)))
		tokens[i] = link.Next().Token
	}
	p.ping() // nothing has been acknowledged
	for _, i := range []int{2, 3, 1} {
		link.Link.Ack(tokens[i], nil)
	}
	p.ping() // nothing yet: the oldest is missing
	link.Link.Ack(tokens[0], nil)
	for i := range tokens {
		p.wantPuback(uint16(40-i), 0)
	}
}

// TestPubackReason: MQTT 5 tells the outcome; 3.1.1 knows only yes, and a
// connection that ends where the Record has to come again.
func TestPubackReason(t *testing.T) {
	t.Parallel()
	good := record(agent, controller, 1)
	tests := map[string]struct {
		payload []byte
		outcome error
		reason  byte
		ends    bool // in 3.1.1
	}{
		"delivered":  {good, nil, 0, false},
		"malformed":  {[]byte{0xff, 0xff}, nil, 0x99, false},
		"empty":      {nil, nil, 0x99, false},
		"too large":  {mtptest.Record(agent, controller, "large", 2001), nil, 0x83, false},
		"forbidden":  {good, mtp.ErrForbidden, 0x87, false},
		"unroutable": {good, mtp.ErrUnroutable, 0x10, false},
		"busy":       {good, mtp.ErrBusy, 0x97, true},
		"other":      {good, errors.New("disk full"), 0x97, true},
	}
	for name, tt := range tests {
		for _, version := range []byte{v5, v311} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				hub := mtptest.NewRecorder(t)
				addr := serve(t, mqtt.ServerOptions{MaxRecord: 2000}, hub)
				p := agentPeer(t, addr, version, agent)
				link := hub.Link()
				link.RefuseRecords(func(usp.Record) error { return tt.outcome })
				p.write(publish(version, 5, controllerTopic(controller), tt.payload))
				if version == v311 && tt.ends {
					p.wantEnd()
					return
				}
				p.wantPuback(5, map[byte]byte{v5: tt.reason}[version])
				p.ping()
			})
		}
	}
}

// TestReplyTopic: where the answer is wanted, in all the ways in which it is
// said, or not said [R-MQTT.23, R-MQTT.24, R-MQTT.25, R-MQTT.27a].
func TestReplyTopic(t *testing.T) {
	t.Parallel()
	base, registered := controllerTopic(controller), prop(3, str("application/vnd.bbf.usp.msg"))
	tests := map[string]struct {
		version    byte
		topic      string
		properties [][]byte
		reply      string
	}{
		"5":                           {v5, base, [][]byte{responseTopic("a/b"), uspMsg}, "a/b"},
		"5, registered content type":  {v5, base, [][]byte{responseTopic("a/b"), registered}, "a/b"},
		"5, no content type":          {v5, base, [][]byte{responseTopic("a/b")}, "a/b"},
		"5, nothing":                  {v5, base, nil, ""},
		"5, any topic":                {v5, "anything", [][]byte{responseTopic("a/b")}, "a/b"},
		"5, both":                     {v5, base + "/reply-to=x", [][]byte{responseTopic("a/b")}, "a/b"},
		"5, wildcard":                 {v5, base, [][]byte{responseTopic("a/#")}, ""},
		"5, correlation and user":     {v5, base, [][]byte{responseTopic("a/b"), prop(9, str("c")), user("k", "v")}, "a/b"},
		"3.1.1":                       {v311, base + "/reply-to=a%2Fb", nil, "a/b"},
		"3.1.1, leading slash":        {v311, base + "/reply-to=%2Fa%2Fb", nil, "/a/b"},
		"3.1.1, last one counts":      {v311, base + "/reply-to=x/reply-to=a", nil, "a"},
		"3.1.1, other percent":        {v311, base + "/reply-to=a%25%3A%2fb", nil, "a%25%3A%2fb"},
		"3.1.1, nothing [R-MQTT.26a]": {v311, base, nil, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hub := mtptest.NewRecorder(t)
			p := agentPeer(t, serve(t, mqtt.ServerOptions{}, hub), tt.version, agent)
			want := record(agent, controller, 1)
			p.write(publish(tt.version, 1, tt.topic, want, tt.properties...))
			got := hub.Link().Next()
			if !bytes.Equal(got.Record.Bytes(), want) || got.Hint.ReplyTo != tt.reply {
				t.Errorf("got %q with reply topic %q, want %q with %q", got.Record.Bytes(), got.Hint.ReplyTo, want, tt.reply)
			}
		})
	}
}

// TestQoS2: exactly once, though USP does not ask for it [MQTT-4.3.3].
func TestQoS2(t *testing.T) {
	t.Parallel()
	for _, version := range []byte{v5, v311} {
		hub := mtptest.NewRecorder(t)
		p := agentPeer(t, serve(t, mqtt.ServerOptions{}, hub), version, agent)
		link := hub.Link()
		first := publish(version, 9, controllerTopic(controller), record(agent, controller, 1))
		first[0] = 0x34
		p.write(first)
		p.want(packets.Pubrec)
		first[0] |= 0x08 // DUP
		p.write(first)
		p.want(packets.Pubrec)
		p.write([]byte{0x62, 2, 0, 9})
		p.want(packets.Pubcomp)
		p.write([]byte{0x62, 2, 0, 9})
		if pk := p.want(packets.Pubcomp); version == v5 && pk.ReasonCode != packets.ErrPacketIdentifierNotFound.Code {
			t.Errorf("PUBCOMP: got %#x, want %#x", pk.ReasonCode, packets.ErrPacketIdentifierNotFound.Code)
		}
		p.write(publish(version, 9, controllerTopic(controller), record(agent, controller, 2)))
		p.wantPuback(9, 0)
		for i := range 2 {
			if got := link.Next(); !bytes.Equal(got.Record.Bytes(), record(agent, controller, i+1)) {
				t.Errorf("Record %d: got %q", i, got.Record.Bytes())
			}
		}
	}
}

// TestReceiveMaximum: MQTT 5 clients keep to it [MQTT-3.3.4-7]; 3.1.1 clients do
// not know of it.
func TestReceiveMaximum(t *testing.T) {
	t.Parallel()
	for _, qos := range []byte{0x32, 0x34} {
		for _, version := range []byte{v5, v311} {
			hub := mtptest.NewRecorder(t)
			hub.Hold, hub.Window = true, 10
			p := agentPeer(t, serve(t, mqtt.ServerOptions{MaxInflight: 3}, hub), version, agent)
			link := hub.Link()
			for i := range 4 {
				pk := publish(version, uint16(i+1), controllerTopic(controller), record(agent, controller, i))
				pk[0] = qos
				p.write(pk)
			}
			if version == v5 {
				p.wantDisconnect(packets.ErrReceiveMaximum.Code)
				if err := link.WaitDown(); !errors.Is(err, packets.ErrReceiveMaximum) {
					t.Errorf("cause: got %v, want %v", err, packets.ErrReceiveMaximum)
				}
				continue
			}
			p.ping()
		}
	}
}

// TestRetained: RETAIN does not make a Record come twice.
func TestRetained(t *testing.T) {
	t.Parallel()
	hub := mtptest.NewRecorder(t)
	addr := serve(t, mqtt.ServerOptions{}, hub)
	p := agentPeer(t, addr, v311, agent)
	pk := publish(v311, 3, agentTopic(mtptest.Neighbour), record(agent, mtptest.Neighbour, 1))
	pk[0] |= 1
	p.write(pk)
	p.wantPuback(3, 0)
	agentPeer(t, addr, v311, mtptest.Neighbour).ping()
}

// TestOversized: MQTT 5 hears that a packet is too large [MQTT-3.2.2-15], before
// it has been read, and what came before it counts.
func TestOversized(t *testing.T) {
	t.Parallel()
	hub := mtptest.NewRecorder(t)
	p := agentPeer(t, serve(t, mqtt.ServerOptions{MaxRecord: 1000}, hub), v5, agent)
	before := record(agent, controller, 1)
	large := publish(v5, 2, controllerTopic(controller), make([]byte, 10_000))
	p.write(publish(v5, 0, controllerTopic(controller), before), large[:3])
	p.wantDisconnect(packets.ErrPacketTooLarge.Code)
	link := hub.Link()
	if got := link.Next(); !bytes.Equal(got.Record.Bytes(), before) {
		t.Errorf("got %q, want %q", got.Record.Bytes(), before)
	}
	if err := link.WaitDown(); !errors.Is(err, packets.ErrPacketTooLarge) {
		t.Errorf("cause: got %v, want %v", err, packets.ErrPacketTooLarge)
	}
}

// TestPublishFirst: a client that publishes before it subscribes is up, and
// what waits for it waits on.
func TestPublishFirst(t *testing.T) {
	t.Parallel()
	for _, version := range []byte{v5, v311} {
		hub := mtptest.NewRecorder(t)
		addr := serve(t, mqtt.ServerOptions{}, hub)
		p := dial(t, addr, version)
		p.write(connect(version, string(agent)))
		p.wantConnack(0)
		p.write(publish(version, 1, controllerTopic(controller), record(agent, controller, 1)))
		link := hub.Link()
		token := link.Send(record(controller, agent, 2), mtp.Hint{})
		p.wantPuback(1, 0)
		p.ping() // no PUBLISH has come
		p.write(subscribe(version, 2, agentTopic(agent)))
		p.want(packets.Suback)
		id := p.wantPublish(record(controller, agent, 2)).PacketID
		p.write(puback(id))
		if got := link.Settlement(); got != (mtptest.Settlement{Token: token}) {
			t.Errorf("Settled: got %+v, want %d <nil>", got, token)
		}
		// One that leaves without a subscription has lost nothing.
		p.write(unsubscribe(version, 3, agentTopic(agent)))
		p.want(packets.Unsuback)
		link.Send(record(controller, agent, 3), mtp.Hint{})
		p.ping()
		p.write([]byte{0xe0, 0})
		if got := link.Settlement(); !errors.Is(got.Err, mtp.ErrLinkDown) {
			t.Errorf("Settled: got %v, want %v", got.Err, mtp.ErrLinkDown)
		}
	}
}

// TestRole: what a client does tells its role.
func TestRole(t *testing.T) {
	t.Parallel()
	at := func(role usp.Role) map[usp.Address]mtp.Hint {
		return map[usp.Address]mtp.Hint{{ID: agent, Role: role}: {}}
	}
	toB, connectRecord := record(agent, "b", 1), usp.NewMQTTConnect(agent, controller, true, agentTopic(agent))
	tests := map[string]struct {
		version byte
		filter  string
		publish []byte
		atOnce  usp.Role
		bound   map[usp.Address]mtp.Hint
	}{
		"5, Agent's topic":         {v5, agentTopic(agent), nil, usp.RoleUnknown, nil},
		"5, Controller's topic":    {v5, controllerTopic(agent), nil, usp.RoleController, nil},
		"3.1.1, Agent's topic":     {v311, agentTopic(agent) + "/#", nil, usp.RoleAgent, nil},
		"5, sends to a Controller": {v5, "a", publish(v5, 1, controllerTopic("b"), toB), 0, at(usp.RoleAgent)},
		"5, sends to an Agent":     {v5, "a", publish(v5, 1, agentTopic("b"), toB), 0, at(usp.RoleController)},
		"5, Connect Record":        {v5, "a", publish(v5, 1, "b", connectRecord.Bytes()), 0, at(usp.RoleAgent)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hub := mtptest.NewRecorder(t)
			p := dial(t, serve(t, mqtt.ServerOptions{}, hub), tt.version)
			p.write(connect(tt.version, string(agent)), subscribe(tt.version, 1, tt.filter), tt.publish)
			link := hub.Link()
			if link.Peer.Role != tt.atOnce || link.Peer.Endpoint != agent {
				t.Errorf("Peer: got %s as %v, want %s as %v", link.Peer.Endpoint, link.Peer.Role, agent, tt.atOnce)
			}
			if tt.publish == nil {
				return
			}
			link.Next()
			if got := link.Bound(); len(got) != 1 || got[usp.Address{ID: agent, Role: usp.RoleUnknown}] != (mtp.Hint{}) ||
				!sameKeys(got, tt.bound) {
				t.Errorf("Bound: got %v, want %v", got, tt.bound)
			}
		})
	}
}

func sameKeys(a, b map[usp.Address]mtp.Hint) bool {
	for k := range a {
		if _, ok := b[k]; !ok {
			return false
		}
	}
	return len(a) == len(b)
}

// TestAcksPassWaitingRecords: a client that wants its own PUBLISH acknowledged
// before it acknowledges ours is not left waiting.
func TestAcksPassWaitingRecords(t *testing.T) {
	t.Parallel()
	hub := mtptest.NewRecorder(t)
	addr := serve(t, mqtt.ServerOptions{}, hub)
	p := dial(t, addr, v5)
	p.write(connect(v5, string(agent), []byte{0x21, 0, 2}), subscribe(v5, 1, agentTopic(agent))) // Receive Maximum 2
	p.wantConnack(0)
	p.want(packets.Suback)
	link := hub.Link()
	for i := range 10 {
		link.Send(record(controller, agent, i), mtp.Hint{})
	}
	ids := make([]uint16, 2)
	for i := range ids {
		ids[i] = p.wantPublish(record(controller, agent, i)).PacketID
	}
	p.write(publish(v5, 77, controllerTopic(controller), record(agent, controller, 1)))
	p.wantPuback(77, 0)
	p.ping()
	for i := 2; i < 10; i++ {
		p.write(puback(ids[0]))
		ids = append(ids[1:], p.wantPublish(record(controller, agent, i)).PacketID)
		if got := link.Settlement(); got.Err != nil {
			t.Fatalf("Settled: got %v, want nil", got.Err)
		}
	}
}

// TestNeverReads: a client that takes nothing is cut off after the write
// timeout, and everything comes back in order (the Recorder checks that).
func TestNeverReads(t *testing.T) {
	t.Parallel()
	for _, qos := range []byte{0, 1} {
		hub := mtptest.NewRecorder(t)
		addr := serve(t, mqtt.ServerOptions{WriteTimeout: 100 * time.Millisecond, QueueBytes: 64 << 20}, hub)
		agentPeerQoS(t, addr, v5, agent, qos)
		link := hub.Link()
		large := mtptest.Record(controller, agent, "large", 1<<20)
		for range 40 {
			if _, err := link.Enqueue(large, mtp.Hint{}); err != nil {
				break
			}
		}
		if err := link.WaitDown(); err == nil {
			t.Error("cause: got nil, want an error")
		}
	}
}

// TestMalformed: MQTT 5 hears what was wrong [MQTT-4.13.1].
func TestMalformed(t *testing.T) {
	t.Parallel()
	addr := serve(t, mqtt.ServerOptions{}, mtptest.NewRecorder(t))
	for input, reason := range map[string]byte{
		string([]byte{0x30, 3, 0, 9, 'a'}):                            0x81,
		string([]byte{0x30, 0x80, 0x80, 0x80, 0x80}):                  0x81,
		string(packet(0x82, []byte{0, 7, 0}, str("without options"))): 0x81,
		string(connect(v5, "again")):                                  0x82,
		string([]byte{0x20, 3, 0, 0, 0}):                              0x82,
		string(publish(v5, 0, "a/+", nil)):                            0x82,
		string(publish(v5, 0, "a", nil, []byte{0x23, 0, 1})):          0x94,
		string([]byte{0x30, 0xff, 0xff, 0xff, 0x7f}):                  0x95,
	} {
		p := agentPeer(t, addr, v5, agent)
		p.write([]byte(input))
		p.wantDisconnect(reason)
	}
}
