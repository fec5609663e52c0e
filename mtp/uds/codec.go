// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package uds

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// A frame [R-UDS.6, R-UDS.7, R-UDS.8, R-UDS.9]:
//
//	sync bytes   4   5F 55 53 50, "_USP"
//	length       4   of everything behind these eight bytes, big endian
//	fields       one or more
//
// and a field of it [R-UDS.10, R-UDS.11]:
//
//	type         1
//	length       4   of the value, big endian
//	value
const (
	frameHeader = 8
	fieldHeader = 5
	syncBytes   = 0x5F555350
)

// fieldType is the type of a field [R-UDS.12]; those that are not here are
// ignored [R-UDS.15].
type fieldType byte

const (
	fieldHandshake fieldType = 1 // the sender's Endpoint ID in UTF-8 [R-UDS.13]
	fieldError     fieldType = 2 // text in UTF-8 [R-UDS.14]
	fieldRecord    fieldType = 3 // [R-UDS.22]
)

// maxEndpoint bounds a claimed Endpoint ID: the longest legal one is shorter.
const maxEndpoint = 128

var (
	errFraming  = fmt.Errorf("uds: not a USP frame: %w", mtp.ErrMalformed)
	errEndpoint = errors.New("malformed Endpoint ID")
)

// appendFrameHeader appends the header of a frame with one field, and that of
// the field, whose value of size bytes follows.
func appendFrameHeader(dst []byte, t fieldType, size int) []byte {
	dst = binary.BigEndian.AppendUint32(dst, syncBytes)
	dst = binary.BigEndian.AppendUint32(dst, uint32(fieldHeader+size))
	dst = append(dst, byte(t))
	return binary.BigEndian.AppendUint32(dst, uint32(size))
}

// appendFrame appends a frame with one field.
func appendFrame(dst []byte, t fieldType, value string) []byte {
	return append(appendFrameHeader(dst, t, len(value)), value...)
}

// frameLength reads the header of a frame: how many bytes of fields follow.
func frameLength(b []byte) (uint32, error) {
	if sync := binary.BigEndian.Uint32(b); sync != syncBytes {
		return 0, fmt.Errorf("%w: it begins with %08x", errFraming, sync)
	}
	n := binary.BigEndian.Uint32(b[4:])
	if n < fieldHeader {
		return 0, fmt.Errorf("%w: %d bytes hold no field", errFraming, n)
	}
	return n, nil
}

// fieldLength reads the header of a field within what is left of its frame.
func fieldLength(b []byte, left uint32) (fieldType, uint32, error) {
	n := binary.BigEndian.Uint32(b[1:])
	if n > left-fieldHeader {
		return 0, 0, fmt.Errorf("%w: a field of %d bytes in the last %d of a frame", errFraming, n, left-fieldHeader)
	}
	return fieldType(b[0]), n, nil
}

// claimed takes the value of a Handshake as an Endpoint ID if it could be one.
// The scheme is not checked: to the gateway the ID is opaque.
func claimed(value []byte) (usp.EndpointID, error) {
	if len(value) == 0 || len(value) > maxEndpoint {
		return "", fmt.Errorf("%w: %d bytes", errEndpoint, len(value))
	}
	for _, c := range value {
		if c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '/' {
			return "", fmt.Errorf("%w: %q", errEndpoint, value)
		}
	}
	return usp.EndpointID(value), nil
}
