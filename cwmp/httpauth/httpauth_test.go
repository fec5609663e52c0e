// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package httpauth_test

import (
	"crypto/md5"
	"encoding/hex"
	"errors"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/uspgate/uspgate/cwmp/httpauth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func users(name string) (string, bool) {
	switch name {
	case "cpe":
		return "secret", true
	case "nopass":
		return "", true
	default:
		return "", false
	}
}

func sum(parts ...string) string {
	h := md5.Sum([]byte(strings.Join(parts, ":")))
	return hex.EncodeToString(h[:])
}

var nonceField = regexp.MustCompile(`nonce="([^"]+)"`)

func nonce(tb testing.TB, challenge string) string {
	tb.Helper()
	m := nonceField.FindStringSubmatch(challenge)
	if m == nil {
		tb.Fatalf("got challenge %q, want a nonce", challenge)
	}
	return m[1]
}

// book is the header of a CPE that goes by the book.
func book(user, pass, nonce string) string {
	resp := sum(sum(user, "uspgate", pass), nonce, "00000001", "c0", "auth", sum("GET", "/f"))
	return `Digest username="` + user + `", realm="uspgate", nonce="` + nonce +
		`", uri="/f", qop=auth, nc=00000001, cnonce="c0", response="` + resp + `"`
}

// The examples of the RFCs.
func TestDigestVectors(t *testing.T) {
	t.Parallel()
	const of7616 = `Digest username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html",
 nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", nc=00000001, qop=auth,
 cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS", `
	for _, tc := range []struct {
		name, header, realm, pass string
		hash                      httpauth.Hash
	}{
		{
			"RFC 2617", `Digest username="Mufasa", realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093",
 uri="/dir/index.html", qop=auth, nc=00000001, cnonce="0a4f113b", response="6629fae49393a05397450978507c4ef1",
 opaque="5ccc069c403ebaf9f0171e9517f40e41"`,
			"testrealm@host.com", "Circle Of Life", httpauth.MD5,
		},
		{
			"RFC 7616 MD5", of7616 + `algorithm=MD5, response="8ca523f5e9506fed4657c9700eebdbec"`,
			"http-auth@example.org", "Circle of Life", httpauth.MD5,
		},
		{
			"RFC 7616 SHA-256",
			of7616 + `algorithm=SHA-256, response="753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"`,
			"http-auth@example.org", "Circle of Life", httpauth.SHA256,
		},
	} {
		a, ok := httpauth.ParseAuthorization(tc.header)
		if !ok || !a.Matches(tc.hash, tc.realm, "GET", tc.pass) {
			t.Errorf("%s: got no match of %+v, want one", tc.name, a)
		}
		if a.Matches(tc.hash, tc.realm, "PUT", tc.pass) || a.Matches(tc.hash, tc.realm, "GET", tc.pass+"x") {
			t.Errorf("%s: got a match with another method or password, want none", tc.name)
		}
	}
}

func TestQuirk44DigestForms(t *testing.T) {
	t.Parallel()
	d := httpauth.NewDigest(httpauth.DigestOptions{})
	n := nonce(t, d.Challenge(nil))
	ha1, ha2 := sum("cpe", "uspgate", "secret"), sum("GET", "/f")
	plain := sum(ha1, n, ha2)
	base := `username="cpe", realm="uspgate", nonce="` + n + `", `
	for _, tc := range []struct {
		name, header string
		want         error
	}{
		{"by the book", book("cpe", "secret", n), nil},
		{"RFC 2069, no qop", "Digest " + base + `uri="/f", response="` + plain + `"`, nil},
		{"lower-case scheme", "digest " + base + `uri="/f", response="` + plain + `"`, nil},
		{"qop=undefined", "Digest " + base + `qop=undefined, uri="/f", response="` + plain + `"`, nil},
		{"qop hashed as sent", "Digest " + base + `qop="auth,auth-int", nc=1, cnonce="x", uri="/f", response="` +
			sum(ha1, n, "1", "x", "auth,auth-int", ha2) + `"`, nil},
		{"algorithm mistyped", "Digest " + base + `algorithm=MD, uri="/f", response="` + plain + `"`, nil},
		{"nc quoted", strings.Replace(book("cpe", "secret", n), "nc=00000001", `nc="00000001"`, 1), nil},
		{"capital response", "Digest " + base + `uri="/f", response="` + strings.ToUpper(plain) + `"`, nil},
		{"uri missing", "Digest " + base + `response="` + plain + `"`, nil},
		{"whole URL as uri", "Digest " + base + `uri="http://h:7567/f", response="` +
			sum(ha1, n, sum("GET", "http://h:7567/f")) + `"`, nil},
		{"no realm", `Digest username="cpe", nonce="` + n + `", uri="/f", response="` + plain + `"`, nil},
		{"semicolons, nothing quoted", "Digest username=cpe; realm=uspgate; nonce=" + n + "; uri=/f; response=" + plain, nil},
		{"MD5-sess", "Digest " + base + `algorithm="MD5-sess", qop=auth, nc=1, cnonce="x", uri="/f", response="` +
			sum(sum(ha1, n, "x"), n, "1", "x", "auth", ha2) + `"`, nil},
		{"empty password", book("nopass", "", n), nil},
		{"wrong password", book("cpe", "guess", n), httpauth.ErrBadCredentials},
		{"unknown user", book("eve", "", n), httpauth.ErrBadCredentials},
		{
			"auth without its fields", "Digest " + base + `qop=auth, uri="/f", response="` + plain + `"`,
			httpauth.ErrBadCredentials,
		},
		{"other realm", strings.Replace(book("cpe", "secret", n), "uspgate", "x", 1), httpauth.ErrBadCredentials},
		{"nonce of somebody else", book("cpe", "secret", "0123"), httpauth.ErrStaleNonce},
		{"Basic", "Basic Y3BlOnNlY3JldA==", httpauth.ErrNoCredentials},
		{"none", "", httpauth.ErrNoCredentials},
		{"nothing in it", "Digest ", httpauth.ErrNoCredentials},
	} {
		user, err := d.Verify(tc.header, "GET", "/f", users)
		if !errors.Is(err, tc.want) || (err == nil) == (user == "") {
			t.Errorf("%s: got %q, %v, want %v", tc.name, user, err, tc.want)
		}
	}
}

func TestQuirk43NonceIsGoodEverywhereForItsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := httpauth.DigestOptions{NonceTime: time.Minute, Key: []byte("shared by two nodes")}
		d, other := httpauth.NewDigest(o), httpauth.NewDigest(o)
		h := book("cpe", "secret", nonce(t, d.Challenge(nil)))
		<-time.After(59 * time.Second)
		for _, at := range []*httpauth.Digest{d, d, other} {
			if _, err := at.Verify(h, "GET", "/f", users); err != nil {
				t.Fatalf("got %v, want the nonce to be good, and more than once", err)
			}
		}
		<-time.After(time.Second)
		_, err := d.Verify(h, "GET", "/f", users)
		if !errors.Is(err, httpauth.ErrStaleNonce) || !strings.Contains(d.Challenge(err), "stale=true") {
			t.Fatalf("got %v, want ErrStaleNonce and a challenge that says so", err)
		}
		if _, err = d.Verify(book("cpe", "guess", nonce(t, d.Challenge(nil))), "GET", "/f", users); err == nil {
			t.Fatal("got a wrong password accepted")
		}
	})
}

