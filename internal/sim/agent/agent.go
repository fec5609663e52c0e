// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package agent is a small native USP Agent over any MTP, for demos and tests
// of the relay. It has a fixed Device:2 tree whose only writeable table is
// Device.LocalAgent.Subscription., knows the command Device.Reboot(), and
// obeys every Controller. It sends each notification once.
package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"

	"github.com/uspgate/uspgate/internal/sim/endpoint"
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// Param is one instantiated parameter of the tree.
type Param struct {
	Path, Value string
	Writable    bool
	Type        path.Type
}

// Options configure an Agent.
type Options struct {
	// Endpoint is the Agent's Endpoint ID. Required.
	Endpoint usp.EndpointID
	// Transport carries its Records. Required.
	Transport mtp.Transport
	// Controller is whom it shows itself to with a Connect Record when a Link
	// comes up; "": the Link's peer, if the carrier knows it.
	Controller usp.EndpointID
	// Model is the tree; nil: a small access point.
	Model []Param
	// Log takes one line per event; nil: none.
	Log *zap.Logger
}

// Agent is a USP Agent. Its methods are safe for concurrent use.
type Agent struct {
	opts    Options
	log     *zap.Logger
	node    *endpoint.Node
	counter atomic.Uint64
	ignored atomic.Uint64

	mu   sync.Mutex
	tree *tree
}

