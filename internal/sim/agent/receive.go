// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"crypto/sha256"
	"strings"

	"go.uber.org/zap"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/uspgate/uspgate/internal/sim/endpoint"
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// receive takes every Record for this Agent. A Message that does not parse or has no
// msg_id is ignored: nobody could match an answer.
func (a *Agent) receive(l *endpoint.Link, rec usp.Record, hint mtp.Hint) {
	h := rec.Header()
	if h.Type != usp.RecordNoSession {
		if h.Type != usp.RecordDisconnect && !h.Type.IsConnect() {
			a.ignored.Add(1)
		}
		return
	}
	from := usp.EndpointID(strings.Clone(string(h.From)))
	a.node.Learn(from, l, hint.ReplyTo)
	var msg uspmsg.Msg
	if err := proto.Unmarshal(h.Payload, &msg); err != nil || msg.GetHeader().GetMsgId() == "" {
		a.ignored.Add(1)
		a.log.Warn("message does not parse", zap.String("endpoint_id", string(from)), zap.Error(err))
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.versions[from] = strings.Clone(h.Version)
	switch body := msg.GetBody().GetMsgBody().(type) {
	case *uspmsg.Body_Response:
		if body.Response.GetNotifyResp() == nil || !a.answered(from, msg.GetHeader().GetMsgId()) {
			a.ignored.Add(1)
		}
		return
	case *uspmsg.Body_Error:
		a.ignored.Add(1)
		return
	}
	answer := a.request(from, h.Payload, &msg)
	if answer != nil {
		answer.Header.MsgId = msg.GetHeader().GetMsgId()
		a.send(l, from, mtp.Hint{Destination: hint.ReplyTo}, answer)
	}
	a.flush()
}

// request serves a Request, or what should be one. One that changes something and comes
// again has the answer that it had.
func (a *Agent) request(from usp.EndpointID, payload []byte, msg *uspmsg.Msg) *uspmsg.Msg {
	req := msg.GetBody().GetRequest()
	if req == nil || !single(payload) {
		return failure(usp.CodeInvalidArguments, "want one header, one body and one request", nil) // [R-ENC.5]
	}
	key := journalKey{from, msg.GetHeader().GetMsgId(), sha256.Sum256(payload)}
	a.controllerRow(from)
	if !writes(req) {
		return a.serve(from, req)
	}
	if answer, ok := a.written.get(key); ok {
		return answer
	}
	answer := a.serve(from, req)
	a.written.put(key, answer)
	return answer
}

// single reports whether a Message has one header and one body, and that one Request,
// be it of a type that is not known: the decoder takes several for one.
func single(msg []byte) bool {
	headers, bodies := fields(msg, 1), fields(msg, 2)
	if len(headers) != 1 || len(bodies) != 1 {
		return false
	}
	requests := fields(bodies[0], 1)
	return len(requests) == 1 && len(fields(requests[0], 0)) == 1
}

// fields returns the length-delimited fields with a number, 0 for all.
func fields(b []byte, number protowire.Number) [][]byte {
	var out [][]byte
	for len(b) > 0 {
		n, typ, size := protowire.ConsumeTag(b)
		if size < 0 {
			return out
		}
		b = b[size:]
		if size = protowire.ConsumeFieldValue(n, typ, b); size < 0 {
			return out
		}
		if typ == protowire.BytesType && (number == 0 || n == number) {
			v, _ := protowire.ConsumeBytes(b)
			out = append(out, v)
		}
		b = b[size:]
	}
	return out
}

// send marshals and queues a Message, in the version of USP that both sides speak.
func (a *Agent) send(l *endpoint.Link, to usp.EndpointID, hint mtp.Hint, m *uspmsg.Msg) {
	payload, err := proto.Marshal(m)
	if err != nil {
		a.log.Error("marshal", zap.Error(err))
		return
	}
	version := a.versions[to]
	if version < "1.0" || version > usp.Version || len(version) != len(usp.Version) {
		version = usp.Version
	}
	l.Send(usp.NewNoSession(a.opts.Endpoint, to, version, payload), hint, func(err error) {
		if err != nil {
			a.log.Warn("not delivered", zap.String("msg_id", m.GetHeader().GetMsgId()), zap.Error(err))
		}
	})
}
