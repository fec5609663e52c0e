// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package tp469_test

import (
	"google.golang.org/protobuf/proto"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// ignored sends what should have no answer, then a Get, whose answer has to be the
// first thing that is heard.
func (b *bench) ignored(p *peer, as usp.EndpointID, recs ...usp.Record) {
	b.Helper()
	for _, rec := range recs {
		p.say(b.T, rec)
	}
	p.say(b.T, usp.NewNoSession(as, b.cpe.Agent, "", ask(b.T, "answered")))
	h := p.next(b.T, isAnswer)
	if got := h.msg.GetHeader().GetMsgId(); got != "answered" {
		b.Errorf("got %v, want nothing but the answer to the Get", h.msg)
	}
}

func isAnswer(m *uspmsg.Msg) bool { return m.GetBody().GetRequest() == nil }

// A Record that claims to be of the Agent itself comes from nobody who is connected.
func case2_1(b *bench) {
	p := b.peerAs("self::tp469-21")
	own := usp.NewNoSession(b.cpe.Agent, b.cpe.Agent, "", ask(b.T, "own"))
	p.say(b.T, own)
	before := b.value(agentRoot + "EndpointID")
	if before != string(b.cpe.Agent) {
		b.Errorf("got %s from the Agent afterwards, want %s", before, b.cpe.Agent)
	}
	select {
	case h := <-p.got:
		b.Errorf("got %v, want no answer", h.msg)
	default:
	}
}

func case2_2(b *bench) {
	b.ignored(b.peerAs(third), third,
		usp.NewNoSession(third, "os::000000-nobody", "", ask(b.T, "foreign")))
}

// third is configured, and has no Controller of its own.
const third = usp.EndpointID("self::tp469-third")

func case2_9(b *bench) {
	p := b.peerAs("self::tp469-unknown")
	p.say(b.T, usp.NewNoSession("self::tp469-unknown", b.cpe.Agent, "", ask(b.T, "untrusted")))
	m := p.next(b.T, answers("untrusted")).msg
	if got := m.GetBody().GetError().GetErrCode(); got != uint32(usp.CodePermissionDenied) {
		b.Errorf("got %v, want Error 7006", m)
	}
}

// What is no Message at all is not answered, what is one without a body is.
func case3_1(b *bench) {
	p := b.peerAs(third)
	p.say(b.T, usp.NewNoSession(third, b.cpe.Agent, "", []byte("no Message")))
	empty, err := proto.Marshal(&uspmsg.Msg{Header: &uspmsg.Header{MsgId: "empty"}})
	if err != nil {
		b.Fatal(err)
	}
	p.say(b.T, usp.NewNoSession(third, b.cpe.Agent, "", empty))
	p.say(b.T, usp.NewNoSession(third, b.cpe.Agent, "", ask(b.T, "answered")))
	m := p.next(b.T, func(m *uspmsg.Msg) bool { return m.GetBody().GetResponse() != nil }).msg
	if got := m.GetHeader().GetMsgId(); got != "answered" {
		b.Errorf("got %v, want the answer to the Get", m)
	}
}
