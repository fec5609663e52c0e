// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package kill_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/uspgate/uspgate/usp"
)

// Types of MQTT packets, with their flags.
const (
	mqttConnect   = 0x10
	mqttConnack   = 0x20
	mqttPublish   = 0x30
	mqttPuback    = 0x40
	mqttSubscribe = 0x82
	mqttSuback    = 0x90
	mqttDup       = 0x08
	mqttQoS1      = 0x02
)

// patience is how long a client waits for the answer to what opens a connection.
const patience = 5 * time.Second

// mqttConn is one connection of a client of MQTT 5 or 3.1.1.
type mqttConn struct {
	net.Conn

	r    *bufio.Reader
	v5   bool
	self usp.EndpointID
}

// dialMQTT connects; with a topic it subscribes to it. It keeps the session, or
// would if the server did.
func dialMQTT(ctx context.Context, addr string, v5 bool, self usp.EndpointID, topic string) (*mqttConn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	c := &mqttConn{Conn: conn, r: bufio.NewReaderSize(conn, 64<<10), v5: v5, self: self}
	if err := c.open(topic); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return c, nil
}

func (c *mqttConn) open(topic string) error {
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	version := byte(4)
	if c.v5 {
		version = 5
	}
	b := append(mqttString(nil, "MQTT"), version, 0, 0, 0) // clean session or start: no; keep-alive: none
	if c.v5 {
		p := mqttString(mqttString([]byte{0x26}, "usp-endpoint-id"), string(c.self)) // [R-MQTT.13]
		p = append(p, 0x11, 0, 0, 0x0e, 0x10)                                        // Session Expiry Interval: an hour
		b = append(binary.AppendUvarint(b, uint64(len(p))), p...)
	}
	if err := c.write(mqttConnect, mqttString(b, string(c.self))); err != nil {
		return err
	}
	kind, body, err := c.read()
	if err != nil || kind != mqttConnack || len(body) < 2 || body[1] != 0 {
		return fmt.Errorf("CONNACK: got %#x % x, %w", kind, body, err)
	}
	if topic != "" {
		b := []byte{0, 1}
		if c.v5 {
			b = append(b, 0)
		}
		if err := c.write(mqttSubscribe, append(mqttString(b, topic), 1)); err != nil {
			return err
		}
		if kind, body, err = c.read(); err != nil || kind != mqttSuback || body[len(body)-1] > 1 {
			return fmt.Errorf("SUBACK: got %#x % x, %w", kind, body, err)
		}
	}
	return c.SetDeadline(time.Time{})
}

func (c *mqttConn) write(kind byte, body []byte) error {
	_, err := c.Write(append(binary.AppendUvarint([]byte{kind}, uint64(len(body))), body...))
	return err
}

func (c *mqttConn) read() (kind byte, body []byte, err error) {
	if kind, err = c.r.ReadByte(); err != nil {
		return 0, nil, err
	}
	size, err := binary.ReadUvarint(c.r)
	if err != nil {
		return 0, nil, err
	}
	body = make([]byte, min(size, 8<<20))
	_, err = io.ReadFull(c.r, body)
	return kind, body, err
}

// publish writes a Record with QoS 1.
func (c *mqttConn) publish(to string, id uint16, again bool, rec []byte) error {
	kind := byte(mqttPublish | mqttQoS1)
	if again {
		kind |= mqttDup
	}
	own := "usp/v1/controller/" + string(c.self)
	if !c.v5 {
		to += "/reply-to=" + strings.ReplaceAll(own, "/", "%2F") // [R-MQTT.24]
	}
	b := binary.BigEndian.AppendUint16(mqttString(nil, to), id)
	if c.v5 {
		p := mqttString(append(mqttString([]byte{0x03}, "usp.msg"), 0x08), own) // [R-MQTT.23]
		b = append(binary.AppendUvarint(b, uint64(len(p))), p...)
	}
	return c.write(kind, append(b, rec...))
}

// record takes a PUBLISH apart.
func (c *mqttConn) record(kind byte, body []byte) (id uint16, rec []byte, err error) {
	at := 2
	if len(body) >= at {
		at += int(binary.BigEndian.Uint16(body))
	}
	if kind&mqttQoS1 == 0 || len(body) < at+2 {
		return 0, nil, fmt.Errorf("PUBLISH %#x of %d bytes", kind, len(body))
	}
	id = binary.BigEndian.Uint16(body[at:])
	at += 2
	if c.v5 {
		n, k := binary.Uvarint(body[at:])
		at += k + int(n)
	}
	if at > len(body) {
		return 0, nil, errors.New("PUBLISH: cut")
	}
	return id, body[at:], nil
}

// puback returns the identifier and reason of a PUBACK.
func puback(body []byte) (id uint16, reason byte) {
	if len(body) > 2 {
		reason = body[2]
	}
	return binary.BigEndian.Uint16(body), reason
}

func mqttString(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}
