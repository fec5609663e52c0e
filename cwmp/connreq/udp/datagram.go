// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package udp

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// ErrMalformed is returned for what is not a UDP Connection Request.
var ErrMalformed = errors.New("udp: malformed Connection Request")

// maxDatagram bounds a UDP Connection Request and a STUN message, in bytes.
const maxDatagram = 1500

// Datagram is what a UDP Connection Request says [TR-069 G.2.2.3].
type Datagram struct {
	// TS is Unix time in seconds, later than that of every earlier one for the
	// same CPE.
	TS uint64
	// ID is another for each request that is not a repetition.
	ID uint64
	// Username is the ConnectionRequestUsername.
	Username string
	// Nonce is any string.
	Nonce string
}

// Signature is HMAC-SHA1 of what the datagram says, in 40 hexadecimal digits; the
// key is the ConnectionRequestPassword.
func (d *Datagram) Signature(password string) string {
	h := hmac.New(sha1.New, []byte(password))
	h.Write([]byte(strconv.FormatUint(d.TS, 10) + strconv.FormatUint(d.ID, 10) + d.Username + d.Nonce))
	return hex.EncodeToString(h.Sum(nil))
}

// Append appends the datagram for the CPE at host, which is host:port.
func (d *Datagram) Append(dst []byte, host, password string) []byte {
	return fmt.Appendf(dst, "GET http://%s?ts=%d&id=%d&un=%s&cn=%s&sig=%s HTTP/1.1\r\nHost: %s\r\n\r\n",
		host, d.TS, d.ID, escape(d.Username), escape(d.Nonce), d.Signature(password), host)
}

// escape is percent-encoding without the plus sign for a blank.
func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// ParseDatagram reads a UDP Connection Request as a CPE does, with the signature
// that it has. The error is ErrMalformed.
func ParseDatagram(b []byte) (d Datagram, signature string, err error) {
	line, _, ok := bytes.Cut(b, []byte("\r\n"))
	parts := strings.Split(string(line), " ")
	if len(b) > maxDatagram || !ok || len(parts) != 3 || parts[0] != "GET" || !strings.HasPrefix(parts[2], "HTTP/1.") {
		return d, "", ErrMalformed
	}
	u, err := url.Parse(parts[1])
	if err != nil {
		return d, "", fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return d, "", fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	ts, err1 := strconv.ParseUint(q.Get("ts"), 10, 64)
	id, err2 := strconv.ParseUint(q.Get("id"), 10, 64)
	if err := errors.Join(err1, err2); err != nil {
		return d, "", fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return Datagram{TS: ts, ID: id, Username: q.Get("un"), Nonce: q.Get("cn")}, q.Get("sig"), nil
}

// Verify reports whether signature is that of the datagram with password.
func (d *Datagram) Verify(signature, password string) bool {
	return hmac.Equal([]byte(strings.ToLower(signature)), []byte(d.Signature(password)))
}
