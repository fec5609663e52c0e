// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"strings"
)

// DefaultRealm is the realm of a challenge where none is configured.
const DefaultRealm = "uspgate"

// Basic is HTTP Basic authentication. The password crosses the network in
// clear: only for TLS [TR-069 3.4.4].
type Basic struct {
	realm  string
	lookup Credentials
}

// NewBasic returns a Basic; an empty realm is DefaultRealm.
func NewBasic(realm string, lookup Credentials) (*Basic, error) {
	if lookup == nil {
		return nil, errors.New("acs: basic: no credentials")
	}
	return &Basic{realm: cleanRealm(realm), lookup: lookup}, nil
}

// Authenticate implements Authenticator.
func (b *Basic) Authenticate(r *http.Request) (string, error) {
	user, pass, ok := r.BasicAuth()
	if !ok || user == "" {
		return "", ErrNoCredentials // also the empty login that some send unasked
	}
	want, known := b.lookup(user)
	// Hashes, so that neither length nor content shows in the time it takes.
	w, g := sha256.Sum256([]byte(want)), sha256.Sum256([]byte(pass))
	if subtle.ConstantTimeCompare(w[:], g[:]) != 1 || !known {
		return "", ErrBadCredentials
	}
	return user, nil
}

// Challenge implements Authenticator.
func (b *Basic) Challenge(error) string { return `Basic realm="` + b.realm + `"` }

// cleanRealm leaves out what would need escapes, which CPE cannot read.
func cleanRealm(realm string) string {
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
