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
	"errors"
	"net/http"
	"strings"
	"time"
)

// DigestOptions configures a Digest. The zero value of a field means its
// default.
type DigestOptions struct {
	// Realm is shown to the CPE and part of the hash; default DefaultRealm.
	Realm string
	// Lookup finds passwords; required.
	Lookup Credentials
	// NonceTime is how long a nonce may be used, on any connection and any
	// number of times; default 5 min.
	NonceTime time.Duration
	// Key signs the nonces, so that they need no memory and are valid at every
	// node that has the same; default random.
	Key []byte
}

// Digest is HTTP Digest authentication with MD5, of RFC 2617 with qop "auth"
// and of RFC 2069, as CPE choose [TR-069 3.4.4]. It takes the deviations of the
// field [quirk 44]: the uri is hashed as sent and not compared, an algorithm
// that resembles MD5 is MD5, and the nonce count is not checked, as what is
// authenticated is one Inform of a session.
type Digest struct {
	realm  string
	lookup Credentials
	ttl    time.Duration
	key    []byte
}

const (
	nonceSeed = 16 // bytes: time and random
	nonceMAC  = 16 // bytes
)

// NewDigest returns a Digest.
func NewDigest(o DigestOptions) (*Digest, error) {
	if o.Lookup == nil {
		return nil, errors.New("acs: digest: no credentials")
	}
	d := &Digest{realm: cleanRealm(o.Realm), lookup: o.Lookup, ttl: o.NonceTime, key: o.Key}
	orDefault(&d.ttl, 5*time.Minute)
	if len(d.key) == 0 {
		d.key = make([]byte, 32)
		_, _ = rand.Read(d.key) // never fails
	}
	return d, nil
}

// Challenge implements Authenticator. Only qop="auth" is offered: auth-int
// breaks many CPE.
func (d *Digest) Challenge(err error) string {
	c := `Digest realm="` + d.realm + `", nonce="` + d.nonce(time.Now()) + `", qop="auth", algorithm=MD5`
	if errors.Is(err, ErrStaleNonce) {
		c += ", stale=true"
	}
	return c
}

// Authenticate implements Authenticator.
func (d *Digest) Authenticate(r *http.Request) (string, error) {
	a, ok := parseDigest(r.Header.Get("Authorization"))
	if !ok {
		return "", ErrNoCredentials
	}
	known, fresh := d.checkNonce(a.nonce, time.Now())
	if !known {
		return "", ErrStaleNonce // of another node, or of before a restart
	}
	pass, exists := d.lookup(a.username)
	if !a.matches(pass, d.realm, r.Method) || !exists {
		return "", ErrBadCredentials
	}
	if !fresh {
		return "", ErrStaleNonce
	}
	return a.username, nil
}

func (d *Digest) nonce(now time.Time) string {
	var b [nonceSeed + nonceMAC]byte
	binary.BigEndian.PutUint64(b[:], uint64(now.UnixNano()))
	_, _ = rand.Read(b[8:nonceSeed]) // never fails
	copy(b[nonceSeed:], d.mac(b[:nonceSeed]))
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func (d *Digest) mac(seed []byte) []byte {
	m := hmac.New(sha256.New, d.key)
	m.Write(seed)
	m.Write([]byte(d.realm))
	return m.Sum(nil)[:nonceMAC]
}

// checkNonce reports whether nonce is one of ours, and not expired.
func (d *Digest) checkNonce(nonce string, now time.Time) (known, fresh bool) {
	b, err := base64.RawURLEncoding.DecodeString(nonce)
	if err != nil || len(b) != nonceSeed+nonceMAC || !hmac.Equal(b[nonceSeed:], d.mac(b[:nonceSeed])) {
		return false, false
	}
	at := time.Unix(0, int64(binary.BigEndian.Uint64(b)))
	return true, now.Sub(at) < d.ttl
}

// authorization is a Digest Authorization header.
type authorization struct {
	username, realm, nonce, uri, response string
	qop, nc, cnonce, algorithm            string
}

// parseDigest reads the header as tolerantly as it can be understood: scheme in
// any case, values quoted or not, unknown fields skipped.
func parseDigest(h string) (a authorization, ok bool) {
	scheme, rest, _ := strings.Cut(strings.TrimSpace(h), " ")
	if !strings.EqualFold(scheme, "Digest") {
		return a, false
	}
	for rest != "" {
		var name, value string
		if name, value, rest, ok = nextParam(rest); !ok {
			break
		}
		a.set(name, value)
	}
	return a, a.nonce != "" && a.response != ""
}

func (a *authorization) set(name, value string) {
	switch strings.ToLower(name) {
	case "username":
		a.username = value
	case "realm":
		a.realm = value
	case "nonce":
		a.nonce = value
	case "uri":
		a.uri = value
	case "response":
		a.response = value
	case "qop":
		a.qop = value
	case "nc":
		a.nc = value
	case "cnonce":
		a.cnonce = value
	case "algorithm":
		a.algorithm = value
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

// matches reports whether the response is the right one for the password, by
// any of the formulas in use.
func (a *authorization) matches(pass, realm, method string) bool {
	if a.realm != "" && a.realm != realm {
		return false
	}
	ha1 := hexMD5(a.username, realm, pass)
	if strings.EqualFold(a.algorithm, "MD5-sess") {
		ha1 = hexMD5(ha1, a.nonce, a.cnonce)
	}
	ha2 := hexMD5(method, a.uri)
	got := strings.ToLower(strings.TrimSpace(a.response))
	plain := hexMD5(ha1, a.nonce, ha2) // RFC 2069, and qop=undefined
	withQop := hexMD5(ha1, a.nonce, a.nc, a.cnonce, a.qop, ha2)
	return equalText(got, withQop) && a.qop != "" || equalText(got, plain) && !strings.EqualFold(a.qop, "auth")
}

func equalText(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// hexMD5 is the hash of parts joined by colons.
func hexMD5(parts ...string) string {
	h := md5.New()
	for i, p := range parts {
		if i > 0 {
			h.Write([]byte{':'})
		}
		h.Write([]byte(p))
	}
	return hex.EncodeToString(h.Sum(nil))
}
