// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package device

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/acs"
)

// call is one Call. Its fields but done belong to Device.mu.
type call struct {
	ctx       context.Context //nolint:containedctx // the caller's, looked at when the turn comes
	req       cwmp.Request
	done      chan result // buffered: one result, always
	onWire    bool        // has left, or is just leaving
	abandoned bool        // nobody waits for the result
	sent      int         // how often it was sent
}

type result struct {
	resp cwmp.Response
	err  error
}

// maxSends is how often a read is sent if sessions keep breaking under it.
const maxSends = 3

func isRead(req cwmp.Request) bool {
	switch req.(type) {
	case *cwmp.GetParameterValues, *cwmp.GetParameterNames, *cwmp.GetParameterAttributes, *cwmp.GetRPCMethods:
		return true
	default:
		return false
	}
}

func notSent(cause error) error { return fmt.Errorf("%w: %w", ErrNotSent, cause) }

func (c *call) finish(resp cwmp.Response, err error) { c.done <- result{resp, err} }

// Call has the CPE execute req and waits for the outcome: the response, or an
// error that is a *cwmp.Fault (the CPE refused; also, with code 9002, where the
// CPE answered with the response of another method) or wraps one of
//
//   - ErrNotSent: ctx ended, or the Fleet, before req left. It never will be
//     sent.
//   - ErrOutcomeUnknown: the session broke while req was on the wire.
//   - ErrBusy: the queue is full.
//
// RPCs are executed one at a time, in the order of the calls. If the CPE has no
// session it is woken, once for all who wait. When ctx ends while req is on the
// wire, a read (Get…) returns ErrNotSent at once; a write waits for its outcome,
// bounded by the session. A read is repeated in the next session when the
// session breaks; a Reboot or FactoryReset then counts as accepted [quirk 73].
// Nobody may change req any more, not even after Call has returned.
func (d *Device) Call(ctx context.Context, req cwmp.Request) (cwmp.Response, error) {
	resp, err := d.call(ctx, req)
	d.fleet.met.called(err)
	return resp, err
}

func (d *Device) call(ctx context.Context, req cwmp.Request) (cwmp.Response, error) {
	if ctx.Err() != nil {
		return nil, notSent(context.Cause(ctx))
	}
	c := &call{ctx: ctx, req: req, done: make(chan result, 1)}
	if err := d.enqueue(c); err != nil { //nolint:contextcheck // a wake is for all who wait, not for one
		return nil, err
	}
	select {
	case r := <-c.done:
		return r.resp, r.err
	case <-ctx.Done():
	}
	if d.withdraw(c) { //nolint:contextcheck // as above
		return nil, notSent(context.Cause(ctx))
	}
	r := <-c.done
	return r.resp, r.err
}

// enqueue puts c at the end of the queue and sees to a session.
func (d *Device) enqueue(c *call) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fleet.base.Err() != nil {
		return notSent(errClosed)
	}
	if len(d.queue) >= d.fleet.opts.MaxQueue {
		return ErrBusy
	}
	d.queue = append(d.queue, c)
	d.fleet.met.waiting.Inc()
	if d.sess != nil {
		d.sess.ring()
	} else {
		d.wakeIfNeeded()
	}
	return nil
}

// withdraw takes c back, or stops waiting for the result of a read. It returns
// false for a write on the wire and where the result is there.
func (d *Device) withdraw(c *call) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c.onWire {
		c.abandoned = isRead(c.req) && len(c.done) == 0
		return c.abandoned
	}
	i := slices.Index(d.queue, c)
	if i < 0 {
		return false
	}
	d.remove(i)
	d.wakeIfNeeded()
	return true
}

// remove takes the i-th call out of the queue; d.mu is held.
func (d *Device) remove(i int) {
	d.queue = slices.Delete(d.queue, i, i+1)
	if len(d.queue) == 0 {
		d.queue = nil // most Devices sleep: they keep nothing
	}
	d.fleet.met.waiting.Dec()
}

// shift takes the first call out of the queue whose caller still waits, and
// notes that it is leaving; nil if there is none. d.mu is held.
func (d *Device) shift() *call {
	for len(d.queue) > 0 {
		c := d.queue[0]
		d.remove(0)
		if c.ctx.Err() == nil {
			c.onWire = true
			return c
		}
		c.finish(nil, notSent(context.Cause(c.ctx)))
	}
	return nil
}

// unshift puts a call back to the front of the queue; d.mu is held. The bound
// does not count here: the call was in the queue before.
func (d *Device) unshift(c *call) {
	c.onWire = false
	d.queue = slices.Insert(d.queue, 0, c)
	d.fleet.met.waiting.Inc()
}

// failQueue ends all that waits.
func (d *Device) failQueue(cause error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(d.queue) > 0 {
		c := d.queue[0]
		d.remove(0)
		c.finish(nil, notSent(cause))
	}
	d.wakeIfNeeded()
}

// broken settles a call that was on the wire when its session ended; d.mu is
// held.
func (d *Device) broken(c *call, cause error) {
	c.sent++
	switch {
	case c.abandoned:
	case isRead(c.req) && c.sent < maxSends && c.ctx.Err() == nil && d.fleet.base.Err() == nil:
		d.unshift(c)
	case accepted(c.req, cause) != nil:
		c.finish(accepted(c.req, cause), nil)
	default:
		if cause == nil {
			cause = errors.New("device: session ended")
		}
		c.finish(nil, fmt.Errorf("%w: %w", ErrOutcomeUnknown, cause))
	}
}

// accepted returns the response to a Reboot or FactoryReset after which the CPE
// was gone: it did what it was told, too soon [quirk 73]. nil for all else.
func accepted(req cwmp.Request, cause error) cwmp.Response {
	if !errors.Is(cause, acs.ErrVanished) && !errors.Is(cause, acs.ErrReplaced) && !errors.Is(cause, acs.ErrTimeout) {
		return nil
	}
	switch req.(type) {
	case *cwmp.Reboot:
		return &cwmp.RebootResponse{}
	case *cwmp.FactoryReset:
		return &cwmp.FactoryResetResponse{}
	default:
		return nil
	}
}

// settle makes the outcome of a call from what the CPE answered.
func settle(req cwmp.Request, resp cwmp.Response) (cwmp.Response, error) {
	if f, ok := resp.(*cwmp.Fault); ok {
		return nil, f
	}
	if resp.Method() != req.Method()+"Response" {
		return nil, &cwmp.Fault{
			Code: cwmp.FaultInternalError,
			Text: req.Method() + " was answered with " + resp.Method(),
		}
	}
	return resp, nil
}
