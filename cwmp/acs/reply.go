// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/soap"
)

// status answers without a body; a closing one ends the connection too.
func (x *exchange) status(code int, closing bool) {
	h := x.w.Header()
	if closing {
		h.Set("Connection", "close")
	}
	if code != http.StatusNoContent {
		h.Set("Content-Length", "0")
	}
	x.c.writeWithin(x.srv.opts.WriteTimeout)
	x.w.WriteHeader(code)
}

// busy answers 503 with a Retry-After that is spread, so that those who are
// turned away together do not come back together.
func (x *exchange) busy(reason string) {
	x.srv.met.reject(reason)
	mean := x.srv.opts.RetryAfter
	wait := mean/2 + rand.N(mean)
	x.w.Header().Set("Retry-After", strconv.Itoa(max(1, int(wait.Round(time.Second)/time.Second))))
	x.status(http.StatusServiceUnavailable, true)
}

// refuse answers a POST that cannot be part of a session [TR-069 3.4.3].
func (x *exchange) refuse(reason string, code int) {
	x.srv.met.reject(reason)
	x.status(code, true)
}

// over answers the end of the session [TR-069 3.7.1.4].
func (x *exchange) over(s *session) {
	if s.end200 {
		x.status(http.StatusOK, false) // [quirk 36]
		return
	}
	x.status(http.StatusNoContent, false)
}

// envelope answers with env. The connection stays as the CPE wants it. It
// reports whether env could be written down at all.
func (x *exchange) envelope(env *cwmp.Envelope, cookie string) bool {
	b, err := soap.Append((*x.buf)[:0], env)
	if err != nil {
		x.srv.log.Error("answer cannot be encoded", zap.String("method", env.Body.Method()), zap.Error(err))
		x.status(http.StatusInternalServerError, true)
		return false
	}
	*x.buf = b
	h := x.w.Header()
	h["Content-Type"] = x.srv.xml
	h["Content-Length"] = []string{strconv.Itoa(len(b))} // never chunked [quirk 38]
	if cookie != "" {
		h["Set-Cookie"] = []string{setCookie(cookie)}
	}
	x.c.writeWithin(x.srv.opts.WriteTimeout)
	if _, err := x.w.Write(b); err != nil {
		x.srv.log.Debug("answer not written", zap.Error(err))
	}
	return true
}
