// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cpe_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/internal/sim/cpe"
)

// posts has the POSTs of one regular session of a CPE with the quirk, in which
// it was asked for a parameter.
func posts(t *testing.T, quirk string) []raw {
	t.Helper()
	b := quirky(t, quirk)
	b.call(deviceInfo)
	b.acs.mu.Lock()
	defer b.acs.mu.Unlock()
	return b.acs.raws
}

// refuses asserts that sessions of a CPE with the quirk fail at what the handler
// answers, and not without the quirk.
func refuses(t *testing.T, quirk, why string, before func(http.ResponseWriter, raw) bool) {
	t.Helper()
	for _, name := range []string{quirk, "clock-1970"} { // the latter does not care
		b := start(t, "tr098-dsl", quirks(t, name))
		b.acs.mu.Lock()
		b.acs.before = before
		b.acs.mu.Unlock()
		b.cpe.Raise(cwmp.Event{Code: cwmp.EventPeriodic})
		b.ended() // perhaps that of the boot, before the handler was there
		b.cpe.Raise(cwmp.Event{Code: cwmp.EventPeriodic})
		err := b.ended().Err
		switch {
		case name != quirk && err != nil:
			t.Errorf("without %s: got %v", quirk, err)
		case name == quirk && (err == nil || !strings.Contains(err.Error(), why)):
			t.Errorf("%s: got %v, want %q in it", quirk, err, why)
		}
	}
}

// end answers empty POSTs with the status.
func end(status int) func(http.ResponseWriter, raw) bool {
	return func(w http.ResponseWriter, r raw) bool {
		if r.body == "" {
			w.WriteHeader(status)
		}
		return r.body == ""
	}
}

func TestQuirk28NoCookies(t *testing.T) {
	t.Parallel()
	for _, r := range posts(t, "no-cookies") {
		if got := r.Header.Get("Cookie"); got != "" {
			t.Errorf("got Cookie %q, want none", got)
		}
	}
	sent := posts(t, "clock-1970")
	if got := sent[1].Header.Get("Cookie"); !strings.HasPrefix(got, "session=") {
		t.Errorf("without the quirk: got Cookie %q, want that of the session", got)
	}
}

func TestQuirk29CookieByPath(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]int{"/": 2, "": 0} {
		b := start(t, "tr098-dsl", quirks(t, "cookie-by-path"))
		b.acs.mu.Lock()
		b.acs.before = func(w http.ResponseWriter, r raw) bool {
			if r.body == "" {
				w.WriteHeader(http.StatusNoContent)
				return true
			}
			http.SetCookie(w, &http.Cookie{Name: "a", Value: "1", Path: path})
			http.SetCookie(w, &http.Cookie{Name: "session", Value: "1", Path: path})
			b.acs.write(w, &cwmp.Envelope{}, &cwmp.InformResponse{})
			return true
		}
		b.acs.mu.Unlock()
		b.cpe.Raise(cwmp.Event{Code: cwmp.EventPeriodic})
		b.ended()
		b.cpe.Raise(cwmp.Event{Code: cwmp.EventPeriodic})
		b.ended()
		b.acs.mu.Lock()
		last := b.acs.raws[len(b.acs.raws)-1]
		b.acs.mu.Unlock()
		if got := len(last.Cookies()); got != want {
			t.Errorf("path %q: got %d cookies, want %d", path, got, want)
		}
	}
}

func TestQuirk30OldCookies(t *testing.T) {
	t.Parallel()
	got := posts(t, "old-cookies")[1].Header.Get("Cookie")
	if !regexp.MustCompile(`^\$Version="0"; session="\d+";\$Path=/$`).MatchString(got) {
		t.Errorf("got %q", got)
	}
}

func TestQuirk31StaleCookies(t *testing.T) {
	t.Parallel()
	sent := posts(t, "stale-cookies")
	var informs []raw
	for _, r := range sent {
		if strings.Contains(r.body, "<cwmp:Inform>") {
			informs = append(informs, r)
		}
	}
	own := sent[1].Header.Get("Cookie")
	if !regexp.MustCompile(`^lang=en; id=1234; session=\d+$`).MatchString(own) {
		t.Errorf("in a session: got %q", own)
	}
	if got := informs[1].Header.Get("Cookie"); got != own {
		t.Errorf("Inform of the next session: got %q, want the cookie of the last, %q", got, own)
	}
}

func TestQuirk32ContentType(t *testing.T) {
	t.Parallel()
	if got := posts(t, "html-content")[0].Header.Get("Content-Type"); got != "text/html" {
		t.Errorf("html-content: got %q", got)
	}
	if got := posts(t, "no-content-type")[0].Header; got["Content-Type"] != nil {
		t.Errorf("no-content-type: got %q", got["Content-Type"])
	}
}

