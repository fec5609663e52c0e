// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package tp469_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/uspgate/uspgate/internal/sim/controller"
	"github.com/uspgate/uspgate/test/harness"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// The cases about MTPs have a gateway each, with a Virtual Agent behind it. The test is the
// Controller, by hand on the wire. Where the plan reboots the Agent so that it connects
// again, the connection is cut: a Virtual Agent stays connected while its CPE boots. Where
// it sets a parameter of the MTP, the configuration of the gateway says it: the MTPs are
// the gateway's, see the table MTP. of Device.LocalAgent.

// raw is the Controller that the test is.
const raw = usp.EndpointID("self::tp469-raw")

// known lets it in.
const known = "controllers: [{endpoint_id: \"self::tp469-raw\"}]\n"

// apart says whether a case has a gateway of its own.
func apart(id string) bool {
	section, _, _ := strings.Cut(id, ".")
	switch section {
	case "4", "5", "6", "7", "11", "own":
		return true
	default:
		return false
	}
}

// alone starts the gateway of a case, with those bindings, and its CPE.
func (b *bench) alone(bindings string) {
	b.Helper()
	b.gateway = harness.StartAs(b.T, bindings+known)
	b.cpe = b.gateway.CPE(b.model, nil)
}

// line carries Records between the test and the gateway. Next fails the test when none
// comes.
type line interface {
	send(rec usp.Record)
	next() usp.Record
}

// request is a Record with a Message from the Controller that the test is.
func (b *bench) to(msgID string, req *uspmsg.Request) usp.Record {
	b.Helper()
	return usp.NewNoSession(raw, b.cpe.Agent, "", message(b.T, msgID, req))
}

// getInfo is the Get of the plan for what every device has.
func getInfo() *uspmsg.Request {
	return &uspmsg.Request{ReqType: &uspmsg.Request_Get{Get: &uspmsg.Get{ParamPaths: []string{"Device.DeviceInfo."}}}}
}

// answers sends a Get, which has to be answered over the same line.
func (b *bench) answers(l line, msgID string) {
	b.Helper()
	l.send(b.to(msgID, getInfo()))
	b.informs(b.answer(l, msgID))
}

// informs checks that a Message is a GetResp about the CPE.
func (b *bench) informs(m *uspmsg.Msg) {
	b.Helper()
	const serial = "Device.DeviceInfo.SerialNumber"
	if got := controller.Params(m.GetBody().GetResponse().GetGetResp())[serial]; got != b.cpe.Identity().SerialNumber {
		b.Errorf("got %v, want a GetResp with the serial number of the CPE", m)
	}
}

// answer waits for the answer to a request.
func (b *bench) answer(l line, msgID string) *uspmsg.Msg {
	b.Helper()
	for {
		if m := b.hears(l.next()); m != nil && m.GetHeader().GetMsgId() == msgID && isAnswer(m) {
			return m
		}
	}
}

// hears is the Message of a Record of the Virtual Agent, or nil.
func (b *bench) hears(rec usp.Record) *uspmsg.Msg {
	b.Helper()
	h := rec.Header()
	if h.From != b.cpe.Agent || h.To != raw {
		b.Fatalf("got a Record from %s to %s, want one from %s to %s", h.From, h.To, b.cpe.Agent, raw)
	}
	if h.Type != usp.RecordNoSession {
		return nil
	}
	m := new(uspmsg.Msg)
	if err := proto.Unmarshal(h.Payload, m); err != nil {
		b.Fatal(err)
	}
	return m
}

// shown waits for the Connect Record of a line, which has to come before anything else.
func (b *bench) shown(l line, want usp.RecordType) usp.Record {
	b.Helper()
	rec := l.next()
	if h := rec.Header(); h.Type != want || h.From != b.cpe.Agent || h.To != raw {
		b.Fatalf("got a %s from %s to %s first, want a %s from %s to %s", h.Type, h.From, h.To, want, b.cpe.Agent, raw)
	}
	return rec
}

// record parses what came over a line.
func record(t *testing.T, b []byte) usp.Record {
	t.Helper()
	rec, err := usp.NewRecord(b)
	if err != nil {
		t.Fatalf("got %x: %v, want a Record", b, err)
	}
	return rec
}

// wire are the bytes of a Record.
func wire(rec usp.Record) []byte { return rec.Bytes() }
