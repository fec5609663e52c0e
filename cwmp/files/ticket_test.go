// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package files_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uspgate/uspgate/cwmp/files"
)

// What CPE can make of a URL: a port, ASCII, a file name with its extension, 256
// bytes, no user.
func TestQuirk71URL(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "fw 2.0 (é).bin", "x")
	s := start(t, files.Options{Root: dir})
	form := regexp.MustCompile(`^http://127\.0\.0\.1:\d+/[0-9a-f]{32}/[A-Za-z0-9_.-]+$`)
	seen := map[string]bool{}
	for _, tc := range []struct{ name, end string }{
		{"", "/fw_2.0____.bin"},
		{"a/b\\c?d#e%20.img", "/a_b_c_d_e_20.img"},
		{"..", "/_."},
		{strings.Repeat("n", 300) + ".tar.gz", "nnn.gz"},
		{"x." + strings.Repeat("n", 300), "nnn"},
	} {
		ticket := offer(t, s, files.Offer{File: "fw 2.0 (é).bin", Access: files.Access{Name: tc.name}})
		if !form.MatchString(ticket.URL) || !strings.HasSuffix(ticket.URL, tc.end) || len(ticket.URL) > 256 {
			t.Errorf("got %q (%d bytes), want it to end with %q", ticket.URL, len(ticket.URL), tc.end)
		}
		if seen[ticket.Token] {
			t.Error("got a token twice")
		}
		seen[ticket.Token] = true
		if got := do(t, "GET", ticket.URL, nil); got.text != "x" {
			t.Errorf("got %d of %s, want the file", got.StatusCode, ticket.URL)
		}
	}
}

func TestBaseURL(t *testing.T) {
	t.Parallel()
	for base, want := range map[string]string{
		"http://files.example.net":          "http://files.example.net/",
		"https://files.example.net:7568/fw": "https://files.example.net:7568/fw/",
		"http://[2001:db8::1]:7567/":        "http://[2001:db8::1]:7567/",
	} {
		s := start(t, files.Options{BaseURL: base})
		if ticket := offer(t, s, files.Offer{Content: contentOf("x")}); !strings.HasPrefix(ticket.URL, want) {
			t.Errorf("got %q, want it to begin with %q", ticket.URL, want)
		}
	}
	s := start(t, files.Options{})
	for _, base := range []string{
		"ftp://h", "h:80", "http://", "http://u:p@h", "http://h/?x=1", "http://h/#x", "http://h/a b", "http://bücher.example",
		"http://h/" + strings.Repeat("x", 300), "http://h/%zz",
	} {
		_, err := s.Offer(files.Offer{Content: contentOf("x"), Access: files.Access{BaseURL: base}})
		if !errors.Is(err, files.ErrURL) {
			t.Errorf("%q: got %v, want ErrURL", base, err)
		}
	}
	if _, err := files.New(files.Options{BaseURL: "gopher://h"}); !errors.Is(err, files.ErrURL) {
		t.Errorf("got %v of New, want ErrURL", err)
	}
	wild := start(t, files.Options{Addr: "0.0.0.0:0"})
	if _, err := wild.Offer(files.Offer{Content: contentOf("x")}); !errors.Is(err, files.ErrURL) {
		t.Errorf("got %v, want ErrURL as 0.0.0.0 is nobody's address", err)
	}
}

// The token is found wherever the CPE leaves it, and nothing else is a path.
func TestQuirk42Paths(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "f.bin", "the file")
	write(t, dir, "secret", "secret")
	s := start(t, files.Options{Root: dir})
	ticket := offer(t, s, files.Offer{File: "f.bin"})
	for _, tc := range []struct {
		path string
		ok   bool
	}{
		{"/" + ticket.Token + "/f.bin", true},
		{"/" + ticket.Token, true},
		{"/" + ticket.Token + "/", true},
		{"//" + ticket.Token + "//f.bin", true},
		{"/proxy/path/" + ticket.Token + "/f.bin?query=1", true},
		{"/" + strings.ToUpper(ticket.Token) + "/F.BIN", true},
		{"/" + ticket.Token + "/../../secret", true}, // of the token, whatever the name
		{"/%2e%2e/" + ticket.Token + "/..%2f..%2fsecret", true},
		{"/f.bin", false},
		{"/../secret", false},
		{"/..%2fsecret", false},
		{"/%00", false},
		{"/" + ticket.Token[:31] + "/f.bin", false},
		{"/" + ticket.Token + "0/f.bin", false},
		{"/" + strings.Repeat("0", 32) + "/f.bin", false},
		{"/", false},
	} {
		got := raw(t, ticket.URL, "GET "+tc.path+" HTTP/1.0\r\n\r\n")
		if ok := strings.HasSuffix(got, "\r\n\r\nthe file"); ok != tc.ok || !ok && !strings.HasPrefix(got, "HTTP/1.0 404 ") {
			t.Errorf("%s: got %q, want served: %v", tc.path, got, tc.ok)
		}
	}
}

