// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs_test

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/acs"
)

// users are Accounts.
func users(_ context.Context, c *acs.Claim) ([]string, error) {
	p, ok := map[string]string{"cpe": "secret", "Mufasa": "Circle Of Life", "nopass": ""}[c.Username]
	if !ok {
		return nil, nil
	}
	return []string{p}, nil
}

func newDigest(tb testing.TB, o acs.AccessOptions) *acs.Access {
	tb.Helper()
	o.Accounts = users
	d, err := acs.NewAccess(o)
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

func newBasic(tb testing.TB, o acs.AccessOptions) *acs.Access {
	tb.Helper()
	o.Plain = []acs.Scheme{acs.SchemeBasic}
	return newDigest(tb, o)
}

// try has a claim with that header screened and authenticated.
func try(ctx context.Context, a *acs.Access, header string) (string, error) {
	c := &acs.Claim{Method: http.MethodPost, Authorization: []string{header}}
	return attempt(ctx, a, c, cwmp.DeviceID{})
}

// attempt does so with any claim, which turns out to be of that device.
func attempt(ctx context.Context, a *acs.Access, c *acs.Claim, id cwmp.DeviceID) (string, error) {
	if err := a.Screen(c); err != nil {
		return "", err
	}
	c.Device = id
	l, err := a.Authenticate(ctx, c)
	return l.Username, err
}

// challenge is the only one that is offered for http.
func challenge(tb testing.TB, a *acs.Access, err error) string {
	tb.Helper()
	list := a.Challenge(&acs.Claim{}, err)
	if len(list) != 1 {
		tb.Fatalf("got challenges %q, want one", list)
	}
	return list[0]
}

func md5hex(parts ...string) string {
	h := md5.Sum([]byte(strings.Join(parts, ":")))
	return hex.EncodeToString(h[:])
}

var nonceOf = regexp.MustCompile(`nonce="([^"]+)"`)

func nonce(tb testing.TB, challenge string) string {
	tb.Helper()
	m := nonceOf.FindStringSubmatch(challenge)
	if m == nil {
		tb.Fatalf("got challenge %q, want a nonce", challenge)
	}
	return m[1]
}

// rfc2617 is the Authorization of a CPE that goes by the book.
func rfc2617(user, pass, nonce string) string {
	resp := md5hex(md5hex(user, "uspgate", pass), nonce, "00000001", "c0", "auth", md5hex("POST", "/acs"))
	return `Digest username="` + user + `", realm="uspgate", nonce="` + nonce +
		`", uri="/acs", qop=auth, nc=00000001, cnonce="c0", response="` + resp + `"`
}

func TestDigestForms(t *testing.T) {
	t.Parallel()
	d := newDigest(t, acs.AccessOptions{})
	n := nonce(t, challenge(t, d, acs.ErrNoCredentials))
	ha1 := md5hex("cpe", "uspgate", "secret")
	ha2 := md5hex("POST", "/acs")
	plain := md5hex(ha1, n, ha2)
	base := `username="cpe", realm="uspgate", nonce="` + n + `", `
	for _, tc := range []struct {
		name, header string
		want         error
	}{
		{"by the book", rfc2617("cpe", "secret", n), nil},
		{"RFC 2069, no qop", "Digest " + base + `uri="/acs", response="` + plain + `"`, nil},
		{"lower-case scheme", "digest " + base + `uri="/acs", response="` + plain + `"`, nil},
		{"qop=undefined", "Digest " + base + `qop=undefined, uri="/acs", response="` + plain + `"`, nil},
		{"qop hashed as sent", "Digest " + base + `qop="auth,auth-int", nc=1, cnonce="x", uri="/acs", response="` +
			md5hex(ha1, n, "1", "x", "auth,auth-int", ha2) + `"`, nil},
		{"algorithm mistyped", "Digest " + base + `algorithm=MD, uri="/acs", response="` + plain + `"`, nil},
		{"nc quoted", strings.Replace(rfc2617("cpe", "secret", n), "nc=00000001", `nc="00000001"`, 1), nil},
		{"capital response", "Digest " + base + `uri="/acs", response="` + strings.ToUpper(plain) + `"`, nil},
		{"whole URL as uri", "Digest " + base + `uri="http://acs:7547/", response="` +
			md5hex(ha1, n, md5hex("POST", "http://acs:7547/")) + `"`, nil},
		{"no realm", `Digest username="cpe", nonce="` + n + `", uri="/acs", response="` + plain + `"`, nil},
		{"MD5-sess", "Digest " + base + `algorithm="MD5-sess", qop=auth, nc=1, cnonce="x", uri="/acs", response="` +
			md5hex(md5hex(ha1, n, "x"), n, "1", "x", "auth", ha2) + `"`, nil},
		{"empty password", rfc2617("nopass", "", n), nil},
		{"wrong password", rfc2617("cpe", "guess", n), acs.ErrBadCredentials},
		{"unknown user", rfc2617("eve", "", n), acs.ErrBadCredentials},
		{
			"auth without its fields", "Digest " + base + `qop=auth, uri="/acs", response="` + plain + `"`,
			acs.ErrBadCredentials,
		},
		{"other realm", strings.Replace(rfc2617("cpe", "secret", n), "uspgate", "elsewhere", 1), acs.ErrBadCredentials},
		{"nonce of somebody else", rfc2617("cpe", "secret", "0123"), acs.ErrStaleNonce},
		{"Basic", "Basic Y3BlOnNlY3JldA==", acs.ErrNoCredentials},
		{"none", "", acs.ErrNoCredentials},
		{"nothing in it", "Digest ", acs.ErrNoCredentials},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			user, err := try(t.Context(), d, tc.header)
			if !errors.Is(err, tc.want) || (err == nil) == (user == "") {
				t.Fatalf("got %q, %v, want %v", user, err, tc.want)
			}
		})
	}
}

func TestDigestNonceExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		key := []byte("shared by two nodes")
		d := newDigest(t, acs.AccessOptions{NonceTime: time.Minute, Key: key})
		other := newDigest(t, acs.AccessOptions{NonceTime: time.Minute, Key: key})
		h := rfc2617("cpe", "secret", nonce(t, challenge(t, d, nil)))
		<-time.After(59 * time.Second)
		for _, at := range []*acs.Access{d, d, other} {
			if _, err := try(t.Context(), at, h); err != nil {
				t.Fatalf("got %v, want the nonce to be good, and more than once", err)
			}
		}
		<-time.After(time.Second)
		_, err := try(t.Context(), d, h)
		if !errors.Is(err, acs.ErrStaleNonce) {
			t.Fatalf("got %v, want ErrStaleNonce", err)
		}
		if c := challenge(t, d, err); !strings.Contains(c, "stale=true") {
			t.Fatalf("got %q, want stale=true", c)
		}
	})
}

func TestBasic(t *testing.T) {
	t.Parallel()
	b := newBasic(t, acs.AccessOptions{Realm: `a "quoted" realm`})
	if c := challenge(t, b, nil); c != `Basic realm="a quoted realm"` {
		t.Fatalf("got %q, want a realm without quotes", c)
	}
	for header, want := range map[string]error{
		"Basic Y3BlOnNlY3JldA==": nil,
		"basic Y3BlOnNlY3JldA==": nil,
		"Basic Y3BlOmd1ZXNz":     acs.ErrBadCredentials,
		"Basic ZXZlOg==":         acs.ErrBadCredentials,
		"Basic Og==":             acs.ErrNoCredentials,
		"Digest x":               acs.ErrNoCredentials,
		"":                       acs.ErrNoCredentials,
	} {
		if _, err := try(t.Context(), b, header); !errors.Is(err, want) {
			t.Errorf("%q: got %v, want %v", header, err, want)
		}
	}
}