func TestQuirk33ExpectContinue(t *testing.T) {
	t.Parallel()
	if got := posts(t, "expect-continue")[0].Header.Get("Expect"); got != "100-continue" {
		t.Errorf("got Expect %q", got)
	}
}

func TestQuirk34HTTP10(t *testing.T) {
	t.Parallel()
	conns := map[string]bool{}
	for _, r := range posts(t, "http-1-0") {
		if r.ProtoMinor != 0 || r.body == "" && r.Header["Content-Length"] != nil || conns[r.RemoteAddr] {
			t.Errorf("got %s from %s, %v, want HTTP/1.0 on a connection of its own", r.Proto, r.RemoteAddr, r.Header)
		}
		conns[r.RemoteAddr] = true
	}
}

func TestQuirk35FinalHandshake(t *testing.T) {
	t.Parallel()
	sent := posts(t, "final-handshake")
	if n := len(sent); sent[n-1].body != "" || sent[n-2].body == "" {
		t.Errorf("got %q, want one more empty POST after the last answer", sent[n-1].body)
	}
	if sent[1].body != "" || sent[2].body != "" {
		t.Errorf("got %q, want two empty POSTs after an Inform", sent[2].body)
	}
	var mu sync.Mutex
	empty := make(map[string]int) // by connection: the CPE of before comes again meanwhile
	refuses(t, "final-handshake", "not answered", func(w http.ResponseWriter, r raw) bool {
		mu.Lock()
		defer mu.Unlock()
		if r.body != "" {
			empty[r.RemoteAddr] = 0
			return false
		}
		empty[r.RemoteAddr]++
		late := empty[r.RemoteAddr] > 1
		if late {
			w.WriteHeader(http.StatusOK)
			_, _ = io.WriteString(w, "late")
		}
		return late
	})
}

func TestQuirk36Ends(t *testing.T) {
	t.Parallel()
	refuses(t, "no-204", "204", end(http.StatusNoContent))
	refuses(t, "only-204", "an empty 200", end(http.StatusOK))
}

func TestQuirk37NeedsHeader(t *testing.T) {
	t.Parallel()
	refuses(t, "needs-soap-server", "no SOAPServer", func(http.ResponseWriter, raw) bool { return false })
}

func TestQuirk38NoChunked(t *testing.T) {
	t.Parallel()
	refuses(t, "no-chunked", "chunked", func(w http.ResponseWriter, r raw) bool {
		if r.body == "" {
			w.WriteHeader(http.StatusOK)
			_ = http.NewResponseController(w).Flush()
		}
		return r.body == ""
	})
}

func TestQuirk39NewConnections(t *testing.T) {
	t.Parallel()
	conns := map[string]bool{}
	for _, r := range posts(t, "new-connections") {
		if conns[r.RemoteAddr] {
			t.Errorf("got a second POST from %s", r.RemoteAddr)
		}
		conns[r.RemoteAddr] = true
	}
}

func TestQuirk40InformTwice(t *testing.T) {
	t.Parallel()
	for quirk, sameConn := range map[string]bool{"repeats-inform": true, "informs-anew": false} {
		b := start(t, "tr098-dsl", quirks(t, quirk))
		first, second := b.inform(), b.inform()
		if s := b.ended(); s.Err != nil {
			t.Errorf("%s: %v", quirk, s.Err)
		}
		if first.RetryCount != second.RetryCount || len(first.Events) != len(second.Events) {
			t.Errorf("%s: got %+v, then %+v", quirk, first, second)
		}
		b.acs.mu.Lock()
		if got := b.acs.raws[0].RemoteAddr == b.acs.raws[1].RemoteAddr; got != sameConn {
			t.Errorf("%s: got the same connection %t", quirk, got)
		}
		b.acs.mu.Unlock()
	}
}

func TestQuirk41InformsForEver(t *testing.T) {
	t.Parallel()
	b := start(t, "tr098-dsl", quirks(t, "informs-for-ever"))
	for want := range uint32(5) {
		if in := b.inform(); in.RetryCount != want {
			t.Errorf("got RetryCount %d, want %d", in.RetryCount, want)
		}
		if s := b.ended(); s.Err == nil || len(s.Methods) > 0 {
			t.Errorf("got %+v, want a failure", s)
		}
	}
	b.acs.mu.Lock()
	b.acs.before = func(w http.ResponseWriter, r raw) bool {
		w.Header()["Date"] = nil
		return r.body == "" && end(http.StatusOK)(w, r)
	}
	b.acs.mu.Unlock()
	for {
		if b.ended().Err == nil {
			return
		}
	}
}

