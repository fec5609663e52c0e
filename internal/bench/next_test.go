// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package bench_test

import (
	"bytes"
	"testing"

	"github.com/uspgate/uspgate/internal/bench"
)

// urls are one per parser.
func urls() []string {
	return []string{"ws://h/usp", "mqtt://h", "mqtt311://h", "stomp://h", "coap://h/usp", "unix:///s"}
}

// from a server: a frame with the Record "record", one that carries none, and
// what the client answers to the first.
func wire() map[string]struct{ record, other, answer string } {
	return map[string]struct{ record, other, answer string }{
		"ws://h/usp":   {"\x82\x06record", "\x8a\x00", ""},
		"mqtt://h":     {"\x32\x10\x00\x01t\x01\x02\x04\x08\x00\x01rrecord", "\xd0\x00", "\x40\x02\x01\x02"},
		"mqtt311://h":  {"\x30\x09\x00\x01trecord", "\xd0\x00", ""},
		"stomp://h":    {"MESSAGE\nsubscription:0\ncontent-length:6\n\nrecord\x00", "\n", ""},
		"coap://h/usp": {"\x42\x02\x00\x09tt\xb3usp\x11\x2a\xffrecord", "\x60\x00\x00\x01", "\x62\x44\x00\x09tt"},
		"unix:///s":    {"_USP\x00\x00\x00\x0b\x03\x00\x00\x00\x06record", "_USP\x00\x00\x00\x05\x09\x00\x00\x00\x00", ""},
	}
}

func TestParsers(t *testing.T) {
	t.Parallel()
	for _, url := range urls() {
		w := wire()[url]
		p, err := bench.NewParser(url)
		if err != nil {
			t.Fatal(err)
		}
		for n := range len(w.record) {
			if url == "coap://h/usp" {
				break // datagrams come whole
			}
			if size, _, _, _, err := p.Next([]byte(w.record[:n])); size != 0 || err != nil {
				t.Errorf("%s: the first %d bytes: got %d and %v, want 0 and nil", url, n, size, err)
			}
		}
		size, rec, _, answers, err := p.Next([]byte(w.record))
		if size != len(w.record) || string(rec) != "record" || string(answers) != w.answer || err != nil {
			t.Errorf("%s: got %d, %q, %q, %v, want %d, \"record\", %q, nil",
				url, size, rec, answers, err, len(w.record), w.answer)
		}
		size, rec, _, _, err = p.Next([]byte(w.other))
		if size != len(w.other) || rec != nil || err != nil {
			t.Errorf("%s: got %d, %q, %v, want %d and no Record", url, size, rec, err, len(w.other))
		}
	}
}

func TestAcknowledgements(t *testing.T) {
	t.Parallel()
	for url, ack := range map[string]string{
		"mqtt://h": "\x40\x02\x00\x01", "mqtt311://h": "\x40\x02\x00\x01", "coap://h/usp": "\x62\x44\x00\x01\x00\x01",
	} {
		p, err := bench.NewParser(url)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, acked, _, err := p.Next([]byte(ack)); !acked || err != nil {
			t.Errorf("%s: got %v and %v, want true and nil", url, acked, err)
		}
	}
}

// TestRefusals: a relay that says no ends the Load, with what it says.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for url, frame := range map[string]string{
		"ws://h/usp": "\x88\x02\x03\xeb", "mqtt://h": "\x40\x03\x00\x01\x87", "stomp://h": "ERROR\nmessage:no\n\n\x00",
		"coap://h/usp": "\x62\x84\x00\x01\x00\x01", "unix:///s": "_USP\x00\x00\x00\x07\x02\x00\x00\x00\x02no",
	} {
		p, err := bench.NewParser(url)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, _, _, err := p.Next([]byte(frame)); err == nil {
			t.Errorf("%s: %q: got nil, want an error", url, frame)
		}
	}
}

// FuzzNext: what a relay sends never makes a parser panic, nor claim more than
// there is; a Record and its size lie within the input.
func FuzzNext(f *testing.F) {
	for i, url := range urls() {
		w := wire()[url]
		f.Add(byte(i), []byte(w.record))
		f.Add(byte(i), []byte(w.other))
	}
	f.Add(byte(0), []byte("\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Add(byte(1), []byte("\x30\x05\x00\x01t\xff\xff\xff\xff\x7f"))
	f.Fuzz(func(t *testing.T, which byte, b []byte) {
		p, err := bench.NewParser(urls()[int(which)%len(urls())])
		if err != nil {
			t.Fatal(err)
		}
		size, rec, _, _, err := p.Next(b)
		if err != nil {
			return
		}
		if size < 0 || size > len(b) || !bytes.Contains(b[:size], rec) {
			t.Errorf("got %d and %q of %q", size, rec, b)
		}
	})
}
