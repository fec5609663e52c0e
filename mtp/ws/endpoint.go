// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package ws

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/uspgate/uspgate/usp"
)

// extension is the deprecated WebSocket extension of USP [R-WS.10a].
const extension = "bbf-usp-protocol"

// extensionHeader is spelt so that the library lets it pass: it refuses the
// canonical form Sec-Websocket-Extensions as a header of ours.
const extensionHeader = "Sec-WebSocket-Extensions"

// maxEndpoint bounds a claimed Endpoint ID: the longest legal one is shorter.
const maxEndpoint = 128

var (
	errEndpointSyntax = errors.New("malformed Endpoint ID")
	errEndpointTwice  = errors.New("two different Endpoint IDs")
)

// queryEndpoint returns the Endpoint ID in the query of a request URI, decoded
// once [R-WS.10b, R-WS.10c]; "" if there is none. Other pairs are not looked at.
func queryEndpoint(rawQuery string) (usp.EndpointID, error) {
	var found usp.EndpointID
	for pair := range strings.SplitSeq(rawQuery, "&") {
		key, value, _ := strings.Cut(pair, "=")
		if key != "eid" {
			continue
		}
		// PathUnescape: a plus sign is itself in a URI [RFC 3986].
		s, err := url.PathUnescape(value)
		if err != nil {
			return "", fmt.Errorf("query: %w: %w", errEndpointSyntax, err)
		}
		id, err := claimed(s)
		if err != nil {
			return "", fmt.Errorf("query: %w", err)
		}
		if found, err = merge(found, id); err != nil {
			return "", fmt.Errorf("query: %w", err)
		}
	}
	return found, nil
}

// withEndpoint returns rawURL with id as eid in its query; every percent sign
// of id becomes %25 [R-WS.10b, R-WS.10c]. Colons are legal in a query and stay,
// as in the specification's example.
func withEndpoint(u url.URL, id usp.EndpointID) string {
	eid := "eid=" + strings.ReplaceAll(url.QueryEscape(string(id)), "%3A", ":")
	if u.RawQuery != "" {
		eid = u.RawQuery + "&" + eid
	}
	u.RawQuery = eid
	return u.String()
}

// extensionEndpoint returns the Endpoint ID in the deprecated extension among
// the values of Sec-WebSocket-Extensions and whether the extension is there at
// all. The parameter may be a quoted string or, against RFC 7230 because of its
// colons, a bare token.
func extensionEndpoint(values []string) (id usp.EndpointID, present bool, err error) {
	for _, value := range values {
		for len(value) > 0 {
			var element string
			element, value = cutUnquoted(value, ',')
			name, params := cutUnquoted(element, ';')
			if !strings.EqualFold(strings.TrimSpace(name), extension) {
				continue
			}
			present = true
			next, err := endpointParam(params)
			if err != nil {
				return "", true, fmt.Errorf("extension: %w", err)
			}
			if id, err = merge(id, next); err != nil {
				return "", true, fmt.Errorf("extension: %w", err)
			}
		}
	}
	return id, present, nil
}

// endpointParam finds the parameter eid in a list separated by semicolons.
func endpointParam(params string) (usp.EndpointID, error) {
	for len(params) > 0 {
		var param string
		param, params = cutUnquoted(params, ';')
		key, value, _ := strings.Cut(param, "=")
		if !strings.EqualFold(strings.TrimSpace(key), "eid") {
			continue
		}
		value = strings.TrimSpace(value)
		if strings.HasPrefix(value, `"`) {
			var ok bool
			if value, ok = unquote(value); !ok {
				return "", errEndpointSyntax
			}
		}
		return claimed(value)
	}
	return "", nil
}

// cutUnquoted cuts s at the first sep outside a quoted string.
func cutUnquoted(s string, sep byte) (before, after string) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted:
			i++
		case c == sep && !quoted:
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

// unquote decodes a complete quoted string of RFC 7230.
func unquote(s string) (string, bool) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), i == len(s)-1
		case '\\':
			if i++; i == len(s) {
				return "", false
			}
			b.WriteByte(s[i])
		default:
			b.WriteByte(s[i])
		}
	}
	return "", false
}

// extensionValue is the inverse of extensionEndpoint. An Endpoint ID needs no
// escapes in a quoted string.
func extensionValue(id usp.EndpointID) string {
	return extension + `; eid="` + string(id) + `"`
}

// claimed takes s as an Endpoint ID if it could be one. The scheme is not
// checked: to the gateway the ID is opaque.
func claimed(s string) (usp.EndpointID, error) {
	if len(s) > maxEndpoint {
		return "", fmt.Errorf("%w: %d characters", errEndpointSyntax, len(s))
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '/' {
			return "", fmt.Errorf("%w: %q", errEndpointSyntax, s)
		}
	}
	return usp.EndpointID(s), nil
}

// merge joins what two places say; "" says nothing.
func merge(a, b usp.EndpointID) (usp.EndpointID, error) {
	switch {
	case a == "":
		return b, nil
	case b == "" || a == b:
		return a, nil
	default:
		return "", fmt.Errorf("%w: %q and %q", errEndpointTwice, a, b)
	}
}
