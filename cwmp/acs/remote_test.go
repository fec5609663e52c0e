// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/acs"
	"github.com/uspgate/uspgate/mtp/listen"
)

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// Who is behind HTTP proxies is believed of trusted ones, in the one header that
// they write.
func TestForwardedHeaders(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		header string // the option
		sent   string
		want   string // empty: the loopback address
	}{
		{"none", "", "", ""},
		{"IPv4", "", "X-Forwarded-For: 192.0.2.7\r\n", "192.0.2.7"},
		{"IPv6", "", "X-Forwarded-For: 2001:db8::7\r\n", "2001:db8::7"},
		{"with a port", "", "X-Forwarded-For: [2001:db8::7]:1234\r\n", "2001:db8::7"},
		{"mapped", "", "X-Forwarded-For: ::ffff:192.0.2.7\r\n", "192.0.2.7"},
		{"through two", "", "X-Forwarded-For: 192.0.2.7, 127.0.0.9\r\n", "192.0.2.7"},
		{"in two lines", "", "X-Forwarded-For: 192.0.2.7\r\nx-forwarded-for: 127.0.0.9\r\n", "192.0.2.7"},
		{"what the client has made up", "", "X-Forwarded-For: 10.0.0.1, 192.0.2.7\r\n", "192.0.2.7"},
		{"rubbish", "", "X-Forwarded-For: unknown\r\n", ""},
		{"rubbish behind", "", "X-Forwarded-For: 192.0.2.7, x, 127.0.0.9\r\n", "127.0.0.9"},
		{"the other header", "", "Forwarded: for=10.0.0.1\r\n", ""},
		{"Forwarded", "forwarded", "Forwarded: for=192.0.2.7;proto=https;by=127.0.0.1\r\n", "192.0.2.7"},
		{"Forwarded IPv6", "Forwarded", "Forwarded: For=\"[2001:db8::7]:4711\"\r\n", "2001:db8::7"},
		{"Forwarded twice", "Forwarded", "Forwarded: for=10.0.0.1, for=192.0.2.7\r\n", "192.0.2.7"},
		{"Forwarded hidden", "Forwarded", "Forwarded: for=_hidden\r\n", ""},
		{"Forwarded and the other", "Forwarded", "X-Forwarded-For: 10.0.0.1\r\n", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if tc.want == "" {
				tc.want = "127.0.0.1"
			}
			h := &script{}
			p := newCPE(t, serve(t, h, acs.Options{TrustedProxies: loopback, ForwardedHeader: tc.header}))
			p.header = tc.sent
			p.post(inform("1")).envelope("InformResponse")
			if got := h.infos[0].Remote.Addr().String(); got != tc.want {
				t.Fatalf("got %s, want %s", got, tc.want)
			}
		})
	}
	t.Run("from anybody", func(t *testing.T) {
		t.Parallel()
		h := &script{}
		p := newCPE(t, serve(t, h, acs.Options{}))
		p.header = "X-Forwarded-For: 192.0.2.7\r\nForwarded: for=192.0.2.7\r\nX-Forwarded-Proto: https\r\n"
		p.post(inform("1")).envelope("InformResponse")
		if got := h.infos[0].Remote.Addr(); !got.IsLoopback() {
			t.Fatalf("got %v, want the address of the connection", got)
		}
	})
}

// A proxy that ends TLS says so: Basic is asked for as if it were ended here.
func TestForwardedProto(t *testing.T) {
	t.Parallel()
	o := acs.Options{TrustedProxies: loopback, Auth: newAccess(t, acs.AccessOptions{})}
	p := newCPE(t, serve(t, &script{}, o))
	for header, want := range map[string]string{
		"X-Forwarded-Proto: https\r\n": "Basic ", "X-Forwarded-Proto: http\r\n": "Digest ", "": "Digest ",
	} {
		p.header = header
		c := p.post(inform("1")).want(http.StatusUnauthorized).head.Get("WWW-Authenticate")
		if !strings.HasPrefix(c, want) {
			t.Errorf("%q: got %q, want %s", header, c, want)
		}
	}
}

