// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package files_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"

	"github.com/uspgate/uspgate/cwmp/files"
)

// The client waits for 100, or sends anyway; the answer comes behind the body.
func TestQuirk33ExpectContinue(t *testing.T) {
	t.Parallel()
	s := start(t, files.Options{MaxUnauthenticated: 1000})
	m := new(memory)
	const expect = "PUT %s HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
	open := accept(t, s, files.Intake{Open: m.open})
	closed := accept(t, s, files.Intake{Open: m.open, Access: files.Access{Username: "u", Password: "p"}})
	for _, tc := range []struct {
		u      string
		size   int
		wait   bool // for 100
		status int
		keep   bool // the connection
	}{
		{open.URL, 5000, true, 200, true},
		{open.URL, 5000, false, 200, true},
		{closed.URL, 1000, true, 401, true},
		{closed.URL, 1000, false, 401, true},
	} {
		c := dial(t, tc.u)
		r := bufio.NewReader(c)
		_, _ = fmt.Fprintf(c, expect, pathOf(t, tc.u), tc.size)
		if tc.wait {
			if line, err := r.ReadString('\n'); err != nil || line != "HTTP/1.1 100 Continue\r\n" {
				t.Fatalf("got %q, %v, want 100", line, err)
			}
			_, _ = r.ReadString('\n')
		}
		_, _ = io.WriteString(c, pattern(tc.size))
		resp, err := http.ReadResponse(r, nil)
		if err == nil && resp.StatusCode == http.StatusContinue {
			resp, err = http.ReadResponse(r, nil)
		}
		if err != nil || resp.StatusCode != tc.status || resp.Close == tc.keep {
			t.Errorf("%+v: got %+v, %v", tc, resp, err)
		}
	}
	// One that is too large to be sent for nothing is refused at once.
	c := dial(t, closed.URL)
	_, _ = fmt.Fprintf(c, expect, pathOf(t, closed.URL), 1001)
	if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("got %+v, %v, want 401 without 100", resp, err)
	}
	if kept, _ := m.state(); len(kept) != 2 {
		t.Errorf("got %d kept, want the 2 that were allowed", len(kept))
	}
}

// A CPE that sends its body without asking gets its 401 on a connection that it
// can repeat the request on.
func TestUnasked401KeepsTheConnection(t *testing.T) {
	t.Parallel()
	s := start(t, files.Options{MaxUnauthenticated: 10})
	m := new(memory)
	ticket := accept(t, s, files.Intake{Open: m.open, Access: files.Access{Username: "cpe", Password: "secret"}})
	c := dial(t, ticket.URL)
	r := bufio.NewReader(c)
	p := pathOf(t, ticket.URL)
	text := pattern(2 << 20)
	var auth string
	for _, want := range []int{401, 200} {
		_, _ = fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: h\r\n%sContent-Length: %d\r\n\r\n%s", p, auth, len(text), text)
		resp, err := http.ReadResponse(r, nil)
		if err != nil || resp.StatusCode != want {
			t.Fatalf("got %+v, %v, want %d", resp, err, want)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		if m := nonceField.FindStringSubmatch(resp.Header.Get("WWW-Authenticate")); m != nil {
			auth = `Authorization: Digest username="cpe", realm="uspgate", nonce="` + m[1] + `", uri="` + p + `", response="` +
				sum(sum("cpe", "uspgate", "secret"), m[1], sum("POST", p)) + "\"\r\n"
		}
	}
	if kept, _ := m.state(); !slices.Equal(kept, []string{text}) {
		t.Errorf("got %d kept, want the second", len(kept))
	}
}
