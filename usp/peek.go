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

// Field numbers of usp_record.Record. The record types are numbered by
// RecordType.
const (
	fieldVersion         = 1
	fieldTo              = 2
	fieldFrom            = 3
	fieldPayloadSecurity = 4
	fieldSignature       = 5
	fieldSenderCert      = 6
)

// Field numbers of usp_record.SessionContextRecord.
const (
	fieldSessionID     = 1
	fieldSequenceID    = 2
	fieldPayloadSAR    = 5
	fieldPayloadRecSAR = 6
)

// Peek reads the header of a Record without allocating. It accepts what the
// generated Unmarshal accepts, field by field: of a repeated field the last
// one counts, a record type that is repeated is merged, a different one
// replaces it, and a field of another wire type is an unknown one. Beyond that
// it demands to_id, from_id and a record type [R-MTP.4b, R-ENC.3, R-ENC.4] and
// known values of payload_security and of the segmentation states [R-ENC.2].
// The Message inside is not looked at.
//
// The returned Header refers to b, which must not change any more.
func Peek(b []byte) (Header, error) {
	p := peeker{}
	for rest := b; len(rest) > 0; {
		num, typ, n := consumeTag(rest)
		if n < 0 {
			return Header{}, malformed(n)
		}
		rest = rest[n:]
		if n = protowire.ConsumeFieldValue(num, typ, rest); n < 0 {
			return Header{}, malformed(n)
		}
		if err := p.field(num, typ, rest[:n]); err != nil {
			return Header{}, err
		}
		rest = rest[n:]
	}
	return p.header()
}

// peeker collects a Header. Enumerations stay as they are on the wire until
// the end, for a later occurrence may put a bad one right.
type peeker struct {
	h                            Header
	security, sar, payloadRecSAR int32
}

// consumeTag is protowire.ConsumeTag with the range of field numbers that
// Unmarshal has.
func consumeTag(b []byte) (protowire.Number, protowire.Type, int) {
	num, typ, n := protowire.ConsumeTag(b)
	if n > 0 && num > protowire.MaxValidNumber {
		_, _, n = protowire.ConsumeTag([]byte{0}) // the error of a field number out of range
	}
	return num, typ, n
}

func (p *peeker) header() (Header, error) {
	switch {
	case p.h.To == "":
		return Header{}, fmt.Errorf("%w: no to_id", ErrMalformed)
	case p.h.From == "":
		return Header{}, fmt.Errorf("%w: no from_id", ErrMalformed)
	case p.h.Type == RecordNone:
		return Header{}, fmt.Errorf("%w: no record type", ErrMalformed)
	case p.security < 0 || p.security > 1:
		return Header{}, fmt.Errorf("%w: payload_security %d", ErrMalformed, p.security)
	case !isSAR(p.sar) || !isSAR(p.payloadRecSAR):
		return Header{}, fmt.Errorf("%w: segmentation states %d, %d", ErrMalformed, p.sar, p.payloadRecSAR)
	}
	p.h.PayloadSecurity = uint8(p.security)
	p.h.SAR = SARState(p.sar)
	return p.h, nil
}

func isSAR(v int32) bool { return v >= 0 && v <= int32(SARComplete) }

// field takes one field of the Record; value is complete.
func (p *peeker) field(num protowire.Number, typ protowire.Type, value []byte) error {
	switch {
	case typ == protowire.VarintType && num == fieldPayloadSecurity:
		v, _ := protowire.ConsumeVarint(value)
		p.security = int32(v) // as Unmarshal truncates it
		return nil
	case typ != protowire.BytesType || num == fieldPayloadSecurity:
		return nil
	}
	v, _ := protowire.ConsumeBytes(value)
	switch {
	case num <= fieldFrom:
		return p.stringField(num, v)
	case num == fieldSignature:
		p.h.Signed = len(v) > 0
		return nil
	case num >= protowire.Number(RecordNoSession) && num <= protowire.Number(RecordUDSConnect):
		return p.recordType(RecordType(num), v)
	default: // sender_cert and unknown ones
		return nil
	}
}

func (p *peeker) stringField(num protowire.Number, v []byte) error {
	if !utf8.Valid(v) {
		return fmt.Errorf("%w: field %d is not UTF-8", ErrMalformed, num)
	}
	s := view(v)
	switch num {
	case fieldVersion:
		p.h.Version = s
	case fieldTo:
		p.h.To = EndpointID(s)
	default:
		p.h.From = EndpointID(s)
	}
	return nil
}

// recordType takes one member of the oneof.
func (p *peeker) recordType(t RecordType, v []byte) error {
	if p.h.Type != t {
		p.h.Type, p.h.Payload = t, nil
		p.h.SessionID, p.h.SequenceID = 0, 0
		p.sar, p.payloadRecSAR = 0, 0
	}
	for rest := v; len(rest) > 0; {
		num, typ, n := consumeTag(rest)
		if n < 0 {
			return malformed(n)
		}
		rest = rest[n:]
		if n = protowire.ConsumeFieldValue(num, typ, rest); n < 0 {
			return malformed(n)
		}
		if err := p.member(num, typ, rest[:n]); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

// member takes one field of the record type's message; value is complete.
func (p *peeker) member(num protowire.Number, typ protowire.Type, value []byte) error {
	switch p.h.Type {
	case RecordNoSession:
		if num == fieldPayload && typ == protowire.BytesType {
			p.h.Payload, _ = protowire.ConsumeBytes(value)
		}
	case RecordSession:
		if typ == protowire.VarintType {
			v, _ := protowire.ConsumeVarint(value)
			p.session(num, v)
		}
	case RecordMQTTConnect, RecordSTOMPConnect:
		if num == fieldSubscribed && typ == protowire.BytesType {
			return p.text(num, value)
		}
	case RecordDisconnect:
		if num == fieldDisconnectReason && typ == protowire.BytesType {
			return p.text(num, value)
		}
	default: // has no fields
	}
	return nil
}

func (p *peeker) session(num protowire.Number, v uint64) {
	switch num {
	case fieldSessionID:
		p.h.SessionID = v
	case fieldSequenceID:
		p.h.SequenceID = v
	case fieldPayloadSAR:
		p.sar = int32(v)
	case fieldPayloadRecSAR:
		p.payloadRecSAR = int32(v)
	default:
	}
}

func (p *peeker) text(num protowire.Number, value []byte) error {
	if s, _ := protowire.ConsumeBytes(value); !utf8.Valid(s) {
		return fmt.Errorf("%w: field %d of %s is not UTF-8", ErrMalformed, num, p.h.Type)
	}
	return nil
}

// malformed makes an error of a negative length of protowire.
func malformed(n int) error { return fmt.Errorf("%w: %w", ErrMalformed, protowire.ParseError(n)) }

// view returns b as a string without copying. Records are immutable, which is
// what makes it sound.
func view(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b)) //nolint:gosec // G103: see the comment above
}
