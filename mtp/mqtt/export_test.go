// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt

import (
	"bufio"
	"io"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/uspgate/uspgate/usp"
)

// What the fuzz targets look at.
var (
	SplitReply  = splitReply
	JoinReply   = joinReply
	Matches     = matches
	Sample      = sample
	ValidFilter = validFilter
)

// MayRead is Topics.mayRead for one Endpoint.
func (t Topics) MayRead(filter string, own usp.EndpointID) bool {
	return t.mayRead(filter, func(id usp.EndpointID) bool { return id == own }, false)
}

// Of is Topics.of.
func (t Topics) Of(a usp.Address) string { return t.of(a) }

// AppendPublish encodes a PUBLISH as the writer does.
func AppendPublish(dst []byte, v5 bool, qos byte, id uint16, topic, response string, payload []byte) []byte {
	p := publish{v5: v5, qos: qos, id: id, topic: topic, response: response, payload: payload}
	return append(p.appendHead(dst), payload...)
}

// PublishSize is the size that it is expected to have.
func PublishSize(v5 bool, qos byte, topic, response string, payload []byte) int {
	p := publish{v5: v5, qos: qos, topic: topic, response: response, payload: payload}
	return p.size()
}

// AppendPuback encodes a PUBACK as the writer does.
func AppendPuback(id uint16, v5 bool, reason byte) []byte {
	return appendAck(nil, typePuback, id, v5, reason)
}

// ReadPackets reads packets of this version until one is wrong, and returns the
// bodies' sizes by the first bytes of the packets.
func ReadPackets(r io.Reader, version byte, maxPublish, maxControl int, f func(first byte, size int)) error {
	p := packetReader{r: bufio.NewReaderSize(r, 16), version: version, maxPublish: maxPublish, maxControl: maxControl}
	for {
		first, err := p.r.ReadByte()
		if err != nil {
			return err
		}
		var pk packets.Packet
		if err := p.next(first, &pk); err != nil {
			return err
		}
		f(first, pk.FixedHeader.Remaining)
	}
}

// Covering returns which of filters a tree of subscriptions says cover topic, in
// order, and how many nodes are left when all have been taken out again.
func Covering(filters []string, topic string) (covering []string, left int) {
	var n node
	l := new(link)
	for _, f := range filters {
		n.at(f).subs = map[*link]*subscription{l: {filter: f}}
	}
	n.subscribers(topic, func(_ *link, s *subscription) { covering = append(covering, s.filter) })
	for _, f := range filters {
		n.change(f, func(n *node) { delete(n.subs, l) })
	}
	return covering, len(n.children)
}

// Retained returns which of topics a tree of retained messages says that filter
// covers.
func Retained(topics []string, filter string) (covered []string) {
	var n node
	for _, topic := range topics {
		n.at(topic).retained = &message{topic: topic}
	}
	n.messages(filter, func(m *message) { covered = append(covered, m.topic) })
	return covered
}

// IsRecordTopic reports whether the topic is an Endpoint's, or below one.
func (t Topics) IsRecordTopic(topic string) bool { return t.covers(topic) }
