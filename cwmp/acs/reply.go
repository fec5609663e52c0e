// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs

import (
	"maps"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/cwmp"
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
func (x *exchange) busy(reason string) { x.busyFor(reason, 0) }

// maxRetryAfter bounds Retry-After before it is spread.
const maxRetryAfter = 15 * time.Minute

// busyFor is busy for somebody who should not come before wait.
func (x *exchange) busyFor(reason string, wait time.Duration) {
	x.srv.met.reject(reason)
	mean := min(max(x.srv.opts.RetryAfter, wait), maxRetryAfter)
	after := mean/2 + rand.N(mean)
	x.w.Header().Set("Retry-After", strconv.Itoa(max(1, int(after.Round(time.Second)/time.Second))))
	x.status(http.StatusServiceUnavailable, true)
}

// complain logs what CPE do wrong, one line a second for each reason.
func (x *exchange) complain(reason, text string, fields ...zap.Field) {
	more, ok := x.srv.complaints.allow(reason, x.srv.now())
	if !ok {
		return
	}
	fields = append(fields, zap.Stringer("remote", x.from.remote))
	if more > 0 {
		fields = append(fields, zap.Int("not_logged", more))
	}
	x.srv.log.Info(text, fields...)
}

// complaints is how often each was logged.
type complaints struct {
	mu     sync.Mutex
	latest map[string]complaint
}

type complaint struct {
	at   int64 // ns
	more int   // since
}

// allow reports whether to log now, and how many lines were left out.
func (c *complaints) allow(reason string, now int64) (more int, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l, known := c.latest[reason]
	if known && now-l.at < int64(time.Second) {
		l.more++
		c.latest[reason] = l
		return 0, false
	}
	c.latest[reason] = complaint{at: now}
	return l.more, true
}

// refuse answers a POST that cannot be part of a session [TR-069 3.4.3].
func (x *exchange) refuse(reason string, code int) {
	x.srv.met.reject(reason)
	x.status(code, true)
}

// over answers the end of the session [TR-069 3.7.1.4].
func (x *exchange) over(s *session) {
	x.profile(&s.profile)
	if s.profile.EndWith200 {
		x.status(http.StatusOK, false) // [quirk 36]
		return
	}
	x.status(http.StatusNoContent, false)
}

// profile sets the headers that a CPE needs, leaves out what it cannot bear, and has
// envelopes written as it reads them.
func (x *exchange) profile(p *Profile) {
	x.style = p.Style
	h := x.w.Header()
	maps.Copy(h, p.Header) // [quirk 37]
	if p.MinimalHeader {
		h["Date"] = nil // not written then [quirk 41]
	}
}

// envelope answers with env. The connection stays as the CPE wants it. It
// reports whether env could be written down at all.
func (x *exchange) envelope(env *cwmp.Envelope) bool {
	buf := x.srv.buffer()
	defer x.srv.release(buf)
	b, err := x.style.Append((*buf)[:0], env)
	if err != nil {
		x.srv.log.Error("answer cannot be encoded", zap.String("method", env.Body.Method()), zap.Error(err))
		x.status(http.StatusInternalServerError, true)
		return false
	}
	*buf = b
	h := x.w.Header()
	h["Content-Type"] = x.srv.xml
	h["Content-Length"] = []string{strconv.Itoa(len(b))} // never chunked [quirk 38]
	x.c.writeWithin(x.srv.opts.WriteTimeout)
	if _, err := x.w.Write(b); err != nil {
		x.srv.log.Debug("answer not written", zap.Error(err))
	}
	return true
}
