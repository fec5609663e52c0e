// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package coap

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/plgd-dev/go-coap/v3/message"
)

// Bounds of a URI [RFC 7252 5.10.1, 5.10.2].
const (
	maxSegment  = 255 // of an Uri-Path option
	maxQuery    = 255 // of an Uri-Query option
	maxSegments = 16  // of a path that we send to
	// maxHeader is the most that a POST of ours has beside its payload.
	maxHeader = 1 << 10

	schemePlain  = "coap"
	schemeSecure = "coaps"
	portPlain    = 5683
	portSecure   = 5684

	replyToQuery = "reply-to="
)

var errURI = errors.New("want coap://host[:port]/path, without user, query and fragment")

// target is where a Record is POSTed: a parsed URI.
type target struct {
	secure bool
	host   string // name or IP address, with zone
	port   uint16
	path   []string
	head   []option // of a POST to it; see prepare
}

// parseTarget parses a coap or coaps URI without query [R-COAP.2].
func parseTarget(s string) (target, error) {
	if len(s) > maxHeader/2 {
		return target{}, fmt.Errorf("%w: %d bytes", errURI, len(s))
	}
	u, err := url.Parse(s)
	if err != nil {
		return target{}, errURI // what it was is not for logs: the peer made it
	}
	t := target{secure: u.Scheme == schemeSecure, host: u.Hostname(), port: portPlain}
	if t.secure {
		t.port = portSecure
	}
	switch {
	case !t.secure && u.Scheme != schemePlain, t.host == "", u.User != nil, u.Opaque != "":
		return target{}, errURI
	case u.RawQuery != "", u.ForceQuery, u.Fragment != "":
		return target{}, errURI
	}
	if err := checkName(t.host); err != nil {
		return target{}, err
	}
	if p := u.Port(); p != "" {
		port, err := strconv.ParseUint(p, 10, 16)
		if err != nil || port == 0 {
			return target{}, fmt.Errorf("%w: port", errURI)
		}
		t.port = uint16(port)
	}
	if t.path, err = splitPath(u.EscapedPath()); err != nil {
		return target{}, err
	}
	if n := len(t.String()); n > maxHeader/2 { // it grows by what has to be escaped
		return target{}, fmt.Errorf("%w: %d bytes", errURI, n)
	}
	return t, nil
}

// checkName checks a host: an IP address, or a name as DNS has them.
func checkName(host string) error {
	if _, err := netip.ParseAddr(host); err == nil {
		return nil
	}
	for i := range len(host) {
		c := host[i]
		if c != '-' && c != '.' && c != '_' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return fmt.Errorf("%w: host", errURI)
		}
	}
	if len(host) > maxSegment {
		return fmt.Errorf("%w: host", errURI)
	}
	return nil
}

// splitPath returns the decoded segments of a path.
func splitPath(escaped string) ([]string, error) {
	escaped = strings.TrimPrefix(escaped, "/")
	if escaped == "" {
		return nil, nil
	}
	segments := strings.Split(escaped, "/")
	if len(segments) > maxSegments {
		return nil, fmt.Errorf("%w: more than %d segments", errURI, maxSegments)
	}
	for i, s := range segments {
		plain, err := url.PathUnescape(s)
		if err != nil || len(plain) > maxSegment {
			return nil, fmt.Errorf("%w: segment %d", errURI, i)
		}
		segments[i] = plain
	}
	return segments, nil
}

// String is the URI.
func (t *target) String() string {
	scheme, host := schemePlain, strings.ReplaceAll(t.host, "%", "%25") // a zone [RFC 6874]
	if t.secure {
		scheme = schemeSecure
	}
	path := make([]string, len(t.path))
	for i, s := range t.path {
		path[i] = url.PathEscape(s)
	}
	return scheme + "://" + net.JoinHostPort(host, strconv.Itoa(int(t.port))) + "/" + strings.Join(path, "/")
}

// prepare makes the options that every POST to t begins with.
func (t *target) prepare() {
	t.head = make([]option, 0, len(t.path)+2)
	if _, literal := t.address(); !literal {
		t.head = append(t.head, option{ID: message.URIHost, Value: []byte(t.host)}) // [RFC 7252 6.4]
	}
	for _, s := range t.path {
		t.head = append(t.head, option{ID: message.URIPath, Value: []byte(s)})
	}
	t.head = append(t.head, option{ID: message.ContentFormat, Value: []byte{byte(message.AppOctets)}}) // [R-COAP.6]
}

// address is the host of t if it is an IP address.
func (t *target) address() (netip.AddrPort, bool) {
	a, err := netip.ParseAddr(t.host)
	if err != nil {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(a.Unmap(), t.port), true
}

// checkAdvertise checks host or host:port.
func checkAdvertise(s string) error {
	if s == "" {
		return nil
	}
	if _, _, err := splitAdvertise(s); err != nil {
		return fmt.Errorf("coap: advertise %q: %w", s, err)
	}
	return nil
}

// splitAdvertise returns the host, and the port or 0.
func splitAdvertise(s string) (host string, port uint16, err error) {
	host, p, err := net.SplitHostPort(s)
	if err != nil {
		return strings.Trim(s, "[]"), 0, checkHost(strings.Trim(s, "[]"))
	}
	n, err := strconv.ParseUint(p, 10, 16)
	if err != nil || n == 0 {
		return "", 0, errors.New("want a port from 1 to 65535")
	}
	return host, uint16(n), checkHost(host)
}

func checkHost(host string) error {
	if host == "" || len(host) > 128 || strings.ContainsAny(host, "/?#@ %") {
		return errors.New("want host or host:port")
	}
	return nil
}
