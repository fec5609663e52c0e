// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt

import "encoding/binary"

// Packet types of the control packets that are written here rather than by the
// broker's own encoder [MQTT-2.1.2].
const (
	typePublish = 0x30
	typePuback  = 0x40
)

// Property identifiers of MQTT 5 [MQTT-2.2.2.2].
const (
	propContentType   = 0x03
	propResponseTopic = 0x08
)

// contentType is what every PUBLISH with a Record carries [R-MQTT.27].
const contentType = "usp.msg"

// publish is a PUBLISH that carries a Record.
type publish struct {
	v5       bool
	qos      byte
	id       uint16 // 0 with QoS 0
	topic    string
	response string // Response Topic; version 5 only
	payload  []byte
}

// append encodes p after dst.
func (p *publish) append(dst []byte) []byte {
	properties := 0
	if p.v5 {
		properties = 3 + len(contentType)
		if p.response != "" {
			properties += 3 + len(p.response)
		}
	}
	length := 2 + len(p.topic) + len(p.payload)
	if p.qos > 0 {
		length += 2
	}
	if p.v5 {
		length += varintSize(properties) + properties
	}
	dst = append(dst, typePublish|p.qos<<1)
	dst = appendVarint(dst, length)
	dst = appendString(dst, p.topic)
	if p.qos > 0 {
		dst = binary.BigEndian.AppendUint16(dst, p.id)
	}
	if p.v5 {
		dst = appendVarint(dst, properties)
		dst = append(dst, propContentType)
		dst = appendString(dst, contentType)
		if p.response != "" {
			dst = append(dst, propResponseTopic)
			dst = appendString(dst, p.response)
		}
	}
	return append(dst, p.payload...)
}

// appendPuback encodes a PUBACK; the reason is written in version 5 only, and
// only if it is not success [MQTT-3.4.2].
func appendPuback(dst []byte, id uint16, v5 bool, reason byte) []byte {
	if v5 && reason != 0 {
		return append(dst, typePuback, 3, byte(id>>8), byte(id), reason)
	}
	return append(dst, typePuback, 2, byte(id>>8), byte(id))
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
