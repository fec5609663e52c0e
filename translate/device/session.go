// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package device

import (
	"context"
	"io"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/acs"
)

// session is an open CWMP session of a Device: the acs.Session that serves the
// queue. Its fields belong to Device.mu.
type session struct {
	d     *Device
	login *cwmp.SetParameterValues // to be sent before all else, or nil
	wire  *call                    // has no response yet
	bell  chan struct{}            // rung when Next may have something to do
	ended bool
	// looping: acs tries to end a loop of Informs.
	looping bool
}

var _ acs.Session = (*session)(nil)

// ring wakes Next; Device.mu is held.
func (s *session) ring() {
	select {
	case s.bell <- struct{}{}:
	default: // also while nobody listens: bell is nil then
	}
}

// Request implements acs.Session. Nothing is acknowledged before it is stored: the
// CPE forgets it then. Without an Observer nobody wants to know.
func (s *session) Request(_ context.Context, req cwmp.Request) (cwmp.Response, error) {
	s.d.told.Lock()
	defer s.d.told.Unlock()
	if s.d.obs == nil {
		return Acknowledged(req), nil
	}
	resp := s.d.obs.Request(req)
	if err := s.d.obs.Commit(); err != nil {
		s.d.fleet.log.Warn("a request of a CPE is not stored: it is to send it again",
			zap.Stringer("device", s.d.id), zap.String("method", req.Method()), zap.Error(err))
		return &cwmp.Fault{Code: cwmp.FaultACSRetryRequest, Text: "Not stored"}, nil
	}
	return resp, nil
}

// Methods are the requests of a CPE that are answered, for acs.Options.Methods.
func Methods() []string {
	return []string{
		"Inform", "GetRPCMethods", "TransferComplete", "AutonomousTransferComplete", "RequestDownload", "Kicked",
		"DUStateChangeComplete", "AutonomousDUStateChangeComplete",
	}
}

// Acknowledged is the answer to a request of a CPE that only reports something, and
// Fault 8000 to any other, and to what no standard has [TR-069 A.3.3, A.4.2, quirk 75].
// The page after a Kicked is the one that it names itself.
func Acknowledged(req cwmp.Request) cwmp.Response {
	switch r := req.(type) {
	case *cwmp.TransferComplete:
		return &cwmp.TransferCompleteResponse{}
	case *cwmp.AutonomousTransferComplete:
		return &cwmp.AutonomousTransferCompleteResponse{}
	case *cwmp.DUStateChangeComplete:
		return &cwmp.DUStateChangeCompleteResponse{}
	case *cwmp.AutonomousDUStateChangeComplete:
		return &cwmp.AutonomousDUStateChangeCompleteResponse{}
	case *cwmp.Kicked:
		return &cwmp.KickedResponse{NextURL: r.Next}
	default:
		return &cwmp.Fault{Code: cwmp.FaultACSMethodNotSupported, Text: "Method not supported"}
	}
}

// Next implements acs.Session: it serves the queue, one RPC at a time, and
// keeps the CPE waiting while somebody holds the session.
func (s *session) Next(ctx context.Context, last cwmp.Response) (cwmp.Request, error) {
	if last != nil {
		s.answered(last)
	}
	var hold *time.Timer
	spent := false
	for {
		req, err := s.take(ctx, spent)
		if req != nil || err != nil {
			return req, err
		}
		if hold == nil {
			hold = time.NewTimer(s.d.fleet.opts.HoldTime)
			defer hold.Stop()
		}
		select {
		case <-s.bell:
		case <-hold.C:
			spent = true
		case <-ctx.Done():
		}
	}
}

// take returns the next request, io.EOF if there is none and nobody (or for too
// long somebody) holds the session, or nil if it is worth waiting for.
func (s *session) take(ctx context.Context, spent bool) (cwmp.Request, error) {
	for {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx) //nolint:wrapcheck // the cause that acs gave
		}
		c, err := s.pop(spent)
		if c == nil {
			return nil, err
		}
		sent, err := s.leave(ctx, c)
		if sent || err != nil {
			return c.req, err
		}
	}
}

// pop takes a call from the queue and makes it the one on the wire. Both results
// are nil if there is none and the session is held.
func (s *session) pop(spent bool) (*call, error) {
	d := s.d
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.sess != s {
		return nil, acs.ErrReplaced
	}
	if s.login != nil {
		s.wire = &call{ctx: context.Background(), req: s.login, onWire: true, abandoned: true}
		return s.wire, nil
	}
	if c := d.shift(); c != nil {
		s.wire = c
		return c, nil
	}
	if d.holds == 0 || spent {
		d.sess = nil // who calls from now on has to wake the CPE again
		return nil, io.EOF
	}
	if s.bell == nil {
		s.bell = make(chan struct{}, 1)
	}
	return nil, nil //nolint:nilnil // neither a call nor the end
}

// leave asks the caller's hook whether c may go, and reports whether it does. An
// error ends the session.
func (s *session) leave(ctx context.Context, c *call) (sent bool, err error) {
	hook, ok := c.ctx.Value(onWireKey{}).(func() error)
	if !ok {
		return true, nil
	}
	err = hook()
	d := s.d
	d.mu.Lock()
	defer d.mu.Unlock()
	if s.ended {
		return false, acs.ErrReplaced // end has settled c
	}
	switch {
	case err != nil:
		s.wire = nil
		c.finish(nil, notSent(err))
		return false, nil
	case c.abandoned:
		s.wire = nil
		return false, nil
	case ctx.Err() != nil:
		s.wire = nil
		d.unshift(c)
		return false, context.Cause(ctx) //nolint:wrapcheck // the cause that acs gave
	default:
		return true, nil
	}
}

// answered settles the call on the wire.
func (s *session) answered(resp cwmp.Response) {
	d := s.d
	d.mu.Lock()
	c := s.wire
	s.wire = nil
	if c == nil {
		d.mu.Unlock()
		return
	}
	login := s.login != nil && c.req == cwmp.Request(s.login)
	if login {
		s.login = nil
		d.loginAnswered(resp)
	} else if !c.abandoned {
		c.finish(settle(c.req, resp))
	}
	if got, ok := resp.(*cwmp.GetParameterValuesResponse); ok {
		d.read(got.Params)
	}
	d.unsaved = d.unsaved || login
	d.mu.Unlock()
	if !login {
		return
	}
	if err := d.save(); err != nil { // the next Inform tries again
		d.fleet.log.Warn("the Connection Request login of a CPE is not stored", zap.Error(err))
	}
}

// Close implements acs.Session.
func (s *session) Close(cause error) {
	s.d.told.Lock()
	defer s.d.told.Unlock()
	s.endTold(cause)
	d := s.d
	if s.looping && cause == nil {
		x := Found{InformLoop: true}
		d.fleet.odd.learn(d.id.Key(), x)
		d.mu.Lock()
		d.found(x)
		d.mu.Unlock()
	}
	if err := d.save(); err != nil { // the next Inform tries again
		d.fleet.log.Warn("what a session has shown of a CPE is not stored", zap.Error(err))
	}
}

// endTold settles what was on the wire and tells the Observer, once; d.told is
// held.
func (s *session) endTold(cause error) {
	d := s.d
	d.mu.Lock()
	if s.ended {
		d.mu.Unlock()
		return
	}
	s.ended = true
	if d.sess == s {
		d.sess = nil
	}
	if s.wire != nil {
		d.broken(s.wire, cause)
		s.wire = nil
	}
	d.wakeIfNeeded()
	d.mu.Unlock()
	if d.obs != nil {
		d.obs.SessionEnded(cause)
	}
}