func TestFilesStayBelowTheRoot(t *testing.T) {
	t.Parallel()
	top := t.TempDir()
	dir := filepath.Join(top, "root")
	if err := os.MkdirAll(filepath.Join(dir, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, top, "secret", "secret")
	write(t, dir, "sub/f.bin", "fine")
	for link, to := range map[string]string{
		"good": "sub/f.bin", "up": "sub/../sub/f.bin", "out": "../secret", "abs": filepath.Join(top, "secret"), "dir": "..",
	} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	s := start(t, files.Options{Root: dir})
	for _, name := range []string{"sub/f.bin", "good", "up", "sub/../sub/f.bin"} {
		if got := do(t, "GET", offer(t, s, files.Offer{File: name}).URL, nil); got.text != "fine" {
			t.Errorf("%s: got %d, want the file", name, got.StatusCode)
		}
	}
	for _, name := range []string{
		"../secret", "out", "abs", "dir/secret", "sub/../../secret", filepath.Join(top, "secret"), "sub", ".", "", "none",
		"a\x00b",
	} {
		if _, err := s.Offer(files.Offer{File: name}); err == nil {
			t.Errorf("%q: got an offer, want an error", name)
		}
	}
	// A link that is bent after the offer.
	ticket := offer(t, s, files.Offer{File: "good"})
	link := filepath.Join(dir, "good")
	if err := errors.Join(os.Remove(link), os.Symlink("../secret", link)); err != nil {
		t.Fatal(err)
	}
	got := do(t, "GET", ticket.URL, nil)
	if got.StatusCode != http.StatusInternalServerError || strings.Contains(got.text, "secret") {
		t.Errorf("got %d %q, want 500", got.StatusCode, got.text)
	}
	none := start(t, files.Options{})
	if _, err := none.Offer(files.Offer{File: "f.bin"}); err == nil {
		t.Error("got an offer of a Server without a root")
	}
	if _, err := files.New(files.Options{Root: filepath.Join(dir, "none")}); err == nil {
		t.Error("got a Server with a root that does not exist")
	}
}

// A resumed download never joins two versions.
func TestFileThatChangesIsNotServed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "f.bin", "version 1")
	s := start(t, files.Options{Root: dir})
	ev := newEvents()
	ticket := offer(t, s, files.Offer{File: "f.bin", Access: files.Access{Notify: ev.notify}})
	write(t, dir, "f.bin", "version 2.0")
	if got := do(t, "GET", ticket.URL, nil); got.StatusCode != http.StatusNotFound {
		t.Errorf("got %d %q, want 404", got.StatusCode, got.text)
	}
	if e := ev.want(t, files.Started, files.Failed); !errors.Is(e.Err, files.ErrChanged) {
		t.Errorf("got %v, want ErrChanged", e.Err)
	}
}

