// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"strings"

	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"

	"github.com/uspgate/uspgate/internal/sim/endpoint"
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
	"github.com/uspgate/uspgate/usp/usprecord"
)

// Notify is a notification of an Agent.
type Notify struct {
	From  usp.EndpointID
	MsgID string
	*uspmsg.Notify
}

// Notifies is where notifications arrive, in the order of their coming. It is
// never closed.
func (c *Controller) Notifies() <-chan Notify { return c.notifies }

// DroppedNotifies returns how many notifications were dropped because nobody
// read Notifies.
func (c *Controller) DroppedNotifies() uint64 { return c.dropped.Load() }

// receive takes every Record for this Controller.
func (c *Controller) receive(l *endpoint.Link, rec usp.Record, hint mtp.Hint) {
	h := rec.Header()
	switch {
	case h.Type.IsConnect():
		c.node.Learn(h.From, l, subscribed(rec))
	case h.Type == usp.RecordDisconnect:
		c.disconnected(rec)
	case h.Type == usp.RecordSession && c.sessions.settings != nil:
		c.receiveSession(l, rec, hint)
	case h.Type == usp.RecordNoSession:
		c.node.Learn(h.From, l, hint.ReplyTo)
		var msg uspmsg.Msg
		if err := proto.Unmarshal(h.Payload, &msg); err != nil {
			c.ignored.Add(1)
			c.log.Warn("message does not parse", zap.String("endpoint_id", string(h.From)), zap.Error(err))
			return
		}
		c.message(l, h, hint, &msg)
	default: // it speaks without Session Contexts
		c.ignored.Add(1)
	}
}

// subscribed returns the topic or destination that a Connect Record names.
func subscribed(rec usp.Record) string {
	switch rec.Header().Type {
	case usp.RecordMQTTConnect, usp.RecordSTOMPConnect:
	default:
		return ""
	}
	var r usprecord.Record
	if err := proto.Unmarshal(rec.Bytes(), &r); err != nil {
		return "" // cannot be, for Peek has accepted it
	}
	if m := r.GetMqttConnect(); m != nil {
		return m.GetSubscribedTopic()
	}
	return r.GetStompConnect().GetSubscribedDestination()
}

func (c *Controller) message(l *endpoint.Link, h *usp.Header, hint mtp.Hint, msg *uspmsg.Msg) {
	req := msg.GetBody().GetRequest()
	id := msg.GetHeader().GetMsgId()
	switch {
	case req == nil:
		if !c.answer(pendingKey{to: h.From, msgID: id}, outcome{msg: msg}) {
			c.ignored.Add(1) // [R-MSG.9]
		}
	case req.GetNotify() == nil: // Register and what only Agents understand [R-MSG.1]
		c.ignored.Add(1)
		c.reply(l, h, hint, id, uspmsg.Header_ERROR, &uspmsg.Body{MsgBody: &uspmsg.Body_Error{Error: &uspmsg.Error{
			ErrCode: uint32(usp.CodeMessageNotSupported), ErrMsg: "this Controller understands Notify only",
		}}})
	default:
		c.notify(l, h, hint, id, req.GetNotify())
	}
}

func (c *Controller) notify(l *endpoint.Link, h *usp.Header, hint mtp.Hint, id string, n *uspmsg.Notify) {
	select {
	case c.notifies <- Notify{From: usp.EndpointID(strings.Clone(string(h.From))), MsgID: id, Notify: n}:
	default:
		c.dropped.Add(1)
		return // not answered, so the Agent repeats it
	}
	if !n.GetSendResp() { // [R-NOT.8]
		return
	}
	c.reply(l, h, hint, id, uspmsg.Header_NOTIFY_RESP, &uspmsg.Body{MsgBody: &uspmsg.Body_Response{
		Response: &uspmsg.Response{RespType: &uspmsg.Response_NotifyResp{
			NotifyResp: &uspmsg.NotifyResp{SubscriptionId: n.GetSubscriptionId()}, // [R-NOT.10]
		}},
	}})
}

// reply answers over the Link that the Request came from.
func (c *Controller) reply(
	l *endpoint.Link, h *usp.Header, hint mtp.Hint, id string, t uspmsg.Header_MsgType, body *uspmsg.Body,
) {
	payload, err := proto.Marshal(&uspmsg.Msg{Header: &uspmsg.Header{MsgId: id, MsgType: t}, Body: body})
	if err != nil {
		c.log.Error("marshal answer", zap.Error(err))
		return
	}
	settled := func(err error) {
		if err != nil {
			c.log.Warn("answer not delivered", zap.String("msg_id", id), zap.Error(err))
		}
	}
	back := mtp.Hint{Destination: hint.ReplyTo}
	if h.Type == usp.RecordSession { // [R-MSG.0a]
		c.sendIn(l, back, h.From, payload, settled)
		return
	}
	l.Send(usp.NewNoSession(c.opts.Endpoint, h.From, "", payload), back, settled)
}
