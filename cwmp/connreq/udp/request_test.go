// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package udp_test

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/uspgate/uspgate/cwmp/connreq"
	"github.com/uspgate/uspgate/cwmp/connreq/stun"
	"github.com/uspgate/uspgate/cwmp/connreq/udp"
)

// TestDatagram is the vector of the specification's fields, whose HMAC was made
// with openssl.
func TestDatagram(t *testing.T) {
	t.Parallel()
	d := udp.Datagram{TS: 1120673700, ID: 1234, Username: "CPE57689", Nonce: "XTGRWIPC6D3IPXS3"}
	const want = "GET http://10.1.1.1:8080?ts=1120673700&id=1234&un=CPE57689&cn=XTGRWIPC6D3IPXS3" +
		"&sig=fda44088e52a347ce49d6312521d5621eeb40037 HTTP/1.1\r\nHost: 10.1.1.1:8080\r\n\r\n"
	got := d.Append(nil, "10.1.1.1:8080", "secret")
	if string(got) != want {
		t.Fatalf("got %q, want %q", got, want)
	}
	back, sig, err := udp.ParseDatagram(got)
	if err != nil || back != d || !back.Verify(sig, "secret") || back.Verify(sig, "other") {
		t.Fatalf("got %+v, %v, want what was written, signed with its password only", back, err)
	}
}

func TestDatagramOfAnOddUser(t *testing.T) {
	t.Parallel()
	d := udp.Datagram{TS: 1, ID: 2, Username: "a b&c=d+ü%", Nonce: "n"}
	got := d.Append(nil, "[2001:db8::1]:80", "secret")
	if want := "?ts=1&id=2&un=a%20b%26c%3Dd%2B%C3%BC%25&cn=n&sig="; !strings.Contains(string(got), want) {
		t.Fatalf("got %q, want %q in it", got, want)
	}
	if back, sig, err := udp.ParseDatagram(got); err != nil || back != d || !back.Verify(strings.ToUpper(sig), "secret") {
		t.Fatalf("got %+v, %v, want %+v", back, err, d)
	}
}

func TestMalformedDatagrams(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"", "GET", "POST http://h?ts=1&id=2 HTTP/1.1\r\n",
		"GET http://h?ts=1&id=2 HTTP/1.1", "GET http://h?ts=1 HTTP/1.1\r\n",
		"GET http://h?ts=-1&id=2 HTTP/1.1\r\n", "GET http://h?ts=1&id=x HTTP/1.1\r\n",
		"GET http://%zz?ts=1&id=2 HTTP/1.1\r\n",
		"GET http://h?ts=%zz&id=2 HTTP/1.1\r\n", "GET http://h?ts=1&id=2 SIP/2.0\r\n",
		"GET http://h?ts=1&id=2 HTTP/1.1\r\n" + strings.Repeat("x", 1500),
	} {
		if d, _, err := udp.ParseDatagram([]byte(s)); !errors.Is(err, udp.ErrMalformed) {
			t.Errorf("%.60q: got %+v, %v, want ErrMalformed", s, d, err)
		}
	}
}

// FuzzParseDatagram: what parses says the same when it is written again.
func FuzzParseDatagram(f *testing.F) {
	d := udp.Datagram{TS: 1120673700, ID: 1234, Username: "a b&ü", Nonce: "XTGRWIPC6D3IPXS3"}
	f.Add(d.Append(nil, "10.1.1.1:8080", "secret"))
	f.Add([]byte("GET ?ts=1&id=2 HTTP/1.1\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, _, err := udp.ParseDatagram(b)
		if err != nil {
			return
		}
		again, sig, err := udp.ParseDatagram(d.Append(nil, "h:1", "p"))
		if len(d.Username)+len(d.Nonce) < 400 && (err != nil || again != d || !again.Verify(sig, "p")) {
			t.Fatalf("got %+v, %v, want %+v", again, err, d)
		}
	})
}

// asked takes n copies of one request at b, and returns what it says.
func asked(t *testing.T, b *box, n int, password string) udp.Datagram {
	t.Helper()
	first := b.next()
	for range n - 1 {
		if again := b.next(); !bytes.Equal(again, first) {
			t.Fatalf("got %q, want a copy of %q", again, first)
		}
	}
	d, sig, err := udp.ParseDatagram(first)
	if err != nil || !d.Verify(sig, password) {
		t.Fatalf("got %q, %v, want one signed with %s", first, err, password)
	}
	return d
}

var login = connreq.Login{Username: "acs", Password: "pw"}

// TestRequestFromTheSTUNSocket: what a NAT lets in comes from where the binding
// was made.
func TestRequestFromTheSTUNSocket(t *testing.T) {
	t.Parallel()
	s := start(t, udp.Options{Addrs: []string{"127.0.0.1:0", "127.0.0.1:0", "[::1]:0"}})
	for socket := range 3 {
		b := newBox(t, s, socket)
		c := loopbackCPE(b.addr().String(), b)
		b.ask(classic(1, attribute(stun.ConnectionRequestBinding, stun.BindingValue)), nil)
		var last udp.Datagram
		for range 3 {
			to, err := s.Request(t.Context(), c, login)
			if err != nil || !strings.Contains(to, b.addr().String()) {
				t.Fatalf("got %q, %v, want %v", to, err, b.addr())
			}
			d := asked(t, b, 3, "pw")
			if d.Username != "acs" || d.TS <= last.TS || d.ID == last.ID || d.Nonce == last.Nonce || len(d.Nonce) < 16 {
				t.Fatalf("got %+v after %+v, want another with a later TS", d, last)
			}
			last = d
		}
		_ = b.conn.Close() // the next is at the same address
	}
}

