// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt

import "encoding/binary"

// First bytes of the control packets that are written here rather than by the
// library's encoder [MQTT-2.1.2].
const (
	typePublish    = 0x30
	typePuback     = 0x40
	typePubrec     = 0x50
	typePubcomp    = 0x70
	typePingreq    = 0xc0
	typePingresp   = 0xd0
	typeDisconnect = 0xe0
)

// flagRetain is RETAIN in the first byte of a PUBLISH [MQTT-3.3.1-5].
const flagRetain = 0x01

// failure is the least reason code that says no [MQTT-2.4].
const failure = 0x80

// Property identifiers of MQTT 5 [MQTT-2.2.2.2].
const (
	propMessageExpiry  = 0x02
	propContentType    = 0x03
	propResponseTopic  = 0x08
	propSubscriptionID = 0x0b
)

// contentType is what every PUBLISH with a Record carries, mediaType what one
// may carry as well [R-MQTT.27, R-MQTT.27a].
const (
	contentType = "usp.msg"
	mediaType   = "application/vnd.bbf.usp.msg"
)

// publish is a PUBLISH: one that carries a Record, or a plain one.
type publish struct {
	v5       bool
	plain    bool // no Record: of the properties there are props only
	retain   bool
	qos      byte
	id       uint16 // 0 with QoS 0
	topic    string
	response string // Response Topic; version 5 only
	props    []byte // properties of a plain one; version 5 only
	payload  []byte
}

// properties is the length of the properties of version 5.
func (p *publish) properties() int {
	if p.plain {
		return len(p.props)
	}
	n := 3 + len(contentType)
	if p.response != "" {
		n += 3 + len(p.response)
	}
	return n
}

// remaining is the Remaining Length [MQTT-2.1.4].
func (p *publish) remaining() int {
	n := 2 + len(p.topic) + len(p.payload)
	if p.qos > 0 {
		n += 2
	}
	if p.v5 {
		properties := p.properties()
		n += varintSize(properties) + properties
	}
	return n
}

// size is the length of the whole packet.
func (p *publish) size() int {
	n := p.remaining()
	return 1 + varintSize(n) + n
}

// appendHead encodes everything but the payload after dst.
func (p *publish) appendHead(dst []byte) []byte {
	first := typePublish | p.qos<<1
	if p.retain {
		first |= flagRetain
	}
	dst = append(dst, first)
	dst = appendVarint(dst, p.remaining())
	dst = appendString(dst, p.topic)
	if p.qos > 0 {
		dst = binary.BigEndian.AppendUint16(dst, p.id)
	}
	if p.v5 {
		dst = p.appendProperties(appendVarint(dst, p.properties()))
	}
	return dst
}

func (p *publish) appendProperties(dst []byte) []byte {
	if p.plain {
		return append(dst, p.props...)
	}
	dst = append(dst, propContentType)
	dst = appendString(dst, contentType)
	if p.response != "" {
		dst = append(dst, propResponseTopic)
		dst = appendString(dst, p.response)
	}
	return dst
}

// appendAck encodes a PUBACK, PUBREC or PUBCOMP; the reason is written in
// version 5 only, and only if it is not success [MQTT-3.4.2].
func appendAck(dst []byte, kind byte, id uint16, v5 bool, reason byte) []byte {
	if v5 && reason != 0 {
		return append(dst, kind, 3, byte(id>>8), byte(id), reason)
	}
	return append(dst, kind, 2, byte(id>>8), byte(id))
}

// disconnect is a DISCONNECT; 3.1.1 has no reason. Some decoders
// overlook a reason without properties behind it.
func disconnect(v5 bool, reason byte) []byte {
	if v5 && reason != 0 {
		return []byte{typeDisconnect, 2, reason, 0}
	}
	return []byte{typeDisconnect, 0}
}

func appendString(dst []byte, s string) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(s)))
	return append(dst, s...)
}

// appendVarint writes a variable byte integer [MQTT-1.5.5].
func appendVarint(dst []byte, n int) []byte {
	for n > 0x7f {
		dst = append(dst, byte(n)|0x80)
		n >>= 7
	}
	return append(dst, byte(n))
}

func varintSize(n int) int {
	size := 1
	for ; n > 0x7f; n >>= 7 {
		size++
	}
	return size
}
