// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package ws

import (
	"encoding/binary"
	"math/rand/v2"

	"github.com/gorilla/websocket"
)

// What of RFC 6455 section 5.2 is needed to write unfragmented frames.
const (
	finalBit  = 0x80
	maskBit   = 0x80
	length16  = 126
	length64  = 127
	maxHeader = 2 + 8 + 4

	opBinary = websocket.BinaryMessage
	opClose  = websocket.CloseMessage
	opPing   = websocket.PingMessage
	opPong   = websocket.PongMessage
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

// apply masks the next bytes of the payload.
func (m *mask) apply(b []byte) {
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