// AUTH: 401 keeps the connection, the same Inform comes again, and after it the
// session is known by its cookie, on any connection.
func TestSessionWithDigest(t *testing.T) {
	t.Parallel()
	h := &script{next: []cwmp.Request{getDevice}}
	p := newCPE(t, serve(t, h, acs.Options{Auth: newDigest(t, acs.AccessOptions{})}))
	a := p.post(inform("1")).want(http.StatusUnauthorized)
	offer := a.head.Get("WWW-Authenticate")
	if p.c == nil || a.head.Get("Set-Cookie") != "" || !strings.Contains(offer, `qop="auth",`) {
		t.Fatalf("got %v, want a challenge with qop=auth alone, on a connection that stays", a.head)
	}
	p.header = "Authorization: " + rfc2617("cpe", "guess", nonce(t, offer)) + "\r\n"
	p.post(inform("1")).want(http.StatusUnauthorized)
	p.header = "Authorization: " + rfc2617("cpe", "secret", nonce(t, offer)) + "\r\n"
	p.post(inform("1")).envelope("InformResponse")
	p.header = ""
	p.hangUp()
	id := p.post("").envelope("GetParameterValues").ID
	p.hangUp()
	p.post(message(id, getValues)).want(http.StatusNoContent)
	h.wantClosed(t, nil)
	if h.opened() != 1 || h.infos[0].Username != "cpe" {
		t.Fatalf("got %+v, want one session of user cpe", h.infos)
	}
}

// Some HTTP clients fetch the challenge with an empty POST.
func TestEmptyPostFetchesTheChallenge(t *testing.T) {
	t.Parallel()
	p := newCPE(t, serve(t, &script{}, acs.Options{Auth: newDigest(t, acs.AccessOptions{})}))
	c := p.post("").want(http.StatusUnauthorized).head.Get("WWW-Authenticate")
	p.header = "Authorization: " + rfc2617("cpe", "secret", nonce(t, c)) + "\r\n"
	p.post(inform("1")).envelope("InformResponse")
}

// Who is in a session must still say who he is to open another.
func TestNewSessionAuthenticatesAnew(t *testing.T) {
	t.Parallel()
	h := &script{}
	d := newDigest(t, acs.AccessOptions{})
	p := newCPE(t, serve(t, h, acs.Options{Auth: d}))
	p.header = "Authorization: " + rfc2617("cpe", "secret", nonce(t, challenge(t, d, nil))) + "\r\n"
	p.post(inform("1")).envelope("InformResponse")
	p.header = ""
	p.post(inform("1")).envelope("InformResponse") // the same again: no need
	p.post(inform("2")).want(http.StatusUnauthorized)
	p.post("").want(http.StatusNoContent) // and the first goes on
	h.wantClosed(t, nil)
}

func TestAccessNeedsAccounts(t *testing.T) {
	t.Parallel()
	if _, err := acs.NewAccess(acs.AccessOptions{}); err == nil {
		t.Error("NewAccess: got nil, want an error")
	}
}

func FuzzDigestAuthorization(f *testing.F) {
	accounts := func(context.Context, *acs.Claim) ([]string, error) { return []string{"secret"}, nil }
	d, err := acs.NewAccess(acs.AccessOptions{
		Accounts: accounts, Lockout: acs.LockoutOptions{UserFailures: -1, AddressFailures: -1},
	})
	if err != nil {
		f.Fatal(err)
	}
	good := nonce(f, challenge(f, d, nil))
	f.Add(rfc2617("cpe", "secret", good))
	f.Add(`Digest username="a\"b", nonce=,response="`)
	f.Add("digest ,;=\"\\")
	f.Fuzz(func(t *testing.T, header string) {
		if user, err := try(t.Context(), d, header); err == nil && !strings.Contains(header, "nonce") {
			t.Fatalf("%q: got user %q, want nobody in without a nonce", header, user)
		}
		// Whatever surrounds it, a right answer is found, or nothing is.
		_, err := try(t.Context(), d, rfc2617("cpe", "secret", good)+", "+header)
		if err != nil && !strings.Contains(header, "=") {
			t.Fatalf("%q after a right answer: got %v, want it accepted", header, err)
		}
	})
}
