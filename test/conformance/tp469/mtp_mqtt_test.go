// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package tp469_test

import (
	"slices"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/usprecord"
)

// versions are both of MQTT, with the YAML that chooses them.
//
//nolint:gochecknoglobals // a constant
var versions = map[byte]string{mqtt5: "", mqtt311: "    version: 3.1.1\n"}

// eachVersion runs a case with a gateway for each version.
func (b *bench) eachVersion(f func(br *broker, version byte)) {
	b.Helper()
	for version, yaml := range versions {
		br := newBroker(b.T, nil)
		b.alone(br.mqtt("mqtt", yaml))
		f(br, version)
	}
}

// ownTopic is where a Virtual Agent is that was told nothing.
func (b *bench) ownTopic() string { return "usp/v1/agent/" + string(b.cpe.Agent) }

func case11_2(b *bench) {
	b.eachVersion(func(br *broker, version byte) {
		c := b.mqttAgent(br, granted{})
		p := c.connect.Connect
		if c.connect.ProtocolVersion != version || string(p.Username) != "virtual" || string(p.Password) != "secret" {
			b.Errorf("got version %d with user %q and password %q, want %d with those of the configuration",
				c.connect.ProtocolVersion, p.Username, p.Password, version)
		}
		want := packets.UserProperty{Key: "usp-endpoint-id", Val: string(b.cpe.Agent)}
		if version == mqtt5 && !slices.Contains(c.connect.Properties.User, want) {
			b.Errorf("got user properties %v, want %v [R-MQTT.13]", c.connect.Properties.User, want)
		}
		b.answers(c, "11.2")
	})
}

func case11_3(b *bench) {
	s := newSecure(b.T)
	br := newBroker(b.T, s.conf)
	b.alone(br.mqtt("mqtts", s.agents))
	c := b.mqttAgent(br, granted{})
	b.answers(c, "11.3")
	b.identifiedConn(c.Conn)
}

// What the broker has assigned is seen in the next CONNECT instead of a parameter.
func case11_4(b *bench) {
	br := newBroker(b.T, nil)
	b.alone(br.mqtt("mqtt", ""))
	c := b.mqttAgent(br, granted{clientID: "given by the broker"})
	if got := c.connect.Connect.ClientIdentifier; got != "" {
		b.Errorf("got ClientID %q, want none", got)
	}
	b.answers(c, "11.4")
	_ = c.Close()
	c = b.mqttAgent(br, granted{})
	if got := c.connect.Connect.ClientIdentifier; got != "given by the broker" {
		b.Errorf("got ClientID %q, want the one that was assigned", got)
	}
}

func case11_5(b *bench) {
	b.eachVersion(func(br *broker, version byte) {
		g := granted{clientID: "given"}
		ids := make([]string, 3)
		for i := range ids {
			c := b.mqttAgent(br, g)
			ids[i] = c.connect.Connect.ClientIdentifier
			g.clientID = ""
			_ = c.Close()
		}
		want := "given"
		if version == mqtt311 {
			want = string(b.cpe.Agent) // [R-MQTT.8]
		}
		if ids[1] != want || ids[2] != want {
			b.Errorf("MQTT version %d: got ClientIDs %q, want %q each time after the first", version, ids, want)
		}
	})
}

func case11_6(b *bench) {
	br := newBroker(b.T, nil)
	b.alone(br.mqtt("mqtt", ""))
	c := b.mqttAgent(br, granted{})
	b.answers(c, "11.6 before")
	br.retries(200*time.Millisecond, func() { _ = c.Close() })
	b.answers(b.mqttAgent(br, granted{}), "11.6 after")
}

// The broker's Server Keep Alive takes the place of the Agent's 60 s.
func case11_7(b *bench) {
	br := newBroker(b.T, nil)
	b.alone(br.mqtt("mqtt", "    keep_alive: 60s\n"))
	c := b.mqttAgent(br, granted{keep: 2})
	if got := c.connect.Connect.Keepalive; got != 60 {
		b.Errorf("got a keep-alive of %d s, want 60", got)
	}
	b.answers(c, "11.7")
	begin := time.Now()
	for {
		pk, err := c.packet()
		if err != nil {
			b.Fatal(err)
		}
		if pk.FixedHeader.Type == packets.Pingreq {
			break
		}
		begin = time.Now()
	}
	within(b.T, "PINGREQ", time.Since(begin), 0, 3*time.Second)
}

