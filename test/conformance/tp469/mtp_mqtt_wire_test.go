// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package tp469_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/uspgate/uspgate/usp"
)

// Where the Controller is on the broker that the test is, and what a broker says.
const (
	controllerTopic = "tp469/controller"
	subscribeTopic  = "subscribe-topic"
	mqtt5           = 5
	mqtt311         = 4
)

// mqtt is the binding by which a Virtual Agent connects to an MQTT broker as an Agent of its
// own.
func (b *broker) mqtt(scheme, more string) string {
	return `mtp:
  - name: north
    type: mqtt
    connect: "` + scheme + "://" + b.Addr().String() + `"
    role: controller
    peer: "` + string(raw) + `"
    link: per_agent
    username: virtual
    password: secret
    retry: {interval: 200ms, multiplier: 2000}
` + more
}

// granted is how a broker answers a CONNECT, and what it grants.
type granted struct {
	// topics are sent as subscribe-topic, response as Response Information.
	topics   []string
	response string
	clientID string // assigned
	keep     uint16 // Server Keep Alive
	// qos is the reason code of each filter; nil: 1.
	qos func(filter string) byte
}

// mqttConn is one connection, the end of the broker. It is a line.
type mqttConn struct {
	net.Conn

	t       *testing.T
	r       *bufio.Reader
	version byte
	connect packets.Packet // the CONNECT
	filters []string       // of the SUBSCRIBEs
	grants  granted
	last    packets.Packet // the last PUBLISH
	// at is where the Agent is sent Records, and with what. properties are of MQTT 5.
	at         string
	properties []byte
	qos0       bool
	acked      []uint16 // the PUBACKs
	packetID   uint16
}

// mqttAgent accepts a connection, answers its CONNECT and waits for its SUBSCRIBE.
func (b *bench) mqttAgent(br *broker, g granted) *mqttConn {
	b.Helper()
	c := b.mqttConnect(br, g)
	for len(c.filters) == 0 {
		if pk, err := c.packet(); err != nil || pk.FixedHeader.Type != packets.Subscribe {
			b.Fatalf("got %s, %v, want SUBSCRIBE", packets.PacketNames[pk.FixedHeader.Type], err)
		}
	}
	c.at = strings.TrimSuffix(c.filters[0], "/#")
	return c
}

// mqttConnect accepts a connection and answers its CONNECT.
func (b *bench) mqttConnect(br *broker, g granted) *mqttConn {
	b.Helper()
	conn := br.accept()
	c := &mqttConn{Conn: conn, t: b.T, r: bufio.NewReader(conn), version: mqtt5, grants: g}
	c.properties = answerTo(controllerTopic, "usp.msg")
	var err error
	if c.connect, err = c.packet(); err != nil || c.connect.FixedHeader.Type != packets.Connect {
		b.Fatalf("got %s, %v, want CONNECT", packets.PacketNames[c.connect.FixedHeader.Type], err)
	}
	c.version = c.connect.ProtocolVersion
	body := []byte{0, 0}
	if c.version == mqtt5 {
		body = append(body, sized(g.properties())...)
	}
	c.write(0x20, body)
	return c
}

// properties are those of a CONNACK.
func (g *granted) properties() (p []byte) {
	for _, t := range g.topics {
		p = append(append(append(p, 0x26), str(subscribeTopic)...), str(t)...)
	}
	if g.response != "" {
		p = append(append(p, 0x1a), str(g.response)...)
	}
	if g.clientID != "" {
		p = append(append(p, 0x12), str(g.clientID)...)
	}
	if g.keep > 0 {
		p = binary.BigEndian.AppendUint16(append(p, 0x13), g.keep)
	}
	return p
}

// answerTo are the properties of a PUBLISH: Response Topic and Content Type.
func answerTo(topic, contentType string) []byte {
	return append(append(append([]byte{0x08}, str(topic)...), 0x03), str(contentType)...)
}

// str is a string as MQTT writes it, sized are properties with their length before them.
func str(s string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(s))), s...)
}

func sized(p []byte) []byte { return append(binary.AppendUvarint(nil, uint64(len(p))), p...) }

func (c *mqttConn) write(first byte, body []byte) {
	c.t.Helper()
	if _, err := c.Write(append([]byte{first}, sized(body)...)); err != nil {
		c.t.Fatal(err)
	}
}

