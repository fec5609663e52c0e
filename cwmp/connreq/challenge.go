// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package connreq

import (
	"strings"

	"github.com/icholy/digest"
)

// parseChallenge reads a Digest challenge as CPE write them [quirks 44, 78]: the
// library takes those of the RFC only, and refuses other letters, blanks around
// the equals sign, or a comma at the end. false if raw is of another scheme.
func parseChallenge(raw string) (*digest.Challenge, bool) {
	if !strings.EqualFold(scheme(raw), "Digest") {
		return nil, false
	}
	_, rest, _ := strings.Cut(strings.TrimLeft(raw, " \t"), " ")
	ch := &digest.Challenge{}
	for {
		rest = strings.TrimLeft(rest, " \t,;")
		key, after, ok := strings.Cut(rest, "=")
		if !ok {
			break
		}
		var value string
		value, rest = cutValue(strings.TrimLeft(after, " \t"))
		switch strings.ToLower(strings.TrimSpace(key)) {
		case "realm":
			ch.Realm = value
		case "nonce":
			ch.Nonce = value
		case "opaque":
			ch.Opaque = value
		case "stale":
			ch.Stale = strings.EqualFold(value, "true")
		case "algorithm":
			ch.Algorithm = algorithm(value)
		case "qop":
			ch.QOP = qops(value)
		case "userhash":
			ch.Userhash = strings.EqualFold(value, "true")
		}
	}
	return ch, true
}

// cutValue takes the value at the beginning of s, quoted or not.
func cutValue(s string) (value, rest string) {
	if !strings.HasPrefix(s, "\"") {
		end := strings.IndexAny(s, ",;")
		if end < 0 {
			end = len(s)
		}
		return strings.TrimSpace(s[:end]), s[end:]
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case s[i] == '"':
			return b.String(), s[i+1:]
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), "" // its end is missing
}

// qops are those of value that exist; a challenge without any is one of RFC 2069.
func qops(value string) (list []string) {
	for q := range strings.SplitSeq(value, ",") {
		if q = strings.ToLower(strings.TrimSpace(q)); q == "auth" || q == "auth-int" {
			list = append(list, q)
		}
	}
	return list
}

// algorithm is value, or MD5 where it is that in other letters, or mistyped, as "MD".
func algorithm(value string) string {
	if value = strings.TrimSpace(value); len(value) < 3 || strings.EqualFold(value, "MD5") {
		return "MD5"
	}
	return value
}

// splitChallenges takes apart headers in which several challenges stand, as
// RFC 7235 4.1 allows: at a comma, outside of quotes, before a word that another
// word follows.
func splitChallenges(headers []string) []string {
	var list []string
	for _, h := range headers {
		start, quoted := 0, false
		for i := 0; i < len(h); i++ {
			switch {
			case quoted && h[i] == '\\':
				i++
			case h[i] == '"':
				quoted = !quoted
			case h[i] == ',' && !quoted && scheme(h[i+1:]) != "":
				list = append(list, strings.TrimSpace(h[start:i]))
				start = i + 1
			}
		}
		list = append(list, strings.TrimSpace(h[start:]))
	}
	return list
}

// scheme is the word at the beginning of a challenge, empty if s begins with a
// parameter instead.
func scheme(s string) string {
	word, rest, ok := strings.Cut(strings.TrimLeft(s, " \t"), " ")
	if rest = strings.TrimLeft(rest, " \t"); !ok || strings.ContainsAny(word, "=,\"") || strings.HasPrefix(rest, "=") {
		return ""
	}
	return word
}
