// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs_test

import (
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/acs"
)

// The challenge of each scheme, and what answers it.
func TestSchemes(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		scheme  acs.Scheme
		has     []string
		hasNot  []string
		answers []func(user, pass, nonce string) string
		not     []func(user, pass, nonce string) string
	}{
		{
			"MD5", acs.SchemeDigest,
			[]string{`qop="auth"`, "algorithm=MD5"},
			[]string{"auth-int", "SHA"},
			[]func(u, p, n string) string{rfc2617, func(u, p, n string) string { return rfc2069(u, p, n, "/") }},
			[]func(u, p, n string) string{rfc7616, func(u, p, _ string) string { return basic(u, p) }},
		},
		{
			"RFC 2069", acs.SchemeDigestNoQop,
			nil,
			[]string{"qop", "algorithm"},
			[]func(u, p, n string) string{rfc2617, func(u, p, n string) string { return rfc2069(u, p, n, "/") }},
			[]func(u, p, n string) string{rfc7616, func(u, p, _ string) string { return basic(u, p) }},
		},
		{
			"SHA-256", acs.SchemeDigestSHA256,
			[]string{`qop="auth"`, "algorithm=SHA-256"},
			nil,
			[]func(u, p, n string) string{rfc7616},
			[]func(u, p, n string) string{rfc2617, func(u, p, n string) string { return rfc2069(u, p, n, "/") }},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			a := newAccess(t, acs.AccessOptions{Plain: []acs.Scheme{tc.scheme}})
			c := challenge(t, a, nil)
			missing := slices.ContainsFunc(tc.has, func(s string) bool { return !strings.Contains(c, s) })
			if missing || slices.ContainsFunc(tc.hasNot, func(s string) bool { return strings.Contains(c, s) }) {
				t.Fatalf("got %q, want %q and not %q", c, tc.has, tc.hasNot)
			}
			n := nonce(t, c)
			for i, f := range tc.answers {
				if user, err := try(t.Context(), a, f("cpe", "secret", n)); err != nil || user != "cpe" {
					t.Errorf("answer %d: got %q, %v, want cpe", i, user, err)
				}
				if _, err := try(t.Context(), a, f("cpe", "guess", n)); !errors.Is(err, acs.ErrBadCredentials) {
					t.Errorf("answer %d with a wrong password: got %v, want ErrBadCredentials", i, err)
				}
			}
			for i, f := range tc.not {
				if _, err := try(t.Context(), a, f("cpe", "secret", n)); !errors.Is(err, acs.ErrNoCredentials) {
					t.Errorf("answer %d of another scheme: got %v, want ErrNoCredentials", i, err)
				}
			}
		})
	}
}

// Two are offered where the options say so, and by the device if they say that.
func TestSchemesFor(t *testing.T) {
	t.Parallel()
	a := newAccess(t, acs.AccessOptions{
		Plain: []acs.Scheme{acs.SchemeDigestSHA256, acs.SchemeDigest},
		SchemesFor: func(id cwmp.DeviceID) []acs.Scheme {
			return map[string][]acs.Scheme{"00256D": {acs.SchemeDigestNoQop}}[id.OUI]
		},
	})
	list := a.Challenge(&acs.Claim{}, nil)
	if len(list) != 2 || !strings.Contains(list[0], "SHA-256") || !strings.Contains(list[1], "MD5") {
		t.Fatalf("got %q, want SHA-256 before MD5", list)
	}
	list = a.Challenge(&acs.Claim{Device: cwmp.DeviceID{OUI: "00256D"}}, nil)
	if len(list) != 1 || strings.Contains(list[0], "qop") {
		t.Fatalf("got %q, want one without qop", list)
	}
	// The device is known by a look at the body, before it is parsed.
	p := newCPE(t, serve(t, &script{}, acs.Options{Auth: a}))
	got := p.post(inform("1")).want(http.StatusUnauthorized).head["Www-Authenticate"]
	if len(got) != 1 || strings.Contains(got[0], "qop") {
		t.Fatalf("got %q, want the one for the device", got)
	}
	p.header = "Authorization: " + rfc2069("cpe", "secret", nonce(t, got[0]), "/acs") + "\r\n"
	p.post(inform("1")).envelope("InformResponse")
}

