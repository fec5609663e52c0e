// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
)

// failure is the body of every answer that is not 200.
type failure struct {
	Error string `json:"error"`
}

// serve lets a request through to its handler if it may come in.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if s.local && !loopbackName(r.Host) {
		refuse(w, http.StatusMisdirectedRequest, "the API is for this host only, ask it as 127.0.0.1 or localhost")
		return
	}
	if !s.token.is(r.Header.Get("Authorization")) {
		if s.refusals.ready(time.Now()) {
			s.o.Log.Warn("a request without the right token", zap.String("remote", r.RemoteAddr))
		}
		h.Set("WWW-Authenticate", `Bearer realm="uspgate"`)
		refuse(w, http.StatusUnauthorized, "the request does not bear the token of this gateway")
		return
	}
	at, ok := s.routes[r.URL.Path]
	switch {
	case !ok:
		refuse(w, http.StatusNotFound, "there is nothing at "+r.URL.Path+"; /api/v1/openapi.json says what is where")
	case r.Method != at.method:
		h.Set("Allow", at.method)
		refuse(w, http.StatusMethodNotAllowed, r.URL.Path+" takes "+at.method+" only")
	default:
		at.handle(w, r)
	}
}

// loopbackName reports whether the Host of a request is a name that no DNS
// server of somebody else can answer for.
func loopbackName(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.Unmap().IsLoopback()
}

// query returns the parameters of a request, of which each may be there once
// and none may be there that is not known; otherwise it has answered.
func query(w http.ResponseWriter, r *http.Request, known ...string) (map[string]string, bool) {
	out := map[string]string{}
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		refuse(w, http.StatusBadRequest, "the query is not one: "+err.Error())
		return nil, false
	}
	for name, list := range values {
		switch {
		case !slices.Contains(known, name):
			refuse(w, http.StatusBadRequest, fmt.Sprintf("the parameter %q is not known here", name))
			return nil, false
		case len(list) != 1:
			refuse(w, http.StatusBadRequest, fmt.Sprintf("the parameter %q is there more than once", name))
			return nil, false
		}
		out[name] = list[0]
	}
	return out, true
}

func refuse(w http.ResponseWriter, status int, sentence string) { answer(w, status, failure{sentence}) }

// answer writes v as JSON. A client that has gone is no concern of anybody's.
func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v)
}

// limiter lets one event a second through.
type limiter struct {
	mu   sync.Mutex
	last time.Time
}

func (l *limiter) ready(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.last) < time.Second {
		return false
	}
	l.last = now
	return true
}
