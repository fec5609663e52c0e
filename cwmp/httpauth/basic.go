// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package httpauth

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"strings"
)

// Why a request is turned away.
var (
	// ErrNoCredentials: there are no credentials of the kind wanted.
	ErrNoCredentials = errors.New("httpauth: no credentials")
	// ErrBadCredentials: the user is unknown or the password wrong.
	ErrBadCredentials = errors.New("httpauth: bad credentials")
	// ErrStaleNonce: right, but for a nonce that is not, or no longer, good.
	ErrStaleNonce = errors.New("httpauth: stale nonce")
)

// Lookup finds the password of a user; ok is false for an unknown one.
type Lookup func(username string) (password string, ok bool)

// DefaultRealm is the realm where none is configured.
const DefaultRealm = "uspgate"

// CleanRealm leaves out of a realm what would need escapes, which CPE cannot
// read; nothing left is DefaultRealm.
func CleanRealm(realm string) string {
	realm = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' {
			return -1
		}
		return r
	}, realm)
	if realm == "" {
		return DefaultRealm
	}
	return realm
}

// BasicChallenge is the WWW-Authenticate header that asks for Basic; realm is a
// clean one.
func BasicChallenge(realm string) string { return `Basic realm="` + realm + `"` }

// ParseBasic reads an Authorization header of Basic. The scheme may have any
// case, the base64 may lack its padding. An empty login, which some CPE send
// unasked [quirk 45], is none.
func ParseBasic(header string) (username, password string, ok bool) {
	scheme, rest, _ := strings.Cut(strings.TrimSpace(header), " ")
	if !strings.EqualFold(scheme, "Basic") {
		return "", "", false
	}
	rest = strings.TrimRight(strings.TrimSpace(rest), "=")
	b, err := base64.RawStdEncoding.DecodeString(rest)
	if err != nil {
		return "", "", false
	}
	username, password, ok = strings.Cut(string(b), ":")
	return username, password, ok && username != ""
}

// VerifyBasic checks an Authorization header and returns who sent it, or
// ErrNoCredentials or ErrBadCredentials.
func VerifyBasic(header string, lookup Lookup) (username string, err error) {
	username, got, ok := ParseBasic(header)
	if !ok {
		return "", ErrNoCredentials
	}
	want, known := lookup(username)
	if !Equal(got, want) || !known {
		return "", ErrBadCredentials
	}
	return username, nil
}

// Equal compares secrets so that the time it takes shows neither where they
// differ nor how long the one of ours is.
func Equal(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}