// Basic is asked for over TLS, Digest without, and the other is taken unasked if
// the options say so [quirk 45].
func TestQuirk45(t *testing.T) {
	t.Parallel()
	strict := newAccess(t, acs.AccessOptions{})
	tolerant := newAccess(t, acs.AccessOptions{Unasked: true})
	plain, secure := strict.Challenge(&acs.Claim{}, nil), strict.Challenge(&acs.Claim{Secure: true}, nil)
	if len(plain) != 1 || len(secure) != 1 || !strings.HasPrefix(plain[0], "Digest ") ||
		secure[0] != `Basic realm="uspgate"` {
		t.Fatalf("got %q and %q, want Digest and Basic", plain, secure)
	}
	for _, tc := range []struct {
		name   string
		secure bool
		header func(a *acs.Access) string
	}{
		{"Basic on http", false, func(*acs.Access) string { return basic("cpe", "secret") }},
		{"Digest on TLS", true, func(a *acs.Access) string {
			return rfc2617("cpe", "secret", nonce(t, challenge(t, a, nil)))
		}},
	} {
		for a, want := range map[*acs.Access]error{strict: acs.ErrNoCredentials, tolerant: nil} {
			c := &acs.Claim{Method: http.MethodPost, Secure: tc.secure, Authorization: []string{tc.header(a)}}
			if _, err := attempt(t.Context(), a, c, cwmp.DeviceID{}); !errors.Is(err, want) {
				t.Errorf("%s: got %v, want %v", tc.name, err, want)
			}
		}
	}
	t.Run("nothing of a login that nobody wants", func(t *testing.T) {
		t.Parallel()
		p := newCPE(t, serve(t, &script{}, acs.Options{}))
		p.header = "Authorization: " + basic("who", "ever") + "\r\n"
		p.post(inform("1")).envelope("InformResponse")
	})
}

// The CPE hangs up after the 401: the nonce is good on its next connection, and
// again there [quirk 43].
func TestQuirk43(t *testing.T) {
	t.Parallel()
	h := &script{}
	p := newCPE(t, serve(t, h, acs.Options{Auth: newAccess(t, acs.AccessOptions{})}))
	n := nonce(t, p.post(inform("1")).want(http.StatusUnauthorized).head.Get("WWW-Authenticate"))
	p.header = "Authorization: " + rfc2617("cpe", "secret", n) + "\r\n"
	for range 2 {
		p.hangUp()
		p.post(inform("1")).envelope("InformResponse")
		p.post("").want(http.StatusNoContent)
		h.wantClosed(t, nil)
	}
}

// Each deviation of the field in a session of its own [quirk 44].
func TestQuirk44(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		header func(nonce string) string
	}{
		{"RFC 2069", func(n string) string { return rfc2069("cpe", "secret", n, "/acs") }},
		{"qop=undefined", func(n string) string { return rfc2069("cpe", "secret", n, "/acs") + ", qop=undefined" }},
		{"algorithm=MD", func(n string) string { return rfc2617("cpe", "secret", n) + ", algorithm=MD" }},
		{"quoted nc", func(n string) string {
			return strings.Replace(rfc2617("cpe", "secret", n), "nc=00000001", `nc="00000001"`, 1)
		}},
		{"full URL", func(n string) string { return rfc2069("cpe", "secret", n, "http://acs:7547/acs?a=b") }},
		{"without query", func(n string) string { return rfc2069("cpe", "secret", n, "/acs") }},
		{"no uri", func(n string) string {
			return strings.Replace(rfc2617("cpe", "secret", n), ` uri="/acs",`, "", 1)
		}},
		{"lower case", func(n string) string {
			return strings.Replace(rfc2617("cpe", "secret", n), "Digest", "digest", 1)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p := newCPE(t, serve(t, &script{}, acs.Options{Auth: newAccess(t, acs.AccessOptions{})}))
			n := nonce(t, p.post(inform("1")).want(http.StatusUnauthorized).head.Get("WWW-Authenticate"))
			p.header = "Authorization: " + tc.header(n) + "\r\n"
			p.post(inform("1")).envelope("InformResponse")
			p.post("").want(http.StatusNoContent)
		})
	}
}

func TestBoundNonce(t *testing.T) {
	t.Parallel()
	a := newAccess(t, acs.AccessOptions{BindNonce: true})
	here, there := netip.MustParseAddrPort("192.0.2.1:1"), netip.MustParseAddrPort("[2001:db8::1]:1")
	n := nonce(t, a.Challenge(&acs.Claim{Remote: here}, nil)[0])
	for from, want := range map[netip.AddrPort]error{here: nil, there: acs.ErrStaleNonce} {
		c := &acs.Claim{
			Method: http.MethodPost, Remote: from, Authorization: []string{rfc2617("cpe", "secret", n)},
		}
		if _, err := attempt(t.Context(), a, c, cwmp.DeviceID{}); !errors.Is(err, want) {
			t.Errorf("from %v: got %v, want %v", from, err, want)
		}
	}
}