// New checks o and builds the tree.
func New(o Options) (*Agent, error) {
	if o.Endpoint == "" {
		return nil, errors.New("agent: no Endpoint ID")
	}
	if o.Transport == nil {
		return nil, errors.New("agent: no transport")
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.Model == nil {
		o.Model = defaultModel()
	}
	t, err := newTree(append(localAgent(o.Endpoint), o.Model...))
	if err != nil {
		return nil, err
	}
	a := &Agent{opts: o, log: o.Log.Named("sim.agent"), tree: t}
	a.node = endpoint.NewNode(endpoint.Options{
		ID: o.Endpoint, Up: a.up, Receive: a.receive,
		Dropped: func(usp.Record) { a.ignored.Add(1) },
	})
	return a, nil
}

// Endpoint returns the Agent's Endpoint ID.
func (a *Agent) Endpoint() usp.EndpointID { return a.opts.Endpoint }

// Run runs the transport until ctx ends or the transport fails.
func (a *Agent) Run(ctx context.Context) error {
	if err := a.opts.Transport.Run(ctx, a.node); err != nil {
		return fmt.Errorf("agent: run: %w", err)
	}
	return nil
}

// Value returns the value of a parameter.
func (a *Agent) Value(param string) (string, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.tree.Value(param)
}

// SetValue changes a parameter as if the user did it at the device, and
// notifies subscribers. It reports whether there is such a parameter.
func (a *Agent) SetValue(param, value string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	p, ok := a.tree.params[param]
	if ok && p.Value != value {
		p.Value = value
		a.valueChanged(param, value)
	}
	return ok
}

// Ignored returns how many Records and Messages were of no use.
func (a *Agent) Ignored() uint64 { return a.ignored.Load() }

// up shows the Agent to its Controller, before anything else [R-MTP.6, R-MTP.8].
func (a *Agent) up(l *endpoint.Link) {
	to := a.opts.Controller
	if to == "" {
		to = l.Peer().Endpoint
	}
	if to == "" {
		return
	}
	if rec, ok := l.ConnectRecord(a.opts.Endpoint, to); ok {
		l.Send(rec, mtp.Hint{}, nil)
	}
}

// receive takes every Record for this Agent.
func (a *Agent) receive(l *endpoint.Link, rec usp.Record, hint mtp.Hint) {
	h := rec.Header()
	if h.Type != usp.RecordNoSession {
		if h.Type != usp.RecordDisconnect && !h.Type.IsConnect() {
			a.ignored.Add(1)
		}
		return
	}
	a.node.Learn(h.From, l, hint.ReplyTo)
	var msg uspmsg.Msg
	if err := proto.Unmarshal(h.Payload, &msg); err != nil {
		a.ignored.Add(1)
		a.log.Warn("message does not parse", zap.String("endpoint_id", string(h.From)), zap.Error(err))
		return
	}
	req := msg.GetBody().GetRequest()
	if req == nil {
		if msg.GetBody().GetResponse().GetNotifyResp() == nil {
			a.ignored.Add(1)
		}
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	answer, after := a.serve(h.From, req)
	if answer != nil {
		answer.Header.MsgId = msg.GetHeader().GetMsgId()
		a.send(l, h.From, mtp.Hint{Destination: hint.ReplyTo}, answer)
	}
	for _, f := range after {
		f()
	}
}

// send marshals and queues a Message.
func (a *Agent) send(l *endpoint.Link, to usp.EndpointID, hint mtp.Hint, m *uspmsg.Msg) {
	payload, err := proto.Marshal(m)
	if err != nil {
		a.log.Error("marshal", zap.Error(err))
		return
	}
	l.Send(usp.NewNoSession(a.opts.Endpoint, to, "", payload), hint, func(err error) {
		if err != nil {
			a.log.Warn("not delivered", zap.String("msg_id", m.GetHeader().GetMsgId()), zap.Error(err))
		}
	})
}

// serve answers one Request; after is what happens once the answer is queued.
func (a *Agent) serve(from usp.EndpointID, req *uspmsg.Request) (answer *uspmsg.Msg, after []func()) {
	switch t := req.GetReqType().(type) {
	case *uspmsg.Request_Get:
		return a.get(t.Get), nil
	case *uspmsg.Request_GetInstances:
		return a.getInstances(t.GetInstances), nil
	case *uspmsg.Request_GetSupportedDm:
		return a.getSupportedDM(t.GetSupportedDm), nil
	case *uspmsg.Request_GetSupportedProtocol:
		return response(uspmsg.Header_GET_SUPPORTED_PROTO_RESP, &uspmsg.Response{
			RespType: &uspmsg.Response_GetSupportedProtocolResp{
				GetSupportedProtocolResp: &uspmsg.GetSupportedProtocolResp{AgentSupportedProtocolVersions: usp.Version},
			},
		}), nil
	case *uspmsg.Request_Set:
		return a.set(t.Set)
	case *uspmsg.Request_Add:
		return a.add(from, t.Add), nil
	case *uspmsg.Request_Delete:
		return a.remove(t.Delete), nil
	case *uspmsg.Request_Operate:
		return a.operate(t.Operate)
	case nil:
		return failure(usp.CodeInvalidArguments, "the Request is empty", nil), nil // [R-ENC.5]
	default:
		return failure(usp.CodeMessageNotSupported, "not understood by an Agent", nil), nil // [R-MSG.1]
	}
}

func response(t uspmsg.Header_MsgType, r *uspmsg.Response) *uspmsg.Msg {
	return &uspmsg.Msg{
		Header: &uspmsg.Header{MsgType: t},
		Body:   &uspmsg.Body{MsgBody: &uspmsg.Body_Response{Response: r}},
	}
}

func failure(code usp.Code, text string, params []*uspmsg.Error_ParamError) *uspmsg.Msg {
	return &uspmsg.Msg{
		Header: &uspmsg.Header{MsgType: uspmsg.Header_ERROR},
		Body: &uspmsg.Body{MsgBody: &uspmsg.Body_Error{Error: &uspmsg.Error{
			ErrCode: uint32(code), ErrMsg: text, ParamErrs: params,
		}}},
	}
}

// codeOf takes an error of package path apart; others are internal errors.
func codeOf(err error) (code uint32, text string) {
	var e *usp.Error
	if errors.As(err, &e) {
		return uint32(e.Code), e.Text
	}
	return uint32(usp.CodeInternalError), ""
}