// packet reads the next one and answers it as a broker does.
func (c *mqttConn) packet() (packets.Packet, error) {
	c.t.Helper()
	pk := packets.Packet{ProtocolVersion: c.version}
	first, err := c.r.ReadByte()
	if err != nil {
		return pk, err
	}
	if err := pk.FixedHeader.Decode(first); err != nil {
		return pk, err
	}
	if pk.FixedHeader.Remaining, _, err = packets.DecodeLength(c.r); err != nil {
		return pk, err
	}
	body := make([]byte, pk.FixedHeader.Remaining)
	if _, err := io.ReadFull(c.r, body); err != nil {
		return pk, err
	}
	return pk, c.answer(&pk, body)
}

func (c *mqttConn) answer(pk *packets.Packet, body []byte) error {
	c.t.Helper()
	var id [2]byte
	switch pk.FixedHeader.Type {
	case packets.Connect:
		return pk.ConnectDecode(body)
	case packets.Subscribe:
		if err := pk.SubscribeDecode(body); err != nil {
			return err
		}
		c.suback(pk)
	case packets.Unsubscribe:
		return pk.UnsubscribeDecode(body)
	case packets.Publish:
		if err := pk.PublishDecode(body); err != nil {
			return err
		}
		if pk.FixedHeader.Qos > 0 {
			binary.BigEndian.PutUint16(id[:], pk.PacketID)
			c.write(0x40, id[:])
		}
	case packets.Puback:
		if err := pk.PubackDecode(body); err != nil {
			return err
		}
		c.acked = append(c.acked, pk.PacketID)
	case packets.Pingreq:
		c.write(0xd0, nil)
	case packets.Disconnect:
		return pk.DisconnectDecode(body)
	}
	return nil
}

func (c *mqttConn) suback(pk *packets.Packet) {
	c.t.Helper()
	body := binary.BigEndian.AppendUint16(nil, pk.PacketID)
	if c.version == mqtt5 {
		body = append(body, 0)
	}
	for _, f := range pk.Filters {
		c.filters = append(c.filters, f.Filter)
		code := byte(1)
		if c.grants.qos != nil {
			code = c.grants.qos(f.Filter)
		}
		body = append(body, code)
	}
	c.write(0x90, body)
}

func (c *mqttConn) send(rec usp.Record) {
	c.t.Helper()
	first, topic := byte(0x32), c.at
	if c.qos0 {
		first = 0x30
	}
	if c.version == mqtt311 {
		topic += "/reply-to=" + strings.ReplaceAll(controllerTopic, "/", "%2F")
	}
	body := str(topic)
	if !c.qos0 {
		c.packetID++
		body = binary.BigEndian.AppendUint16(body, c.packetID)
	}
	if c.version == mqtt5 {
		body = append(body, sized(c.properties)...)
	}
	c.write(first, append(body, rec.Bytes()...))
}

// next is the Record of the next PUBLISH.
func (c *mqttConn) next() usp.Record {
	c.t.Helper()
	for {
		pk, err := c.packet()
		if err != nil {
			c.t.Fatalf("got %v, want a PUBLISH", err)
		}
		switch pk.FixedHeader.Type {
		case packets.Publish:
			c.last = pk
			return record(c.t, bytes.Clone(pk.Payload))
		case packets.Disconnect:
			c.t.Fatalf("got DISCONNECT with %#x, want a PUBLISH", pk.ReasonCode)
		}
	}
}

// replies checks where the last PUBLISH went, and where it says that the Agent is.
func (c *mqttConn) replies(to, from string) {
	c.t.Helper()
	if c.version == mqtt311 {
		to += "/reply-to=" + strings.ReplaceAll(from, "/", "%2F")
		from = ""
	} else if got := c.last.Properties.ContentType; got != "usp.msg" {
		c.t.Errorf("got Content Type %q, want usp.msg", got)
	}
	if c.last.TopicName != to || c.last.Properties.ResponseTopic != from {
		c.t.Errorf("got a PUBLISH to %q with Response Topic %q, want to %q with %q",
			c.last.TopicName, c.last.Properties.ResponseTopic, to, from)
	}
}
