// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package usp

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// ErrMalformedMessage is wrapped by every error of PeekMessage.
var ErrMalformedMessage = errors.New("malformed USP Message")

// Field numbers of usp.Msg, usp.Header and usp.Body.
const (
	fieldMsgHeader   = 1
	fieldMsgBody     = 2
	fieldMsgID       = 1
	fieldBodyRequest = 1
	fieldBodyReply   = 2
	fieldBodyError   = 3
)

// MsgHeader is what finding the way back of an answer needs of a Message. ID is
// a view into the Message's bytes. At most one of the others is true, decided
// by the body, not by msg_type [R-MSG.10].
type MsgHeader struct {
	ID         string
	IsRequest  bool
	IsResponse bool
	IsError    bool
}

// PeekMessage reads msg_id and the kind of body of a Message, the payload of a
// no-session Record, without allocating and without looking further into the
// body. It accepts whatever Unmarshal accepts, also a Message without msg_id or
// body; that the inside of the body parses it does not promise.
//
// The returned MsgHeader refers to payload, which must not change any more.
func PeekMessage(payload []byte) (MsgHeader, error) {
	var h MsgHeader
	for rest := payload; len(rest) > 0; {
		num, v, n, err := consumeMessageField(rest)
		if err != nil {
			return MsgHeader{}, err
		}
		rest = rest[n:]
		switch {
		case v == nil: // of another wire type
		case num == fieldMsgHeader:
			err = h.header(v)
		case num == fieldMsgBody:
			err = h.body(v)
		}
		if err != nil {
			return MsgHeader{}, err
		}
	}
	return h, nil
}

// consumeMessageField returns a field's number, its value if that is a string
// or message, not nil then, and its length on the wire.
func consumeMessageField(b []byte) (protowire.Number, []byte, int, error) {
	num, typ, tag := consumeTag(b)
	if tag < 0 {
		return 0, nil, 0, fmt.Errorf("%w: %w", ErrMalformedMessage, protowire.ParseError(tag))
	}
	n := protowire.ConsumeFieldValue(num, typ, b[tag:])
	if n < 0 {
		return 0, nil, 0, fmt.Errorf("%w: %w", ErrMalformedMessage, protowire.ParseError(n))
	}
	if typ != protowire.BytesType {
		return num, nil, tag + n, nil
	}
	v, _ := protowire.ConsumeBytes(b[tag : tag+n]) // never nil
	return num, v, tag + n, nil
}

func (h *MsgHeader) header(b []byte) error {
	for len(b) > 0 {
		num, v, n, err := consumeMessageField(b)
		if err != nil {
			return err
		}
		b = b[n:]
		if num != fieldMsgID || v == nil {
			continue
		}
		if !utf8.Valid(v) {
			return fmt.Errorf("%w: msg_id is not UTF-8", ErrMalformedMessage)
		}
		h.ID = view(v)
	}
	return nil
}

func (h *MsgHeader) body(b []byte) error {
	for len(b) > 0 {
		num, v, n, err := consumeMessageField(b)
		if err != nil {
			return err
		}
		b = b[n:]
		if v != nil && num >= fieldBodyRequest && num <= fieldBodyError {
			h.IsRequest, h.IsResponse, h.IsError = num == fieldBodyRequest, num == fieldBodyReply, num == fieldBodyError
		}
	}
	return nil
}
