// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/cwmp"
)

// phase is where a session stands [TR-069 3.7.1].
type phase uint8

const (
	phaseOpening phase = iota // the Handler looks at the Inform
	phaseCPE                  // the CPE may send requests
	phaseACS                  // the CPE owes the response to a request of ours
	phaseEnded
)

// session is one CWMP session. mu is held while a POST is answered, so that the
// Handler's Session has one caller at a time; cancel interrupts the holder.
type session struct {
	srv     *Server
	id      string // value of the cookie
	device  cwmp.DeviceID
	profile Profile
	box     Box
	looping bool  // the profile is that of a loop [quirk 41]
	begun   int64 // on the Server's clock
	// Of the profile and the login; not changed, so that they need no mu.
	cookieless, proved bool
	info               Info
	timeout            time.Duration   // between our answer and the next POST
	reply              time.Duration   // between a POST and our answer
	ctx                context.Context //nolint:containedctx // the session's own: it lives from POST to POST
	cancel             context.CancelCauseFunc

	over      atomic.Bool // ended; the rest is for lookups without mu
	regular   atomic.Bool // ended by 204
	replaced  atomic.Bool // ended by a newer one
	vanishing atomic.Bool // the deadline is that of a lost connection
	posts     atomic.Int32
	farewells atomic.Int32 // empty POSTs that are answered after the end
	deadline  atomic.Int64 // on the Server's clock
	timer     *time.Timer

	source     netip.Addr // of the list; these belong to the table's mu
	next, prev *session

	mu         sync.Mutex
	h          Session
	holder     Holder // h, or nil
	held       bool   // the CPE was told to hold its requests
	everHeld   bool
	lingering  bool // the ACS is done, and the CPE may have requests that it held
	requests   int  // of the CPE
	phase      phase
	ns         string
	useVersion string
	events     []cwmp.Event // of the Inform
	retry      uint32
	fresh      bool  // nothing has come after the Inform
	conn       *conn // of the latest POST
	keepAlive  bool  // conn was meant to stay after the latest answer
	manyConns  bool  // the CPE has used more than one
	lastID     uint64
	out        outstanding
}

// outstanding is the request that the CPE owes a response to.
type outstanding struct {
	req    cwmp.Request // nil is none
	id     string
	since  time.Time
	resent bool
	again  int  // how often the CPE has asked to be sent it again
	let    bool // ours, to tell the CPE that it need not hold its requests any more
}

// maxPosts is how many POSTs of one session are read at a time: the one that is
// answered, and a repetition of it on a new connection.
const maxPosts = 2

// arrive notes that a POST of the session is coming in; depart must follow
// unless it returns false.
func (s *session) arrive() bool {
	if s.posts.Add(1) > maxPosts {
		s.posts.Add(-1)
		return false
	}
	s.vanishing.Store(false)
	s.arm(s.srv.opts.MaxBodyTime + s.reply)
	return true
}

func (s *session) depart() {
	if s.posts.Add(-1) == 0 && !s.over.Load() {
		s.arm(s.timeout)
	}
}

// arm sets the deadline of the session.
func (s *session) arm(d time.Duration) {
	s.deadline.Store(s.srv.now() + int64(d))
	s.timer.Reset(d)
}

// expired runs when the timer does.
func (s *session) expired() {
	if left := s.deadline.Load() - s.srv.now(); left > 0 { // armed by two at a time
		s.timer.Reset(time.Duration(left))
		return
	}
	if !s.srv.table.enter() {
		return
	}
	defer s.srv.table.leave()
	switch {
	case s.over.Load():
		s.srv.table.forget(s)
	case s.vanishing.Load():
		s.finish(ErrVanished)
	default:
		s.finish(ErrTimeout)
	}
}

// connClosed shortens the deadline if the CPE has left a connection that was to
// stay. It must not wait: it is called while the connection is closed.
func (s *session) connClosed(c *conn) {
	if s.over.Load() || !s.mu.TryLock() {
		return
	}
	defer s.mu.Unlock()
	if s.conn != c || s.manyConns || !s.keepAlive || s.phase == phaseEnded || s.posts.Load() > 0 {
		return
	}
	if grace := s.srv.vanishGrace(); grace < s.timeout {
		s.vanishing.Store(true)
		s.arm(grace)
	}
}

// hurry shortens the deadline of a CPE that has vanished before the Server
// began to drain.
func (s *session) hurry() {
	if s.vanishing.Load() {
		s.arm(drainGrace)
	}
}

func (s *session) setPhase(p phase) {
	s.srv.met.moved(s.phase, p)
	s.phase = p
}

