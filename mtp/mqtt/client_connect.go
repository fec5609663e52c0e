// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/uspgate/uspgate/usp"
)

// connect sends CONNECT and takes the CONNACK, which says how large a packet the
// broker takes (0: any) and how many may be without PUBACK.
func (l *clientLink) connect() (maxPacket, window int, err error) {
	if err := l.sendConnect(); err != nil {
		return 0, 0, err
	}
	var pk packets.Packet
	if err := l.next(&pk); err != nil {
		return 0, 0, err
	}
	if pk.FixedHeader.Type != packets.Connack {
		return 0, 0, fmt.Errorf("got packet type %d, want CONNACK", pk.FixedHeader.Type)
	}
	if pk.ReasonCode != 0 {
		return 0, 0, fmt.Errorf("refused with %#x %s", pk.ReasonCode, pk.Properties.ReasonString)
	}
	l.learn(&pk.Properties)
	if id := pk.Properties.AssignedClientID; id != "" {
		l.client.clientID = strings.Clone(id) // [R-MQTT.9, R-MQTT.11]
	}
	window = l.client.opts.MaxInflight
	if m := int(pk.Properties.ReceiveMaximum); m > 0 {
		window = min(window, m)
	}
	return int(pk.Properties.MaximumPacketSize), window, nil
}

func (l *clientLink) sendConnect() error {
	o := &l.client.opts
	pk := packets.Packet{
		ProtocolVersion: byte(o.Version),
		FixedHeader:     packets.FixedHeader{Type: packets.Connect},
		Connect: packets.ConnectParams{
			ProtocolName: []byte("MQTT"), ClientIdentifier: l.client.clientID,
			Clean: o.SessionExpiry == 0, Keepalive: uint16(o.KeepAlive / time.Second),
		},
	}
	o.will(&pk.Connect)
	l.client.credentials(&pk.Connect)
	if l.v5 {
		pk.Properties = packets.Properties{
			RequestResponseInfo: 1, // [R-MQTT.12]
			ReceiveMaximum:      uint16(o.MaxInflight),
			MaximumPacketSize:   uint32(o.MaxRecord + overhead),
		}
		if o.Endpoint != "" { // [R-MQTT.13]
			pk.Properties.User = []packets.UserProperty{{Key: "usp-endpoint-id", Val: string(o.Endpoint)}}
		}
		if o.SessionExpiry > 0 {
			pk.Properties.SessionExpiryIntervalFlag = true
			pk.Properties.SessionExpiryInterval = uint32(o.SessionExpiry / time.Second)
		}
	}
	return l.reply(&pk)
}

// credentials are those of the options, or of the URL [R-MQTT.7].
func (c *Client) credentials(to *packets.ConnectParams) {
	name, password := c.opts.Username, c.opts.Password
	if user := c.url.User; user != nil && name == "" {
		name = user.Username()
		password, _ = user.Password()
	}
	to.Username, to.UsernameFlag = []byte(name), name != ""
	to.Password, to.PasswordFlag = []byte(password), name != "" && password != ""
}

// learn takes from the CONNACK what there is to know [R-MQTT.15, R-MQTT.20,
// R-MQTT.21].
func (l *clientLink) learn(p *packets.Properties) {
	o := &l.client.opts
	l.filters = slices.Clone(o.Subscriptions)
	for _, user := range p.User {
		if user.Key == "subscribe-topic" && validFilter(user.Val) {
			l.filters = append(l.filters, strings.Clone(user.Val))
		}
	}
	// A broker that knows no roles offers the topics of an Agent to everybody.
	if l.own = p.ResponseInfo; l.own == "" || isFilter(l.own) || o.Role != usp.RoleAgent {
		l.own = o.Topics.of(usp.Address{ID: o.Endpoint, Role: o.Role})
	}
	l.own = strings.Clone(l.own)
	switch {
	case o.Prefix != "":
		l.cover(strings.TrimSuffix(o.Prefix, "/") + "/#")
	case !o.Shared:
		l.cover(o.filterOf(l.own))
	}
	if o.Presence != "" {
		l.cover(o.presenceOf("+"))
	}
	slices.Sort(l.filters)
	l.filters = slices.Compact(l.filters)
	if p.MaximumQosFlag {
		l.maxQoS = min(l.maxQoS, p.MaximumQos)
	}
	if p.ServerKeepAliveFlag && p.ServerKeepAlive > 0 {
		l.keepAlive = time.Duration(p.ServerKeepAlive) * time.Second
	}
}

// cover adds a filter unless another one covers it.
func (l *clientLink) cover(filter string) {
	if !slices.ContainsFunc(l.filters, func(f string) bool { return matches(f, filter) }) {
		l.filters = append(l.filters, filter)
	}
}

func (l *clientLink) reply(pk *packets.Packet) error {
	raw, err := encode(pk)
	if err != nil {
		return err
	}
	return l.conn.send(raw, nil)
}

// next reads a packet. The deadline begins anew when one has come, once there
// are any to expect.
func (l *clientLink) next(pk *packets.Packet) error {
	first, err := l.packets.r.ReadByte()
	if err != nil {
		return err
	}
	if err := l.packets.next(first, pk); err != nil || l.port == nil {
		return err
	}
	return l.conn.SetReadDeadline(time.Now().Add(l.keepAlive + l.keepAlive/2))
}
