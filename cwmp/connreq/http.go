// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package connreq

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"net/url"
)

var _ Requester = (*Client)(nil)

// Reaches reports whether the CPE has a ConnectionRequestURL.
func (c *Client) Reaches(p *CPE) bool { return p.URL != "" }

// Request is Wake at the URL of the CPE, and where nobody is there at the same port
// and path of the address from which its last session came: before the announced
// one, if nobody can be at that [quirk 80].
func (c *Client) Request(ctx context.Context, p *CPE, l Login) (string, error) {
	urls := candidates(p.URL, p.Source)
	var failed error
	to := urls[0]
	for i, u := range urls {
		retries := 0
		if i == len(urls)-1 {
			retries = c.opts.Retries
		}
		err := c.wake(ctx, Target{URL: u, Username: l.Username, Password: l.Password, Source: p.Source}, retries)
		if err == nil || errors.Is(err, ErrCredentials) || errors.Is(err, ErrInSession) || ctx.Err() != nil {
			return u, err // the CPE itself
		}
		if failed == nil || errors.Is(failed, ErrForbidden) {
			to, failed = u, err // of two errors that of who was called
		}
	}
	return to, failed
}

// candidates are the URLs to try, at least one.
func candidates(raw string, source netip.Addr) []string {
	u, err := parseURL(raw)
	source = source.Unmap()
	if err != nil || !source.IsValid() {
		return []string{raw}
	}
	host, err := netip.ParseAddr(u.Hostname())
	if err == nil && host.Unmap() == source.WithZone("") {
		return []string{raw}
	}
	other := atAddress(u, source)
	if err == nil && !reachable(host.Unmap(), source) {
		return []string{other, raw}
	}
	return []string{raw, other}
}

// reachable reports whether a CPE whose sessions come from source may be at host.
func reachable(host, source netip.Addr) bool {
	if host.IsUnspecified() || host.IsLinkLocalUnicast() || host.IsLoopback() {
		return false
	}
	return !private(host) || private(source)
}

// private addresses mean something behind a NAT only [RFC 1918, RFC 4193,
// RFC 6598].
func private(a netip.Addr) bool {
	return a.IsPrivate() || netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64}), 10).Contains(a) || a.IsLoopback()
}

// atAddress is u with another host and the same port.
func atAddress(u *url.URL, a netip.Addr) string {
	other := *u
	switch port := u.Port(); {
	case port != "":
		other.Host = net.JoinHostPort(a.WithZone("").String(), port)
	case a.Is6():
		other.Host = "[" + a.WithZone("").String() + "]"
	default:
		other.Host = a.String()
	}
	return other.String()
}
