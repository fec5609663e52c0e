// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/cwmp"
)

// faultVersion answers an Inform whose SupportedCWMPVersions have none of ours.
const faultVersion = 8006

// open opens a session for the Inform; x holds a slot, which becomes the
// session's.
func (x *exchange) open(env *cwmp.Envelope, in *cwmp.Inform) {
	use, ns, ok := cwmp.Negotiate(env.Namespace, env.SupportedVersions)
	if !ok {
		x.fault(env, &cwmp.Fault{Code: faultVersion, Text: "ACS version incompatible with CPE"})
		return
	}
	s := x.newSession(env, in, ns)
	s.mu.Lock()
	defer s.mu.Unlock()
	prev := x.srv.table.put(s)
	x.slot = false
	s.shows(in, prev)
	if prev != nil {
		prev.finish(ErrReplaced)
	}
	if !x.from.shared {
		if old := x.c.sess.Swap(s); old != nil && old != prev {
			old.finish(ErrReplaced)
		}
	}
	h, err := x.srv.opts.Handler.Open(s.ctx, in, s.info)
	if err != nil {
		s.srv.watch.went(s.device)
		s.drop()
		x.notOpened(env, in, err)
		return
	}
	s.h = h
	s.holder, _ = h.(Holder)
	if err := s.ctx.Err(); err != nil {
		s.end(context.Cause(s.ctx))
		x.status(http.StatusServiceUnavailable, true)
		return
	}
	s.setPhase(phaseCPE)
	if ce := x.srv.log.Check(zap.DebugLevel, "session opened"); ce != nil {
		ce.Write(zap.Stringer("device", s.device), zap.Stringer("remote", s.info.Remote),
			zap.String("username", s.info.Username), zap.Int("events", len(in.Events)))
	}
	s.useVersion = use
	if !s.greet(x, env) {
		s.end(errors.New("acs: InformResponse not encoded"))
		return
	}
	s.arm(s.timeout)
}

// greet sends the InformResponse and the cookie.
func (s *session) greet(x *exchange, env *cwmp.Envelope) bool {
	out := s.answer(env, &cwmp.InformResponse{MaxEnvelopes: 1})
	out.UseVersion = s.useVersion
	x.w.Header()["Set-Cookie"] = []string{setCookie(s.id, s.profile.CookiePath)}
	return s.send(x, out)
}

// shows has the watch look at the session, which takes the place of prev, and
// keeps what is found.
func (s *session) shows(in *cwmp.Inform, prev *session) {
	n := s.srv.watch.informed(s, in, prev)
	if s.looping = n.looping; n.looping {
		s.profile.endless()
		s.info.InformLoop = true
	}
	if n.begins {
		s.srv.log.Warn("a CPE informs again and again; its next session is ended at once",
			zap.Stringer("device", s.device), zap.Stringer("remote", s.info.Remote))
	}
	s.info.Conflict = n.conflict
	if n.found {
		s.srv.conflict(s.device, n.conflict)
	}
}

// conflict tells of two boxes with one DeviceID.
func (s *Server) conflict(id cwmp.DeviceID, c *Conflict) {
	s.log.Warn("two boxes have the same DeviceID", zap.Stringer("device", id),
		zap.Stringer("remote", c.Boxes[0].Remote), zap.String("username", c.Boxes[0].Username),
		zap.Stringer("other_remote", c.Boxes[1].Remote), zap.String("other_username", c.Boxes[1].Username))
	s.found(Finding{Kind: FoundConflict, Device: id, Conflict: c})
}

// notOpened answers an Inform for which the Handler did not open a session.
func (x *exchange) notOpened(env *cwmp.Envelope, in *cwmp.Inform, err error) {
	var f *cwmp.Fault
	var elsewhere *RedirectError
	switch {
	case errors.As(err, &f):
		x.fault(env, f)
		return
	case errors.As(err, &elsewhere):
		x.w.Header()["Location"] = []string{elsewhere.URL}
		x.status(http.StatusTemporaryRedirect, true)
		return
	}
	x.complain(rejectHandler, "session refused", zap.Stringer("device", in.DeviceID), zap.Error(err))
	x.busy(rejectHandler)
}