func TestChallengeOffersAuthAlone(t *testing.T) {
	t.Parallel()
	c := httpauth.NewDigest(httpauth.DigestOptions{Realm: "a \"b\"\n", Hash: httpauth.SHA256}).Challenge(nil)
	if !strings.HasPrefix(c, `Digest realm="a b", `) || !strings.HasSuffix(c, `qop="auth", algorithm=SHA-256`) {
		t.Fatalf("got %q, want a clean realm, qop auth and SHA-256", c)
	}
}

func TestBasic(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]error{
		"Basic Y3BlOnNlY3JldA==":   nil,
		"basic Y3BlOnNlY3JldA":     nil,
		"BASIC  Y3BlOnNlY3JldA== ": nil,
		"Basic bm9wYXNzOg==":       nil,
		"Basic Y3BlOmd1ZXNz":       httpauth.ErrBadCredentials,
		"Basic ZXZlOg==":           httpauth.ErrBadCredentials,
		"Basic Og==":               httpauth.ErrNoCredentials, // [quirk 45]
		"Basic ///":                httpauth.ErrNoCredentials,
		"Digest x":                 httpauth.ErrNoCredentials,
		"":                         httpauth.ErrNoCredentials,
	} {
		if user, err := httpauth.VerifyBasic(header, users); !errors.Is(err, want) || (err == nil) == (user == "") {
			t.Errorf("%q: got %q, %v, want %v", header, user, err, want)
		}
	}
}

// Whatever is written with quotes is read back, and nothing makes it panic.
func FuzzAuthorization(f *testing.F) {
	f.Add(book("cpe", "secret", "n0"), "a \"b\\")
	f.Add(`digest nonce=a;response="`, "")
	f.Add("Digest ,,,=\\", "\x00")
	f.Fuzz(func(t *testing.T, header, value string) {
		a, ok := httpauth.ParseAuthorization(header)
		if ok && (a.Nonce == "" || a.Response == "") {
			t.Fatalf("got %+v of %q, want no success without nonce and response", a, header)
		}
		d := httpauth.NewDigest(httpauth.DigestOptions{Key: []byte("k")})
		if user, err := d.Verify(header, "GET", "/", users); err == nil {
			t.Fatalf("got %q accepted as %q", header, user)
		}
		quoted := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value) + `"`
		a, ok = httpauth.ParseAuthorization(`Digest nonce="n", username=` + quoted + `, uri=` + quoted + `, response=r`)
		if !ok || a.Username != value || a.URI != value || a.Response != "r" {
			t.Fatalf("got %+v, want %q read back", a, value)
		}
	})
}
