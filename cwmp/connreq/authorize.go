// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package connreq

import (
	"cmp"
	"crypto/md5"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/icholy/digest"
)

// authorize answers the challenges of a 401: the strongest Digest of them, or
// Basic where that is allowed. qop, nc and cnonce are sent only if the challenge
// has qop, opaque only if it has one [quirk 78].
func (c *Client) authorize(h http.Header, uri string, t *Target) (string, error) {
	if t.Username == "" && t.Password == "" {
		return "", fmt.Errorf("%w: none known", ErrCredentials)
	}
	challenges := splitChallenges(h.Values("Www-Authenticate"))
	for _, ch := range digests(challenges) {
		if answer, err := respond(ch, uri, t); err == nil {
			return answer, nil
		}
	}
	for _, raw := range challenges {
		if c.opts.AllowBasic && strings.EqualFold(scheme(raw), "Basic") {
			return "Basic " + base64.StdEncoding.EncodeToString([]byte(t.Username+":"+t.Password)), nil
		}
	}
	return "", fmt.Errorf("%w: no challenge that may be answered: %.100q", ErrCredentials, challenges)
}

// respond answers one Digest challenge.
func respond(ch *digest.Challenge, uri string, t *Target) (string, error) {
	o := digest.Options{Method: http.MethodGet, URI: uri, Username: t.Username, Password: t.Password}
	session := false
	if len(ch.QOP) > 0 {
		o.Count, o.Cnonce = 1, rand.Text()
		session = strings.EqualFold(ch.Algorithm, "MD5-sess")
	}
	if session { // [RFC 2617 3.2.2.2], which the library leaves out
		ch.Algorithm = "MD5"
		o.A1 = hexMD5(hexMD5(t.Username+":"+ch.Realm+":"+t.Password) + ":" + ch.Nonce + ":" + o.Cnonce)
	}
	cred, err := digest.Digest(ch, o)
	if err != nil {
		return "", err
	}
	if session {
		cred.Algorithm = "MD5-sess"
	}
	return cred.String(), nil
}

func hexMD5(s string) string {
	sum := md5.Sum([]byte(s))
	return hex.EncodeToString(sum[:])
}

// digests are the Digest challenges, SHA-256 before MD5.
func digests(challenges []string) []*digest.Challenge {
	var list []*digest.Challenge
	for _, raw := range challenges {
		if ch, ok := parseChallenge(raw); ok {
			list = append(list, ch)
		}
	}
	rank := func(ch *digest.Challenge) int {
		if strings.HasPrefix(strings.ToUpper(ch.Algorithm), "SHA-") {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(list, func(a, b *digest.Challenge) int { return cmp.Compare(rank(a), rank(b)) })
	return list
}

// stale reports whether a 401 says that only the nonce was too old.
func stale(h http.Header) bool {
	return slices.ContainsFunc(digests(splitChallenges(h.Values("Www-Authenticate"))),
		func(ch *digest.Challenge) bool { return ch.Stale })
}