// Over one connection of a proxy come the POSTs of several CPE: only the cookie
// tells whose they are.
func TestOneConnectionForSeveralCPE(t *testing.T) {
	t.Parallel()
	h := &script{next: []cwmp.Request{getDevice}}
	p := newCPE(t, serve(t, h, acs.Options{TrustedProxies: loopback}))
	as := func(addr, cookie string) {
		p.header, p.cookie = "X-Forwarded-For: "+addr+"\r\n", cookie
	}
	as("192.0.2.1", "")
	p.post(inform("1")).envelope("InformResponse")
	first := p.cookie
	as("192.0.2.2", "")
	p.post(inform("2")).envelope("InformResponse")
	second := p.cookie
	as("192.0.2.1", first)
	id1 := p.post("").envelope("GetParameterValues").ID
	as("192.0.2.3", "")
	p.post("").want(http.StatusBadRequest) // of nobody
	as("192.0.2.2", second)
	id2 := p.post("").envelope("GetParameterValues").ID
	p.post(message(id2, getValues)).want(http.StatusNoContent)
	h.wantClosed(t, nil)
	as("192.0.2.1", first)
	p.post(message(id1, getValues)).want(http.StatusNoContent)
	h.wantClosed(t, nil)
}

// A listener that reads PROXY headers: one whose header is late keeps nobody
// waiting.
func TestPROXYProtocol(t *testing.T) {
	t.Parallel()
	h := &script{}
	s := serve(t, h, acs.Options{Bind: func(ctx context.Context) (net.Listener, error) {
		return listen.Listen(ctx, listen.Options{Address: "127.0.0.1:0", ProxyFrom: loopback})
	}})
	late := newCPE(t, s)
	late.connect()
	for _, tc := range []struct{ header, want string }{
		{"PROXY TCP4 192.0.2.7 127.0.0.1 8080 80\r\n", "192.0.2.7:8080"},
		{"PROXY TCP6 2001:db8::7 ::1 8080 80\r\n", "[2001:db8::7]:8080"},
		{
			"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x08\x7f\x00\x00\x01\x1f\x90\x00\x50",
			"192.0.2.8:8080",
		},
	} {
		p := newCPE(t, s)
		p.connect()
		if _, err := io.WriteString(p.c, tc.header); err != nil {
			t.Fatal(err)
		}
		p.post(inform("1")).envelope("InformResponse")
		p.post("").want(http.StatusNoContent)
		h.wantClosed(t, nil)
		if got := h.infos[len(h.infos)-1].Remote.String(); got != tc.want {
			t.Fatalf("got %s, want %s", got, tc.want)
		}
	}
	if _, err := io.WriteString(late.c, "PROXY TCP4 192.0.2.9 127.0.0.1 1 80\r\n"); err != nil {
		t.Fatal(err)
	}
	late.post(inform("1")).envelope("InformResponse")
}

func TestIPv6(t *testing.T) {
	t.Parallel()
	h := &script{next: []cwmp.Request{getDevice}}
	s := serve(t, h, acs.Options{Addr: "[::1]:0"})
	if !strings.HasPrefix(s.Addr(), "[::1]:") {
		t.Fatalf("got address %q, want one of IPv6", s.Addr())
	}
	p := newCPE(t, s)
	p.post(inform("1")).envelope("InformResponse")
	p.hangUp()
	id := p.post("").envelope("GetParameterValues").ID
	p.post(message(id, getValues)).want(http.StatusNoContent)
	if got := h.infos[0].Remote.Addr(); got != netip.IPv6Loopback() {
		t.Fatalf("got %v, want ::1", got)
	}
}

func FuzzForwarded(f *testing.F) {
	f.Add("192.0.2.7, 127.0.0.9")
	f.Add(`for="[2001:db8::7]:1";proto=https, for=_x`)
	f.Add(",,;=\"[")
	f.Fuzz(func(t *testing.T, header string) {
		peer := netip.MustParseAddrPort("127.0.0.1:1")
		for _, name := range []string{"X-Forwarded-For", "Forwarded"} {
			r := &http.Request{Header: http.Header{name: {header, "x"}}}
			if got := acs.Origin(t, acs.Options{TrustedProxies: loopback, ForwardedHeader: name}, r, peer); got != peer {
				t.Fatalf("%s %q: got %v, want the proxy that has said nothing", name, header, got)
			}
			// Whatever a client makes up, what the proxy appends counts.
			last := "192.0.2.7"
			if name == "Forwarded" {
				last = "for=192.0.2.7"
			}
			r.Header[name][1] = last
			got := acs.Origin(t, acs.Options{TrustedProxies: loopback, ForwardedHeader: name}, r, peer)
			if got.Addr().String() != "192.0.2.7" {
				t.Fatalf("%s %q: got %v, want 192.0.2.7", name, header, got)
			}
			r.Header[name][1] = "x"
			if got := acs.Origin(t, acs.Options{ForwardedHeader: name}, r, peer); got != peer {
				t.Fatalf("untrusted: got %v, want the peer", got)
			}
		}
	})
}
