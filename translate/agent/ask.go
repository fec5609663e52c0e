// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// Asked is a Request that this process has of a Virtual Agent in the name of a
// Controller: everything that holds for the Controller holds for it, its role, its
// deadline, the journal. The answer comes to Answer instead of going out in a Record.
type Asked struct {
	To   usp.EndpointID // the Agent
	From usp.EndpointID // the Controller
	// MsgID tells what is asked from what else the Controller asks of the Agent, and is the
	// same if it is asked again.
	MsgID   string
	Version string // of the Records of the Controller; empty: not known
	// Until is how long it may wait for the CPE; zero: as long as any of the Controller.
	Until   time.Time
	Request *uspmsg.Request // not to be changed any more
	// Answer is called once if Ask returns nil: with the body of the answer, nil if none is
	// wanted, or with why there will be none: then nothing was done. It must not block.
	Answer func(body *uspmsg.Body, err error)
}

// askedPrefix begins each msg_id of an Asked, in the journal and nowhere else.
const askedPrefix = "uspgate-asked:"

func isAsked(msgID string) bool { return strings.HasPrefix(msgID, askedPrefix) }

// Ask has a Virtual Agent serve a Request, see Asked. It never blocks. An Agent that
// sleeps is taken into memory. What one caller asks of one Agent is begun in that order. The
// errors are those of Deliver.
func (h *Host) Ask(q Asked) error {
	h.jobsMu.Lock()
	closed := h.closing
	h.jobsMu.Unlock()
	if closed {
		return ErrClosed
	}
	failed := func(err error) {
		if err != nil {
			q.Answer(nil, err)
		}
	}
	return h.handOver(q.To, delivery{asked: &q, done: failed})
}

// ask takes what this process asks. Done is called if the Agent cannot be had in the end.
func (a *Agent) ask(d delivery) error {
	q := d.asked
	id := askedPrefix + q.MsgID
	msg := &uspmsg.Msg{
		Header: &uspmsg.Header{MsgId: id}, Body: &uspmsg.Body{MsgBody: &uspmsg.Body_Request{Request: q.Request}},
	}
	raw, err := marshal.Marshal(msg)
	if err != nil {
		return err //nolint:wrapcheck // only for strings that are not UTF-8
	}
	var bad *usp.Error
	if a.host.Check(a.id, q.From, nil) != nil { // who asks for it shows nothing
		bad = denied("the Agent wants to see a certificate of this Controller, which another Agent cannot show")
	}
	return a.accept(&request{
		bad: bad, agent: a, from: q.From, id: id, version: commonVersion(q.Version), digest: digest(raw), until: q.Until,
		req: q.Request, done: func(error) {},
		answer: func(reply []byte, err error) {
			if err != nil || reply == nil {
				q.Answer(nil, err)
				return
			}
			msg := &uspmsg.Msg{}
			err = proto.Unmarshal(reply, msg)
			q.Answer(msg.GetBody(), err)
		},
	})
}

// respond gives the reply to whom it is for: nil is none, err is why there is none. The
// lock is held.
func (r *request) respond(reply []byte, err error) {
	switch {
	case r.answer != nil:
		r.agent.outcomes = append(r.agent.outcomes, func() { r.answer(reply, err) })
	case reply != nil:
		r.agent.reply(r, reply)
	}
	r.agent.endForbidden()
}

// serve runs the handler, or has the Mounts of a gateway see to it.
func (r *request) serve(ctx context.Context) (*uspmsg.Response, *uspmsg.Error) {
	if m := r.agent.host.opts.Mounts; m != nil {
		return m.Serve(ctx, &Question{
			From: r.from, MsgID: r.id, Version: r.version, Until: r.until, Request: r.req, r: r,
		})
	}
	return r.handler.serve(r.agent, ctx, r)
}
