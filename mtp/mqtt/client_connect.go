// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt

import (
	"fmt"
	"slices"
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
			ProtocolName: []byte("MQTT"), ClientIdentifier: o.ClientID,
			Clean: o.SessionExpiry == 0, Keepalive: uint16(o.KeepAlive / time.Second),
		},
	}
	if user := l.client.url.User; user != nil { // [R-MQTT.7]
		pk.Connect.Username, pk.Connect.UsernameFlag = []byte(user.Username()), true
		if password, ok := user.Password(); ok {
			pk.Connect.Password, pk.Connect.PasswordFlag = []byte(password), true
		}
	}
	if l.v5 {
		pk.Properties = packets.Properties{
			User:                []packets.UserProperty{{Key: "usp-endpoint-id", Val: string(o.Endpoint)}}, // [R-MQTT.13]
			RequestResponseInfo: 1,                                                                         // [R-MQTT.12]
			ReceiveMaximum:      uint16(o.MaxInflight),
			MaximumPacketSize:   uint32(o.MaxRecord + overhead),
		}
		if o.SessionExpiry > 0 {
			pk.Properties.SessionExpiryIntervalFlag = true
			pk.Properties.SessionExpiryInterval = uint32(o.SessionExpiry / time.Second)
		}
	}
	return l.reply(&pk)
}

// learn takes from the CONNACK what there is to know [R-MQTT.15, R-MQTT.20,
// R-MQTT.21].
func (l *clientLink) learn(p *packets.Properties) {
	o := &l.client.opts
	l.filters = slices.Clone(o.Subscriptions)
	for _, user := range p.User {
		if user.Key == "subscribe-topic" && validFilter(user.Val) {
			l.filters = append(l.filters, user.Val)
		}
	}
	// A broker that knows no roles offers the topics of an Agent to everybody.
	if l.own = p.ResponseInfo; l.own == "" || isFilter(l.own) || o.Role != usp.RoleAgent {
		l.own = o.Topics.of(usp.Address{ID: o.Endpoint, Role: o.Role})
	}
	own := l.own
	if !l.v5 {
		own += "/#" // so that it covers /reply-to= [R-MQTT.15]
	}
	if !slices.ContainsFunc(l.filters, func(f string) bool { return matches(f, own) }) {
		l.filters = append(l.filters, own)
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

func (l *clientLink) subscribe() error {
	pk := packets.Packet{
		ProtocolVersion: byte(l.client.opts.Version),
		FixedHeader:     packets.FixedHeader{Type: packets.Subscribe, Qos: 1},
		PacketID:        1, // nothing else is on its way
	}
	for _, f := range l.filters {
		pk.Filters = append(pk.Filters, packets.Subscription{Filter: f, Qos: 1})
	}
	if err := l.reply(&pk); err != nil {
		return fmt.Errorf("mqtt: subscribe: %w", err)
	}
	return nil
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
