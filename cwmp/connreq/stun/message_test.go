// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package stun_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/uspgate/uspgate/cwmp/connreq/stun"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func unhex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// The messages of RFC 5769 2.1 to 2.3 and their password.
const (
	rfcPassword = "VOkJxbRl1RmTxUk/WvJxBt"
	rfcRequest  = `00010058 2112a442 b7e7a701bc34d686fa87dfae
		80220010 5354554e207465737420636c69656e74 00240004 6e0001ff 80290008 932ff9b151263b36
		00060009 6576746a3a68367659202020 00080014 9aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2
		80280004 e57a3bcf`
	rfcResponse4 = `0101003c 2112a442 b7e7a701bc34d686fa87dfae 8022000b 7465737420766563746f7220
		00200008 0001a147e112a643 00080014 2b91f599fd9e90c38c7489f92af9ba53f06be7d7 80280004 c07d4c96`
	rfcResponse6 = `01010048 2112a442 b7e7a701bc34d686fa87dfae 8022000b 7465737420766563746f7220
		00200014 0002a1470113a9faa5d3f179bc25f4b5bed2b9d9
		00080014 a382954e4be67bf11784c97c8292c275bfe3ed41 80280004 c8fb0b4c`
)

// What a CPE of Annex G sends: USERNAME and CONNECTION-REQUEST-BINDING.
const (
	cpeRequest = `00010024 0102030405060708090a0b0c0d0e0f10
		00060008 4350453537363839 c0010014 64736c666f72756d2e6f72672f54522d31313120`
	// Its user name is longer by one, which needs padding that some leave out.
	cpeUnpadded = `00010025 0102030405060708090a0b0c0d0e0f10
		00060009 435045353736383930 c0010014 64736c666f72756d2e6f72672f54522d31313120`
	cpeBare = "00010000 0102030405060708090a0b0c0d0e0f10"
)

func parse(t *testing.T, s string) *stun.Message {
	t.Helper()
	m, err := stun.Parse(unhex(t, s))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestRFC5769(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]string{"request": rfcRequest, "IPv4": rfcResponse4, "IPv6": rfcResponse6} {
		m := parse(t, s)
		if m.Classic() || !m.Signed() || !m.Verify([]byte(rfcPassword)) || m.Verify([]byte("other")) {
			t.Errorf("%s: MESSAGE-INTEGRITY is not found right with its password only", name)
		}
	}
	m := parse(t, rfcRequest)
	if u, _ := m.Get(stun.Username); m.Type != stun.BindingRequest || string(u) != "evtj:h6vY" || len(m.Attributes) != 4 {
		t.Errorf("got type %#x, user %q and %d attributes, want a request of evtj:h6vY with 4", m.Type, u, len(m.Attributes))
	}
	for s, want := range map[string]string{
		rfcResponse4: "192.0.2.1:32853", rfcResponse6: "[2001:db8:1234:5678:11:2233:4455:6677]:32853",
	} {
		m := parse(t, s)
		v, _ := m.Get(stun.XORMappedAddress)
		if a, ok := stun.ParseXORAddress(v, m.ID); !ok || a.String() != want {
			t.Errorf("got %v, want %s", a, want)
		}
		if again := stun.AppendXORAddress(nil, netip.MustParseAddrPort(want), m.ID); !bytes.Equal(again, v) {
			t.Errorf("got %x, want %x", again, v)
		}
	}
}

func TestClassicRequests(t *testing.T) {
	t.Parallel()
	for s, user := range map[string]string{cpeRequest: "CPE57689", cpeUnpadded: "CPE576890"} {
		m := parse(t, s)
		u, _ := m.Get(stun.Username)
		b, _ := m.Get(stun.ConnectionRequestBinding)
		if !m.Classic() || string(u) != user || string(b) != stun.BindingValue {
			t.Errorf("got classic %v, user %q, binding %q, want %s and that of Annex G", m.Classic(), u, b, user)
		}
	}
	if m := parse(t, cpeBare+"00ff"); len(m.Attributes) != 0 || m.Signed() || m.Verify(nil) {
		t.Errorf("got %d attributes, signed %v, want a bare request", len(m.Attributes), m.Signed())
	}
}

// TestClassicIntegrity: HMAC-SHA1, computed with openssl, of the request with zeros
// up to 64 bytes [RFC 3489 11.2.8] and, as some do, without.
func TestClassicIntegrity(t *testing.T) {
	t.Parallel()
	const padded = "946efdf8b81c8951c4dbbdc67c35ff5d48c00bad"
	const request = "00010024 0102030405060708090a0b0c0d0e0f10 00060008 4350453537363839"
	for name, sum := range map[string]string{
		"padded": padded, "not padded": "02aa1402b6d65335a0036bf832fc34f93a121441",
	} {
		m := parse(t, request+"00080014"+sum)
		if !m.Verify([]byte("secret")) || m.Verify([]byte("Secret")) {
			t.Errorf("%s: is not found right with its password only", name)
		}
	}
	m := &stun.Message{Type: stun.BindingRequest, ID: parse(t, cpeBare).ID}
	m.Add(stun.Username, []byte("CPE57689"))
	if got := m.Append(nil, []byte("secret")); !bytes.Equal(got, unhex(t, request+"00080014"+padded)) {
		t.Errorf("got %x, want the padded one", got)
	}
}

