// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/trace"
	"github.com/uspgate/uspgate/usp/uspmsg"
	"github.com/uspgate/uspgate/usp/usprecord"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden runs the blocks of a file: a Message or Record in protobuf's text
// format, a line of ----, and its trace, up to an empty line.
func golden(t *testing.T, file string, show func(t *testing.T, text string) string) {
	t.Helper()
	name := filepath.Join("testdata", file)
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for block := range strings.SplitSeq(strings.TrimSpace(string(b)), "\n\n") {
		in, want, _ := strings.Cut(block+"\n", "----\n")
		got := show(t, in)
		out = append(out, in+"----\n"+got+"\n")
		if !*update && got != strings.TrimSuffix(want, "\n") {
			t.Errorf("%s\ngot\n%s\nwant\n%s", in, got, want)
		}
	}
	if *update {
		if err := os.WriteFile(name, []byte(strings.Join(out, "\n")), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func message(t *testing.T, text string) string {
	t.Helper()
	var m uspmsg.Msg
	if err := prototext.Unmarshal([]byte(text), &m); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return trace.Msg(&m)
}

func TestMsg(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"read.txt", "write.txt", "notify.txt", "secret.txt"} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			golden(t, file, message)
		})
	}
}

func TestRecord(t *testing.T) {
	t.Parallel()
	golden(t, "record.txt", func(t *testing.T, text string) string {
		t.Helper()
		var r usprecord.Record
		if err := prototext.Unmarshal([]byte(text), &r); err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		b, err := proto.Marshal(&r)
		if err != nil {
			t.Fatal(err)
		}
		return trace.Record(b)
	})
}

func TestRecordOfRubbish(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"GET / HTTP/1.1": "malformed Record, 14 bytes",
		"\xff":           "malformed Record, 1 byte",
		"":               "(nobody) → (nobody) version=\"\" without record type",
	} {
		if got := trace.Record([]byte(in)); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}

// No secret of any Message that has one comes through.
func TestSecretsAreMasked(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(filepath.Join("testdata", "secret.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for block := range strings.SplitSeq(strings.TrimSpace(string(b)), "\n\n") {
		in, _, _ := strings.Cut(block+"\n", "----\n")
		if !strings.Contains(in, "hunter2") {
			t.Errorf("no secret to mask in\n%s", in)
		}
		if got := message(t, in); strings.Contains(got, "hunter2") || !strings.Contains(got, "••••") {
			t.Errorf("got\n%s", got)
		}
	}
}

func TestMsgIsCut(t *testing.T) {
	t.Parallel()
	get := &uspmsg.Get{}
	for range 10_000 {
		get.ParamPaths = append(get.ParamPaths, "Device.DeviceInfo.SerialNumber")
	}
	m := &uspmsg.Msg{
		Header: &uspmsg.Header{MsgId: "1"},
		Body: &uspmsg.Body{MsgBody: &uspmsg.Body_Request{
			Request: &uspmsg.Request{ReqType: &uspmsg.Request_Get{Get: get}},
		}},
	}
	got := trace.Msg(m)
	if len(got) > trace.MaxSize+1000 || !strings.HasSuffix(got, "… (cut)") {
		t.Errorf("got %d bytes, ending %q", len(got), got[len(got)-20:])
	}
	get.ParamPaths = []string{strings.Repeat("ä", 5000)}
	if got = trace.Msg(m); len(got) > 1000 || !strings.HasSuffix(got, "… (10000 bytes)") {
		t.Errorf("got %d bytes, ending %q", len(got), got[len(got)-20:])
	}
}

// FuzzRecord holds that any bytes print, the same every time, without control
// characters and not without bound.
func FuzzRecord(f *testing.F) {
	rec := usp.NewNoSession("os::ACDE48-1", "self::c", "", []byte{0x0a, 5, 0x0a, 1, '1', 0x10, 1})
	f.Add(rec.Bytes())
	f.Add([]byte("rubbish"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got := trace.Record(b)
		if got == "" || got != trace.Record(b) {
			t.Fatalf("got %q and something else", got)
		}
		if strings.ContainsAny(got, "\x00\x1b\r\t\x7f") {
			t.Fatalf("control characters in %q", got)
		}
		if len(got) > 2*trace.MaxSize {
			t.Fatalf("got %d bytes", len(got))
		}
	})
}
