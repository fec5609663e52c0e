// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package ws

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/gorilla/websocket"
)

// Of RFC 6455 section 5.2.
const (
	finalBit  = 0x80
	maskBit   = 0x80
	length16  = 126
	length64  = 127
	maxHeader = 2 + 8 + 4

	opContinuation = 0
	opText         = websocket.TextMessage
	opBinary       = websocket.BinaryMessage
	opClose        = websocket.CloseMessage
	opPing         = websocket.PingMessage
	opPong         = websocket.PongMessage

	reservedBits = 0x70
	opcodeBits   = 0x0f
	lengthBits   = 0x7f
	controlBit   = 0x08 // of an opcode
	maxControl   = 125  // payload of a control frame
)

// mask is the masking key of one frame and how far it has been used. The zero
// mask changes nothing, as a server's frames want it.
type mask struct {
	key uint32
	pos uint
}

// newMask returns an unpredictable key [RFC 6455 5.3]; it keeps proxies from
// being confused and protects nothing else.
func newMask() mask {
	return mask{key: rand.Uint32()}
}

// apply masks the next bytes of the payload, or unmasks them.
func (m *mask) apply(b []byte) {
	if m.key == 0 {
		return
	}
	key := m.key>>(8*m.pos) | m.key<<(32-8*m.pos)
	wide := uint64(key)<<32 | uint64(key)
	m.pos = (m.pos + uint(len(b))) & 3
	for ; len(b) >= 8; b = b[8:] {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^wide)
	}
	for i := range b {
		b[i] ^= byte(wide >> (8 * i))
	}
}

// appendHeader appends the header of a final frame.
func appendHeader(dst []byte, opcode byte, length int, masked bool, m mask) []byte {
	var bit byte
	if masked {
		bit = maskBit
	}
	dst = append(dst, finalBit|opcode)
	switch {
	case length < length16:
		dst = append(dst, bit|byte(length))
	case length < 1<<16:
		dst = append(dst, bit|length16)
		dst = binary.BigEndian.AppendUint16(dst, uint16(length))
	default:
		dst = append(dst, bit|length64)
		dst = binary.BigEndian.AppendUint64(dst, uint64(length))
	}
	if masked {
		dst = binary.LittleEndian.AppendUint32(dst, m.key)
	}
	return dst
}

// header is that of a frame that was received.
type header struct {
	opcode byte
	final  bool
	length int
	mask   mask // the zero mask for a frame that is not masked
}

func violation(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errViolation, fmt.Sprintf(format, args...))
}

// headerSize returns how many bytes the header has that begins with the two of
// b, and checks what these say [RFC 6455 5.1, 5.2, 5.5].
func headerSize(b []byte, masked bool) (int, error) {
	opcode, length := b[0]&opcodeBits, b[1]&lengthBits
	switch {
	case b[0]&reservedBits != 0:
		return 0, violation("reserved bits %#x", b[0]&reservedBits)
	case opcode&^controlBit > opBinary:
		return 0, violation("opcode %d", opcode)
	case opcode&controlBit != 0 && (b[0]&finalBit == 0 || length > maxControl):
		return 0, violation("control frame in pieces, or too long")
	case masked != (b[1]&maskBit != 0):
		return 0, violation("masked %v, want %v", !masked, masked)
	}
	n := 2
	switch length {
	case length16:
		n += 2
	case length64:
		n += 8
	}
	if masked {
		n += 4
	}
	return n, nil
}

// parseHeader decodes the headerSize bytes of a header.
func parseHeader(b []byte, masked bool) header {
	h := header{opcode: b[0] & opcodeBits, final: b[0]&finalBit != 0}
	length := uint64(b[1] & lengthBits)
	rest := b[2:]
	switch length {
	case length16:
		length, rest = uint64(binary.BigEndian.Uint16(rest)), rest[2:]
	case length64:
		length, rest = binary.BigEndian.Uint64(rest), rest[8:]
	}
	h.length = int(min(length, math.MaxInt)) // more than anybody takes
	if masked {
		h.mask.key = binary.LittleEndian.Uint32(rest)
	}
	return h
}
