// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package uds_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/mtp/uds"
)

// stream is a connection from which in comes in pieces of the given size.
type stream struct {
	net.Conn
	in    *bytes.Reader
	piece int
}

func (s *stream) Read(p []byte) (int, error)      { return s.in.Read(p[:min(len(p), s.piece)]) }
func (s *stream) SetReadDeadline(time.Time) error { return nil }

// parse is the definition of R-UDS.6 to R-UDS.11 on complete input: the fields up
// to the first fault.
func parse(in []byte, maxRecord int) (fields []uds.Field, malformed bool) {
	for len(in) >= 8 {
		size := int(binary.BigEndian.Uint32(in[4:]))
		if string(in[:4]) != "_USP" || size < 5 || size > 4*maxRecord {
			return fields, true
		}
		rest := in[8:]
		for n := 0; size > 0; n++ {
			if size < 5 || n == uds.DefaultMaxFields {
				return fields, true
			}
			if len(rest) < 5 {
				return fields, false
			}
			length := int(binary.BigEndian.Uint32(rest[1:]))
			if length > size-5 {
				return fields, true
			}
			if len(rest) < 5+length {
				return fields, false
			}
			if length <= maxRecord {
				fields = append(fields, uds.Field{Kind: rest[0], Value: rest[5 : 5+length]})
			}
			rest, size = rest[5+length:], size-5-length
		}
		in = rest
	}
	return fields, false
}

// FuzzFrames_R_UDS_6: the reader agrees with the definition wherever the network
// cuts the stream, what it found survives being written again, and it holds
// little.
func FuzzFrames_R_UDS_6(f *testing.F) {
	raw := mtptest.Record(mtptest.Agent, mtptest.Controller, "fuzz", 0)
	f.Add(hello(mtptest.Agent), 1)
	f.Add(append(hello(mtptest.Agent), record(raw)...), 7)
	f.Add(frame(append(append(tlv(4, nil), tlv(recordType, raw)...), tlv(errorType, []byte("x"))...)), 64)
	f.Add(frame(append(tlv(recordType, make([]byte, 20_000)), tlv(recordType, make([]byte, 70))...)), 16<<10)
	f.Add(append(record(make([]byte, 60)), record(make([]byte, 9000))...), 1<<20)
	f.Add(frame(make([]byte, 400)), 100)
	f.Add([]byte("_USP\xff\xff\xff\xff\x03\xff\xff\xff\xfa"), 3)
	f.Add([]byte("_USP\x00\x00\x00\x04"), 3)
	f.Fuzz(func(t *testing.T, in []byte, piece int) {
		const maxRecord, buffer = 64 << 10, 16 << 10
		piece = max(1, min(piece, 1<<20))
		got, held, err := uds.ReadFields(&stream{in: bytes.NewReader(in), piece: piece}, maxRecord)
		want, malformed := parse(in, maxRecord)
		faulty := errors.Is(err, mtp.ErrMalformed) || errors.Is(err, mtp.ErrTooLarge)
		if faulty != malformed || !faulty && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("end: got %v, want a fault: %v", err, malformed)
		}
		if held > buffer {
			t.Fatalf("buffer: got %d bytes, want at most %d", held, buffer)
		}
		wantFields(t, got, want)
		var again []byte
		for _, f := range got {
			again = uds.AppendFrame(again, f.Kind, f.Value)
		}
		back, _, err := uds.ReadFields(&stream{in: bytes.NewReader(again), piece: piece}, maxRecord)
		if !errors.Is(err, io.EOF) {
			t.Fatalf("written again: got %v, want %v", err, io.EOF)
		}
		wantFields(t, back, want)
	})
}

func wantFields(t *testing.T, got, want []uds.Field) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("fields: got %d, want %d", len(got), len(want))
	}
	for i := range got {
		if got[i].Kind != want[i].Kind || !bytes.Equal(got[i].Value, want[i].Value) {
			t.Fatalf("field %d: got %d %q, want %d %q", i, got[i].Kind, got[i].Value, want[i].Kind, want[i].Value)
		}
	}
}

// FuzzHandshake_R_UDS_13: what is taken for an Endpoint ID is the bytes that were
// sent, and harmless in a log or a topic.
func FuzzHandshake_R_UDS_13(f *testing.F) {
	for _, s := range []string{"", "os::012345-1", "doc::agent%21", "a b", "\xff", "x\n", "self::a/b"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		id, err := uds.Claimed(value)
		switch {
		case err != nil && id != "":
			t.Fatalf("%q: got %q beside %v, want nothing", value, id, err)
		case err == nil && (string(id) != string(value) || id == "" || bytes.ContainsAny(value, "\x00\n /\"\\")):
			t.Fatalf("%q: got %q, want an Endpoint ID", value, id)
		}
	})
}
