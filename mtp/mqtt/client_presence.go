// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt

import (
	"strings"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/uspgate/uspgate/usp"
)

// What is published on the own topic of presence.
const (
	present = "online"
	gone    = "offline"
)

// isPresent reads a message on a topic of presence.
func isPresent(payload []byte) bool {
	s := strings.TrimSpace(string(payload[:min(len(payload), 16)]))
	return s != "" && s != "0" && !strings.EqualFold(s, gone)
}

// heard takes a PUBLISH that tells of presence; it is false if pk is none.
func (l *clientLink) heard(pk *packets.Packet) bool {
	o := &l.client.opts
	if o.Presence == "" {
		return false
	}
	id, ok := extract(o.Presence, pk.TopicName)
	if !ok {
		return false
	}
	if id == o.Endpoint {
		return true // our own
	}
	there := isPresent(pk.Payload)
	roles := []usp.Role{o.Role.Opposite()}
	if roles[0] == usp.RoleUnknown {
		roles = []usp.Role{usp.RoleAgent, usp.RoleController} // the router knows which one it is
	}
	id = usp.EndpointID(strings.Clone(string(id)))
	for _, role := range roles {
		l.port.Presence(usp.Address{ID: id, Role: role}, there)
	}
	return true
}

// announce publishes the own presence, retained. It is sent with QoS 0: the
// connection lives, and its end is told by the will.
func (l *clientLink) announce(state string) {
	o := &l.client.opts
	p := publish{v5: l.v5, retain: true, plain: true, topic: o.presenceOf(string(o.Endpoint)), payload: []byte(state)}
	_ = l.conn.send(append(p.appendHead(nil), state...), nil) // the reader hears of a broken connection
}

// will adds the will to a CONNECT.
func (o *ClientOptions) will(c *packets.ConnectParams) {
	if !o.Announce {
		return
	}
	c.WillFlag, c.WillRetain, c.WillQos = true, true, 1
	c.WillTopic, c.WillPayload = o.presenceOf(string(o.Endpoint)), []byte(gone)
}
