// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"io"
	"maps"
	"net/http"
	"net/netip"
	"strings"

	"go.uber.org/zap"
)

// Elsewhere are other Servers that CPE may reach in place of this one. Its methods
// are safe for concurrent use.
type Elsewhere interface {
	// Knows reports whether the Server of that Options.Node knows a session by the
	// value of its cookie; false as well if it can not be asked.
	Knows(ctx context.Context, node, cookie string) bool
	// Exchange has that Server answer a POST. On an error it is not known whether
	// it has.
	Exchange(ctx context.Context, node string, x Exchange) (Answer, error)
}

// Exchange is a POST that came in at another Server.
type Exchange struct {
	Remote netip.AddrPort // of the CPE, behind whatever proxies are trusted
	Secure bool           // it speaks TLS
	// Certificate is the client certificate that was verified, in DER; nil: none.
	Certificate []byte
	Header      http.Header
	Body        []byte // as it was sent, but inflated
}

// Answer is what the CPE is to get.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// newID is the value of a new session's cookie.
func (s *Server) newID() string {
	if s.opts.Node == "" {
		return rand.Text()
	}
	return s.opts.Node + "." + rand.Text()
}

// elsewhere passes the POST on if its cookie is that of a session of another
// Server. It reports whether the POST is answered.
func (x *exchange) elsewhere() bool {
	s := x.srv
	var node, cookie string
	cookies(x.r.Header["Cookie"], func(v string) bool {
		if s.table.get(v) != nil {
			cookie = ""
			return false
		}
		if n, _, ok := strings.Cut(v, "."); ok && n != s.opts.Node && cookie == "" {
			node, cookie = n, v
		}
		return true
	})
	if cookie == "" || !s.opts.Elsewhere.Knows(x.r.Context(), node, cookie) {
		return false
	}
	x.live = true // it is there
	buf := s.buffer()
	defer s.release(buf)
	body, _, err := x.readBody(*buf, 0)
	x.c.readWithin(0)
	x.live = false
	*buf = body
	if err != nil {
		x.badBody(err)
		return true
	}
	header := x.r.Header.Clone()
	header.Del("Content-Encoding")
	e := Exchange{Remote: x.from.remote, Secure: x.from.secure, Header: header, Body: body}
	if x.from.cert != nil {
		e.Certificate = x.from.cert.Raw
	}
	answer, err := s.opts.Elsewhere.Exchange(x.r.Context(), node, e)
	if err != nil {
		x.complain(rejectHandler, "the node of a session does not answer", zap.Error(err))
		x.busy(rejectHandler)
		return true
	}
	h := x.w.Header()
	maps.Copy(h, answer.Header)
	x.c.writeWithin(s.opts.WriteTimeout)
	x.w.WriteHeader(answer.Status)
	if _, err := x.w.Write(answer.Body); err != nil {
		s.log.Debug("answer not written", zap.Error(err))
	}
	return true
}

// Knows reports whether there is a session of that cookie, or was a moment ago.
func (s *Server) Knows(cookie string) bool { return s.table.get(cookie) != nil }

// Exchange answers a POST that came in at another Server, as if it had come here.
// ctx ends with the wait for the answer, not with the session.
func (s *Server) Exchange(ctx context.Context, e Exchange) Answer {
	c := &conn{srv: s, remote: e.Remote, secure: e.Secure}
	if len(e.Certificate) > 0 {
		c.cert, _ = x509.ParseCertificate(e.Certificate) // or there is none
	}
	r := &http.Request{
		Method: http.MethodPost, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: e.Header,
		Body: io.NopCloser(bytes.NewReader(e.Body)), ContentLength: int64(len(e.Body)),
		RemoteAddr: e.Remote.String(),
	}
	if r.Header == nil {
		r.Header = make(http.Header)
	}
	w := &recorder{answer: Answer{Status: http.StatusOK, Header: make(http.Header)}}
	r = r.WithContext(context.WithValue(ctx, connKey{}, c))
	x := &exchange{srv: s, w: w, r: r, c: c, from: s.originOf(r, c), room: share{m: &s.memory}}
	if !s.table.enter() {
		x.busy(rejectDraining)
		return w.answer
	}
	defer s.table.leave()
	defer x.room.free()
	x.answer() //nolint:contextcheck // the session has a context of its own
	return w.answer
}

// recorder takes an answer down.
type recorder struct {
	answer  Answer
	written bool
}

func (w *recorder) Header() http.Header { return w.answer.Header }

func (w *recorder) WriteHeader(code int) {
	if !w.written {
		w.answer.Status, w.written = code, true
	}
}

func (w *recorder) Write(b []byte) (int, error) {
	w.written = true
	w.answer.Body = append(w.answer.Body, b...)
	return len(b), nil
}
