// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package httpauth

import (
	"crypto/md5" // what RFC 2617 and every CPE use
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"hash"
	"strings"
	"time"
)

// Hash is the hash function of a Digest.
type Hash uint8

const (
	// MD5 is what CPE know.
	MD5 Hash = iota
	// SHA256 is that of RFC 7616.
	SHA256
)

// String is the name in the algorithm field.
func (h Hash) String() string {
	if h == SHA256 {
		return "SHA-256"
	}
	return "MD5"
}

func (h Hash) new() hash.Hash {
	if h == SHA256 {
		return sha256.New()
	}
	return md5.New()
}

// sum is the hash of parts joined by colons, in hex.
func (h Hash) sum(parts ...string) string {
	s := h.new()
	for i, p := range parts {
		if i > 0 {
			s.Write([]byte{':'})
		}
		s.Write([]byte(p))
	}
	return hex.EncodeToString(s.Sum(nil))
}

// DigestOptions configures a Digest. The zero value of a field means its
// default.
type DigestOptions struct {
	// Realm is shown to the CPE and part of the hash; default DefaultRealm.
	Realm string
	// Hash is what the challenge asks for; default MD5.
	Hash Hash
	// NonceTime is how long a nonce may be used, on any connection and any
	// number of times; default 5 min.
	NonceTime time.Duration
	// Key signs the nonces, so that they need no memory and are good at every
	// node that has the same; default random.
	Key []byte
}

// Digest is the server side of HTTP Digest authentication, of RFC 2617 with qop
// "auth" and of RFC 2069, as CPE choose [TR-069 3.4.4]. Safe for concurrent use.
type Digest struct {
	hash   Hash
	nonces Nonces
}

// NewDigest returns a Digest. It keeps o.Key.
func NewDigest(o DigestOptions) *Digest {
	if o.NonceTime <= 0 {
		o.NonceTime = 5 * time.Minute
	}
	if len(o.Key) == 0 {
		o.Key = make([]byte, 32)
		_, _ = rand.Read(o.Key) // never fails
	}
	return &Digest{hash: o.Hash, nonces: Nonces{Key: o.Key, Time: o.NonceTime, Realm: CleanRealm(o.Realm)}}
}

// Realm is the realm as it is shown.
func (d *Digest) Realm() string { return d.nonces.Realm }

// Challenge is the WWW-Authenticate header after err, nil or what Verify
// returned. Only qop="auth" is offered: auth-int breaks many CPE.
func (d *Digest) Challenge(err error) string {
	c := `Digest realm="` + d.nonces.Realm + `", nonce="` + d.nonces.Make(nil, time.Now()) +
		`", qop="auth", algorithm=` + d.hash.String()
	if errors.Is(err, ErrStaleNonce) {
		c += ", stale=true"
	}
	return c
}

// Verify checks an Authorization header and returns who sent it, or one of
// ErrNoCredentials, ErrBadCredentials and ErrStaleNonce. Method and target are
// those of the request line. It takes the deviations of the field [quirk 44]:
// the uri is hashed as sent and not compared, target standing in for one that is
// missing; an algorithm that resembles ours is ours; and the nonce count is not
// checked.
func (d *Digest) Verify(header, method, target string, lookup Lookup) (username string, err error) {
	a, ok := ParseAuthorization(header)
	if !ok {
		return "", ErrNoCredentials
	}
	if a.URI == "" {
		a.URI = target
	}
	ours, fresh := d.nonces.Check(a.Nonce, nil, time.Now())
	if !ours {
		return "", ErrStaleNonce // of another node, or of before a restart
	}
	pass, known := lookup(a.Username)
	if !a.Matches(d.hash, d.nonces.Realm, method, pass) || !known {
		return "", ErrBadCredentials
	}
	if !fresh {
		return "", ErrStaleNonce
	}
	return a.Username, nil
}

// Matches reports whether the response is the right one for the password, by any
// of the formulas in use: RFC 2617 with qop as sent, RFC 2069, and -sess of both.
// It does not look at the nonce.
func (a *Authorization) Matches(h Hash, realm, method, pass string) bool {
	if a.Realm != "" && a.Realm != realm {
		return false
	}
	ha1 := h.sum(a.Username, realm, pass)
	if len(a.Algorithm) >= 5 && strings.EqualFold(a.Algorithm[len(a.Algorithm)-5:], "-sess") {
		ha1 = h.sum(ha1, a.Nonce, a.CNonce)
	}
	ha2 := h.sum(method, a.URI)
	got := strings.ToLower(strings.TrimSpace(a.Response))
	plain := h.sum(ha1, a.Nonce, ha2) // RFC 2069, and qop=undefined
	withQOP := h.sum(ha1, a.Nonce, a.NC, a.CNonce, a.QOP, ha2)
	return equal(got, withQOP) && a.QOP != "" || equal(got, plain) && !strings.EqualFold(a.QOP, "auth")
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
