// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package listen_test

import (
	"bufio"
	"bytes"
	"io"
	"testing"
	"testing/iotest"

	"github.com/pires/go-proxyproto"

	"github.com/uspgate/uspgate/mtp/listen"
)

// FuzzHeader: what is read is the header and no more, in whatever pieces it
// comes, and a library that sees all at once agrees with us.
func FuzzHeader(f *testing.F) {
	f.Add([]byte("PROXY TCP4 192.0.2.7 127.0.0.1 8080 80\r\nhello"))
	f.Add([]byte("PROXY TCP6 2001:db8::7 ::1 8080 80\r\n"))
	f.Add([]byte("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\nx"))
	f.Add([]byte("\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x07\x7f\x00\x00\x01\x1f\x90\x00\x50hello"))
	f.Add([]byte("\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x03abchello"))
	f.Add([]byte("\r\n\r\n\x00\r\nQUIT\n\x21\x31\x00\xd8" + string(make([]byte, 216))))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bytes.NewReader(data)
		source, destination, rest, err := listen.ReadHeader(r)
		slow := bytes.NewReader(data)
		source1, _, rest1, err1 := listen.ReadHeader(iotest.OneByteReader(slow))
		if (err == nil) != (err1 == nil) {
			t.Fatalf("in one piece: got %v, byte by byte: %v", err, err1)
		}
		if err != nil {
			return
		}
		if (source == nil) != (destination == nil) || (source == nil) != (source1 == nil) {
			t.Fatalf("got source %v, destination %v, source byte by byte %v", source, destination, source1)
		}
		after, _ := io.ReadAll(io.MultiReader(bytes.NewReader(rest), r))
		after1, _ := io.ReadAll(io.MultiReader(bytes.NewReader(rest1), slow))
		whole := bufio.NewReaderSize(bytes.NewReader(data), len(data)+16)
		h, err := proxyproto.Read(whole)
		if err != nil {
			t.Fatalf("the library alone: got %v, want nil", err)
		}
		want, _ := io.ReadAll(whole)
		if !bytes.Equal(after, want) || !bytes.Equal(after1, want) {
			t.Fatalf("behind the header: got %q and %q, want %q", after, after1, want)
		}
		if source != nil && source.String() != h.SourceAddr.String() {
			t.Fatalf("source: got %v, want %v", source, h.SourceAddr)
		}
	})
}
