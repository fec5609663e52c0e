// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package connreq_test

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/cwmp/connreq"
)

func hexMD5(s string) string {
	h := md5.Sum([]byte(s))
	return hex.EncodeToString(h[:])
}

func hexSHA(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:])
}

// fields takes a Digest header apart.
func fields(t *testing.T, h string) map[string]string {
	t.Helper()
	rest, ok := strings.CutPrefix(h, "Digest ")
	if !ok {
		t.Fatalf("got Authorization %q, want Digest", h)
	}
	m := map[string]string{}
	for p := range strings.SplitSeq(rest, ", ") {
		k, v, _ := strings.Cut(p, "=")
		m[k] = strings.Trim(v, `"`)
	}
	return m
}

const uri = "/cr?x=1&y=%20"

func TestQuirk78Challenges(t *testing.T) {
	t.Parallel()
	const realm = `Digest realm="TR069 Client", nonce="n1"`
	for _, tc := range []struct {
		name, challenge, algorithm string
		qop, opaque                bool
		hash                       func(string) string
	}{
		{"with qop", realm + `, qop="auth", algorithm=MD5`, "MD5", true, false, hexMD5},
		{"without qop and opaque", realm, "", false, false, hexMD5},
		{"opaque and domain", realm + `, domain="/", opaque="o1", qop="auth"`, "", true, true, hexMD5},
		{"auth-int offered too, blanks", realm + `, qop="auth-int, auth"`, "", true, false, hexMD5},
		{"lower-case, mistyped algorithm", "d" + realm[1:] + ", algorithm=MD", "MD5", false, false, hexMD5},
		{"unknown qop", realm + `, qop="undefined"`, "", false, false, hexMD5},
		{"of any form", `DIGEST  Realm = "TR069 Client" , NONCE=n1, Qop=auth,`, "", true, false, hexMD5},
		{"end of the last value missing", `Digest nonce="n1", realm="TR069 Client`, "", false, false, hexMD5},
		{"after Basic", `Basic realm="x, y z=1", ` + realm, "", false, false, hexMD5},
		{"before Basic", realm + `, Basic realm="x"`, "", false, false, hexMD5},
		{
			"SHA-256 after MD5", realm + `, algorithm=MD5, ` + realm + `, qop="auth", algorithm=SHA-256`,
			"SHA-256", true, false, hexSHA,
		},
		{"unknown before MD5", realm + `, algorithm=X-1, ` + realm, "", false, false, hexMD5},
		{"SHA-256", realm + `, qop="auth", algorithm=SHA-256`, "SHA-256", true, false, hexSHA},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := newCPE(t, challenge(tc.challenge), status("200 OK", ""))
			if err := connreq.New(local()).Wake(t.Context(), c.target()); err != nil {
				t.Fatal(err)
			}
			if len(c.reqs) != 2 || c.connections() != 1 || c.reqs[0].Header.Get("Authorization") != "" {
				t.Fatalf("got %d requests on %d connections, want 2 on 1, the first without credentials",
					len(c.reqs), c.connections())
			}
			if r := c.reqs[1]; r.Method != http.MethodGet || r.RequestURI != uri || r.Host != c.addr {
				t.Fatalf("got %s %s of %s, want GET with the query and Host with the port", r.Method, r.RequestURI, r.Host)
			}
			f := fields(t, c.reqs[1].Header.Get("Authorization"))
			ha1, ha2 := tc.hash("acs:TR069 Client:secret"), tc.hash("GET:"+uri)
			want := tc.hash(ha1 + ":n1:" + ha2)
			if tc.qop {
				want = tc.hash(ha1 + ":n1:" + f["nc"] + ":" + f["cnonce"] + ":auth:" + ha2)
			}
			_, nc := f["nc"]
			_, cnonce := f["cnonce"]
			if f["response"] != want || f["uri"] != uri || f["username"] != "acs" || f["realm"] != "TR069 Client" ||
				nc != tc.qop || cnonce != tc.qop || (f["qop"] == "auth") != tc.qop || f["algorithm"] != tc.algorithm {
				t.Fatalf("got %v, want response %s, qop %v", f, want, tc.qop)
			}
			if o, ok := f["opaque"]; ok != tc.opaque || tc.opaque && o != "o1" {
				t.Fatalf("got opaque %q, want it echoed if there is one", o)
			}
		})
	}
}

// TestMD5Sess is the algorithm of RFC 2617 that hashes the nonces too.
func TestMD5Sess(t *testing.T) {
	t.Parallel()
	c := newCPE(t, challenge(`Digest realm="r", nonce="n1", qop="auth", algorithm=MD5-sess`), status("200 OK", ""))
	if err := connreq.New(local()).Wake(t.Context(), c.target()); err != nil {
		t.Fatal(err)
	}
	f := fields(t, c.reqs[1].Header.Get("Authorization"))
	ha1 := hexMD5(hexMD5("acs:r:secret") + ":n1:" + f["cnonce"])
	want := hexMD5(ha1 + ":n1:00000001:" + f["cnonce"] + ":auth:" + hexMD5("GET:"+uri))
	if f["response"] != want || f["algorithm"] != "MD5-sess" {
		t.Fatalf("got %v, want response %s", f, want)
	}
}

// FuzzChallenge: whatever a CPE asks, what it gets is one header line, and Digest.
func FuzzChallenge(f *testing.F) {
	for _, s := range []string{
		`Digest realm="TR069 Client", nonce="n1", qop="auth"`, `Basic realm="x, y", Digest nonce=n, algorithm=SHA-256`,
		`digest realm = a\"b, opaque="o", qop=auth-int`, `Digest`, `Digest "`, `Digest =,;,=`,
		`Digest algorithm=MD5-sess,qop=auth`,
	} {
		f.Add(s)
	}
	client := connreq.New(connreq.Options{})
	f.Fuzz(func(t *testing.T, s string) {
		got, err := client.Authorize(s)
		if err != nil {
			if !errors.Is(err, connreq.ErrCredentials) {
				t.Fatalf("got %v, want ErrCredentials", err)
			}
			return
		}
		if !strings.HasPrefix(got, "Digest ") || !strings.Contains(got, `uri="/cr"`) || strings.ContainsAny(got, "\r\n") {
			t.Fatalf("got %q for %q, want one line of Digest", got, s)
		}
	})
}
