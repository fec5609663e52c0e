// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs

import (
	"crypto/x509"
	"net/http"
	"net/netip"
	"strings"
)

// forwardedHeader is the default of Options.ForwardedHeader.
const forwardedHeader = "X-Forwarded-For"

// origin is where a POST comes from.
type origin struct {
	remote netip.AddrPort
	secure bool // TLS, with us or with a trusted proxy
	// shared is true where POSTs of several CPE may come over one connection:
	// that of a trusted HTTP proxy.
	shared bool
	cert   *x509.Certificate // verified
}

// originOf finds who has sent r over c.
func (s *Server) originOf(r *http.Request, c *conn) origin {
	o := origin{remote: c.addr(), cert: c.cert, secure: c.secure}
	if r.TLS != nil {
		o.secure = true
		// Legacy has verified what it let in.
		if certs := r.TLS.PeerCertificates; len(certs) > 0 && (len(r.TLS.VerifiedChains) > 0 || s.opts.Legacy != nil) {
			o.cert = certs[0]
		}
	}
	if c.Conn == nil || !s.trusts(o.remote.Addr()) {
		return o
	}
	o.shared = true
	o.cert = nil // the proxy's, if any
	if s.opts.ForwardedHeader == forwardedHeader {
		hops := strings.Split(strings.Join(r.Header[forwardedHeader], ","), ",")
		o.remote = s.client(o.remote, hops)
		if p := r.Header.Get("X-Forwarded-Proto"); p != "" {
			o.secure = strings.EqualFold(p, "https")
		}
		return o
	}
	elements := strings.Split(strings.Join(r.Header[s.opts.ForwardedHeader], ","), ",")
	hops := make([]string, len(elements))
	for i, e := range elements {
		var proto string
		hops[i], proto = forwarded(e)
		if proto != "" {
			o.secure = strings.EqualFold(proto, "https")
		}
	}
	o.remote = s.client(o.remote, hops)
	return o
}

// client is the last of hops that is not a trusted proxy, seen from peer. Where
// one says nothing that is an address, it is the proxy that has said so.
func (s *Server) client(peer netip.AddrPort, hops []string) netip.AddrPort {
	for i := len(hops) - 1; i >= 0; i-- {
		a, ok := parseHop(hops[i])
		if !ok {
			return peer
		}
		if peer = a; !s.trusts(a.Addr()) {
			return peer
		}
	}
	return peer
}

func (s *Server) trusts(a netip.Addr) bool {
	a = a.WithZone("")
	for _, p := range s.opts.TrustedProxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// forwarded reads one element of a Forwarded header [RFC 7239].
func forwarded(element string) (hop, proto string) {
	for pair := range strings.SplitSeq(element, ";") {
		name, value, _ := strings.Cut(pair, "=")
		value = strings.Trim(strings.TrimSpace(value), `"`)
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "for":
			hop = value
		case "proto":
			proto = value
		}
	}
	return hop, proto
}

// parseHop reads an address with or without port and brackets.
func parseHop(s string) (netip.AddrPort, bool) {
	s = strings.TrimSpace(s)
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), true
	}
	a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	if err != nil {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(a.Unmap(), 0), true
}
