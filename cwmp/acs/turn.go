// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs

import (
	"context"
	"errors"
	"io"
	"strconv"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/cwmp"
)

// empty is the turn of the ACS, or a sign that the CPE has not seen our request.
func (s *session) empty(x *exchange) {
	switch {
	case s.phase != phaseACS:
		s.turn(x, nil)
		return
	case s.out.let:
		s.out.req = nil
		s.setPhase(phaseCPE)
		s.linger(x)
		return
	}
	if s.out.resent || !repeatable(s.out.req) {
		// The CPE has done its part of the session: to it, this is a good end.
		s.end(ErrLost)
		x.over(s)
		return
	}
	s.out.resent = true
	s.ask(x)
}

// repeatable reports whether executing req twice is the same as once, seen from
// the outcome as well.
func repeatable(req cwmp.Request) bool {
	switch req.(type) {
	case *cwmp.GetParameterValues, *cwmp.GetParameterNames, *cwmp.GetParameterAttributes, *cwmp.GetRPCMethods,
		*cwmp.SetParameterValues, *cwmp.SetParameterAttributes, *cwmp.Reboot, *cwmp.FactoryReset:
		return true
	default:
		return false
	}
}

// request has the Handler answer a method that the CPE called. A response that
// the CPE owes stays owed.
func (s *session) request(x *exchange, env *cwmp.Envelope, req cwmp.Request) {
	resp, err := s.h.Request(s.ctx, req)
	if err == nil && s.ctx.Err() != nil {
		err = s.ctx.Err()
	}
	if err != nil {
		s.end(s.failure(req.Method(), err))
		x.busy(rejectHandler)
		return
	}
	if resp == nil {
		resp = &cwmp.Fault{Code: cwmp.FaultACSInternalError, Text: "Internal error"}
	}
	s.respond(x, env, resp)
}

func (s *session) respond(x *exchange, env *cwmp.Envelope, resp cwmp.Response) {
	if f, ok := resp.(*cwmp.Fault); ok {
		s.srv.met.fault(f)
	}
	if !s.send(x, s.answer(env, resp)) {
		s.end(errors.New("acs: response not encoded"))
	}
}

// answer makes the envelope of a response, with the ID as the CPE sent it.
func (s *session) answer(env *cwmp.Envelope, resp cwmp.Response) *cwmp.Envelope {
	return &cwmp.Envelope{Namespace: s.ns, ID: env.ID, NoID: env.NoID, Body: resp}
}

// response takes the CPE's response to our request. One that nobody asked for
// is what an empty POST is: the CPE has nothing more to say.
func (s *session) response(x *exchange, env *cwmp.Envelope, resp cwmp.Response) {
	if f, ok := resp.(*cwmp.Fault); ok {
		s.srv.met.fault(f)
	}
	if s.phase != phaseACS {
		s.srv.log.Info("response without a request", zap.Stringer("device", s.device),
			zap.String("method", resp.Method()))
		s.turn(x, nil)
		return
	}
	if !env.NoID && env.ID != s.out.id {
		// One request is outstanding, so the turn tells what is meant [quirk 5].
		s.srv.log.Debug("response with another ID", zap.Stringer("device", s.device),
			zap.String("method", resp.Method()))
	}
	if f, ok := resp.(*cwmp.Fault); ok && f.Code == cwmp.FaultACSRetryRequest && s.out.again < maxAgain {
		s.out.again++ // it has not been executed
		s.ask(x)
		return
	}
	s.srv.met.answered(s.out.req.Method(), time.Since(s.out.since))
	let := s.out.let
	s.out.req = nil
	s.setPhase(phaseCPE)
	if let {
		s.linger(x)
		return
	}
	s.turn(x, resp)
}

// maxAgain is how often a request is sent again to a CPE that asks for it with
// fault 8005.
const maxAgain = 3

// turn asks the Handler for the next request.
func (s *session) turn(x *exchange, last cwmp.Response) {
	if s.lingering || s.profile.NoRequests {
		s.done(x)
		return
	}
	if s.keepAlive && !x.from.shared {
		// Nobody is there to take the request if the CPE closes while we wait.
		// From HTTP/1.0 it may be half a close that awaits the answer.
		stop := context.AfterFunc(x.r.Context(), func() { s.cancel(ErrVanished) })
		defer stop()
	}
	req, err := s.h.Next(s.ctx, last)
	switch {
	case errors.Is(err, io.EOF) && s.held:
		// A request that does nothing, as only an envelope can let the CPE go on.
		s.out = outstanding{req: &cwmp.GetRPCMethods{}, let: true}
		s.first(x)
	case errors.Is(err, io.EOF) && s.everHeld:
		s.linger(x)
	case errors.Is(err, io.EOF):
		s.done(x)
	case err != nil:
		s.end(s.failure("next request", err))
		x.busy(rejectHandler)
	default:
		s.out = outstanding{req: req}
		s.first(x)
	}
}

// done ends the session in order.
func (s *session) done(x *exchange) {
	device, looping := s.device, s.looping
	s.end(nil)
	x.over(s)
	if looping {
		s.srv.watch.recovered(device)
		s.srv.found(Finding{Kind: FoundInformLoop, Device: device})
	}
}

// linger ends the part of the ACS in a session in which the CPE was told to hold
// its requests: it may send them now. It is over with the next empty POST, or when
// the CPE leaves.
func (s *session) linger(x *exchange) {
	s.lingering = true
	x.over(s)
}

// first sends the outstanding request for the first time.
func (s *session) first(x *exchange) {
	s.lastID++
	s.out.id = strconv.FormatUint(s.lastID, 10)
	s.out.since = time.Now()
	s.setPhase(phaseACS)
	s.ask(x)
}

// ask sends the outstanding request.
func (s *session) ask(x *exchange) {
	if !s.send(x, &cwmp.Envelope{Namespace: s.ns, ID: s.out.id, Body: s.out.req}) {
		s.end(errors.New("acs: request not encoded"))
	}
}

// send sends an envelope, and with it whether the CPE has to hold its requests.
func (s *session) send(x *exchange, env *cwmp.Envelope) bool {
	s.held = s.holder != nil && !s.out.let && !s.lingering && s.holder.HoldRequests()
	s.everHeld = s.everHeld || s.held
	env.HoldRequests = s.held
	x.profile(&s.profile)
	return x.envelope(env)
}
