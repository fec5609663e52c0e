// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"strings"
)

// DefaultRealm is the realm of a challenge where none is configured.
const DefaultRealm = "uspgate"

// basicProof is an Authorization header of HTTP Basic.
type basicProof struct{ user, pass string }

// parseBasic reads the header; ok is false for any other, and for the empty login
// that some send unasked [quirk 45].
func parseBasic(h string) (p *basicProof, ok bool) {
	scheme, rest, _ := strings.Cut(strings.TrimSpace(h), " ")
	if !strings.EqualFold(scheme, "Basic") {
		return nil, false
	}
	b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(rest))
	if err != nil {
		return nil, false
	}
	user, pass, ok := strings.Cut(string(b), ":")
	if !ok || user == "" {
		return nil, false
	}
	return &basicProof{user: user, pass: pass}, true
}

func (p *basicProof) username() string { return p.user }
func (*basicProof) method() string     { return "basic" }

// proves compares hashes, so that neither length nor content shows in the time
// it takes.
func (p *basicProof) proves(password, _, _ string) bool {
	w, g := sha256.Sum256([]byte(password)), sha256.Sum256([]byte(p.pass))
	return subtle.ConstantTimeCompare(w[:], g[:]) == 1
}

func basicChallenge(realm string) string { return `Basic realm="` + realm + `"` }

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