// end closes the Handler's Session, once; s.mu is held.
func (s *session) end(cause error) {
	if s.phase == phaseEnded {
		return
	}
	if s.lingering && (errors.Is(cause, ErrTimeout) || errors.Is(cause, ErrVanished)) {
		cause = nil // the CPE had nothing more to say
	}
	s.setPhase(phaseEnded)
	s.regular.Store(cause == nil)
	s.over.Store(true)
	s.out.req = nil
	s.events = nil
	s.cancel(cause)
	if s.h != nil {
		s.h.Close(cause)
		s.h = nil
	}
	s.srv.met.end(cause)
	s.holder = nil
	replaced := errors.Is(cause, ErrReplaced)
	s.replaced.Store(replaced)
	s.srv.table.end(s, cause == nil || replaced)
	if cause == nil {
		// These share the memory of the whole Inform, and the session stays in
		// the table for a while.
		s.device, s.info, s.ns, s.box = cwmp.DeviceID{}, Info{}, "", Box{}
		s.arm(s.srv.opts.EndGrace)
		return
	}
	if replaced {
		s.box = s.box.clone()
		s.arm(replacedGrace)
	} else {
		s.timer.Stop()
	}
	s.srv.log.Info("session broken", zap.Stringer("device", s.device), zap.Stringer("remote", s.info.Remote),
		zap.Error(cause))
}

// replacedGrace is how long the cookie of a session is known that a newer one has
// replaced: whoever goes on with it is another box.
const replacedGrace = 10 * time.Second

// overlapped notes that somebody goes on with a session that was replaced.
func (s *session) overlapped(x *exchange) {
	if !s.replaced.Load() {
		return
	}
	s.mu.Lock()
	box := s.box
	s.mu.Unlock()
	box.Remote = x.from.remote
	if c, found := s.srv.watch.overlapped(s.device, &box); found {
		s.srv.conflict(s.device, c)
	}
}

// lost reports whether a POST without a cookie from the address of the session may
// well be its CPE's: it has left its connection, and owes a POST.
func (s *session) lost(x *exchange) (id cwmp.DeviceID, yes bool) {
	if s.posts.Load() > 0 || !s.mu.TryLock() {
		return id, false
	}
	defer s.mu.Unlock()
	return s.device, s.phase != phaseEnded && s.conn != x.c && (!s.keepAlive || s.conn.closed.Load())
}

// drop ends a session that the Handler did not open.
func (s *session) drop() {
	s.setPhase(phaseEnded)
	s.over.Store(true)
	s.cancel(nil)
	s.timer.Stop()
	s.srv.table.end(s, false)
}

// post answers a POST of the session that is not an Inform. env is nil for an
// empty one.
func (s *session) post(x *exchange, env *cwmp.Envelope) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase == phaseEnded { // while the body was read
		x.refuse(rejectNoSession, http.StatusBadRequest)
		return
	}
	if s.srv.now()-s.begun > int64(s.srv.opts.MaxSessionTime) {
		s.end(ErrEndless)
		x.busy(rejectNoSession)
		return
	}
	s.arm(s.reply)
	if s.fresh {
		s.fresh = false
		s.srv.watch.went(s.device)
	}
	s.manyConns = s.manyConns || s.conn != x.c
	s.conn = x.c
	s.keepAlive = x.keepAlive()
	if !x.from.shared {
		x.c.sess.Store(s)
	}
	if env == nil || env.Body == nil {
		s.empty(x)
		return
	}
	if _, ok := env.Body.(cwmp.Response); !ok && !s.counted(x) {
		return
	}
	switch m := env.Body.(type) {
	case *cwmp.Unknown:
		if s.phase == phaseACS && strings.HasSuffix(m.Name, "Response") {
			s.response(x, env, m)
			return
		}
		s.respond(x, env, &cwmp.Fault{Code: cwmp.FaultACSMethodNotSupported, Text: "Method not supported"}) // [quirk 75]
	case *cwmp.GetRPCMethods:
		s.respond(x, env, &cwmp.GetRPCMethodsResponse{Methods: s.srv.opts.Methods})
	case cwmp.Request:
		s.request(x, env, m)
	case cwmp.Response:
		s.response(x, env, m)
	default:
		s.end(ErrProtocol)
		x.refuse(rejectMalformed, http.StatusBadRequest)
	}
}

// counted counts a request of the CPE, and ends a session with too many.
func (s *session) counted(x *exchange) bool {
	if s.requests++; s.requests <= s.srv.opts.MaxCPERequests {
		return true
	}
	s.end(ErrEndless)
	x.busy(rejectNoSession)
	return false
}
