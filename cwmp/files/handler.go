// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package files

import (
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/uspgate/uspgate/cwmp/httpauth"
)

// exchange is one request with its answer.
type exchange struct {
	srv    *Server
	w      http.ResponseWriter
	r      *http.Request
	rc     *http.ResponseController
	remote netip.AddrPort
	job    *job
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	x := &exchange{srv: s, w: w, r: r, rc: http.NewResponseController(w)}
	if at, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		x.remote = netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
	}
	connOf(r.Context()).shrink()
	x.writeWithin(s.opts.StallTimeout)
	if !s.requests.enter() {
		x.busy(reasonDraining)
		return
	}
	defer s.requests.leave()
	if x.job = s.find(r); x.job == nil {
		x.refuse(reasonUnknown, http.StatusNotFound)
		return
	}
	x.route()
}

// find returns the job that the URL names, nil if there is none.
func (s *Server) find(r *http.Request) *job {
	token, ok := tokenIn(r.URL.Path)
	if !ok {
		return nil
	}
	j := s.table.get(tokenKey(token))
	if j == nil && s.opts.Missing != nil && s.opts.Missing(r.Context(), token) {
		j = s.table.get(tokenKey(token))
	}
	return j
}

func (x *exchange) route() {
	allow := "GET, HEAD"
	if x.job.intake != nil {
		allow = "PUT, POST"
	}
	switch x.r.Method {
	case http.MethodGet, http.MethodHead:
		if x.job.offer != nil {
			x.download()
			return
		}
	case http.MethodPut, http.MethodPost:
		if x.job.intake != nil {
			x.upload()
			return
		}
	}
	x.w.Header().Set("Allow", allow)
	x.refuse(reasonMethod, http.StatusMethodNotAllowed)
}

// authorize returns nil or one of the errors of httpauth.
func (x *exchange) authorize() error {
	a := &x.job.access
	if a.Username == "" && a.Password == "" {
		return nil
	}
	lookup := func(user string) (string, bool) { return a.Password, httpauth.Equal(user, a.Username) }
	header := x.r.Header.Get("Authorization")
	err := httpauth.ErrNoCredentials
	if a.Auth != AuthBasic {
		_, err = x.srv.digest.Verify(header, x.r.Method, x.r.RequestURI, lookup)
	}
	if a.Auth != AuthDigest && errors.Is(err, httpauth.ErrNoCredentials) {
		_, err = httpauth.VerifyBasic(header, lookup)
	}
	if errors.Is(err, httpauth.ErrBadCredentials) {
		x.job.notify(Event{Kind: Refused, Remote: x.remote, Method: x.r.Method, Err: ErrCredentials})
	}
	return err //nolint:wrapcheck // challenge looks at it
}

// challenge answers 401. The connection stays, as many CPE repeat the request on
// it.
func (x *exchange) challenge(err error) {
	a, h := &x.job.access, x.w.Header()
	basic := a.Auth == AuthBasic || a.Auth == AuthBoth || a.Auth == AuthDefault && x.job.secure
	if !basic || a.Auth == AuthBoth {
		h.Add("WWW-Authenticate", x.srv.digest.Challenge(err))
	}
	if basic {
		h.Add("WWW-Authenticate", httpauth.BasicChallenge(x.srv.digest.Realm()))
	}
	x.srv.met.refuse(reasonAuth)
	x.answer(http.StatusUnauthorized)
}

// refuse answers a request that is not taken.
func (x *exchange) refuse(reason string, status int) {
	x.srv.met.refuse(reason)
	x.abandonBody()
	x.answer(status)
}

// busy answers 503.
func (x *exchange) busy(reason string) {
	mean := x.srv.opts.RetryAfter
	wait := mean/2 + rand.N(mean)
	x.w.Header().Set("Retry-After", strconv.Itoa(int((wait+time.Second-1)/time.Second)))
	x.refuse(reason, http.StatusServiceUnavailable)
}

// linger is how long the rest of a body that nobody wants may take; a small one
// then does not cost the connection.
const linger = 2 * time.Second

// abandonBody bounds how long net/http reads what is left of the body.
func (x *exchange) abandonBody() {
	if x.r.Body != http.NoBody {
		x.w.Header().Set("Connection", "close")
		_ = x.rc.SetReadDeadline(time.Now().Add(linger))
	}
}

// answer sends a status with a short text, its length told [quirk 38].
func (x *exchange) answer(status int) {
	x.writeWithin(x.srv.opts.StallTimeout)
	if status == http.StatusNoContent {
		x.w.WriteHeader(status)
		return
	}
	text := ""
	if status >= http.StatusBadRequest {
		text = http.StatusText(status) + "\n"
	}
	h := x.w.Header()
	h.Set("Content-Type", "text/plain")
	h.Set("Content-Length", strconv.Itoa(len(text)))
	x.w.WriteHeader(status)
	_, _ = io.WriteString(x.w, text) // nobody is there to be told
}

func (x *exchange) writeWithin(d time.Duration) { _ = x.rc.SetWriteDeadline(time.Now().Add(d)) }
