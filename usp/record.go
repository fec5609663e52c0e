// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package usp

// RecordType says which record_type a Record carries.
type RecordType uint8

// The record types, numbered as the fields of usp_record.Record.
const (
	RecordNone             RecordType = 0
	RecordNoSession        RecordType = 7
	RecordSession          RecordType = 8
	RecordWebSocketConnect RecordType = 9
	RecordMQTTConnect      RecordType = 10
	RecordSTOMPConnect     RecordType = 11
	RecordDisconnect       RecordType = 12
	RecordUDSConnect       RecordType = 13
)

// String returns the name of the field in the schema.
func (t RecordType) String() string {
	switch t {
	case RecordNoSession:
		return "no_session_context"
	case RecordSession:
		return "session_context"
	case RecordWebSocketConnect:
		return "websocket_connect"
	case RecordMQTTConnect:
		return "mqtt_connect"
	case RecordSTOMPConnect:
		return "stomp_connect"
	case RecordDisconnect:
		return "disconnect"
	case RecordUDSConnect:
		return "uds_connect"
	default:
		return "none"
	}
}

// IsConnect reports whether t is a Connect Record of some MTP; such a Record
// means that its sender is an Agent [R-MTP.6].
func (t RecordType) IsConnect() bool {
	switch t {
	case RecordWebSocketConnect, RecordMQTTConnect, RecordSTOMPConnect, RecordUDSConnect:
		return true
	default:
		return false
	}
}

// SARState is the segmentation state of a session-context Record.
type SARState uint8

// The states, numbered as in usp_record.SessionContextRecord.
const (
	SARNone SARState = iota
	SARBegin
	SARInProcess
	SARComplete
)

// Header is what routing needs of a Record. Its strings and Payload are views
// into the Record's bytes: they are valid, and keep the whole Record alive, as
// long as they are referenced; clone what is kept.
type Header struct {
	Version string
	To      EndpointID
	From    EndpointID
	Type    RecordType
	// PayloadSecurity is 0 for plaintext, 1 for TLS 1.2 or newer.
	PayloadSecurity uint8
	// Signed reports a non-empty mac_signature.
	Signed bool
	// SAR, SessionID and SequenceID are set for RecordSession only.
	SAR        SARState
	SessionID  uint64
	SequenceID uint64
	// Payload is that of a no-session Record; nil for every other type.
	Payload []byte
}

// Record is one USP Record as it crossed the wire: immutable bytes and the
// header peeked from them. The zero Record is empty. Copies share the bytes.
type Record struct {
	raw []byte
	hdr Header
}

// NewRecord peeks raw and takes ownership of it: the caller must not change
// raw afterwards. It fails as Peek does.
func NewRecord(raw []byte) (Record, error) {
	hdr, err := Peek(raw)
	if err != nil {
		return Record{}, err
	}
	return Record{raw: raw, hdr: hdr}, nil
}

// Bytes returns the Record as received. The caller must not change it.
func (r *Record) Bytes() []byte { return r.raw }

// Len returns the size of the Record in bytes.
func (r *Record) Len() int { return len(r.raw) }

// Header returns the peeked header.
func (r *Record) Header() *Header { return &r.hdr }
