// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package tp469_test

import (
	"context"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/uspgate/uspgate/internal/sim/endpoint"
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/ws"
	"github.com/uspgate/uspgate/test/harness"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// peer is a Controller that sends whatever a case wants, and answers nothing.
type peer struct {
	id   usp.EndpointID
	node *endpoint.Node
	// got takes every Message, with the time at which it came.
	got chan heard
	// recs takes every Record of a Session Context, and DisconnectRecords.
	recs chan usp.Record
}

type heard struct {
	at  time.Time
	msg *uspmsg.Msg
}

// peerAs connects by WebSocket.
func (b *bench) peerAs(id usp.EndpointID) *peer {
	b.Helper()
	p := &peer{id: id, got: make(chan heard, 256), recs: make(chan usp.Record, 256)}
	p.node = endpoint.NewNode(endpoint.Options{
		ID: id,
		Receive: func(_ *endpoint.Link, rec usp.Record, _ mtp.Hint) {
			switch rec.Header().Type {
			case usp.RecordSession, usp.RecordDisconnect:
				p.recs <- rec
				return
			default:
			}
			msg := new(uspmsg.Msg)
			if rec.Header().Type == usp.RecordNoSession && proto.Unmarshal(rec.Header().Payload, msg) == nil {
				p.got <- heard{time.Now(), msg}
			}
		},
	})
	tr, err := ws.NewClient(ws.ClientOptions{URL: b.gateway.WS(), Endpoint: id, Role: usp.RoleAgent, Shared: true})
	if err != nil {
		b.Fatal(err)
	}
	harness.Background(b.T, "peer "+string(id), func(ctx context.Context) error { return tr.Run(ctx, p.node) })
	return p
}

// say sends a Record once there is a connection, and waits until it was sent.
func (p *peer) say(t *testing.T, rec usp.Record) {
	t.Helper()
	after := time.After(harness.Timeout)
	for {
		link, _, changed := p.node.Route(rec.Header().To)
		if link != nil {
			sent := make(chan error, 1)
			link.Send(rec, mtp.Hint{}, func(err error) { sent <- err })
			select {
			case err := <-sent:
				if err != nil {
					t.Fatal(err)
				}
			case <-after:
				t.Fatal("the Record was not sent")
			}
			return
		}
		select {
		case <-changed:
		case <-after:
			t.Fatal("no connection")
		}
	}
}

// next is the next Message that wanted says is of interest.
func (p *peer) next(t *testing.T, wanted func(*uspmsg.Msg) bool) heard {
	t.Helper()
	after := time.After(harness.Timeout)
	for {
		select {
		case h := <-p.got:
			if wanted(h.msg) {
				return h
			}
		case <-after:
			t.Fatal("the Message that was waited for did not come")
		}
	}
}

// ask is a Get of the Agent's Endpoint ID.
func ask(t *testing.T, msgID string) []byte {
	t.Helper()
	return message(t, msgID, &uspmsg.Request{ReqType: &uspmsg.Request_Get{
		Get: &uspmsg.Get{ParamPaths: []string{agentRoot + "EndpointID"}},
	}})
}

func message(t *testing.T, msgID string, req *uspmsg.Request) []byte {
	t.Helper()
	payload, err := proto.Marshal(&uspmsg.Msg{
		Header: &uspmsg.Header{MsgId: msgID}, // msg_type is informative [R-MSG.10]
		Body:   &uspmsg.Body{MsgBody: &uspmsg.Body_Request{Request: req}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

// request sends a request and waits for its answer.
func (p *peer) request(b *bench, req *uspmsg.Request) *uspmsg.Msg {
	b.Helper()
	p.say(b.T, usp.NewNoSession(p.id, b.cpe.Agent, "", message(b.T, b.Name(), req)))
	return p.next(b.T, answers(b.Name())).msg
}

func answers(id string) func(*uspmsg.Msg) bool {
	return func(m *uspmsg.Msg) bool { return m.GetHeader().GetMsgId() == id }
}
