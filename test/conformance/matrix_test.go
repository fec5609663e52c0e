// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package conformance_test

import (
	"bytes"
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/test/harness"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/usprecord"
)

const (
	matrixAgent      = usp.EndpointID("os::00D09E-matrix")
	matrixController = usp.EndpointID("self::matrix")
)

// TestMatrix: every MTP to every MTP, in both roles of the gateway and in both
// directions. Records arrive byte for byte and in order; the Controller gets
// exactly one Connect Record of its own MTP before any other Record, and again
// after each of: a Disconnect Record, a new connection of the Controller, a new
// connection of the Agent [R-MTP.6, R-MTP.8].
func TestMatrix(t *testing.T) {
	t.Parallel()
	r := newResults()
	t.Run("pair", func(t *testing.T) {
		for _, south := range legs {
			for _, north := range legs {
				t.Run(fmt.Sprintf("%s to %s", south, north), func(t *testing.T) {
					t.Parallel()
					r.lock <- struct{}{} // a few at a time: each has some 20 MiB in flight
					defer func() {
						r.note(south, north, !t.Failed())
						<-r.lock
					}()
					p := newPair(t, south, north)
					p.exchange()
					p.reconnect()
				})
			}
		}
	})
	if !r.whole() {
		return // some were asked for
	}
	t.Log("\n" + r.table())
	if err := r.document(); err != nil {
		t.Error(err)
	}
}

// pair is an Agent and a Controller with the gateway between them.
type pair struct {
	t                 *testing.T
	agent, controller *end
	serial            int
	hello             []byte // of a Controller that is not known before; nil: none
}

func newPair(t *testing.T, south, north *leg) *pair {
	t.Helper()
	p := &pair{t: t}
	p.agent = &end{t: t, leg: south, id: matrixAgent, peer: matrixController, role: usp.RoleAgent, name: "south"}
	p.controller = &end{t: t, leg: north, id: matrixController, peer: matrixAgent, role: usp.RoleController, name: "north"}
	bindings := south.set(p.agent) + north.set(p.controller)
	via := ""
	if p.agent.broker != nil {
		via = ", via: south"
	}
	gw := harness.StartAs(t, "mtp:\n"+bindings+
		"routes:\n  - {endpoint_id: \""+string(matrixAgent)+"\", role: agent"+via+"}\n"+
		"controllers:\n  - {endpoint_id: \""+string(matrixController)+"\"}\n")
	p.agent.gateway, p.controller.gateway = gw, gw
	south.open(p.agent)
	north.open(p.controller)
	if north.kind == mtp.CoAP && !north.client { // is there when it has spoken
		p.hello = p.plain(p.controller, 1)
		p.controller.send(p.hello)
	}
	p.agent.say()
	return p
}

// exchange sends what a Record can be, both ways.
func (p *pair) exchange() {
	p.t.Helper()
	p.agent.send(p.plain(p.agent, 1))
	p.connected(p.agent)
	p.arrives(p.controller, p.plainOf(p.agent, p.serial, 1))
	if p.hello != nil {
		p.arrives(p.agent, p.hello)
	}
	for _, dir := range [][2]*end{{p.agent, p.controller}, {p.controller, p.agent}} {
		from, to := dir[0], dir[1]
		sent := [][]byte{
			p.plain(from, 1), p.plain(from, 64<<10), p.plain(from, 5<<20-200),
			p.session(from, 1), p.session(from, 2), p.session(from, 3),
			p.disconnect(from),
		}
		go func() { // ends with the last one, which is waited for
			for _, rec := range sent {
				from.send(rec)
			}
		}()
		for _, rec := range sent {
			p.arrives(to, rec)
		}
	}
	p.again("a Disconnect Record")
}

