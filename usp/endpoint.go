// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package usp

import (
	"errors"
	"fmt"
	"strings"
)

// EndpointID is a USP Endpoint Identifier, authority-scheme ":" [authority-id]
// ":" instance-id, for example ops::00D09E-DSL100-1 [R-ARC.2a]. It is opaque:
// two are equal if their bytes are, and none is ever parsed back into the
// parts of a device's identity.
type EndpointID string

// MaxInstanceID is the greatest length in characters of an instance-id
// [R-ARC.6].
const MaxInstanceID = 50

// ErrEndpointID is wrapped by every error of ParseEndpointID.
var ErrEndpointID = errors.New("not an Endpoint ID")

// ParseEndpointID checks s against the grammar of [R-ARC.2a, R-ARC.5, R-ARC.6]
// for the registered authority schemes.
func ParseEndpointID(s string) (EndpointID, error) {
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok {
		return "", fmt.Errorf("%q: %w: no colon, want scheme:authority:instance", s, ErrEndpointID)
	}
	authority, instance, ok := strings.Cut(rest, ":")
	if !ok {
		return "", fmt.Errorf("%q: %w: one colon, want scheme:authority:instance", s, ErrEndpointID)
	}
	if err := checkAuthority(scheme, authority); err != nil {
		return "", fmt.Errorf("%q: %w: %w", s, ErrEndpointID, err)
	}
	if err := checkInstanceID(instance); err != nil {
		return "", fmt.Errorf("%q: %w: %w", s, ErrEndpointID, err)
	}
	return EndpointID(s), nil
}

func checkAuthority(scheme, authority string) error {
	switch scheme {
	case "oui":
		if n := len(authority); (n != 6 && n != 7 && n != 9) || !allHex(authority) {
			return errors.New("the authority-id of oui is 6, 7 or 9 hex digits")
		}
	case "cid":
		if len(authority) != 6 || !allHex(authority) {
			return errors.New("the authority-id of cid is 6 hex digits")
		}
	case "pen":
		if authority == "" || strings.Trim(authority, "0123456789") != "" {
			return errors.New("the authority-id of pen is a decimal number")
		}
	case "self", "user", "proto", "doc":
		if len(authority) > 6 || !allUnreserved(authority) {
			return errors.New("the authority-id has at most 6 unreserved characters")
		}
		if scheme == "proto" && strings.Contains(authority, ".") {
			return errors.New("the authority-id of proto has no dot")
		}
	case "os", "ops", "uuid", "imei", "fqdn":
		if authority != "" {
			return fmt.Errorf("the authority-id of %s is empty", scheme)
		}
	default:
		return fmt.Errorf("unknown authority-scheme %q", scheme)
	}
	return nil
}

func checkInstanceID(s string) error {
	if s == "" {
		return errors.New("the instance-id is empty")
	}
	if len(s) > MaxInstanceID {
		return fmt.Errorf("the instance-id has %d characters, at most %d are allowed", len(s), MaxInstanceID)
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case isInstanceChar(c):
		case c == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			i += 2
		default:
			return fmt.Errorf("the instance-id may not contain %q", s[i])
		}
	}
	return nil
}

// EscapeInstance percent-encodes every byte of s that an instance-id may not
// hold [R-ARC.5], with upper-case hex digits.
func EscapeInstance(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	b.Grow(len(s))
	for i := range len(s) {
		if c := s[i]; isInstanceChar(c) {
			b.WriteByte(c)
		} else {
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		}
	}
	return b.String()
}

func isInstanceChar(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '-' || c == '.' || c == '_'
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func allHex(s string) bool {
	for i := range len(s) {
		if !isHex(s[i]) {
			return false
		}
	}
	return true
}

func allUnreserved(s string) bool {
	for i := range len(s) {
		if !isInstanceChar(s[i]) && s[i] != '~' {
			return false
		}
	}
	return true
}

// Like matches id against a pattern in which * stands for any characters, also
// none, in time linear in both for each star. The pattern of R-SEC.12 is not
// this one.
func (id EndpointID) Like(pattern string) bool {
	s := string(id)
	head, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == s
	}
	if !strings.HasPrefix(s, head) {
		return false
	}
	for s = s[len(head):]; ; {
		var part string
		part, rest, star = strings.Cut(rest, "*")
		if !star {
			return strings.HasSuffix(s, part)
		}
		i := strings.Index(s, part)
		if i < 0 {
			return false
		}
		s = s[i+len(part):]
	}
}
