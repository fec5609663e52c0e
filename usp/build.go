// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package usp

import "google.golang.org/protobuf/encoding/protowire"

// Version is the version of USP that Records made here carry.
const Version = "1.4"

// Field numbers inside the record types.
const (
	fieldPayload          = 2 // NoSessionContextRecord
	fieldConnectVersion   = 1 // MQTTConnectRecord, STOMPConnectRecord
	fieldSubscribed       = 2
	fieldDisconnectReason = 1 // DisconnectRecord
	fieldDisconnectCode   = 2
)

// NewNoSession makes a plaintext Record without session context around one
// marshalled Message [R-E2E.26]. An empty version means Version. It copies
// payload. Like all builders here it does not check the Endpoint IDs; with an
// empty one no receiver will take the Record.
func NewNoSession(from, to EndpointID, version string, payload []byte) Record {
	body := protowire.AppendTag(make([]byte, 0, len(payload)+8), fieldPayload, protowire.BytesType)
	body = protowire.AppendBytes(body, payload)
	rec := build(from, to, version, RecordNoSession, body)
	rec.hdr.Payload = rec.raw[len(rec.raw)-len(payload):]
	return rec
}

// NewWebSocketConnect makes the Connect Record by which the Agent from shows
// itself to the Controller to on a new WebSocket session [R-MTP.6].
func NewWebSocketConnect(from, to EndpointID) Record {
	return build(from, to, Version, RecordWebSocketConnect, nil)
}

// NewUDSConnect is the Connect Record of a Unix domain socket; it follows the
// two handshake frames [R-MTP.6].
func NewUDSConnect(from, to EndpointID) Record {
	return build(from, to, Version, RecordUDSConnect, nil)
}

// NewMQTTConnect is the Connect Record of MQTT 5, or of 3.1.1 without v5.
// topic is a concrete topic to which the Agent is subscribed [R-MTP.6].
func NewMQTTConnect(from, to EndpointID, v5 bool, topic string) Record {
	var body []byte
	if v5 {
		body = protowire.AppendTag(body, fieldConnectVersion, protowire.VarintType)
		body = protowire.AppendVarint(body, 1)
	}
	return build(from, to, Version, RecordMQTTConnect, appendString(body, fieldSubscribed, topic))
}

// NewSTOMPConnect is the Connect Record of STOMP 1.2. destination is one to
// which the Agent is subscribed [R-MTP.6].
func NewSTOMPConnect(from, to EndpointID, destination string) Record {
	return build(from, to, Version, RecordSTOMPConnect, appendString(nil, fieldSubscribed, destination))
}

// NewDisconnect makes a Disconnect Record, with a code of 7100 to 7199 or 0 for
// none [R-MTP.7, R-MTP.9]. Either side may send it.
func NewDisconnect(from, to EndpointID, reason string, code Code) Record {
	body := appendString(nil, fieldDisconnectReason, reason)
	if code != 0 {
		body = protowire.AppendTag(body, fieldDisconnectCode, protowire.Fixed32Type)
		body = protowire.AppendFixed32(body, uint32(code))
	}
	return build(from, to, Version, RecordDisconnect, body)
}

// build puts the header in front of the record type's message.
func build(from, to EndpointID, version string, t RecordType, body []byte) Record {
	if version == "" {
		version = Version
	}
	b := make([]byte, 0, len(version)+len(to)+len(from)+len(body)+24)
	b = appendString(b, fieldVersion, version)
	b = appendString(b, fieldTo, string(to))
	b = appendString(b, fieldFrom, string(from))
	b = protowire.AppendTag(b, protowire.Number(t), protowire.BytesType)
	b = protowire.AppendBytes(b, body)
	return Record{raw: b, hdr: Header{Version: version, To: to, From: from, Type: t}}
}

// appendString appends a string field; like every encoder of proto3 it leaves
// an empty one out.
func appendString(b []byte, num protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	return protowire.AppendString(protowire.AppendTag(b, num, protowire.BytesType), s)
}