// After a restart, and at another node, the owner makes the same URL again.
func TestTokenOfAnEarlierTicket(t *testing.T) {
	t.Parallel()
	first := start(t, files.Options{})
	old := offer(t, first, files.Offer{Content: contentOf("old")})
	for _, bad := range []string{old.Token, "short", strings.Repeat("A", 32), old.Token[:31] + "/", old.Token + "0"} {
		_, err := first.Offer(files.Offer{Content: contentOf("x"), Access: files.Access{Token: bad}})
		if !errors.Is(err, files.ErrToken) {
			t.Errorf("%q: got %v, want ErrToken", bad, err)
		}
	}
	var asked atomic.Int32
	var second *files.Server
	second, err := files.New(files.Options{Addr: "127.0.0.1:0", Missing: func(_ context.Context, token string) bool {
		asked.Add(1)
		if token != old.Token {
			return false
		}
		_, err := second.Offer(files.Offer{Content: contentOf("old"), Access: files.Access{Token: token, Name: "file.bin"}})
		return err == nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	run(t, second)
	u := strings.Replace(old.URL, first.Addr(), second.Addr(), 1)
	for range 2 {
		if got := do(t, "GET", u, nil); got.text != "old" {
			t.Errorf("got %d %q, want the file", got.StatusCode, got.text)
		}
	}
	unknown := strings.Replace(u, old.Token, strings.Repeat("0", 32), 1)
	if got := do(t, "GET", unknown, nil); got.StatusCode != http.StatusNotFound {
		t.Errorf("got %d, want 404", got.StatusCode)
	}
	do(t, "GET", "http://"+second.Addr()+"/robots.txt", nil)
	if n := asked.Load(); n != 2 {
		t.Errorf("got %d questions, want 2: once found, and no token no question", n)
	}
}

func TestJobsExpire(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := start(t, files.Options{Listener: newPipes(), Lifetime: time.Hour, MaxJobs: 3})
		begin := time.Now()
		times := make(chan time.Duration, 3)
		note := func(e files.Event) {
			if e.Kind == files.Closed && errors.Is(e.Err, files.ErrExpired) {
				times <- time.Since(begin)
			}
		}
		var last files.Ticket
		for _, at := range []time.Time{{}, begin.Add(2 * time.Minute), begin.Add(time.Minute)} {
			last = offer(t, s, files.Offer{Content: contentOf("x"), Access: files.Access{Expires: at, Notify: note}})
		}
		if _, err := s.Offer(files.Offer{Content: contentOf("x")}); !errors.Is(err, files.ErrJobs) {
			t.Errorf("got %v, want ErrJobs", err)
		}
		for _, want := range []time.Duration{time.Minute, 2 * time.Minute, time.Hour} {
			if got := <-times; got != want {
				t.Errorf("got closed after %v, want %v", got, want)
			}
		}
		if _, ok := s.Status(last.Token); ok || s.Withdraw(last.Token) {
			t.Error("got an expired job, want none")
		}
		offer(t, s, files.Offer{Content: contentOf("x")})
	})
}

func TestCovered(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		pairs []int64
		whole bool
		spans int
	}{
		{nil, false, 0},
		{[]int64{0, 100}, true, 1},
		{[]int64{0, 50, 50, 100}, true, 1},
		{[]int64{50, 100, 0, 50}, true, 1},
		{[]int64{0, 10, 20, 30, 40, 100, 5, 45}, true, 1},
		{[]int64{0, 49, 50, 100}, false, 2},
		{[]int64{10, 20, 5, 25, 7, 7}, false, 1},
	} {
		if whole, n := files.Covered(100, tc.pairs...); whole != tc.whole || n != tc.spans {
			t.Errorf("%v: got %v in %d, want %v in %d", tc.pairs, whole, n, tc.whole, tc.spans)
		}
	}
	var far []int64
	for i := range int64(1000) {
		far = append(far, 2*i, 2*i+1)
	}
	if _, n := files.Covered(2000, far...); n > 64 {
		t.Errorf("got %d pieces remembered, want a bound", n)
	}
	if whole, _ := files.Covered(2000, append(far, 0, 2000)...); !whole {
		t.Error("got it not whole after the whole")
	}
}

func FuzzPath(f *testing.F) {
	token := strings.Repeat("a", 32)
	for _, p := range []string{"/", "//", "/a/" + token + "/b.bin", "/" + strings.ToUpper(token), "/é/.."} {
		f.Add(p, 40)
	}
	f.Fuzz(func(t *testing.T, p string, limit int) {
		if token, ok := files.TokenIn(p); ok {
			if len(token) != 32 || !strings.Contains(strings.ToLower(p), token) {
				t.Fatalf("got token %q of %q", token, p)
			}
		}
		limit = 5 + max(0, limit)%300
		name := files.CleanName(p, limit)
		if len(name) > limit || strings.HasPrefix(name, ".") || strings.ContainsAny(name, "/\\%?# ") || !isASCII(name) {
			t.Fatalf("got name %s of %q with %d bytes", strconv.Quote(name), p, limit)
		}
		if files.CleanName(name, limit) != name {
			t.Fatalf("got another name of %q", name)
		}
	})
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
}
