// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/soap"
)

// exchange is one POST with its answer.
type exchange struct {
	srv   *Server
	w     http.ResponseWriter
	r     *http.Request
	c     *conn
	from  origin
	sess  *session // found by cookie or connection; may be over
	live  bool     // sess is there and was not over when the POST came
	slot  bool     // this POST holds a slot of the table
	lobby bool     // the slot is of those for expected CPE
	claim Claim    // who it says it is
	login Login    // and has proved
	room  share    // of the Server's memory
	style soap.Style
	// suspect is the only session from there, whose CPE may return no cookie.
	suspect *session
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	x := &exchange{srv: s, w: w, r: r, c: connOf(r.Context())}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		x.refuse(rejectMethod, http.StatusMethodNotAllowed)
		return
	}
	if !s.table.enter() {
		x.busy(rejectDraining)
		return
	}
	defer s.table.leave()
	x.from = s.originOf(r, x.c)
	x.room.m = &s.memory
	defer x.room.free()
	if s.opts.Elsewhere != nil && x.elsewhere() { //nolint:contextcheck // it takes that of the request
		return
	}
	x.answer() //nolint:contextcheck // the session has a context of its own, from POST to POST
}

// answer answers a POST as part of a session of this Server.
func (x *exchange) answer() {
	x.sess = x.find()
	x.live = x.sess != nil && !x.sess.over.Load()
	if x.live {
		if !x.sess.arrive() {
			x.refuse(rejectParallel, http.StatusBadRequest)
			return
		}
		defer x.sess.depart()
	} else if !x.takeSlot(x.srv.opts.Expected != nil) {
		return
	}
	defer x.giveSlot()
	x.run()
}

// find returns the session of a POST: by cookie, else by connection
// [quirks 28, 31, 39]. One that is over is found if there is no other.
func (x *exchange) find() (found *session) {
	s, none := x.srv, true
	cookies(x.r.Header["Cookie"], func(v string) bool {
		none = false
		if sess := s.table.get(v); sess != nil {
			found = sess
		}
		return found == nil || found.over.Load()
	})
	if found != nil && !found.over.Load() {
		return found
	}
	if here := x.c.sess.Load(); here != nil && !x.from.shared && (found == nil || !here.over.Load()) {
		return here
	}
	if found == nil && none {
		return x.cookieless()
	}
	return found
}

// cookieless finds the session of a CPE that returns no cookie and has not kept
// its connection [quirk 28]. Where it is not known of the CPE, it is noted only.
func (x *exchange) cookieless() *session {
	sess := x.srv.table.only(x.from.remote.Addr())
	if sess == nil || sess.over.Load() {
		return nil
	}
	if !sess.cookieless {
		x.suspect = sess
		return nil
	}
	return sess
}

// takeSlot answers 503 itself if it cannot, before anything is parsed. spare is
// true for who may have one of those above the limit.
func (x *exchange) takeSlot(spare bool) bool {
	reason, lobby := x.srv.table.take(spare)
	if reason != "" {
		x.busy(reason)
		return false
	}
	x.slot, x.lobby = true, lobby
	return true
}

func (x *exchange) giveSlot() {
	if x.slot {
		x.slot = false
		x.srv.table.give()
	}
}

func (x *exchange) run() {
	env, ok := x.receive()
	if !ok {
		return
	}
	if env != nil {
		if inform, ok := env.Body.(*cwmp.Inform); ok {
			x.inform(env, inform)
			return
		}
	}
	if !x.live {
		x.stranger()
		return
	}
	x.sess.post(x, env)
}

