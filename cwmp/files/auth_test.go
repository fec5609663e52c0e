// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package files_test

import (
	"crypto/md5"
	"encoding/hex"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/icholy/digest"

	"github.com/uspgate/uspgate/cwmp/files"
)

// get is a GET with a client for Digest.
func getDigest(t *testing.T, u, user, pass string) (status int) {
	t.Helper()
	c := client()
	c.Transport = &digest.Transport{Username: user, Password: pass, Transport: c.Transport}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, u, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	s := start(t, files.Options{Realm: "fw"})
	for _, tc := range []struct {
		auth          files.Auth
		base          string
		challenges    []string
		digest, basic int // status
	}{
		{files.AuthDefault, "", []string{"Digest"}, 200, 200},
		{files.AuthDefault, "https://proxy", []string{"Basic"}, 401, 200}, // the client waits for its challenge
		{files.AuthDigest, "", []string{"Digest"}, 200, 401},
		{files.AuthBasic, "", []string{"Basic"}, 401, 200},
		{files.AuthBoth, "", []string{"Digest", "Basic"}, 200, 200},
	} {
		ev := newEvents()
		ticket := offer(t, s, files.Offer{Content: contentOf("x"), Access: files.Access{
			Username: "cpe", Password: "secret", Auth: tc.auth, BaseURL: tc.base, Notify: ev.notify,
		}})
		u := "http://" + s.Addr() + pathOf(t, ticket.URL)
		got := do(t, "GET", u, nil)
		challenges := got.Header.Values("WWW-Authenticate")
		if got.StatusCode != http.StatusUnauthorized || len(challenges) != len(tc.challenges) || got.ContentLength < 1 {
			t.Fatalf("%v: got %d, %q, want 401 with %q", tc.auth, got.StatusCode, challenges, tc.challenges)
		}
		for i, c := range challenges {
			if !strings.HasPrefix(c, tc.challenges[i]+` realm="fw"`) {
				t.Errorf("%v: got %q, want %s", tc.auth, c, tc.challenges[i])
			}
		}
		ev.none(t)
		if tc.digest == 200 { // icholy/digest fails where there is no challenge for it
			if status := getDigest(t, u, "cpe", "secret"); status != 200 {
				t.Errorf("%v: got %d by Digest, want 200", tc.auth, status)
			}
			ev.want(t, files.Started, files.Finished)
			if status := getDigest(t, u, "cpe", "guess"); status != 401 {
				t.Errorf("%v: got %d by Digest with a wrong password, want 401", tc.auth, status)
			}
			if e := ev.want(t, files.Refused); !errors.Is(e.Err, files.ErrCredentials) {
				t.Errorf("%v: got %v, want ErrCredentials", tc.auth, e.Err)
			}
		}
		if got := do(t, "GET", u, nil, "Authorization", "Basic Y3BlOnNlY3JldA=="); got.StatusCode != tc.basic {
			t.Errorf("%v: got %d by Basic, want %d [quirk 45]", tc.auth, got.StatusCode, tc.basic)
		}
	}
}

func sum(parts ...string) string {
	h := md5.Sum([]byte(strings.Join(parts, ":")))
	return hex.EncodeToString(h[:])
}

var nonceField = regexp.MustCompile(`nonce="([^"]+)"`)

// One 401, then the nonce is good on other connections, for ranges, and in every
// form that CPE use.
func TestQuirk43And44Digest(t *testing.T) {
	t.Parallel()
	s := start(t, files.Options{})
	ticket := offer(t, s, files.Offer{
		Content: contentOf("firmware"), Access: files.Access{Username: "cpe", Password: "secret"},
	})
	p := pathOf(t, ticket.URL)
	nonce := nonceField.FindStringSubmatch(do(t, "GET", ticket.URL, nil).Header.Get("WWW-Authenticate"))[1]
	ha1 := sum("cpe", "uspgate", "secret")
	plain := func(method, uri string) string { return sum(ha1, nonce, sum(method, uri)) }
	const me = `Digest username="cpe", nonce="`
	for _, tc := range []struct {
		name, method, header string
		status               int
	}{
		{"RFC 2069", "GET", `Digest username="cpe", realm="uspgate", nonce="` + nonce + `", uri="` + p + `", response="` +
			plain("GET", p) + `"`, 200},
		{"HEAD", "HEAD", me + nonce + `", uri="` + p + `", response="` + plain("HEAD", p) + `"`, 200},
		{"no uri", "GET", me + nonce + `", response="` + plain("GET", p) + `"`, 200},
		{"whole URL", "GET", `digest username=cpe, nonce=` + nonce + `, uri="` + ticket.URL + `", qop=undefined, response=` +
			plain("GET", ticket.URL), 200},
		{"other method", "GET", me + nonce + `", uri="` + p + `", response="` + plain("PUT", p) + `"`, 401},
		{"other nonce", "GET", me + `abc", uri="` + p + `", response="` + plain("GET", p) + `"`, 401},
	} {
		got := do(t, tc.method, ticket.URL, nil, "Authorization", tc.header, "Range", "bytes=0-3")
		if got.StatusCode != tc.status && (tc.status != 200 || got.StatusCode != http.StatusPartialContent) {
			t.Errorf("%s: got %d, want %d", tc.name, got.StatusCode, tc.status)
		}
	}
}

// Nodes that share the key take each other's nonces.
func TestNonceKeyIsShared(t *testing.T) {
	t.Parallel()
	access := files.Access{Token: strings.Repeat("0f", 16), Username: "cpe", Password: "secret"}
	key := []byte("of all nodes")
	a, b := start(t, files.Options{NonceKey: key}), start(t, files.Options{NonceKey: key})
	ta := offer(t, a, files.Offer{Content: contentOf("x"), Access: access})
	tb := offer(t, b, files.Offer{Content: contentOf("x"), Access: access})
	nonce := nonceField.FindStringSubmatch(do(t, "GET", ta.URL, nil).Header.Get("WWW-Authenticate"))[1]
	p := pathOf(t, tb.URL)
	got := do(t, "GET", tb.URL, nil, "Authorization", `Digest username="cpe", nonce="`+nonce+`", uri="`+p+`", response="`+
		sum(sum("cpe", "uspgate", "secret"), nonce, sum("GET", p))+`"`)
	if got.StatusCode != http.StatusOK {
		t.Errorf("got %d, want 200", got.StatusCode)
	}
}
