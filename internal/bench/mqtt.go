// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/uspgate/uspgate/usp"
)

// Packet types of MQTT, with their flags.
const (
	mqttConnect    = 0x10
	mqttConnack    = 0x20
	mqttPublish    = 0x30
	mqttPuback     = 0x40
	mqttSubscribe  = 0x82
	mqttSuback     = 0x90
	mqttPingresp   = 0xd0
	mqttDisconnect = 0xe0
)

// Properties of MQTT 5.
const (
	mqttContentType      = 0x03
	mqttResponseTopic    = 0x08
	mqttUserProperty     = 0x26
	mqttFailure          = 0x80 // and above: reason codes that say no
	mqttNoSuchSubscriber = 0x10
)

// mqttClient speaks MQTT 5 or 3.1.1 with QoS 0 or 1.
type mqttClient struct {
	id   identity
	v5   bool
	name usp.EndpointID
}

func newMQTT(id identity, v5 bool) *mqttClient {
	id.own = topicOf(id.own, id.self)
	id.destination = topicOf(id.destination, id.peer)
	return &mqttClient{id: id, v5: v5, name: id.self.ID}
}

// topicOf is the configured topic, or the one of the gateway's default
// templates.
func topicOf(configured string, a usp.Address) string {
	switch {
	case configured != "":
		return configured
	case a.Role == usp.RoleAgent:
		return "usp/v1/agent/" + string(a.ID)
	default:
		return "usp/v1/controller/" + string(a.ID)
	}
}

func (m *mqttClient) open(c *client) error {
	if _, err := c.conn.Write(m.connectPacket()); err != nil {
		return err
	}
	answer, err := readMQTT(c.r, mqttConnack)
	if err != nil {
		return err
	}
	if len(answer) < 2 || answer[1] != 0 {
		return fmt.Errorf("CONNACK % x", answer)
	}
	if _, err := c.conn.Write(m.subscribePacket()); err != nil {
		return err
	}
	if answer, err = readMQTT(c.r, mqttSuback); err != nil {
		return err
	}
	if len(answer) < 3 || answer[len(answer)-1] >= mqttFailure {
		return fmt.Errorf("SUBACK % x", answer)
	}
	return nil
}

func (m *mqttClient) connectPacket() []byte {
	version, flags := byte(4), byte(2) // a clean session
	if m.v5 {
		version = 5
	}
	if m.id.user != "" {
		flags |= 0xc0
	}
	b := append(appendString(nil, "MQTT"), version, flags, 0, 0) // no keep-alive: a Load may rest
	if m.v5 {
		p := appendString(append([]byte(nil), mqttUserProperty), "usp-endpoint-id") // [R-MQTT.13]
		b = appendProperties(b, appendString(p, string(m.name)))
	}
	b = appendString(b, string(m.name))
	if m.id.user != "" {
		b = appendString(appendString(b, m.id.user), m.id.password)
	}
	return packet(mqttConnect, b)
}

func (m *mqttClient) subscribePacket() []byte {
	b := []byte{0, 1}
	filter := m.id.own
	if m.v5 {
		b = append(b, 0)
	} else {
		filter += "/#" // [R-MQTT.15]
	}
	return packet(mqttSubscribe, append(appendString(b, filter), m.id.qos))
}

func (m *mqttClient) connect(from, to usp.EndpointID) (usp.Record, bool) {
	return usp.NewMQTTConnect(from, to, m.v5, m.id.own), true
}

func (m *mqttClient) frame(rec []byte) frame {
	topic := m.id.destination
	if !m.v5 { // [R-MQTT.24]
		topic += "/reply-to=" + strings.ReplaceAll(m.id.own, "/", "%2F")
	}
	b := appendString(nil, topic)
	id := len(b)
	if m.id.qos > 0 {
		b = append(b, 0, 0)
	}
	if m.v5 {
		p := appendString([]byte{mqttContentType}, "usp.msg")
		b = appendProperties(b, appendString(append(p, mqttResponseTopic), m.id.own))
	}
	record := len(b)
	b = append(b, rec...)
	whole := packet(mqttPublish|m.id.qos<<1, b)
	head := len(whole) - len(b)
	f := frame{bytes: whole, record: head + record}
	if m.id.qos > 0 {
		f.ids = []int{head + id}
	}
	return f
}

func (m *mqttClient) next(b, answers []byte) (event, []byte, error) {
	head, size, err := mqttLength(b)
	if err != nil || head == 0 || len(b) < head+size {
		return event{}, answers, err
	}
	ev := event{size: head + size}
	body := b[head:ev.size]
	switch b[0] &^ 0x0f {
	case mqttPublish:
		return m.publish(ev, b[0], body, answers)
	case mqttPuback:
		if len(body) > 2 && body[2] >= mqttFailure {
			return event{}, nil, fmt.Errorf("bench: PUBACK with reason %#x", body[2])
		}
		ev.acked = true
	case mqttPingresp, mqttSuback:
	case mqttDisconnect:
		return event{}, nil, fmt.Errorf("bench: DISCONNECT % x from the relay", body)
	default:
		return event{}, nil, fmt.Errorf("bench: MQTT packet %#x", b[0])
	}
	return ev, answers, nil
}

func (m *mqttClient) publish(ev event, flags byte, body, answers []byte) (event, []byte, error) {
	at, size := 2, len(body)
	if size >= 2 {
		at += int(binary.BigEndian.Uint16(body))
	}
	if flags&6 != 0 {
		if size < at+2 {
			return event{}, nil, errMQTT
		}
		answers = append(answers, mqttPuback, 2, body[at], body[at+1])
		at += 2
	}
	if m.v5 && size > at {
		n, properties := binary.Uvarint(body[at:])
		if properties <= 0 || n > uint64(size) {
			return event{}, nil, errMQTT
		}
		at += properties + int(n)
	}
	if size < at {
		return event{}, nil, errMQTT
	}
	ev.record = body[at:]
	return ev, answers, nil
}

var errMQTT = errors.New("bench: malformed MQTT packet")

// mqttLength reads type and length; head is 0 while they are incomplete.
func mqttLength(b []byte) (head, size int, err error) {
	if len(b) < 2 {
		return 0, 0, nil
	}
	n, k := binary.Uvarint(b[1:min(len(b), 5)])
	switch {
	case k == 0 && len(b) >= 5:
		return 0, 0, errMQTT
	case k == 0:
		return 0, 0, nil
	}
	return 1 + k, int(n), nil
}

// readMQTT reads one packet of the wanted type and returns what follows its
// length.
func readMQTT(r io.ByteReader, want byte) ([]byte, error) {
	kind, err := r.ReadByte()
	if err != nil {
		return nil, err
	}
	size, err := binary.ReadUvarint(r)
	if err != nil {
		return nil, err
	}
	if kind != want || size > 1<<16 {
		return nil, fmt.Errorf("MQTT packet %#x of %d bytes, want %#x", kind, size, want)
	}
	body := make([]byte, size)
	for i := range body {
		if body[i], err = r.ReadByte(); err != nil {
			return nil, err
		}
	}
	return body, nil
}

func packet(kind byte, body []byte) []byte {
	return append(binary.AppendUvarint([]byte{kind}, uint64(len(body))), body...)
}

func appendString(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

func appendProperties(b, p []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(p))), p...)
}