// receive reads and decodes the POST, if whoever sent it may come in at all; env is
// nil for an empty one. It has answered if ok is false.
func (x *exchange) receive() (env *cwmp.Envelope, ok bool) {
	s := x.srv
	buf := s.buffer()
	defer s.release(buf)
	piece := 0
	if x.live {
		piece = streamBytes
	}
	body, more, err := x.readBody(*buf, piece)
	defer x.c.readWithin(0)
	*buf = body
	if err != nil {
		x.badBody(err)
		return nil, false
	}
	if more != nil {
		return x.stream(body, more)
	}
	if x.sess != nil && !x.live && len(body) == 0 {
		x.again()
		return nil, false
	}
	// Before decoding: also an empty POST without credentials gets 401, as
	// some HTTP clients ask for the challenge with one.
	if !x.live {
		x.look(body)
		if !x.screen() || len(body) > 0 && !x.admit(false) {
			return nil, false
		}
	}
	if len(body) == 0 {
		return nil, true
	}
	env, err = soap.DecodeBytes(body, x.r.Header.Get("Content-Type"), s.opts.Limits)
	if err != nil {
		x.malformed(err, len(body))
		return nil, false
	}
	// What was decoded is as large, but a small body is not worth counting.
	x.room.keep(max(0, int64(len(body))-smallBody))
	return env, true
}

// stream decodes a large body of a session as it comes, so that only what it says is in
// memory, and not how [quirk 52].
func (x *exchange) stream(begin []byte, more *rest) (env *cwmp.Envelope, ok bool) {
	in := io.MultiReader(bytes.NewReader(begin), more)
	env, err := soap.DecodeStream(in, x.r.Header.Get("Content-Type"), x.srv.opts.Limits, soap.Lists{})
	if err == nil {
		_, err = io.Copy(io.Discard, more) // what follows the Envelope
	}
	size := int64(len(begin)) + more.bytes
	switch {
	case more.err != nil:
		x.badBody(more.err)
		return nil, false
	case err != nil:
		x.malformed(err, int(size))
		return nil, false
	}
	x.room.keep(size)
	return env, true
}

// smallBody is what a body may have that is not counted once it is decoded.
const smallBody = 16 * kib

// limits returns the bounds of the body.
func (x *exchange) limits() (bytes int64, within time.Duration) {
	o := &x.srv.opts
	switch {
	case x.live:
		return o.Limits.MaxBytes, o.MaxBodyTime
	case x.lobby:
		return min(o.MaxInformBytes, lobbyBytes), min(o.MaxBodyTime, lobbyTime)
	default:
		return o.MaxInformBytes, o.MaxBodyTime
	}
}

// Bounds of what is read of a CPE when only expected ones are let in.
const (
	lobbyBytes = 64 * kib
	lobbyTime  = 5 * time.Second
)

// look finds the device that a body seems to come from, for whoever asks.
func (x *exchange) look(body []byte) {
	if o := &x.srv.opts; o.Auth != nil || o.Expected != nil {
		x.claim.Device = peekDevice(body)
	}
}

// admit asks for a token, and whether the CPE is expected where that counts. It
// answers 503 itself if it returns false.
func (x *exchange) admit(known bool) bool {
	s := x.srv
	if s.opts.Expected != nil && !known {
		known = s.opts.Expected(Hint{Remote: x.from.remote.Addr(), Device: x.claim.Device})
	}
	if x.lobby && !known {
		x.busy(rejectSessions)
		return false
	}
	lane := s.open
	if known {
		lane = s.awaited
	}
	wait, ok := lane.take(s.now())
	if !ok {
		x.busyFor(rejectRate, wait)
	}
	return ok
}

// stranger answers what can not be the first POST of a session.
func (x *exchange) stranger() {
	if x.sess != nil {
		x.sess.overlapped(x)
	} else if x.suspect != nil {
		if id, yes := x.suspect.lost(x); yes {
			x.srv.found(Finding{Kind: FoundCookieless, Device: id})
		}
	}
	x.refuse(rejectNoSession, http.StatusBadRequest)
}

// again answers the empty POST that some CPE send after the end [quirk 35].
func (x *exchange) again() {
	if !x.sess.regular.Load() || x.sess.farewells.Add(-1) < 0 {
		x.stranger()
		return
	}
	x.over(x.sess)
}