func TestMalformed(t *testing.T) {
	t.Parallel()
	for name, b := range map[string][]byte{
		"empty":                  nil,
		"short":                  unhex(t, cpeBare)[:19],
		"not STUN":               []byte("GET http://192.0.2.1/ HTTP/1.1\r\n"),
		"length beyond":          unhex(t, "00010004 0102030405060708090a0b0c0d0e0f10"),
		"half an attribute":      unhex(t, "00010003 0102030405060708090a0b0c0d0e0f10 000600"),
		"value beyond":           unhex(t, "00010008 0102030405060708090a0b0c0d0e0f10 00060005 61626364"),
		"short integrity":        unhex(t, "00010008 0102030405060708090a0b0c0d0e0f10 00080004 61626364"),
		"33 attributes":          append(unhex(t, "00010084 0102030405060708090a0b0c0d0e0f10"), make([]byte, 132)...),
		"32-bit length overflow": unhex(t, "0001ffff 0102030405060708090a0b0c0d0e0f10"),
	} {
		if m, err := stun.Parse(b); !errors.Is(err, stun.ErrMalformed) {
			t.Errorf("%s: got %+v, %v, want ErrMalformed", name, m, err)
		}
	}
}

func TestValues(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"192.0.2.1:7547", "[2001:db8::1]:65535"} {
		a := netip.MustParseAddrPort(s)
		if got, ok := stun.ParseAddress(stun.AppendAddress(nil, a)); !ok || got != a {
			t.Errorf("got %v, want %v", got, a)
		}
	}
	mapped := netip.MustParseAddrPort("[::ffff:192.0.2.1]:80")
	if b := stun.AppendAddress(nil, mapped); !bytes.Equal(b, []byte{0, 1, 0, 80, 192, 0, 2, 1}) {
		t.Errorf("got %x, want an IPv4 address", b)
	}
	for _, b := range [][]byte{
		nil,
		{0, 1, 0},
		{0, 1, 0, 80, 1, 2, 3},
		{0, 2, 0, 80, 1, 2, 3, 4},
		{0, 3, 0, 80, 1, 2, 3, 4},
	} {
		if a, ok := stun.ParseAddress(b); ok {
			t.Errorf("%x: got %v, want none", b, a)
		}
		if a, ok := stun.ParseXORAddress(b, [16]byte{}); ok && b[1] != 1 {
			t.Errorf("%x: got %v, want none", b, a)
		}
	}
	code, reason, ok := stun.ParseError(stun.AppendError(nil, 401, "Unauthorized"))
	if !ok || code != 401 || reason != "Unauthorized" {
		t.Errorf("got %d %q, want 401 Unauthorized", code, reason)
	}
	if _, _, ok := stun.ParseError([]byte{0, 0, 4}); ok {
		t.Error("got an error code of three bytes, want none")
	}
}

// FuzzParse: what parses can be written, and parses again to the same.
func FuzzParse(f *testing.F) {
	for _, s := range []string{rfcRequest, rfcResponse4, rfcResponse6, cpeRequest, cpeUnpadded, cpeBare} {
		f.Add(unhex(f, s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := stun.Parse(b)
		if err != nil {
			if !errors.Is(err, stun.ErrMalformed) {
				t.Fatalf("got %v, want ErrMalformed", err)
			}
			return
		}
		if len(b) > 0xff00 {
			return // with the padding it may be too long
		}
		if m.Verify([]byte("key")) {
			t.Fatal("MESSAGE-INTEGRITY is right by chance")
		}
		for _, key := range [][]byte{nil, []byte("key")} {
			again, err := stun.Parse(m.Append(nil, key))
			if err != nil {
				t.Fatal(err)
			}
			if again.Type != m.Type || again.ID != m.ID || again.Signed() != (key != nil) || again.Verify(key) != (key != nil) ||
				len(again.Attributes) != len(m.Attributes) {
				t.Fatalf("got %+v, want %+v", again, m)
			}
			for i, a := range again.Attributes {
				if a.Type != m.Attributes[i].Type || !bytes.Equal(a.Value, m.Attributes[i].Value) {
					t.Fatalf("got %+v, want %+v", a, m.Attributes[i])
				}
			}
		}
	})
}
