// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package usp

import (
	"errors"
	"fmt"
	"unicode/utf8"
	"unsafe"

	"google.golang.org/protobuf/encoding/protowire"
)

// ErrMalformed is wrapped by every error of Peek: the bytes are not a Record
// that a receiver may process (error code 7100 or 7104).
var ErrMalformed = errors.New("malformed USP Record")

// Field numbers of usp_record.Record.
const (
	fieldVersion         = 1
	fieldTo              = 2
	fieldFrom            = 3
	fieldPayloadSecurity = 4
	fieldSignature       = 5
	fieldSenderCert      = 6
)

// Peek reads the header of a Record without allocating. It accepts what the
// generated Unmarshal accepts, field by field, and beyond that demands to_id,
// from_id and a record type [R-MTP.4b, R-ENC.3, R-ENC.4]; of a repeated field
// the last one counts. The Message inside is not looked at.
//
// The returned Header refers to b, which must not change any more.
func Peek(b []byte) (Header, error) {
	var h Header
	for rest := b; len(rest) > 0; {
		num, typ, n := protowire.ConsumeTag(rest)
		if n < 0 {
			return Header{}, malformed(protowire.ParseError(n))
		}
		rest = rest[n:]
		n, err := h.field(num, typ, rest)
		if err != nil {
			return Header{}, err
		}
		rest = rest[n:]
	}
	switch {
	case h.To == "":
		return Header{}, fmt.Errorf("%w: no to_id", ErrMalformed)
	case h.From == "":
		return Header{}, fmt.Errorf("%w: no from_id", ErrMalformed)
	case h.Type == RecordNone:
		return Header{}, fmt.Errorf("%w: no record type", ErrMalformed)
	}
	return h, nil
}

// field consumes the value of one field and returns its length.
func (h *Header) field(num protowire.Number, typ protowire.Type, b []byte) (int, error) {
	switch {
	case typ == protowire.BytesType && num >= fieldVersion && num <= int32Number(RecordUDSConnect) && num != fieldPayloadSecurity:
		v, n := protowire.ConsumeBytes(b)
		if n < 0 {
			return 0, malformed(protowire.ParseError(n))
		}
		return n, h.bytesField(num, v)
	case typ == protowire.VarintType && num == fieldPayloadSecurity:
		v, n := protowire.ConsumeVarint(b)
		if n < 0 {
			return 0, malformed(protowire.ParseError(n))
		}
		if v > 1 {
			return 0, fmt.Errorf("%w: payload_security %d", ErrMalformed, v) // [R-ENC.2]
		}
		h.PayloadSecurity = uint8(v)
		return n, nil
	default:
		n := protowire.ConsumeFieldValue(num, typ, b)
		if n < 0 {
			return 0, malformed(protowire.ParseError(n))
		}
		return n, nil
	}
}

func (h *Header) bytesField(num protowire.Number, v []byte) error {
	switch num {
	case fieldVersion, fieldTo, fieldFrom:
		if !utf8.Valid(v) {
			return fmt.Errorf("%w: field %d is not UTF-8", ErrMalformed, num)
		}
		s := view(v)
		switch num {
		case fieldVersion:
			h.Version = s
		case fieldTo:
			h.To = EndpointID(s)
		default:
			h.From = EndpointID(s)
		}
		return nil
	case fieldSignature:
		h.Signed = len(v) > 0
		return nil
	case fieldSenderCert:
		return nil
	default:
		return h.recordType(RecordType(num), v)
	}
}

// recordType takes one member of the oneof; a later member replaces an earlier.
func (h *Header) recordType(t RecordType, v []byte) error {
	if h.Type != t {
		h.Type, h.Payload = t, nil
		h.SAR, h.SessionID, h.SequenceID = SARNone, 0, 0
	}
	for rest := v; len(rest) > 0; {
		num, typ, n := protowire.ConsumeTag(rest)
		if n < 0 {
			return malformed(protowire.ParseError(n))
		}
		rest = rest[n:]
		n = protowire.ConsumeFieldValue(num, typ, rest)
		if n < 0 {
			return malformed(protowire.ParseError(n))
		}
		if err := h.member(num, typ, rest[:n]); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

// member takes one field of the record type's message; value is complete.
func (h *Header) member(num protowire.Number, typ protowire.Type, value []byte) error {
	switch {
	case h.Type == RecordNoSession && num == 2 && typ == protowire.BytesType:
		h.Payload, _ = protowire.ConsumeBytes(value)
	case h.Type == RecordSession && typ == protowire.VarintType:
		v, _ := protowire.ConsumeVarint(value)
		switch num {
		case 1:
			h.SessionID = v
		case 2:
			h.SequenceID = v
		case 5, 6:
			if v > uint64(SARComplete) {
				return fmt.Errorf("%w: segmentation state %d", ErrMalformed, v) // [R-ENC.2]
			}
			if num == 5 {
				h.SAR = SARState(v)
			}
		}
	case (h.Type == RecordMQTTConnect || h.Type == RecordSTOMPConnect) && num == 2 && typ == protowire.BytesType,
		h.Type == RecordDisconnect && num == 1 && typ == protowire.BytesType:
		if s, _ := protowire.ConsumeBytes(value); !utf8.Valid(s) {
			return fmt.Errorf("%w: field %d of %s is not UTF-8", ErrMalformed, num, h.Type)
		}
	}
	return nil
}

func malformed(err error) error { return fmt.Errorf("%w: %w", ErrMalformed, err) }

func int32Number(t RecordType) protowire.Number { return protowire.Number(t) }

// view returns b as a string without copying. Records are immutable, which is
// what makes it sound.
func view(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b)) //nolint:gosec // G103: see the comment above
}
