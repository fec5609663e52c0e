// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cpe_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/icholy/digest"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/internal/sim/cpe"
)

func TestQuirk77Sessions(t *testing.T) {
	t.Parallel()
	ring := func(b *bench) {
		if got := digestGet(t, b.cpe.ConnectionRequestURL(), "", ""); got != http.StatusOK {
			t.Fatalf("Connection Request: got %d", got)
		}
	}
	b := quirky(t, "no-session-once")
	ring(b)
	ring(b)
	b.wantEvents(b.inform(), cwmp.EventConnectionRequest)
	b.ended()
	b = quirky(t, "late-session")
	at := time.Now()
	ring(b)
	b.wantEvents(b.inform(), cwmp.EventConnectionRequest)
	if took := time.Since(at); took < 900*time.Millisecond {
		t.Errorf("late-session: the session came after %s", took)
	}
}

func TestQuirk78Challenges(t *testing.T) {
	t.Parallel()
	for quirk, want := range map[string]string{
		"connreq-no-qop": `realm="TR069 Client of the home".*domain="/"`, "connreq-closes": `qop="?auth`,
	} {
		b := start(t, "tr098-dsl", func(o *cpe.Options) {
			quirks(t, quirk)(o)
			o.ConnReqUsername, o.ConnReqPassword = "u", "p"
		})
		b.booted()
		resp, err := http.Get(b.cpe.ConnectionRequestURL())
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		got := resp.Header.Get("WWW-Authenticate")
		if resp.StatusCode != http.StatusUnauthorized || !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("%s: got %d, %q, want %s", quirk, resp.StatusCode, got, want)
		}
		if strings.Contains(got, "qop") == (quirk == "connreq-no-qop") || resp.Close {
			t.Errorf("%s: got %q, close %t", quirk, got, resp.Close)
		}
	}
}

func TestQuirk79FactoryLogin(t *testing.T) {
	t.Parallel()
	b := start(t, "tr098-dsl", func(o *cpe.Options) {
		quirks(t, "factory-login")(o)
		o.ConnReqUsername, o.ConnReqPassword = "u", "p"
	})
	b.booted()
	for login, want := range map[string]int{"u:p": http.StatusUnauthorized, "factory:factory": http.StatusOK} {
		user, pass, _ := strings.Cut(login, ":")
		if got := digestGet(t, b.cpe.ConnectionRequestURL(), user, pass); got != want {
			t.Errorf("%s: got %d, want %d", login, got, want)
		}
	}
}

func TestQuirk80PrivateURL(t *testing.T) {
	t.Parallel()
	b := quirky(t, "private-url")
	if got, want := b.cpe.ConnectionRequestURL(), "http://192.168.1.254:"; !strings.HasPrefix(got, want) {
		t.Errorf("got %s, want %s…", got, want)
	}
}

// digestGet is a Connection Request with a login; it returns the status.
func digestGet(t *testing.T, url, username, password string) int {
	t.Helper()
	tr := &digest.Transport{
		Username: username, Password: password, Transport: &http.Transport{DisableKeepAlives: true},
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Client{Transport: tr}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}
