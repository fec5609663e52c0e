// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package usp

import "google.golang.org/protobuf/encoding/protowire"

// ConnectTopic returns the subscribed_topic or subscribed_destination of an
// MQTT or STOMP Connect Record, where its Agent receives; "" for every other
// Record. The string is a copy.
func ConnectTopic(rec *Record) string {
	if t := rec.hdr.Type; t != RecordMQTTConnect && t != RecordSTOMPConnect {
		return ""
	}
	topic := ""
	for rest := rec.raw; len(rest) > 0; {
		num, typ, n := protowire.ConsumeTag(rest)
		size := protowire.ConsumeFieldValue(num, typ, rest[n:])
		value := rest[n : n+size]
		rest = rest[n+size:]
		if num != protowire.Number(rec.hdr.Type) || typ != protowire.BytesType {
			continue
		}
		body, _ := protowire.ConsumeBytes(value)
		for len(body) > 0 {
			num, typ, n := protowire.ConsumeTag(body)
			size := protowire.ConsumeFieldValue(num, typ, body[n:])
			if num == 2 && typ == protowire.BytesType {
				s, _ := protowire.ConsumeBytes(body[n : n+size])
				topic = string(s)
			}
			body = body[n+size:]
		}
	}
	return topic
}