// reconnect breaks each leg in turn.
func (p *pair) reconnect() {
	p.t.Helper()
	p.controller.leg.cut(p.controller)
	p.controller.leg.open(p.controller)
	if p.controller.leg.kind == mtp.CoAP { // has to be heard again
		p.controller.send(p.plain(p.controller, 1))
		p.arrives(p.agent, p.plainOf(p.controller, p.serial, 1))
	}
	p.again("a new connection of the Controller")
	p.agent.leg.cut(p.agent)
	p.agent.leg.open(p.agent)
	p.agent.say()
	if p.agent.leg.kind == mtp.CoAP { // which has no connections
		p.agent.send(p.plain(p.agent, 1))
		p.arrives(p.controller, p.plainOf(p.agent, p.serial, 1))
	} else {
		p.again("a new connection of the Agent")
	}
	p.controller.send(p.plain(p.controller, 1))
	p.arrives(p.agent, p.plainOf(p.controller, p.serial, 1))
}

// again wants a Connect Record and then a Record of the Agent.
func (p *pair) again(after string) {
	p.t.Helper()
	p.t.Log("after", after)
	p.agent.send(p.plain(p.agent, 1))
	p.connected(p.agent)
	p.arrives(p.controller, p.plainOf(p.agent, p.serial, 1))
}

// connected waits for the Connect Record of the Agent, where the Controller's
// MTP has one.
func (p *pair) connected(agent *end) {
	p.t.Helper()
	want := p.controller.leg.connect
	if want == usp.RecordNone {
		return
	}
	rec := p.controller.next()
	h := rec.Header()
	if h.Type != want || h.From != agent.id || h.To != agent.peer {
		p.t.Fatalf("first Record: got %v from %s to %s, want %v from %s to %s",
			h.Type, h.From, h.To, want, agent.id, agent.peer)
	}
}

// arrives waits for exactly this Record.
func (p *pair) arrives(at *end, want []byte) {
	p.t.Helper()
	got := at.next()
	if !bytes.Equal(got.Bytes(), want) {
		p.t.Fatalf("Record at %s: got %d bytes, %v, %.60q, want %d bytes, %.60q",
			at.id, got.Len(), got.Header().Type, got.Bytes(), len(want), want)
	}
}

// plain is the next Record without session context.
func (p *pair) plain(from *end, payload int) []byte {
	p.serial++
	return p.plainOf(from, p.serial, payload)
}

// plainOf is a Record with payload bytes that nobody reads, and a field that
// nobody knows: it must come through all the same.
func (p *pair) plainOf(from *end, serial, payload int) []byte {
	return p.marshal(&usprecord.Record{
		Version: "1.3", FromId: string(from.id), ToId: string(from.peer),
		RecordType: &usprecord.Record_NoSessionContext{NoSessionContext: &usprecord.NoSessionContextRecord{
			Payload: bytes.Repeat([]byte{byte(serial)}, payload),
		}},
	})
}

func (p *pair) session(from *end, sequence uint64) []byte {
	return p.marshal(&usprecord.Record{
		Version: "1.3", FromId: string(from.id), ToId: string(from.peer),
		RecordType: &usprecord.Record_SessionContext{SessionContext: &usprecord.SessionContextRecord{
			SessionId: 7, SequenceId: sequence, ExpectedId: 1,
			PayloadSarState: usprecord.SessionContextRecord_PayloadSARState(sequence),
			Payload:         [][]byte{bytes.Repeat([]byte{byte(sequence)}, 1000)},
		}},
	})
}

func (p *pair) disconnect(from *end) []byte {
	return p.marshal(&usprecord.Record{
		Version: "1.3", FromId: string(from.id), ToId: string(from.peer),
		RecordType: &usprecord.Record_Disconnect{Disconnect: &usprecord.DisconnectRecord{Reason: "done", ReasonCode: 0}},
	})
}

// marshal appends a field of a later version of USP.
func (p *pair) marshal(rec *usprecord.Record) []byte {
	p.t.Helper()
	b, err := proto.Marshal(rec)
	if err != nil {
		p.t.Fatal(err)
	}
	return append(b, 0xfa, 0x3f, 3, 'n', 'e', 'w') // field 1023
}
