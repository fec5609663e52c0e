// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package stun

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Types of messages.
const (
	BindingRequest    uint16 = 0x0001
	BindingIndication uint16 = 0x0011
	BindingResponse   uint16 = 0x0101
	BindingError      uint16 = 0x0111
)

// Attributes of RFC 3489 11.2, RFC 5389 18.2 and TR-069 Annex G.
const (
	MappedAddress     uint16 = 0x0001
	ResponseAddress   uint16 = 0x0002
	ChangeRequest     uint16 = 0x0003
	SourceAddress     uint16 = 0x0004
	ChangedAddress    uint16 = 0x0005
	Username          uint16 = 0x0006
	MessageIntegrity  uint16 = 0x0008
	ErrorCode         uint16 = 0x0009
	UnknownAttributes uint16 = 0x000a
	Realm             uint16 = 0x0014
	Nonce             uint16 = 0x0015
	XORMappedAddress  uint16 = 0x0020
	// ConnectionRequestBinding marks a request from the address on which the CPE
	// listens for Connection Requests; its value is BindingValue.
	ConnectionRequestBinding uint16 = 0xc001
	// BindingChange, without a value, says that this address has changed.
	BindingChange uint16 = 0xc002
)

// BindingValue is the value of ConnectionRequestBinding.
const BindingValue = "dslforum.org/TR-111 "

const (
	headerSize    = 20
	cookie        = 0x2112a442
	maxAttributes = 32
	hmacSize      = 20
)

// ErrMalformed is returned for what is not a STUN message.
var ErrMalformed = errors.New("stun: malformed message")

// Attribute is one attribute of a Message.
type Attribute struct {
	Type  uint16
	Value []byte
}

// Message is a STUN message.
type Message struct {
	Type uint16
	// ID is the transaction ID of RFC 3489: its first four bytes are the magic
	// cookie of RFC 5389 where the sender follows that.
	ID [16]byte
	// Attributes are those before MESSAGE-INTEGRITY: what follows it proves
	// nothing.
	Attributes []Attribute

	raw       []byte // as parsed
	integrity int    // offset of MESSAGE-INTEGRITY in raw, 0 is none
}

// Classic reports whether the sender follows RFC 3489.
func (m *Message) Classic() bool { return binary.BigEndian.Uint32(m.ID[:]) != cookie }

// Get returns the value of the first attribute of type t.
func (m *Message) Get(t uint16) (value []byte, ok bool) {
	for _, a := range m.Attributes {
		if a.Type == t {
			return a.Value, true
		}
	}
	return nil, false
}

// Add appends an attribute; it retains value.
func (m *Message) Add(t uint16, value []byte) {
	m.Attributes = append(m.Attributes, Attribute{Type: t, Value: value})
}

// Parse reads a message of at most 32 attributes. Its values are parts of b. What
// follows the message in b is not looked at. The error is ErrMalformed.
func Parse(b []byte) (*Message, error) {
	if len(b) < headerSize || b[0]&0xc0 != 0 {
		return nil, ErrMalformed
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	if len(b) < headerSize+n {
		return nil, fmt.Errorf("%w: %d bytes of %d", ErrMalformed, len(b), headerSize+n)
	}
	m := &Message{Type: binary.BigEndian.Uint16(b), raw: b[:headerSize+n]}
	copy(m.ID[:], b[4:headerSize])
	// RFC 5389 pads values to 4 bytes; RFC 3489 asks for values that need none,
	// and some do not care.
	if m.walk(4) || m.walk(1) {
		return m, nil
	}
	return nil, ErrMalformed
}

// walk reads the attributes; false if they do not fill the message.
func (m *Message) walk(align int) bool {
	m.Attributes, m.integrity = m.Attributes[:0], 0
	count, at := 0, headerSize
	for at < len(m.raw) {
		if count++; count > maxAttributes || len(m.raw)-at < 4 {
			return false
		}
		t, n := binary.BigEndian.Uint16(m.raw[at:]), int(binary.BigEndian.Uint16(m.raw[at+2:]))
		end := at + 4 + n
		next := (end + align - 1) / align * align
		if next > len(m.raw) {
			return false
		}
		switch {
		case m.integrity > 0:
		case t == MessageIntegrity:
			if n != hmacSize {
				return false
			}
			m.integrity = at
		default:
			m.Attributes = append(m.Attributes, Attribute{Type: t, Value: m.raw[at+4 : end : end]})
		}
		at = next
	}
	return true
}

// Append appends the message to dst. With a key, MESSAGE-INTEGRITY is added, in
// the way of the RFC that m.ID tells.
func (m *Message) Append(dst, key []byte) []byte {
	start := len(dst)
	dst = binary.BigEndian.AppendUint16(dst, m.Type)
	dst = append(dst, 0, 0)
	dst = append(dst, m.ID[:]...)
	for _, a := range m.Attributes {
		dst = binary.BigEndian.AppendUint16(dst, a.Type)
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(a.Value)))
		dst = append(dst, a.Value...)
		for (len(dst)-start)%4 != 0 {
			dst = append(dst, 0)
		}
	}
	n := len(dst) - start - headerSize
	if key != nil {
		n += 4 + hmacSize
	}
	binary.BigEndian.PutUint16(dst[start+2:], uint16(n))
	if key != nil {
		sum := authenticate(dst[start:], uint16(n), key, m.Classic())
		dst = binary.BigEndian.AppendUint16(dst, MessageIntegrity)
		dst = binary.BigEndian.AppendUint16(dst, hmacSize)
		dst = append(dst, sum...)
	}
	return dst
}