// TestAnnouncedAddress: no binding is needed, as after a restart.
func TestAnnouncedAddress(t *testing.T) {
	t.Parallel()
	s := start(t, udp.Options{Addrs: []string{"127.0.0.1:0", "[::1]:0"}})
	for socket := range 2 {
		b := newBox(t, s, socket)
		c := &connreq.CPE{Key: "k", UDPAddress: " " + b.addr().String()}
		if !s.Reaches(c) {
			t.Fatal("got a CPE out of reach, want one that can be asked")
		}
		if to, err := s.Request(t.Context(), c, login); err != nil || to != b.addr().String() {
			t.Fatalf("got %q, %v, want %v", to, err, b.addr())
		}
		asked(t, b, 3, "pw")
	}
}

// TestLastBindingOfAUser: a CPE that has moved is found by its user name for STUN,
// whatever it has announced.
func TestLastBindingOfAUser(t *testing.T) {
	t.Parallel()
	s := start(t, udp.Options{
		Guard: connreq.Guard{SourceOnly: true}, Credentials: func(string) (string, bool) { return "st", true },
	})
	old, now, stranger := newBox(t, s, 0), newBox(t, s, 0), newBox(t, s, 0)
	for _, b := range []*box{old, now} {
		b.ask(classic(1, attribute(stun.Username, "cpe1")), []byte("st"))
	}
	stranger.ask(classic(2, attribute(stun.Username, "cpe2")), []byte("st"))
	c := &connreq.CPE{Key: "k", STUNUsername: "cpe1", Source: old.addr().Addr()}
	if to, err := s.Request(t.Context(), c, login); err != nil || to != now.addr().String() {
		t.Fatalf("got %q, %v, want %v alone", to, err, now.addr())
	}
	asked(t, now, 3, "pw")
}

func TestWhomNotToAsk(t *testing.T) {
	t.Parallel()
	s := start(t, udp.Options{Guard: connreq.Guard{SourceOnly: true}})
	source := netip.MustParseAddr("192.0.2.7")
	for address, want := range map[string]error{
		"":                       connreq.ErrUnreachable,
		"169.254.169.254:80":     connreq.ErrForbidden,
		"[fd00:ec2::254]:80":     connreq.ErrForbidden,
		"224.0.0.1:80":           connreq.ErrForbidden,
		"0.0.0.0:80":             connreq.ErrForbidden,
		"[fe80::1]:80":           connreq.ErrForbidden,
		"198.51.100.1:80":        connreq.ErrForbidden,
		"198.51.100.1":           connreq.ErrForbidden,
		"192.0.2.7:0":            connreq.ErrForbidden,
		"192.0.2.7:99999":        connreq.ErrForbidden,
		":80":                    connreq.ErrForbidden,
		"[2001:db8::1]:80":       connreq.ErrForbidden,
		"no-such-host.invalid:1": connreq.ErrUnreachable,
	} {
		_, err := s.Request(t.Context(), &connreq.CPE{UDPAddress: address, Source: source}, login)
		wants(t, address, err, want)
	}
	_, err := s.Request(t.Context(), &connreq.CPE{UDPAddress: "127.0.0.1:9"}, connreq.Login{})
	wants(t, "no login", err, connreq.ErrCredentials)
	long := connreq.Login{Username: strings.Repeat("x", 1500), Password: "p"}
	_, err = s.Request(t.Context(), &connreq.CPE{UDPAddress: "127.0.0.1:9"}, long)
	wants(t, "long user name", err, connreq.ErrCredentials)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = s.Request(ctx, &connreq.CPE{UDPAddress: "127.0.0.1:9"}, login)
	wants(t, "ended", err, context.Canceled)
	six := &connreq.CPE{UDPAddress: "[2001:db8::1]:9", Source: netip.MustParseAddr("2001:db8::1")}
	_, err = s.Request(t.Context(), six, login)
	wants(t, "no IPv6 socket", err, connreq.ErrUnreachable)
	if s.Heard(six) || s.Reaches(&connreq.CPE{Source: source}) {
		t.Error("got a CPE in reach, want one of which nothing is known")
	}
}

// TestTSIncreases: also within one second, and over a restart.
func TestTSIncreases(t *testing.T) {
	t.Parallel()
	o := udp.Options{MaxBindings: 10}
	s, c, now := udp.New(o), &connreq.CPE{Key: "k"}, time.Unix(1_800_000_000, 0)
	last := uint64(0)
	for range 5 {
		ts := s.NextStamp(c, now)
		if ts <= last {
			t.Fatalf("got %d after %d, want a later one", ts, last)
		}
		last = ts
	}
	if ts := s.NextStamp(c, now.Add(-time.Hour)); ts <= last {
		t.Fatalf("clock set back: got %d after %d, want a later one", ts, last)
	}
	if ts := udp.New(o).NextStamp(c, now.Add(time.Minute)); ts <= last {
		t.Fatalf("after a restart: got %d after %d, want a later one", ts, last)
	}
	if ts := s.NextStamp(&connreq.CPE{Key: "other"}, now); ts != 1_800_000_000 {
		t.Fatalf("another CPE: got %d, want the clock", ts)
	}
}

func TestAddressInUse(t *testing.T) {
	t.Parallel()
	s := start(t, udp.Options{})
	other := udp.New(udp.Options{Addrs: []string{"127.0.0.1:0", s.Addrs()[0].String()}})
	if err := other.Listen(t.Context()); err == nil {
		t.Fatal("got a second socket at the address, want an error")
	}
}
