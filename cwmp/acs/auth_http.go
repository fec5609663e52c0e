// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/netip"
	"strings"
	"time"

	"github.com/uspgate/uspgate/cwmp/httpauth"
)

// nonces makes the nonces of Digest, and knows them again without having kept
// them: at every node that has the same key, on any connection and any number of
// times [quirks 43, 44].
type nonces struct {
	realm string
	key   []byte
	ttl   time.Duration
	bind  bool
}

const (
	nonceSeed = 16 // bytes: time and random
	nonceMAC  = 16 // bytes
)

func (n *nonces) make(from netip.Addr, now time.Time) string {
	var b [nonceSeed + nonceMAC]byte
	binary.BigEndian.PutUint64(b[:], uint64(now.UnixNano()))
	_, _ = rand.Read(b[8:nonceSeed]) // never fails
	copy(b[nonceSeed:], n.mac(b[:nonceSeed], from))
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func (n *nonces) mac(seed []byte, from netip.Addr) []byte {
	m := hmac.New(sha256.New, n.key)
	m.Write(seed)
	m.Write([]byte(n.realm))
	if n.bind {
		m.Write(from.AsSlice())
	}
	return m.Sum(nil)[:nonceMAC]
}

// good reports whether nonce is one of ours, and not expired.
func (n *nonces) good(nonce string, from netip.Addr, now time.Time) bool {
	b, err := base64.RawURLEncoding.DecodeString(nonce)
	if err != nil || len(b) != nonceSeed+nonceMAC || !hmac.Equal(b[nonceSeed:], n.mac(b[:nonceSeed], from)) {
		return false
	}
	return now.Sub(time.Unix(0, int64(binary.BigEndian.Uint64(b)))) < n.ttl
}

// digestChallenge offers what s says, and of qop "auth" only: auth-int breaks
// many CPE.
func (n *nonces) digestChallenge(s Scheme, from netip.Addr, stale bool) string {
	c := `Digest realm="` + n.realm + `", nonce="` + n.make(from, time.Now()) + `"`
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
