// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs

import (
	"net/netip"
	"strings"
	"time"

	"github.com/uspgate/uspgate/cwmp/httpauth"
)

// bound is what a nonce is good for: with AccessOptions.BindNonce for one address.
func (a *Access) bound(from netip.Addr) []byte {
	if !a.o.BindNonce {
		return nil
	}
	return from.AsSlice()
}

// digestChallenge offers what s says, and of qop "auth" only: auth-int breaks
// many CPE.
func (a *Access) digestChallenge(s Scheme, from netip.Addr, stale bool) string {
	c := `Digest realm="` + a.o.Realm + `", nonce="` + a.nonces.Make(a.bound(from), time.Now()) + `"`
	switch s {
	case SchemeDigestSHA256:
		c += `, qop="auth", algorithm=SHA-256`
	case SchemeDigestNoQop: // RFC 2069
	case SchemeDigest, SchemeBasic:
		c += `, qop="auth", algorithm=MD5`
	}
	if stale {
		c += ", stale=true"
	}
	return c
}

// basicProof is an Authorization header of HTTP Basic.
type basicProof struct{ user, pass string }

func (p *basicProof) username() string                  { return p.user }
func (*basicProof) method() string                      { return "basic" }
func (p *basicProof) proves(password, _, _ string) bool { return httpauth.Equal(p.pass, password) }

// digestProof is one of HTTP Digest.
type digestProof struct {
	httpauth.Authorization
	hash httpauth.Hash
}

func (p *digestProof) username() string { return p.Username }
func (*digestProof) method() string     { return "digest" }

func (p *digestProof) proves(password, realm, httpMethod string) bool {
	return p.Matches(p.hash, realm, httpMethod, password)
}

// parseDigest reads an Authorization header of Digest. What is not SHA-256 is taken
// for MD5, however that is spelt [quirk 44]. target is what the CPE has posted to,
// for one that does not say it.
func parseDigest(header, target string) (p *digestProof, ok bool) {
	p = new(digestProof)
	if p.Authorization, ok = httpauth.ParseAuthorization(header); !ok || p.Username == "" {
		return nil, false
	}
	if len(p.Algorithm) >= 3 && strings.EqualFold(p.Algorithm[:3], "SHA") {
		p.hash = httpauth.SHA256
	}
	if p.URI == "" {
		p.URI = target
	}
	return p, true
}
