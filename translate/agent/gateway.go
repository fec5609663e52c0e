// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/device"
	"github.com/uspgate/uspgate/translate/trust"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// Mounts is what a gateway Agent shows below Device.ProxiedDevice.: parts of other
// Agents. Package proxied has them.
type Mounts interface {
	// Serve answers a Request of a Controller; Question.Own answers what is about the
	// gateway's own part of the data model. It is called by several goroutines.
	Serve(ctx context.Context, q *Question) (*uspmsg.Response, *uspmsg.Error)
	// Subscribed tells that the Subscriptions may have changed. It must not block or call
	// the Gateway.
	Subscribed()
	// Contact returns when the CPE of a Virtual Agent was last heard of, zero if that is
	// not known, and whether it is to be had. It must not block or call the Gateway.
	Contact(of usp.EndpointID) (last time.Time, online bool)
}

// Question is a Request that a gateway Agent has in hand.
type Question struct {
	From    usp.EndpointID
	MsgID   string
	Version string    // of the Records of the Controller
	Until   time.Time // how long it may wait for CPE
	Request *uspmsg.Request

	r *request
}

// Own answers a Request of the same type from the gateway's own part of the data model,
// with the rights of the Controller. It is not to be called twice at a time.
func (q *Question) Own(ctx context.Context, req *uspmsg.Request) (*uspmsg.Response, *uspmsg.Error) {
	all := q.r.req
	q.r.req = req
	defer func() { q.r.req = all }()
	return q.r.handler.serve(q.r.agent, ctx, q.r)
}

// Leave lets the next Request begin, also if both write: all that this one has to do is
// in the hands of the Virtual Agents, which keep the order.
func (q *Question) Leave() {
	a := q.r.agent
	a.lock()
	defer a.unlock()
	if q.r.handler.write && !q.r.wrote {
		q.r.wrote, a.lanes.writing = true, false
	}
	if q.r.holding {
		q.r.release()
		return
	}
	a.start()
}

// OnWire has it be known after a crash that something may have been done.
func (q *Question) OnWire() error {
	a := q.r.agent
	if err := a.Commit(); err != nil {
		return err
	}
	if err := a.host.opts.Journal.OnWire(q.r.journalKey()); err != nil {
		return fmt.Errorf("agent: journal: %w", err)
	}
	return nil
}

// After has f be called once a Request that writes is journalled and its answer has been
// sent. F must not block or call the Gateway.
func (q *Question) After(f func()) { q.r.then = append(q.r.then, f) }

// Sees reports whether the Controller may see a mounted CPE at all.
func (q *Question) Sees(number uint32) bool {
	a := q.r.agent
	a.lock()
	defer a.unlock()
	return a.may(q.From, trust.ReadObject, mountRow(number))
}

// Limits returns how many paths or objects a request may name, how many one of them may
// mean, and how many bytes an answer may have: Options.Requested, Paths and MaxResponse.
func (q *Question) Limits() (requested, paths, bytes int) {
	o := &q.r.agent.host.opts
	return o.Requested, o.Paths, o.MaxResponse
}

// Gateway is the own part of a gateway Agent: its tree, Subscriptions and Requests. All its
// methods are safe for concurrent use; only Commit blocks.
type Gateway struct{ a *Agent }

// AttachGateway makes the Agent of a gateway, the only one that a Host with Options.Mounts
// has. It is to be called once, before Run.
func (h *Host) AttachGateway(id usp.EndpointID, identity cwmp.DeviceID) (*Gateway, error) {
	if h.opts.Mounts == nil {
		return nil, errors.New("agent: a gateway Agent wants Options.Mounts")
	}
	h.registry.mu.Lock()
	e := h.registry.add(id, identity)
	h.registry.mu.Unlock()
	a, err := h.need(context.Background(), e, noCPE{identity})
	if err != nil {
		return nil, err
	}
	return &Gateway{a}, nil
}

func (a *Agent) isGateway() bool { return a.host.opts.Mounts != nil }

// tellMounts tells them of Subscriptions. The lock is held.
func (a *Agent) tellMounts() {
	if a.isGateway() {
		a.host.opts.Mounts.Subscribed()
	}
}

// noCPE is the Device of a gateway Agent, which has none. The Agent never sleeps.
type noCPE struct{ identity cwmp.DeviceID }

var _ Device = noCPE{}

// Identity implements Device.
func (n noCPE) Identity() cwmp.DeviceID { return n.identity }

// Call implements Device.
func (noCPE) Call(context.Context, cwmp.Request) (cwmp.Response, error) {
	return nil, fmt.Errorf("%w: this Agent has no CPE", device.ErrNotSent)
}

// Hold implements Device.
func (noCPE) Hold() (release func()) { return func() {} }

// Retire implements Device.
func (noCPE) Retire() bool { return false }

// admitGateway gives the gateway Agent, which is a Controller of the Virtual Agents, its
// row. The lock is held.
func (a *Agent) admitGateway(row string) {
	if row != "" {
		return
	}
	t := a.local.begin()
	row = t.add(controllerTable, "")
	t.set(row+"EndpointID", string(a.host.opts.Gateway))
	t.set(row+hiddenOrigin, originGateway)
	t.set(row+"AssignedRole", firstRole)
	t.commit()
}

// admit is Agent.admit. The gateway Agent asks within the process, not in Records.
func (r *request) admit() *usp.Error {
	if r.answer == nil && r.from == r.agent.host.opts.Gateway {
		return denied("this Controller is the gateway itself")
	}
	return r.agent.admit(r.from)
}

// EndpointOf returns the Endpoint ID of the Virtual Agent of a CPE, if there is one.
func (h *Host) EndpointOf(id cwmp.DeviceID) (usp.EndpointID, bool) {
	h.registry.mu.Lock()
	defer h.registry.mu.Unlock()
	if e := h.registry.find(id.Key()); e != nil {
		return e.id, true
	}
	return "", false
}
