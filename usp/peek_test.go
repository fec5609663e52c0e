// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package usp_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
	"github.com/uspgate/uspgate/usp/usprecord"
)

// vector is a row of testdata: name | hex | want.
type vector struct {
	name string
	raw  []byte
	want string
}

func vectors(tb testing.TB, file string) []vector {
	tb.Helper()
	text, err := os.ReadFile("testdata/" + file)
	if err != nil {
		tb.Fatal(err)
	}
	var out []vector
	for line := range strings.Lines(string(text)) {
		cols := strings.Split(strings.TrimSuffix(line, "\n"), " | ")
		if len(cols) != 3 {
			continue
		}
		raw, err := hex.DecodeString(strings.TrimSpace(cols[1]))
		if err != nil {
			tb.Fatalf("%s: %s: %v", file, cols[0], err)
		}
		out = append(out, vector{cols[0], raw, cols[2]})
	}
	if len(out) == 0 {
		tb.Fatalf("%s has no rows", file)
	}
	return out
}

func describe(h usp.Header, err error) string {
	if err != nil {
		return "error: " + err.Error()
	}
	words := []string{fmt.Sprintf("version=%s to=%s from=%s type=%s", h.Version, h.To, h.From, h.Type)}
	for _, f := range []struct {
		name string
		v    uint64
	}{
		{"tls", uint64(h.PayloadSecurity)},
		{"sar", uint64(h.SAR)},
		{"session", h.SessionID},
		{"seq", h.SequenceID},
	} {
		if f.v != 0 {
			words = append(words, fmt.Sprintf("%s=%d", f.name, f.v))
		}
	}
	if h.Signed {
		words = append(words, "signed")
	}
	if h.Payload != nil {
		words = append(words, fmt.Sprintf("payload=%x", h.Payload))
	}
	return strings.Join(words, " ")
}

// same reports that got is want, or an error that ends in what want says.
func same(got, want string) bool {
	text, isError := strings.CutPrefix(want, "error: ")
	return got == want || isError && strings.HasPrefix(got, "error: ") && strings.HasSuffix(got, text)
}

func TestPeek(t *testing.T) {
	t.Parallel()
	for _, v := range vectors(t, "peek.txt") {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			h, err := usp.Peek(v.raw)
			if got := describe(h, err); !same(got, v.want) {
				t.Errorf("got %s\nwant %s", got, v.want)
			}
			if err != nil && !errors.Is(err, usp.ErrMalformed) {
				t.Errorf("%v does not wrap ErrMalformed", err)
			}
			if d := peekDifference(v.raw); d != "" {
				t.Error(d)
			}
		})
	}
}

// peekDifference compares Peek with Unmarshal and the demands that Peek makes
// beyond it; it returns "" if they agree.
func peekDifference(raw []byte) string {
	h, err := usp.Peek(raw)
	var r usprecord.Record
	if uerr := proto.Unmarshal(raw, &r); uerr != nil {
		if err == nil {
			return "Peek takes what Unmarshal refuses: " + uerr.Error()
		}
		return ""
	}
	if good := isGood(&r); good != (err == nil) {
		return fmt.Sprintf("Peek: %v, though the Record is %v", err, map[bool]string{true: "good", false: "bad"}[good])
	}
	if err != nil {
		return ""
	}
	sc := r.GetSessionContext()
	want := usp.Header{
		Version: r.GetVersion(), To: usp.EndpointID(r.GetToId()), From: usp.EndpointID(r.GetFromId()),
		Type: recordType(&r), PayloadSecurity: uint8(r.GetPayloadSecurity()), Signed: len(r.GetMacSignature()) > 0,
		SAR: usp.SARState(sc.GetPayloadSarState()), SessionID: sc.GetSessionId(), SequenceID: sc.GetSequenceId(),
		Payload: h.Payload,
	}
	if got, want := describe(h, nil), describe(want, nil); got != want {
		return fmt.Sprintf("Peek and Unmarshal differ: got %s\nwant %s", got, want)
	}
	if !bytes.Equal(h.Payload, r.GetNoSessionContext().GetPayload()) {
		return fmt.Sprintf("payload: got %x, want %x", h.Payload, r.GetNoSessionContext().GetPayload())
	}
	return ""
}