// badBody answers a body that could not be read. A session survives a broken
// connection, but not a body that will be as bad when it comes again.
func (x *exchange) badBody(err error) {
	if errors.Is(err, errMemory) {
		x.busy(rejectMemory)
		return
	}
	if x.live && (errors.Is(err, errBodyTooLarge) || errors.Is(err, errBodyEncoding)) {
		x.sess.finish(fmt.Errorf("%w: %w", ErrProtocol, err))
	}
	x.complain(rejectBody, "body of a CPE not readable", zap.Error(err))
	x.refuse(rejectBody, bodyStatus(err))
}

func (x *exchange) malformed(err error, bytes int) {
	if x.live {
		x.sess.finish(fmt.Errorf("%w: %w", ErrProtocol, err))
	}
	x.complain(rejectMalformed, "malformed envelope from a CPE", zap.Int("bytes", bytes), zap.Error(err))
	x.refuse(rejectMalformed, http.StatusBadRequest)
}

// screen looks at the credentials, if any are wanted. It answers itself if it
// returns false.
func (x *exchange) screen() bool {
	auth := x.srv.opts.Auth
	if auth == nil {
		return true
	}
	x.claim = Claim{
		Method: x.r.Method, Target: x.r.RequestURI, Authorization: x.r.Header["Authorization"], Remote: x.from.remote,
		Secure: x.from.secure, Certificate: x.from.cert, Device: x.claim.Device,
		InSession: x.live && x.sess.proved && x.sess.source == x.from.remote.Addr(),
	}
	if err := auth.Screen(&x.claim); err != nil {
		x.unauthorized(err)
		return false
	}
	return true
}

// authenticate does the rest, once the device is known.
func (x *exchange) authenticate(in *cwmp.Inform) bool {
	auth := x.srv.opts.Auth
	if auth == nil {
		return true
	}
	ctx, cancel := context.WithTimeout(x.r.Context(), x.srv.opts.ReplyTimeout)
	defer cancel()
	x.claim.Device = in.DeviceID
	login, err := auth.Authenticate(ctx, &x.claim)
	if err != nil {
		x.unauthorized(err)
		return false
	}
	x.login = login
	return true
}

// unauthorized answers who may not come in. With 401 the connection stays, as the
// CPE repeats the POST on it.
func (x *exchange) unauthorized(err error) {
	var locked *LockedError
	switch {
	case errors.Is(err, ErrNoCredentials), errors.Is(err, ErrStaleNonce):
	case errors.Is(err, ErrBadCredentials):
		x.complain(rejectAuth, "credentials of a CPE refused", zap.Error(err))
		x.srv.met.reject(rejectAuth)
	case errors.Is(err, ErrNoCertificate), errors.Is(err, ErrIdentity):
		x.complain(rejectIdentity, "identity of a CPE refused", zap.String("username", x.claim.Username),
			zap.Stringer("device", x.claim.Device), zap.Error(err))
		x.refuse(rejectIdentity, http.StatusForbidden)
		return
	case errors.As(err, &locked):
		x.complain(rejectLocked, "a CPE that has failed too often is locked out", zap.Error(err))
		x.busyFor(rejectLocked, locked.Wait)
		return
	default:
		x.complain(rejectHandler, "credentials of a CPE cannot be checked", zap.Error(err))
		x.busy(rejectHandler)
		return
	}
	x.w.Header()["Www-Authenticate"] = x.srv.opts.Auth.Challenge(&x.claim, err)
	x.status(http.StatusUnauthorized, false)
}

// inform opens a session, whatever session the POST belongs to, unless it is
// the retransmission of the Inform of that one [quirks 31, 40].
func (x *exchange) inform(env *cwmp.Envelope, in *cwmp.Inform) {
	if x.live {
		if x.sess.retransmitted(x, env, in) {
			return
		}
		x.claim.Device = in.DeviceID
		if !x.screen() || !x.takeSlot(true) || !x.admit(true) {
			return
		}
	}
	if x.authenticate(in) {
		x.open(env, in)
	}
}