func TestQuirk42Targets(t *testing.T) {
	t.Parallel()
	for quirk, want := range map[string]string{
		"posts-to-root": `^/$`, "absolute-uri": `^http://127\.0\.0\.1:\d+/acs\?a=b$`, "clock-1970": `^/acs\?a=b$`,
	} {
		b := start(t, "tr098-dsl", func(o *cpe.Options) {
			quirks(t, quirk)(o)
			o.ACS += "acs?a=b"
		})
		b.booted()
		b.acs.mu.Lock()
		if got := b.acs.raws[0].RequestURI; !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("%s: got %q, want %s", quirk, got, want)
		}
		b.acs.mu.Unlock()
	}
}

// logins are the Authorization headers of a boot session with an ACS that wants
// Digest, and the connections of the two Informs.
func logins(t *testing.T, quirk string) (headers, conns []string) {
	t.Helper()
	b := start(t, "tr098-dsl", func(o *cpe.Options) {
		quirks(t, quirk)(o)
		o.ACS, o.Username, o.Password = o.ACS+"acs?a=b", "cpe", "secret"
		o.ConnReqListen = cpe.NoConnReq
	})
	b.acs.mu.Lock()
	b.acs.before = func(w http.ResponseWriter, r raw) bool {
		if r.Header.Get("Authorization") != "" {
			return false
		}
		w.Header().Set("WWW-Authenticate", `Digest realm="acs", nonce="abc", qop="auth", opaque="o"`)
		w.WriteHeader(http.StatusUnauthorized)
		return true
	}
	b.acs.mu.Unlock()
	b.cpe.Raise(cwmp.Event{Code: cwmp.EventPeriodic})
	for b.inform(); len(headers) == 0; {
		b.acs.mu.Lock()
		for _, r := range b.acs.raws {
			if h := r.Header.Get("Authorization"); h != "" {
				headers = append(headers, h)
			}
			conns = append(conns, r.RemoteAddr)
		}
		b.acs.mu.Unlock()
		b.cpe.Raise(cwmp.Event{Code: cwmp.EventPeriodic})
		b.inform()
	}
	return headers, conns
}

func TestQuirk43DropsAfter401(t *testing.T) {
	t.Parallel()
	_, conns := logins(t, "drops-after-401")
	seen := map[string]int{}
	for _, c := range conns {
		seen[c]++
	}
	if len(seen) < 2 {
		t.Errorf("got connections %v, want the login on another", conns)
	}
}

func TestQuirk44Digest(t *testing.T) {
	t.Parallel()
	for quirk, want := range map[string]string{
		"digest-no-qop":        `^Digest username="cpe", .*, response="[0-9a-f]{32}", opaque="o"$`,
		"digest-qop-undefined": `, qop=undefined, opaque`,
		"digest-algorithm":     `, algorithm=MD, opaque`,
		"digest-quoted-count":  `, nc="0000000\d", cnonce=`,
		"digest-full-uri":      `uri="http://127.0.0.1:\d+/acs\?a=b"`,
		"digest-no-query":      `uri="/acs"`,
		"digest-lower-case":    `^digest username`,
	} {
		headers, _ := logins(t, quirk)
		if !regexp.MustCompile(want).MatchString(headers[0]) {
			t.Errorf("%s: got %q, want %s", quirk, headers[0], want)
		}
	}
}

func TestQuirk45BasicUnasked(t *testing.T) {
	t.Parallel()
	b := start(t, "tr098-dsl", func(o *cpe.Options) {
		quirks(t, "basic-unasked")(o)
		o.Username, o.Password = "cpe", "secret"
	})
	b.booted()
	b.acs.mu.Lock()
	defer b.acs.mu.Unlock()
	if user, pass, ok := b.acs.raws[0].BasicAuth(); !ok || user != "cpe" || pass != "secret" {
		t.Errorf("got %q, %q, %t", user, pass, ok)
	}
}

func TestQuirk47GzipUnasked(t *testing.T) {
	t.Parallel()
	for _, r := range posts(t, "gzip-unasked") {
		if (r.Header.Get("Content-Encoding") == "gzip") != (r.body != "") ||
			r.body != "" && !strings.Contains(string(gunzip([]byte(r.body))), "<soap-env:Envelope") {
			t.Errorf("got %q, %q", r.Header.Get("Content-Encoding"), r.body)
		}
	}
}

func TestQuirk83KeepsSession(t *testing.T) {
	t.Parallel()
	b := quirky(t, "keeps-session")
	seen := make(chan string, 64)
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen <- r.Header.Get("Cookie")
		b.acs.ServeHTTP(w, r)
	}))
	t.Cleanup(other.Close)
	b.call(set(ms+"URL", other.URL, cwmp.TypeString))
	if got := take(t, "Inform to the other ACS", seen); !strings.Contains(got, "session=") {
		t.Errorf("got Cookie %q, want that of the session with the first ACS", got)
	}
}
