// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package kill_test

import (
	"encoding/binary"
	"errors"
)

// What of RFC 7252 is needed.
const (
	coapCON      = 0x40 // version 1, type 0
	coapACK      = 0x60
	coapRST      = 0x70
	coapType     = 0x30
	coapPOST     = 0x02
	coapChanged  = 0x44 // 2.04
	coapURIPath  = 11
	coapFormat   = 12
	coapURIQuery = 15
	coapHead     = 4
)

var errCoAP = errors.New("malformed CoAP message")

// coapMessage is a message without its options.
type coapMessage struct {
	kind, code byte
	id         uint16
	token      []byte
	payload    []byte
}

// coapPost is a confirmable POST of a Record to /usp.
func coapPost(id uint16, token []byte, replyTo string, rec []byte) []byte {
	b := coapEmpty(coapCON|byte(len(token)), id)
	b[1] = coapPOST
	b = append(b, token...)
	b = coapOption(b, coapURIPath, "usp")
	b = coapOption(b, coapFormat-coapURIPath, string([]byte{42}))
	b = coapOption(b, coapURIQuery-coapFormat, "reply-to="+replyTo)
	return append(append(b, 0xff), rec...)
}

func coapEmpty(kind byte, id uint16) []byte {
	return binary.BigEndian.AppendUint16([]byte{kind, 0}, id)
}

// coapOption appends an option by its number's difference to the one before.
func coapOption(b []byte, delta int, value string) []byte {
	if n := len(value); n < 13 {
		b = append(b, byte(delta<<4|n))
	} else {
		b = append(b, byte(delta<<4|13), byte(n-13))
	}
	return append(b, value...)
}

// parseCoAP takes a message apart; b is not kept.
func parseCoAP(b []byte) (coapMessage, error) {
	if len(b) < coapHead || len(b) < coapHead+int(b[0]&15) || b[0]>>6 != 1 {
		return coapMessage{}, errCoAP
	}
	m := coapMessage{kind: b[0] & coapType, code: b[1], id: binary.BigEndian.Uint16(b[2:])}
	rest := b[coapHead+int(b[0]&15):]
	m.token = append(m.token, b[coapHead:len(b)-len(rest)]...)
	for len(rest) > 0 && rest[0] != 0xff {
		delta, size := int(rest[0]>>4), int(rest[0]&15)
		rest = rest[1:]
		for _, n := range []*int{&delta, &size} {
			switch {
			case *n == 13 && len(rest) > 0:
				*n, rest = 13+int(rest[0]), rest[1:]
			case *n == 14 && len(rest) > 1:
				*n, rest = 269+int(binary.BigEndian.Uint16(rest)), rest[2:]
			case *n > 12:
				return m, errCoAP
			}
		}
		if size > len(rest) {
			return m, errCoAP
		}
		rest = rest[size:]
	}
	if len(rest) > 0 {
		m.payload = append(m.payload, rest[1:]...)
	}
	return m, nil
}
