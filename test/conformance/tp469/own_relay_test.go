// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package tp469_test

import (
	"bytes"
	"net/http"
	"net/url"
	"testing"

	"github.com/gorilla/websocket"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// native is an Agent that speaks USP by itself.
const native = usp.EndpointID("os::00D09E-native")

// relayed are Records that nobody on the way has to understand: with a signature, a field of
// a later version, a Session Context, and a payload that is no Message.
func relayed(from, to usp.EndpointID) []usp.Record {
	const mac, certificate, unknown, session = 5, 6, 4000, 8
	plain := wire(usp.NewNoSession(from, to, "1.4", []byte("\x00no Message\xff")))
	with := func(b []byte, num protowire.Number, value []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(b, num, protowire.BytesType), value)
	}
	signed := with(with(bytes.Clone(plain), mac, []byte("signature")), certificate, []byte("certificate"))
	later := with(bytes.Clone(plain), unknown, []byte("later"))
	head := wire(usp.NewDisconnect(from, to, "", 0))
	context := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 42)
	context = protowire.AppendVarint(protowire.AppendTag(context, 2, protowire.VarintType), 7)
	in := with(bytes.Clone(bare(head)), session, context)
	var out []usp.Record
	for _, b := range [][]byte{plain, signed, later, in} {
		rec, err := usp.NewRecord(b)
		if err != nil {
			panic(err) // the test is wrong
		}
		out = append(out, rec)
	}
	return out
}

// bare is a Record without what comes after its version, to_id and from_id.
func bare(b []byte) []byte {
	for rest := b; len(rest) > 0; {
		num, _, n := protowire.ConsumeField(rest)
		if num > 3 {
			return b[:len(b)-len(rest)]
		}
		rest = rest[n:]
	}
	return b
}

// same sends Records over one line, which have to come out of the other byte for byte, and
// in order. What comes there from somebody else is not looked at.
func same(t *testing.T, in, out line, records ...usp.Record) {
	t.Helper()
	for _, rec := range records {
		in.send(rec)
	}
	for i, rec := range records {
		got := out.next()
		for got.Header().From != rec.Header().From {
			got = out.next()
		}
		if !bytes.Equal(wire(got), wire(rec)) {
			t.Errorf("Record %d: got %x, want %x", i, wire(got), wire(rec))
		}
	}
}

// joins connects to the WebSocket server of the gateway.
func (b *bench) joins(name string, as usp.EndpointID) *wsConn {
	b.Helper()
	u := "ws://" + b.gateway.Addr(name) + "/usp?eid=" + url.QueryEscape(string(as))
	d := &websocket.Dialer{Subprotocols: []string{"v1.usp"}}
	conn, resp, err := d.DialContext(b.ctx(), u, http.Header{})
	if err != nil {
		b.Fatal(err)
	}
	_ = resp.Body.Close() // the library has read it
	b.Cleanup(func() { _ = conn.Close() })
	return &wsConn{Conn: conn, t: b.T}
}

// both starts a gateway on which a native Agent is beside the Virtual one, and a Controller
// that has had the Connect Record of each.
func (b *bench) both() (agent, controller *wsConn) {
	b.Helper()
	b.alone(`mtp:
  - {name: south, type: websocket, listen: "127.0.0.1:0", role: agent}
  - {name: north, type: websocket, listen: "127.0.0.1:0", role: controller}
`)
	agent, controller = b.joins("south", native), b.joins("north", raw)
	agent.send(usp.NewWebSocketConnect(native, raw))
	for {
		rec := controller.next()
		if h := rec.Header(); h.Type == usp.RecordWebSocketConnect && h.From == native && h.To == raw {
			return agent, controller
		}
	}
}

// A Record for an Agent that is not a Virtual one is carried as it is, and one from it.
func own8(b *bench) {
	agent, controller := b.both()
	same(b.T, controller, agent, relayed(raw, native)...)
	same(b.T, agent, controller, relayed(native, raw)...)
}

// Over one connection a Controller has a native Agent and a Virtual one.
func own9(b *bench) {
	agent, controller := b.both()
	question := usp.NewNoSession(raw, native, "", message(b.T, "own.9 native", getInfo()))
	same(b.T, controller, agent, question)
	b.answers(controller, "own.9 virtual")
	same(b.T, agent, controller, usp.NewNoSession(native, raw, "", []byte("an answer")))
}

// What says to be from somebody else than who has connected is not carried [R-SEC.4c], and
// ends a WebSocket.
func own10(b *bench) {
	agent, controller := b.both()
	agent.send(usp.NewNoSession("os::00D09E-another", raw, "", []byte("not mine")))
	agent.closes(websocket.ClosePolicyViolation)
	controller.send(b.to("own.10", getInfo()))
	for {
		rec := controller.next()
		if rec.Header().From != b.cpe.Agent {
			b.Fatalf("got a Record from %s, want none but the answer of the Virtual Agent", rec.Header().From)
		}
		if m := b.hears(rec); m != nil && m.GetHeader().GetMsgId() == "own.10" {
			return
		}
	}
}

// A Record for nobody is dropped, and the connection goes on. One for the sender itself is
// not sent back: that ends it [R-ARC.2].
func own11(b *bench) {
	_, controller := b.both()
	controller.send(usp.NewNoSession(raw, "os::00D09E-nobody", "", []byte("for nobody")))
	b.answers(controller, "own.11")
	controller.send(usp.NewNoSession(raw, raw, "", []byte("for me")))
	controller.closes(websocket.ClosePolicyViolation)
}

// A Virtual Agent is no USP Broker: it understands neither Register nor Deregister, and says
// so [R-MSG.1]. Its data model is as before.
func own7(b *bench) {
	_, controller := b.both()
	paths := []*uspmsg.Register_RegistrationPath{{Path: "Device.X_00D09E_Service."}}
	for id, req := range map[string]*uspmsg.Request{
		"Register": {ReqType: &uspmsg.Request_Register{Register: &uspmsg.Register{AllowPartial: true, RegPaths: paths}}},
		"Deregister": {ReqType: &uspmsg.Request_Deregister{
			Deregister: &uspmsg.Deregister{Paths: []string{"Device.DeviceInfo."}},
		}},
	} {
		controller.send(b.to(id, req))
		m := b.answer(controller, id)
		if got := m.GetBody().GetError().GetErrCode(); got != uint32(usp.CodeMessageNotSupported) {
			b.Errorf("%s: got %v, want Error %d", id, m, usp.CodeMessageNotSupported)
		}
	}
	b.answers(controller, "own.7")
}

// A native Agent on WebSocket is on the Controller's MQTT broker as one that speaks MQTT: with
// a Connect Record of that [R-MTP.8], and a topic of its own to answer to, while Records are as
// they were.
func own12(b *bench) {
	br := newBroker(b.T, nil)
	b.alone(br.mqtt("mqtt", `    represents: ["`+string(native)+`"]
  - {name: south, type: websocket, listen: "127.0.0.1:0", role: agent}
`))
	agent := b.joins("south", native)
	agent.send(usp.NewWebSocketConnect(native, raw))
	c := b.mqttAgent(br, granted{})
	first := c.next()
	connect := parsed(b.T, first).GetMqttConnect()
	if h := first.Header(); h.From != native || connect.GetSubscribedTopic() != c.at {
		b.Errorf("got a %s from %s, %v, want an MQTTConnectRecord of %s with %s", h.Type, h.From, connect, native, c.at)
	}
	same(b.T, c, agent, relayed(raw, native)...)
	same(b.T, agent, c, relayed(native, raw)...)
	c.replies(controllerTopic, c.at)
}
