// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package coap

import (
	"encoding/binary"
	"errors"
	"slices"

	"github.com/plgd-dev/go-coap/v3/message"
	"github.com/plgd-dev/go-coap/v3/message/codes"
	"github.com/plgd-dev/go-coap/v3/udp/coder"
)

const (
	// maxOptions is how many options a message may have; what has more is
	// malformed.
	maxOptions = 48
	// headerSize is that of a message without token [RFC 7252 3].
	headerSize = 4
	tokenSize  = 8
	// requestTag tells block-wise bodies apart [RFC 9175 3.2].
	requestTag message.OptionID = 292
	// szxReserved is no block size [RFC 7959 2.2].
	szxReserved = 7
	maxBlocks   = 1 << 20
)

var errMessage = errors.New("coap: message format error")

// decoder holds one decoded message; it is for one goroutine. What it returns
// refers to the datagram and is good until the next call.
type decoder struct {
	m    message.Message
	opts [maxOptions]message.Option
}

func (d *decoder) decode(data []byte) (*message.Message, error) {
	d.m = message.Message{Options: d.opts[:0]}
	if _, err := coder.DefaultCoder.Decode(data, &d.m); err != nil {
		return nil, errMessage
	}
	if d.m.Code == codes.Empty && len(data) != headerSize {
		return nil, errMessage // [RFC 7252 4.1]
	}
	return &d.m, nil
}

// resettable returns the Message ID of a datagram that is malformed but can be
// rejected: a confirmable message of this version [RFC 7252 4.2].
func resettable(data []byte) (uint16, bool) {
	if len(data) < headerSize || data[0]>>6 != 1 || message.Type(data[0]>>4&3) != message.Confirmable {
		return 0, false
	}
	return binary.BigEndian.Uint16(data[2:]), true
}

// put encodes m as a datagram that flush sends, and returns it; it is good
// until the next put.
func (fx *effects) put(w way, m *message.Message) []byte {
	start := len(fx.buf)
	fx.buf = slices.Grow(fx.buf, headerSize+tokenSize+len(m.Payload)+64)
	n, err := coder.DefaultCoder.Encode(*m, fx.buf[start:cap(fx.buf)])
	if errors.Is(err, message.ErrTooSmall) {
		fx.buf = slices.Grow(fx.buf, n)
		n, err = coder.DefaultCoder.Encode(*m, fx.buf[start:cap(fx.buf)])
	}
	if err != nil {
		return nil // cannot be: all that is encoded here is within bounds
	}
	fx.buf = fx.buf[:start+n]
	fx.sends = append(fx.sends, send{way: w, start: start, end: start + n})
	return fx.buf[start:]
}

// raw sends a datagram again.
func (fx *effects) raw(w way, b []byte) {
	start := len(fx.buf)
	fx.buf = append(fx.buf, b...)
	fx.sends = append(fx.sends, send{way: w, start: start, end: len(fx.buf)})
}

// empty sends an empty ACK or RST.
func (fx *effects) empty(w way, t message.Type, mid uint16) []byte {
	return fx.put(w, &message.Message{Type: t, Code: codes.Empty, MessageID: int32(mid)})
}

// uintOption makes an option; its value is in the scratch space of fx.
func (fx *effects) uintOption(id message.OptionID, v uint32) message.Option {
	if len(fx.scratch)+4 > cap(fx.scratch) {
		fx.scratch = make([]byte, 0, 64)
	}
	start := len(fx.scratch)
	fx.scratch = fx.scratch[:start+4]
	n, err := message.EncodeUint32(fx.scratch[start:], v)
	if err != nil {
		return message.Option{ID: id}
	}
	return message.Option{ID: id, Value: fx.scratch[start : start+n : start+n]}
}

// uintValue is the value of an option, and whether there is one.
func uintValue(opts message.Options, id message.OptionID) (uint32, bool) {
	for i := range opts {
		if opts[i].ID == id {
			v, _, err := message.DecodeUint32(opts[i].Value)
			return v, err == nil
		}
	}
	return 0, false
}

// block is the value of a Block1 option [RFC 7959 2.2].
type block struct {
	num  uint32
	more bool
	szx  uint8
}

func blockOf(v uint32) block { return block{num: v >> 4, more: v&8 != 0, szx: uint8(v & 7)} }

func (b block) value() uint32 {
	v := b.num<<4 | uint32(b.szx)
	if b.more {
		v |= 8
	}
	return v
}

// size is that of a block in bytes.
func (b block) size() int { return 16 << b.szx }

// offset is where the block begins in the body.
func (b block) offset() int { return int(b.num) * b.size() }

// szxOf returns the SZX of a block size [RFC 7959 2.2]; false if it has none.
func szxOf(size int) (uint8, bool) {
	for szx := range uint8(szxReserved) {
		if size == 16<<szx {
			return szx, true
		}
	}
	return 0, false
}