// fault answers env with f where there is no session.
func (x *exchange) fault(env *cwmp.Envelope, f *cwmp.Fault) {
	x.srv.met.fault(f)
	x.envelope(&cwmp.Envelope{Namespace: env.Namespace, ID: env.ID, NoID: env.NoID, Body: f})
}

func (x *exchange) newSession(env *cwmp.Envelope, in *cwmp.Inform, ns string) *session {
	s := &session{
		srv:       x.srv,
		id:        x.srv.newID(),
		device:    in.DeviceID.Key(),
		ns:        ns,
		conn:      x.c,
		keepAlive: x.keepAlive(),
		events:    in.Events,
		retry:     in.RetryCount,
		fresh:     true,
	}
	if f := x.srv.opts.Profile; f != nil {
		s.profile = f(in)
	}
	s.farewells.Store(int32(max(1, s.profile.FarewellPosts)))
	s.timeout, s.reply = x.srv.timeouts(env.SessionTimeout)
	if s.profile.SessionTimeout > 0 {
		s.timeout = s.profile.SessionTimeout
	}
	s.info = Info{
		Remote:         x.from.remote,
		Username:       x.login.Username,
		Method:         x.login.Method,
		Namespace:      ns,
		SessionTimeout: s.timeout,
	}
	if x.from.cert != nil {
		sum := sha256.Sum256(x.from.cert.Raw)
		s.info.Certificate = hex.EncodeToString(sum[:])
	}
	s.box = Box{
		Remote: s.info.Remote, Username: s.info.Username, Certificate: s.info.Certificate, MAC: macOf(in),
	}
	s.cookieless, s.proved = s.profile.Cookieless, s.info.Username != ""
	s.begun = x.srv.now()
	s.ctx, s.cancel = context.WithCancelCause(x.srv.base)
	s.timer = time.AfterFunc(time.Hour, s.expired)
	s.arm(s.reply)
	return s
}

// timeouts returns how long the ACS waits for a POST and the CPE for an answer;
// header is the SessionTimeout of the Inform in seconds, 0 for none.
func (s *Server) timeouts(header uint32) (session, reply time.Duration) {
	session, reply = s.opts.SessionTimeout, s.opts.ReplyTimeout
	if header == 0 {
		return session, reply
	}
	said := time.Duration(header) * time.Second
	reply = min(reply, said)
	// What the CPE says is how long it waits itself. Less than what is usual
	// would only cut off slow answers.
	session = max(min(said, s.opts.MaxSessionTimeout), min(session, minSessionTimeout))
	return session, reply
}

// minSessionTimeout is the least that TR-069 recommends an ACS to wait.
const minSessionTimeout = 30 * time.Second

// retransmitted answers an Inform that is the same as the one which opened the
// session, came on the same connection, and before anything else did.
func (s *session) retransmitted(x *exchange, env *cwmp.Envelope, in *cwmp.Inform) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase != phaseCPE || !s.fresh || s.conn != x.c || in.RetryCount != s.retry ||
		in.DeviceID.Key() != s.device || !slices.Equal(in.Events, s.events) {
		return false
	}
	if s.requests++; s.requests > s.srv.opts.MaxCPERequests {
		return false // a session of its own for each is admitted at a rate
	}
	s.shows(in, nil)
	s.greet(x, env)
	return true
}

// finish ends the session from outside: whoever works for it is interrupted.
func (s *session) finish(cause error) {
	s.cancel(cause)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end(cause)
}

func (x *exchange) keepAlive() bool { return x.r.ProtoAtLeast(1, 1) && !x.r.Close }

// failure makes the cause of Close from an error of the Handler.
func (s *session) failure(op string, err error) error {
	if s.ctx.Err() != nil {
		return context.Cause(s.ctx)
	}
	return fmt.Errorf("acs: %s: %w", op, err)
}
