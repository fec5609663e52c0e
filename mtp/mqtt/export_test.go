// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt

import "github.com/uspgate/uspgate/usp"

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

// Pass has a gate look at pieces and returns how much it lets through.
func Pass(maxPublish, maxControl int, pieces ...[]byte) (passed int, err error) {
	g := newGate(maxPublish, maxControl)
	for _, p := range pieces {
		n, err := g.pass(p)
		passed += n
		if err != nil {
			return passed, err
		}
	}
	return passed, nil
}
