// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package stomp_test

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/stomp"
)

// FuzzFrames: whatever comes, in whatever pieces, is split in the same way,
// within the bounds; a SEND or MESSAGE encoded again is read as the same.
func FuzzFrames(f *testing.F) {
	for _, input := range malformed() {
		f.Add(input)
	}
	f.Add(connectFrame(agent, "heart-beat:1,2"))
	f.Add(append([]byte("\r\n\n"), sendFrame(record(agent, controller, 1), `receipt:a\c`)...))
	f.Add(rawFrame("SEND", []byte("no length"), `destination:\\\r\n`, "reply-to-dest::"))
	f.Add([]byte("SEND\r\ncontent-length:3\r\n\r\na\x00b\x00\n\nMESSAGE\n\n\x00"))
	f.Add(rawFrame("SEND", bytes.Repeat([]byte("large"), 4000)))
	f.Add(rawFrame("SEND", bytes.Repeat([]byte("l\x00"), 9000), "content-length:18000"))
	f.Fuzz(func(t *testing.T, input []byte) {
		const maxHeader, maxHeaders, maxBody = 500, 8, 30_000
		read := func(piece int) (all []stomp.Decoded, err error) {
			err = stomp.ReadFrames(bytes.NewReader(input), piece, maxHeader, maxHeaders, maxBody, func(d stomp.Decoded) {
				if len(d.Body) > maxBody || len(d.Destination)+len(d.Receipt)+len(d.ReplyTo) > maxHeader {
					t.Fatalf("larger than the bounds: %+v", d)
				}
				if (d.Command != "SEND" && d.Command != "MESSAGE" && d.Command != "ERROR") && len(d.Body) > 0 {
					t.Fatalf("a body in %s", d.Command)
				}
				all = append(all, d)
			})
			return all, err
		}
		whole, err := read(1 << 20)
		if err == nil {
			t.Fatal("got no error at the end")
		}
		for _, piece := range []int{1, 129, 4096} {
			// How it ends may differ where the input is cut off; what is a frame may not.
			again, err2 := read(piece)
			if !reflect.DeepEqual(whole, again) || errors.Is(err, mtp.ErrTooLarge) != errors.Is(err2, mtp.ErrTooLarge) {
				t.Fatalf("in pieces of %d: got %+v, %v, want %+v, %v", piece, again, err2, whole, err)
			}
		}
		for _, d := range whole {
			if d.Command != "SEND" && d.Command != "MESSAGE" {
				continue
			}
			raw := stomp.EncodeSend(d.Destination, d.ReplyTo, d.Receipt, d.Body)
			n := 0
			err := stomp.ReadFrames(bytes.NewReader(raw), 1<<20, 4*maxHeader, maxHeaders, maxBody, func(e stomp.Decoded) {
				n++
				if e.Command = d.Command; !bytes.Equal(d.Body, e.Body) || e.Destination != d.Destination ||
					e.Receipt != d.Receipt || e.ReplyTo != d.ReplyTo {
					t.Fatalf("encoded again: got %+v, want %+v", e, d)
				}
			})
			if n != 1 || !errors.Is(err, io.EOF) {
				t.Fatalf("encoded again: got %d frames, %v, want one", n, err)
			}
		}
	})
}

// FuzzEscape: what is escaped is unescaped to the same and needs no further
// escape; what is unescaped is escaped to the same value.
func FuzzEscape(f *testing.F) {
	for _, s := range []string{"", "os::00D09E-1", `a\c`, `\`, "\r\n", `\t`, "\x00", `\\r`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		raw := stomp.AppendEscaped([]byte("x"), s)[1:]
		if bytes.ContainsAny(raw, "\r\n:\x00") {
			t.Fatalf("%q: got %q, want it escaped", s, raw)
		}
		if back, err := stomp.Unescape(raw); err != nil || back != strings.ReplaceAll(s, "\x00", "") {
			t.Fatalf("%q: got %q back, %v", s, back, err)
		}
		plain, err := stomp.Unescape([]byte(s))
		if err != nil || strings.ContainsRune(plain, 0) {
			return
		}
		again, err := stomp.Unescape(stomp.AppendEscaped(nil, plain))
		if err != nil || again != plain {
			t.Fatalf("%q: got %q, %v, want %q", s, again, err, plain)
		}
	})
}

// TestPromises: what a header promises costs nothing until it has come.
func TestPromises(t *testing.T) { //nolint:paralleltest // it reads the memory of the whole process
	const frames, promised = 200, 4 << 20
	input := []byte("SEND\ncontent-length:4194304\n\nnothing more")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range frames {
		got := func(stomp.Decoded) { t.Error("got a frame") }
		err := stomp.ReadFrames(bytes.NewReader(input), 1<<20, 500, 8, promised, got)
		if !errors.Is(err, io.EOF) {
			t.Fatalf("got %v, want %v", err, io.EOF)
		}
	}
	runtime.ReadMemStats(&after)
	if got := (after.TotalAlloc - before.TotalAlloc) / frames; got > 100_000 {
		t.Errorf("each promise of %d bytes: got %d bytes allocated, want at most 100000", promised, got)
	}
}
