// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs

import (
	"errors"
	"fmt"
	"net/http"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/soap"
)

// exchange is one POST with its answer.
type exchange struct {
	srv  *Server
	w    http.ResponseWriter
	r    *http.Request
	c    *conn
	sess *session // found by cookie or connection; may be over
	live bool     // sess is there and was not over when the POST came
	slot bool     // this POST holds a slot of the table
	user string   // as authenticated
	buf  *[]byte
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
	if s.opts.Elsewhere != nil && x.elsewhere() { //nolint:contextcheck // it takes that of the request
		return
	}
	x.answer() //nolint:contextcheck // the session has a context of its own, from POST to POST
}

// answer answers a POST as part of a session of this Server.
func (x *exchange) answer() {
	s, r := x.srv, x.r
	x.sess = s.find(r.Header["Cookie"], x.c)
	x.live = x.sess != nil && !x.sess.over.Load()
	if x.live {
		if !x.sess.arrive() {
			x.refuse(rejectParallel, http.StatusBadRequest)
			return
		}
		defer x.sess.depart()
	} else if !x.takeSlot() {
		return
	}
	defer x.giveSlot()
	x.buf = s.buffer()
	defer s.release(x.buf)
	x.run()
}

// find returns the session of a POST: by cookie, else by connection
// [quirks 28, 31, 39].
func (s *Server) find(headers []string, c *conn) (found *session) {
	cookies(headers, func(v string) bool {
		if sess := s.table.get(v); sess != nil {
			found = sess
		}
		return found == nil || found.over.Load()
	})
	if found == nil {
		found = c.sess.Load()
	}
	return found
}

// takeSlot answers 503 itself if it cannot, before anything is parsed.
func (x *exchange) takeSlot() bool {
	if reason := x.srv.table.take(); reason != "" {
		x.busy(reason)
		return false
	}
	x.slot = true
	return true
}

func (x *exchange) giveSlot() {
	if x.slot {
		x.slot = false
		x.srv.table.give()
	}
}

func (x *exchange) run() {
	limit := x.srv.opts.MaxInformBytes
	if x.live {
		limit = x.srv.opts.Limits.MaxBytes
	}
	body, err := x.srv.readBody(*x.buf, x.r, x.c, limit)
	*x.buf = body
	if err != nil {
		x.badBody(err)
		return
	}
	if x.sess != nil && !x.live && len(body) == 0 {
		x.again()
		return
	}
	// Before decoding: also an empty POST without credentials gets 401, as
	// some HTTP clients ask for the challenge with one.
	if !x.live && !x.authenticate() {
		return
	}
	var env *cwmp.Envelope
	if len(body) > 0 {
		if env, err = soap.DecodeBytes(body, x.r.Header.Get("Content-Type"), x.srv.opts.Limits); err != nil {
			x.malformed(err)
			return
		}
		if inform, ok := env.Body.(*cwmp.Inform); ok {
			x.inform(env, inform)
			return
		}
	}
	if !x.live {
		x.refuse(rejectNoSession, http.StatusBadRequest)
		return
	}
	x.sess.post(x, env)
}

// again answers the empty POST that some CPE send after the end [quirk 35].
func (x *exchange) again() {
	if !x.sess.regular.Load() {
		x.refuse(rejectNoSession, http.StatusBadRequest)
		return
	}
	x.over(x.sess)
}

// badBody answers a body that could not be read. A session survives a broken
// connection, but not a body that will be as bad when it comes again.
func (x *exchange) badBody(err error) {
	if x.live && (errors.Is(err, errBodyTooLarge) || errors.Is(err, errBodyEncoding)) {
		x.sess.finish(fmt.Errorf("%w: %w", ErrProtocol, err))
	}
	x.srv.log.Info("body of a CPE not readable", zap.Stringer("remote", x.c.remote), zap.Error(err))
	x.refuse(rejectBody, bodyStatus(err))
}

func (x *exchange) malformed(err error) {
	if x.live {
		x.sess.finish(fmt.Errorf("%w: %w", ErrProtocol, err))
	}
	x.srv.log.Warn("malformed envelope from a CPE", zap.Stringer("remote", x.c.remote),
		zap.Int("bytes", len(*x.buf)), zap.Error(err))
	x.refuse(rejectMalformed, http.StatusBadRequest)
}

// authenticate answers 401 itself if it returns false. The connection stays, as
// the CPE repeats the POST on it.
func (x *exchange) authenticate() bool {
	if x.srv.opts.Auth == nil {
		return true
	}
	user, err := x.srv.opts.Auth.Authenticate(x.r)
	if err == nil {
		x.user = user
		return true
	}
	if errors.Is(err, ErrBadCredentials) {
		x.srv.met.reject(rejectAuth)
		x.srv.log.Info("credentials of a CPE refused", zap.Stringer("remote", x.c.remote), zap.Error(err))
	}
	x.w.Header().Set("WWW-Authenticate", x.srv.opts.Auth.Challenge(err))
	x.status(http.StatusUnauthorized, false)
	return false
}

// inform opens a session, whatever session the POST belongs to, unless it is
// the retransmission of the Inform of that one [quirks 31, 40].
func (x *exchange) inform(env *cwmp.Envelope, in *cwmp.Inform) {
	if x.live {
		if x.sess.retransmitted(x, env, in) {
			return
		}
		if !x.authenticate() || !x.takeSlot() {
			return
		}
	}
	x.open(env, in)
}
