// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package stun

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"encoding/binary"
)

// Signed reports whether the message that was parsed has MESSAGE-INTEGRITY.
func (m *Message) Signed() bool { return m.integrity > 0 }

// Verify reports whether the MESSAGE-INTEGRITY of the message that was parsed was
// made with key. It takes it with and without the padding of RFC 3489 11.2.8, and
// with the length of the whole message or of what is before [RFC 5389 15.4],
// because CPE mix them.
func (m *Message) Verify(key []byte) bool {
	if m.integrity == 0 {
		return false
	}
	text := m.raw[:m.integrity]
	got := m.raw[m.integrity+4 : m.integrity+4+hmacSize]
	whole := uint16(len(m.raw) - headerSize)
	upTo := uint16(m.integrity - headerSize + 4 + hmacSize)
	ok := hmac.Equal(got, authenticate(text, upTo, key, true)) || hmac.Equal(got, authenticate(text, upTo, key, false))
	if !ok && whole != upTo {
		ok = hmac.Equal(got, authenticate(text, whole, key, true)) ||
			hmac.Equal(got, authenticate(text, whole, key, false))
	}
	return ok
}

// authenticate is the HMAC of a message whose header says length; padded, as in
// RFC 3489, or not.
func authenticate(text []byte, length uint16, key []byte, padded bool) []byte {
	h := hmac.New(sha1.New, key)
	var l [2]byte
	binary.BigEndian.PutUint16(l[:], length)
	h.Write(text[:2])
	h.Write(l[:])
	h.Write(text[4:])
	if padded {
		h.Write(make([]byte, (64-len(text)%64)%64))
	}
	return h.Sum(nil)
}

// LongTermKey is the key of RFC 5389 15.4 for a request with a REALM.
func LongTermKey(username, realm, password string) []byte {
	sum := md5.Sum([]byte(username + ":" + realm + ":" + password))
	return sum[:]
}
