// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package httpauth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"time"
)

const (
	nonceSeed = 16 // bytes: time and random
	nonceMAC  = 16 // bytes
)

// nonces makes and checks nonces. They carry their time and a signature, so that
// nothing is remembered, and that they are good on any connection [quirk 43] and
// at every node that has the key.
type nonces struct {
	key   []byte
	ttl   time.Duration
	realm string
}

func (n *nonces) make(now time.Time) string {
	var b [nonceSeed + nonceMAC]byte
	binary.BigEndian.PutUint64(b[:], uint64(now.UnixNano()))
	_, _ = rand.Read(b[8:nonceSeed]) // never fails
	copy(b[nonceSeed:], n.mac(b[:nonceSeed]))
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func (n *nonces) mac(seed []byte) []byte {
	m := hmac.New(sha256.New, n.key)
	m.Write(seed)
	m.Write([]byte(n.realm))
	return m.Sum(nil)[:nonceMAC]
}

// check reports whether nonce is one of ours, and not expired.
func (n *nonces) check(nonce string, now time.Time) (ours, fresh bool) {
	b, err := base64.RawURLEncoding.DecodeString(nonce)
	if err != nil || len(b) != nonceSeed+nonceMAC || !hmac.Equal(b[nonceSeed:], n.mac(b[:nonceSeed])) {
		return false, false
	}
	at := time.Unix(0, int64(binary.BigEndian.Uint64(b)))
	return true, now.Sub(at) < n.ttl
}
