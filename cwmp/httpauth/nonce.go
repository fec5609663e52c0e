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

// Nonces makes the nonces of Digest, and knows them again. They carry their time and a
// signature, so that nothing is remembered, and that they are good on any connection,
// any number of times [quirks 43, 44], and at every node that has the Key. Safe for
// concurrent use.
type Nonces struct {
	Key   []byte
	Time  time.Duration // how long one may be used
	Realm string
}

// Make returns a nonce. It is good only for who shows the same bound, nil for
// everybody.
func (n *Nonces) Make(bound []byte, now time.Time) string {
	var b [nonceSeed + nonceMAC]byte
	binary.BigEndian.PutUint64(b[:], uint64(now.UnixNano()))
	_, _ = rand.Read(b[8:nonceSeed]) // never fails
	copy(b[nonceSeed:], n.mac(b[:nonceSeed], bound))
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func (n *Nonces) mac(seed, bound []byte) []byte {
	m := hmac.New(sha256.New, n.Key)
	m.Write(seed)
	m.Write([]byte(n.Realm))
	m.Write(bound)
	return m.Sum(nil)[:nonceMAC]
}

// Check reports whether nonce is one of ours, and not expired.
func (n *Nonces) Check(nonce string, bound []byte, now time.Time) (ours, fresh bool) {
	b, err := base64.RawURLEncoding.DecodeString(nonce)
	if err != nil || len(b) != nonceSeed+nonceMAC || !hmac.Equal(b[nonceSeed:], n.mac(b[:nonceSeed], bound)) {
		return false, false
	}
	at := time.Unix(0, int64(binary.BigEndian.Uint64(b)))
	return true, now.Sub(at) < n.Time
}
