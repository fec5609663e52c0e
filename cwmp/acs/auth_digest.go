// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs

import (
	"crypto/hmac"
	"crypto/md5" // what RFC 2617 and every CPE use
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"net/netip"
	"strings"
	"time"
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

// digestProof is an Authorization header of HTTP Digest, as CPE send it
// [TR-069 3.4.4], with the deviations of the field [quirk 44]: the uri is hashed as
// sent and not compared, an algorithm that resembles MD5 is MD5, and the nonce
// count is not checked, as what is authenticated is one Inform of a session.
type digestProof struct {
	user, realm, nonce, uri, response string
	qop, nc, cnonce, algorithm        string
}

func (p *digestProof) username() string { return p.user }
func (*digestProof) method() string     { return "digest" }

// sha256 reports whether the hash is SHA-256; any other is taken for MD5.
func (p *digestProof) sha256() bool {
	return len(p.algorithm) >= 3 && strings.EqualFold(p.algorithm[:3], "SHA")
}

// parseDigest reads the header as tolerantly as it can be understood: scheme in
// any case, values quoted or not, unknown fields skipped.
func parseDigest(h string) (p *digestProof, ok bool) {
	scheme, rest, _ := strings.Cut(strings.TrimSpace(h), " ")
	if !strings.EqualFold(scheme, "Digest") {
		return nil, false
	}
	p = new(digestProof)
	for rest != "" {
		var name, value string
		if name, value, rest, ok = nextParam(rest); !ok {
			break
		}
		p.set(name, value)
	}
	return p, p.nonce != "" && p.response != "" && p.user != ""
}

func (p *digestProof) set(name, value string) {
	switch strings.ToLower(name) {
	case "username":
		p.user = value
	case "realm":
		p.realm = value
	case "nonce":
		p.nonce = value
	case "uri":
		p.uri = value
	case "response":
		p.response = value
	case "qop":
		p.qop = value
	case "nc":
		p.nc = value
	case "cnonce":
		p.cnonce = value
	case "algorithm":
		p.algorithm = value
	}
}

// nextParam cuts name=value or name="value" from the front of s.
func nextParam(s string) (name, value, rest string, ok bool) {
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
	if end := strings.IndexAny(s[1:], `"\`); end >= 0 && s[1+end] == '"' {
		return name, s[1 : 1+end], s[2+end:], true
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return name, b.String(), s[i+1:], true
		case c == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		default:
			b.WriteByte(c)
		}
	}
	return name, b.String(), "", true
}

// proves reports whether the response is the right one for the password, by
// any of the formulas in use.
func (p *digestProof) proves(password, realm, httpMethod string) bool {
	if p.realm != "" && p.realm != realm {
		return false
	}
	h := hasher{md5.New()}
	if p.sha256() {
		h = hasher{sha256.New()}
	}
	ha1 := h.hex(p.user, realm, password)
	if len(p.algorithm) > 5 && strings.EqualFold(p.algorithm[len(p.algorithm)-5:], "-sess") {
		ha1 = h.hex(ha1, p.nonce, p.cnonce)
	}
	ha2 := h.hex(httpMethod, p.uri)
	got := strings.ToLower(strings.TrimSpace(p.response))
	if p.qop != "" && equalText(got, h.hex(ha1, p.nonce, p.nc, p.cnonce, p.qop, ha2)) {
		return true
	}
	// RFC 2069, and qop=undefined.
	return !strings.EqualFold(p.qop, "auth") && equalText(got, h.hex(ha1, p.nonce, ha2))
}

func equalText(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

type hasher struct{ hash.Hash }

// hex is the hash of parts joined by colons.
func (h hasher) hex(parts ...string) string {
	h.Reset()
	for i, p := range parts {
		if i > 0 {
			h.Write([]byte{':'})
		}
		h.Write([]byte(p))
	}
	return hex.EncodeToString(h.Sum(nil))
}