func isGood(r *usprecord.Record) bool {
	known := func(n int32, names map[int32]string) bool { _, ok := names[n]; return ok }
	sc := r.GetSessionContext()
	return r.GetToId() != "" && r.GetFromId() != "" && r.GetRecordType() != nil &&
		known(int32(r.GetPayloadSecurity()), usprecord.Record_PayloadSecurity_name) &&
		known(int32(sc.GetPayloadSarState()), usprecord.SessionContextRecord_PayloadSARState_name) &&
		known(int32(sc.GetPayloadrecSarState()), usprecord.SessionContextRecord_PayloadSARState_name)
}

func recordType(r *usprecord.Record) usp.RecordType {
	m := r.ProtoReflect()
	fd := m.WhichOneof(m.Descriptor().Oneofs().ByName("record_type"))
	if fd == nil {
		return usp.RecordNone
	}
	return usp.RecordType(fd.Number())
}

func FuzzPeek(f *testing.F) {
	for _, v := range vectors(f, "peek.txt") {
		f.Add(v.raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if d := peekDifference(raw); d != "" {
			t.Fatal(d)
		}
	})
}

func describeMessage(h usp.MsgHeader, err error) string {
	if err != nil {
		return "error: " + err.Error()
	}
	s := "id=" + h.ID
	if h.IsRequest {
		s += " request"
	}
	if h.IsResponse {
		s += " response"
	}
	if h.IsError {
		s += " error"
	}
	return s
}

func TestPeekMessage(t *testing.T) {
	t.Parallel()
	for _, v := range vectors(t, "peek_message.txt") {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			h, err := usp.PeekMessage(v.raw)
			if got := describeMessage(h, err); !same(got, v.want) {
				t.Errorf("got %s, want %s", got, v.want)
			}
			if err != nil && !errors.Is(err, usp.ErrMalformedMessage) {
				t.Errorf("%v does not wrap ErrMalformedMessage", err)
			}
			if d := messageDifference(v.raw); d != "" {
				t.Error(d)
			}
		})
	}
}

// messageDifference holds that PeekMessage sees in every Message that parses
// what Unmarshal sees; it may take more.
func messageDifference(raw []byte) string {
	var m uspmsg.Msg
	if proto.Unmarshal(raw, &m) != nil {
		return ""
	}
	want := usp.MsgHeader{ID: m.GetHeader().GetMsgId()}
	switch m.GetBody().GetMsgBody().(type) {
	case *uspmsg.Body_Request:
		want.IsRequest = true
	case *uspmsg.Body_Response:
		want.IsResponse = true
	case *uspmsg.Body_Error:
		want.IsError = true
	}
	if h, err := usp.PeekMessage(raw); err != nil || h != want {
		return fmt.Sprintf("got %+v, %v, want %+v", h, err, want)
	}
	return ""
}

func FuzzPeekMessage(f *testing.F) {
	for _, v := range vectors(f, "peek_message.txt") {
		f.Add(v.raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if d := messageDifference(raw); d != "" {
			t.Fatal(d)
		}
	})
}

// not parallel: AllocsPerRun forbids it
func TestPeekDoesNotAllocate(t *testing.T) {
	for _, v := range vectors(t, "peek.txt") {
		if strings.HasPrefix(v.want, "error") {
			continue
		}
		if n := testing.AllocsPerRun(100, func() { _, _ = usp.Peek(v.raw) }); n != 0 {
			t.Errorf("Peek(%s): got %v allocations, want 0", v.name, n)
		}
	}
	for _, v := range vectors(t, "peek_message.txt") {
		if strings.HasPrefix(v.want, "error") {
			continue
		}
		if n := testing.AllocsPerRun(100, func() { _, _ = usp.PeekMessage(v.raw) }); n != 0 {
			t.Errorf("PeekMessage(%s): got %v allocations, want 0", v.name, n)
		}
	}
}

func BenchmarkPeek(b *testing.B) {
	for _, size := range []int{100, 10_000} {
		rec := usp.NewNoSession("ops::ACDE48-Home%20Box-0123456789", "self::controller", "1.4", make([]byte, size))
		b.Run(fmt.Sprintf("payload=%d", size), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := usp.Peek(rec.Bytes()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
