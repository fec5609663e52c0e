// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt

import (
	"bytes"
	"encoding/binary"
	"strings"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/uspgate/uspgate/mtp"
)

// message is one of plain MQTT; it is immutable and has many receivers.
type message struct {
	topic   string
	payload []byte
	// props are the properties of MQTT 5 that are handed on as they are
	// [MQTT-3.3.2-4, MQTT-3.3.2-15, MQTT-3.3.2-16, MQTT-3.3.2-17, MQTT-3.3.2-20].
	props   []byte
	qos     byte
	retain  bool      // as published
	expires time.Time // zero: never
}

// newMessage makes one of a PUBLISH or a will; it keeps payload.
func newMessage(topic string, payload []byte, p *packets.Properties, qos byte, retain bool) *message {
	m := &message{topic: strings.Clone(topic), payload: payload, qos: qos, retain: retain}
	handed := packets.Properties{
		PayloadFormat: p.PayloadFormat, PayloadFormatFlag: p.PayloadFormatFlag, ContentType: p.ContentType,
		ResponseTopic: p.ResponseTopic, CorrelationData: p.CorrelationData, User: p.User,
	}
	if p.PayloadFormatFlag || p.ContentType != "" || p.ResponseTopic != "" ||
		len(p.CorrelationData) > 0 || len(p.User) > 0 {
		var buf bytes.Buffer
		handed.Encode(packets.Publish, packets.Mods{AllowResponseInfo: true}, &buf, 0)
		_, n := binary.Uvarint(buf.Bytes())
		m.props = buf.Bytes()[n:]
	}
	return m
}

// expireIn sets when a message that is published now is not delivered any more;
// 0: never.
func (m *message) expireIn(seconds uint32) {
	if seconds > 0 {
		m.expires = time.Now().Add(time.Duration(seconds) * time.Second)
	}
}

// size is what a message counts for in a bound of bytes.
func (m *message) size() int { return len(m.topic) + len(m.payload) + len(m.props) }

func (m *message) expired(now time.Time) bool { return !m.expires.IsZero() && !now.Before(m.expires) }

// delivery is a message on its way to one client.
type delivery struct {
	*message
	qos    byte
	retain bool
	ids    []int // Subscription Identifiers
}

// publish is what the client gets; an error if it is too late for that
// [MQTT-3.3.2-5].
func (d *delivery) publish(v5 bool) (publish, error) {
	p := publish{
		v5: v5, plain: true, qos: d.qos, retain: d.retain, topic: d.topic, payload: d.payload, props: d.props,
	}
	if d.expires.IsZero() && (len(d.ids) == 0 || !v5) {
		return p, nil
	}
	p.props = bytes.Clone(d.props)
	if !d.expires.IsZero() {
		left := time.Until(d.expires)
		if left <= 0 {
			return publish{}, mtp.ErrLinkDown
		}
		p.props = append(p.props, propMessageExpiry) // [MQTT-3.3.2-6]
		p.props = binary.BigEndian.AppendUint32(p.props, uint32((left+time.Second-1)/time.Second))
	}
	for _, id := range d.ids { // [MQTT-3.3.4-3]
		p.props = append(p.props, propSubscriptionID)
		p.props = appendVarint(p.props, id)
	}
	return p, nil
}
