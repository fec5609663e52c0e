// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package tp469_test

import (
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/uspgate/uspgate/internal/sim/controller"
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

// The row of an unknown Controller says that it has the UntrustedRole, which lets it do
// nothing.
func case2_9(b *bench) {
	const unknown = "self::tp469-unknown"
	p := b.peerAs(unknown)
	set := controller.Update(self, map[string]string{"ProvisioningCode": "untrusted"})
	m := p.request(b, &uspmsg.Request{ReqType: &uspmsg.Request_Set{
		Set: &uspmsg.Set{UpdateObjs: []*uspmsg.Set_UpdateObject{set}},
	}})
	if got := m.GetBody().GetError().GetErrCode(); got != uint32(usp.CodePermissionDenied) {
		b.Errorf("got %v, want Error 7006", m)
	}
	for path, got := range b.values(controllers + `[EndpointID=="` + unknown + `"].AssignedRole`) {
		if want := b.value(agentRoot + "ControllerTrust.UntrustedRole"); got != want || got == "" {
			b.Errorf("%s: got %q, want the UntrustedRole %q", path, got, want)
		}
		b.made = append(b.made, strings.TrimSuffix(path, "AssignedRole"))
	}
	if len(b.made) != 1 {
		b.Errorf("got rows %v, want one for the unknown Controller", b.made)
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
