// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package httpauth

import "strings"

// Authorization is an Authorization header of Digest: its fields as they came,
// without quotes.
type Authorization struct {
	Username, Realm, Nonce, URI, Response string
	QOP, NC, CNonce, Algorithm, Opaque    string
}

// ParseAuthorization reads the header as tolerantly as it can be understood:
// scheme in any case, values quoted or not, unknown fields skipped, the last of
// a repeated one taken [quirk 44]. It is false for another scheme, and where
// nonce or response are missing.
func ParseAuthorization(header string) (a Authorization, ok bool) {
	scheme, rest, _ := strings.Cut(strings.TrimSpace(header), " ")
	if !strings.EqualFold(scheme, "Digest") {
		return a, false
	}
	for rest != "" {
		var name, value string
		if name, value, rest, ok = nextField(rest); !ok {
			break
		}
		if f := a.field(name); f != nil {
			*f = value
		}
	}
	return a, a.Nonce != "" && a.Response != ""
}

// field is where the value of a name belongs, nil for a name that does not
// matter.
func (a *Authorization) field(name string) *string {
	switch strings.ToLower(name) {
	case "username":
		return &a.Username
	case "realm":
		return &a.Realm
	case "nonce":
		return &a.Nonce
	case "uri":
		return &a.URI
	case "response":
		return &a.Response
	case "qop":
		return &a.QOP
	case "nc":
		return &a.NC
	case "cnonce":
		return &a.CNonce
	case "algorithm":
		return &a.Algorithm
	case "opaque":
		return &a.Opaque
	default:
		return nil
	}
}

// nextField cuts name=value or name="value" from the front of s.
func nextField(s string) (name, value, rest string, ok bool) {
	s = strings.TrimLeft(s, " \t,;")
	name, s, ok = strings.Cut(s, "=")
	if !ok {
		return "", "", "", false
	}
	name, s = strings.TrimSpace(name), strings.TrimLeft(s, " \t")
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexAny(s, ",;")
		if end < 0 {
			end = len(s)
		}
		return name, strings.TrimSpace(s[:end]), s[end:], true
	}
	value, rest = unquote(s[1:])
	return name, value, rest, true
}

// unquote reads up to the closing quote, or the end where there is none.
func unquote(s string) (value, rest string) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return b.String(), s[i+1:]
		case c == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), ""
}
