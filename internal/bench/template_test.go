// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package bench_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/uspgate/uspgate/internal/bench"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

func TestTemplateIsANotify(t *testing.T) {
	t.Parallel()
	for _, size := range []int{200, 400, 1000, 65_536} {
		raw, err := bench.Template("os::00D09E-a", "self::c", size, 0x2a, 7)
		if err != nil {
			t.Fatal(err)
		}
		if len(raw) > size || len(raw) < size-4 {
			t.Errorf("size: got %d, want %d or a little less", len(raw), size)
		}
		rec, err := usp.NewRecord(raw)
		if err != nil {
			t.Fatal(err)
		}
		var m uspmsg.Msg
		if err := proto.Unmarshal(rec.Header().Payload, &m); err != nil {
			t.Fatal(err)
		}
		if got, want := m.GetHeader().GetMsgId(), "-000000000000002a"; !strings.HasSuffix(got, want) {
			t.Errorf("msg_id: got %q, want it to end with %q", got, want)
		}
		value := m.GetBody().GetRequest().GetNotify().GetValueChange().GetParamValue()
		if !strings.HasSuffix(value, "0000000000000007") {
			t.Errorf("value: got %q, want it to end with the time", value)
		}
	}
	if _, err := bench.Template("os::00D09E-a", "self::c", 50, 0, 0); err == nil {
		t.Error("50 bytes: got nil, want an error")
	}
}

func TestDigits(t *testing.T) {
	t.Parallel()
	for v, want := range map[uint64]string{
		0: "0000000000000000", 0xdeadbeef: "00000000deadbeef", 1<<64 - 1: "ffffffffffffffff",
		0x0123456789abcdef: "0123456789abcdef",
	} {
		if text, back := bench.Digits(v); text != want || back != v {
			t.Errorf("got %q and %#x, want %q and %#x", text, back, want, v)
		}
	}
}