func case11_8(b *bench) {
	br := newBroker(b.T, nil)
	b.alone(br.mqtt("mqtt", ""))
	g := granted{topics: []string{"tp469/one", "tp469/two/#"}, response: "tp469/response"}
	c := b.mqttAgent(br, g)
	if got := c.connect.Properties.RequestResponseInfo; got != 1 {
		b.Errorf("got Request Response Information %d, want 1", got)
	}
	for len(c.filters) < 3 {
		if _, err := c.packet(); err != nil {
			b.Fatalf("got filters %q, want all that the CONNACK had", c.filters)
		}
	}
	b.equal("filters", c.filters, "tp469/one", "tp469/two/#", "tp469/response")
	c.at = "tp469/one"
	b.answers(c, "11.8")
	c.replies(controllerTopic, "tp469/response")
}

func case11_11(b *bench) {
	b.eachVersion(func(br *broker, version byte) {
		c := b.mqttConnect(br, granted{qos: func(string) byte { return 0x80 }})
		for {
			pk, err := c.packet()
			if err != nil {
				b.Fatalf("got %v, want DISCONNECT", err)
			}
			if pk.FixedHeader.Type == packets.Publish {
				b.Errorf("got a PUBLISH to %q, want none", pk.TopicName)
			}
			if pk.FixedHeader.Type == packets.Disconnect {
				break
			}
		}
		if len(c.filters) == 0 {
			b.Errorf("MQTT version %d: got no SUBSCRIBE", version)
		}
	})
}

func case11_12(b *bench) {
	b.eachVersion(func(br *broker, version byte) {
		at := b.ownTopic()
		g := granted{}
		if version == mqtt5 {
			at = "tp469/given"
			g.response = at
		}
		c := b.mqttAgent(br, g)
		b.answers(c, "11.12")
		c.replies(controllerTopic, at)
	})
}

// The topics are of the configuration; one is granted with QoS 0, one with QoS 1.
func case11_13(b *bench) {
	br := newBroker(b.T, nil)
	b.alone(br.mqtt("mqtt", "    subscriptions: [tp469/qos0, tp469/qos1]\n"))
	c := b.mqttAgent(br, granted{qos: func(filter string) byte {
		if filter == "tp469/qos0" {
			return 0
		}
		return 1
	}})
	for len(c.filters) < 3 {
		if _, err := c.packet(); err != nil {
			b.Fatalf("got filters %q, want those of the configuration and the own topic", c.filters)
		}
	}
	b.equal("filters", c.filters, b.ownTopic(), "tp469/qos0", "tp469/qos1")
	c.at, c.qos0 = "tp469/qos0", true
	b.answers(c, "11.13 with QoS 0")
	c.at, c.qos0 = "tp469/qos1", false
	b.answers(c, "11.13 with QoS 1")
	for !slices.Equal(c.acked, []uint16{1}) {
		if _, err := c.packet(); err != nil {
			b.Fatalf("got PUBACKs %v, want one for the PUBLISH with QoS 1", c.acked)
		}
	}
}

func case11_14(b *bench) {
	b.eachVersion(func(br *broker, _ byte) {
		c := b.mqttAgent(br, granted{})
		b.answers(c, "11.14")
		c.replies(controllerTopic, b.ownTopic())
	})
}

func case11_15(b *bench) {
	br := newBroker(b.T, nil)
	b.alone(br.mqtt("mqtt", ""))
	c := b.mqttAgent(br, granted{})
	for _, contentType := range []string{"usp.msg", "application/vnd.bbf.usp.msg"} {
		c.properties = answerTo(controllerTopic, contentType)
		b.answers(c, "11.15 with "+contentType)
	}
}

func case11_16(b *bench) {
	br := newBroker(b.T, nil)
	b.alone(br.mqtt("mqtt", ""))
	c := b.mqttAgent(br, granted{})
	b.answers(c, "11.16 before")
	begin := time.Now()
	c.write(0xe0, []byte{0x8b}) // server shutting down
	c = b.mqttAgent(br, granted{})
	within(b.T, "the next connection", time.Since(begin), 200*time.Millisecond, 400*time.Millisecond)
	b.answers(c, "11.16 after")
}

func case11_17(b *bench) {
	b.eachVersion(func(br *broker, version byte) {
		want := usprecord.MQTTConnectRecord_V5
		if version == mqtt311 {
			want = usprecord.MQTTConnectRecord_V3_1_1
		}
		for range 2 {
			c := b.mqttAgent(br, granted{})
			connect := parsed(b.T, b.shown(c, usp.RecordMQTTConnect)).GetMqttConnect()
			if connect.GetVersion() != want || connect.GetSubscribedTopic() != c.at {
				b.Errorf("got %v, want version %v and %s", connect, want, c.at)
			}
			_ = c.Close()
		}
	})
}
