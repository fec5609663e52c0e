// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cpe

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"

	"github.com/icholy/digest"
)

// login answers the challenges of the ACS in the ways of quirk 44.
type login struct {
	chal  *digest.Challenge
	count int
}

// challenged keeps the challenge of a 401.
func (l *login) challenged(resp *http.Response) {
	if resp.StatusCode != http.StatusUnauthorized {
		return
	}
	if chal, err := digest.FindChallenge(resp.Header); err == nil {
		l.chal, l.count = chal, 0
	}
}

// answer replaces the credentials of out.
func (l *login) answer(out *http.Request, c *CPE) {
	q := &c.opts.Quirks
	set := (*device)(c).Settings()
	if q.BasicUnasked && out.Header.Get("Authorization") == "" && set.Username != "" {
		out.SetBasicAuth(set.Username, set.Password)
	}
	odd := q.DigestNoQOP || q.DigestQOPUnknown || q.DigestAlgorithm || q.DigestQuotedCount || q.DigestFullURI ||
		q.DigestNoQuery || q.DigestLowerCase
	if !odd || l.chal == nil || !strings.HasPrefix(out.Header.Get("Authorization"), "Digest ") {
		return
	}
	l.count++
	out.Header.Set("Authorization", l.header(q, out, set.Username, set.Password))
}

// header is written as the quirks have it: Digest with MD5 [RFC 2617 3.2.2].
func (l *login) header(q *Quirks, out *http.Request, username, password string) string {
	uri := out.URL.RequestURI()
	if q.DigestFullURI {
		uri = out.URL.Scheme + "://" + out.URL.Host + uri
	}
	if q.DigestNoQuery {
		uri, _, _ = strings.Cut(uri, "?")
	}
	const cnonce = "0a4f113b"
	count := fmt.Sprintf("%08x", l.count)
	ha1, ha2 := sum(username, l.chal.Realm, password), sum(out.Method, uri)
	response := sum(ha1, l.chal.Nonce, count, cnonce, "auth", ha2)
	if q.DigestNoQOP || q.DigestQOPUnknown {
		response = sum(ha1, l.chal.Nonce, ha2) // RFC 2069
	}
	s := fmt.Sprintf(`Digest username="%s", realm="%s", nonce="%s", uri="%s", response="%s"`,
		username, l.chal.Realm, l.chal.Nonce, uri, response)
	switch {
	case q.DigestNoQOP:
	case q.DigestQOPUnknown:
		s += ", qop=undefined"
	case q.DigestQuotedCount:
		s += `, qop=auth, nc="` + count + `", cnonce="` + cnonce + `"`
	default:
		s += ", qop=auth, nc=" + count + `, cnonce="` + cnonce + `"`
	}
	if q.DigestAlgorithm {
		s += ", algorithm=MD"
	}
	if l.chal.Opaque != "" {
		s += `, opaque="` + l.chal.Opaque + `"`
	}
	if q.DigestLowerCase {
		s = "digest" + strings.TrimPrefix(s, "Digest")
	}
	return s
}

// sum is H of RFC 2617 of its arguments with colons between.
func sum(parts ...string) string {
	h := md5.Sum([]byte(strings.Join(parts, ":")))
	return hex.EncodeToString(h[:])
}
