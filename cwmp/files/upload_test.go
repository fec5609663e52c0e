// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package files_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/cwmp/files"
)

func squeezed(tb testing.TB, encoding, text string) string {
	tb.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	switch encoding {
	case "gzip":
		w = gzip.NewWriter(&b)
	case "zlib":
		w = zlib.NewWriter(&b)
	default:
		w, _ = flate.NewWriter(&b, 6)
	}
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	return b.String()
}

const form = "preamble\r\n--B\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\nvalue\r\n" +
	"--B\r\nContent-Disposition: form-data; name=\"f\"; filename=\"config.cfg\"\r\nContent-Type: text/plain\r\n\r\n" +
	"the config\r\n--B--\r\nepilogue"

// Each is kept whole, in whatever clothes it comes.
func TestUploadForms(t *testing.T) {
	t.Parallel()
	s := start(t, files.Options{})
	for _, tc := range []struct {
		name, head, body, want string
	}{
		{"PUT", "PUT P HTTP/1.1\nContent-Length: 10\n", "the config", "the config"},
		{"POST", "POST P HTTP/1.1\nContent-Length: 10\nContent-Type: text/plain\n", "the config", "the config"},
		{"HTTP/1.0", "PUT P HTTP/1.0\nContent-Length: 10\n", "the config", "the config"},
		{"empty", "PUT P HTTP/1.1\nContent-Length: 0\n", "", ""},
		{
			"chunked", "PUT P HTTP/1.1\nTransfer-Encoding: chunked\n",
			"4;x=y\r\nthe \r\n6\r\nconfig\r\n0\r\nTrailer: x\r\n\r\n", "the config",
		},
		{"empty chunked", "PUT P HTTP/1.1\nTransfer-Encoding: chunked\n", "0\r\n\r\n", ""},
		{"whole range", "PUT P HTTP/1.1\nContent-Range: bytes 0-9/10\nContent-Length: 10\n", "the config", "the config"},
		{"gzip [quirk 47]", "PUT P HTTP/1.1\nContent-Encoding: gzip\nL\n", squeezed(t, "gzip", "the config"), "the config"},
		{"zlib", "PUT P HTTP/1.1\nContent-Encoding: deflate\nL\n", squeezed(t, "zlib", "the config"), "the config"},
		{"bare deflate", "PUT P HTTP/1.1\nContent-Encoding: Deflate\nL\n", squeezed(t, "flate", "the config"), "the config"},
		{"a form", "POST P HTTP/1.1\nContent-Type: multipart/form-data; boundary=B\nL\n", form, "the config"},
		{
			"a form with newlines", "POST P HTTP/1.1\nContent-Type: Multipart/Form-Data; boundary=\"B\"\nL\n",
			strings.ReplaceAll(form, "\r\n", "\n"), "the config",
		},
		{"a form by PUT", "PUT P HTTP/1.1\nContent-Type: multipart/form-data; boundary=B\nL\n", form, "the config"},
		{
			"a form, odd boundary", "POST P HTTP/1.1\nContent-Type: multipart/form-data; boundary=--(1) 2/;x\nL\n",
			strings.ReplaceAll(form, "--B", "----(1) 2/"), "the config",
		},
		{
			"a form in gzip", "POST P HTTP/1.1\nContent-Type: multipart/form-data; boundary=B\nContent-Encoding: gzip\nL\n",
			squeezed(t, "gzip", form), "the config",
		},
	} {
		m, ev := new(memory), newEvents()
		ticket := accept(t, s, files.Intake{Open: m.open, Access: files.Access{Notify: ev.notify}})
		head := strings.Replace(tc.head, " P ", " "+pathOf(t, ticket.URL)+" ", 1)
		head = strings.Replace(head, "\nL\n", fmt.Sprintf("\nContent-Length: %d\n", len(tc.body)), 1)
		got := raw(t, ticket.URL, strings.ReplaceAll(head+"Host: h\nConnection: close\n\n", "\n", "\r\n")+tc.body)
		kept, dropped := m.state()
		if !strings.Contains(got, " 200 OK\r\n") || !strings.Contains(got, "\r\nContent-Length: 0\r\n") ||
			!slices.Equal(kept, []string{tc.want}) || dropped != 0 {
			t.Errorf("%s: got %q, kept %q, %d discarded, want %q kept", tc.name, got, kept, dropped, tc.want)
			continue
		}
		if e := ev.want(t, files.Started, files.Finished); !e.Whole || e.Bytes != int64(len(tc.want)) {
			t.Errorf("%s: got %+v, want it whole", tc.name, e)
		}
	}
}

func TestUploadsThatAreNotTaken(t *testing.T) {
	t.Parallel()
	s := start(t, files.Options{MaxUploadTotal: 300})
	broken := errors.New("disk")
	for _, tc := range []struct {
		name, head, body string
		m                *memory
		status           int
		err              error
	}{
		{"no length", "PUT P HTTP/1.1\n", "", new(memory), 411, files.ErrMalformed},
		{
			"a part [resume]", "PUT P HTTP/1.1\nContent-Range: bytes 5-9/10\nL\n",
			"onfig",
			new(memory), 400, files.ErrMalformed,
		},
		{
			"unknown size", "PUT P HTTP/1.1\nContent-Range: bytes 0-4/*\nL\n",
			"the c",
			new(memory), 400, files.ErrMalformed,
		},
		{
			"unknown encoding", "PUT P HTTP/1.1\nContent-Encoding: br\nL\n",
			"x",
			new(memory), 415, files.ErrMalformed,
		},
		{
			"no gzip", "PUT P HTTP/1.1\nContent-Encoding: gzip\nL\n",
			"the config",
			new(memory), 400, files.ErrMalformed,
		},
		{
			"cut gzip", "PUT P HTTP/1.1\nContent-Encoding: gzip\nL\n",
			squeezed(t, "gzip", "the config")[:14],
			new(memory), 400, files.ErrMalformed,
		},
		{"too large", "PUT P HTTP/1.1\nL\n", pattern(201), new(memory), 413, files.ErrTooLarge},
		{
			"too large, chunked", "PUT P HTTP/1.1\nTransfer-Encoding: chunked\n",
			"c9\r\n" + pattern(201) + "\r\n0\r\n\r\n",
			new(memory), 413, files.ErrTooLarge,
		},
		{
			"too large, inflated", "PUT P HTTP/1.1\nContent-Encoding: gzip\nL\n",
			squeezed(t, "gzip", strings.Repeat("x", 5000)),
			new(memory), 413, files.ErrTooLarge,
		},
		{
			"bad chunks", "PUT P HTTP/1.1\nTransfer-Encoding: chunked\n",
			"zz\r\nx\r\n0\r\n\r\n",
			new(memory), 400, files.ErrMalformed,
		},
		{
			"no boundary", "POST P HTTP/1.1\nContent-Type: multipart/form-data\nL\n",
			form,
			new(memory), 400, files.ErrMalformed,
		},
		{
			"no file", "POST P HTTP/1.1\nContent-Type: multipart/form-data; boundary=B\nL\n",
			strings.SplitAfter(form, "value\r\n")[0] + "--B--\r\n",
			new(memory), 400, files.ErrMalformed,
		},
		{
			"open-ended form", "POST P HTTP/1.1\nContent-Type: multipart/form-data; boundary=B\nL\n",
			strings.Split(form, "\r\n--B--")[0],
			new(memory), 400, files.ErrMalformed,
		},
		{"cannot write", "PUT P HTTP/1.1\nL\n", "x", &memory{writeErr: broken}, 500, files.ErrContent},
		{"cannot commit", "PUT P HTTP/1.1\nL\n", "x", &memory{commitErr: broken}, 500, files.ErrContent},
	} {
		ev := newEvents()
		ticket := accept(t, s, files.Intake{Open: tc.m.open, MaxBytes: 200, Access: files.Access{Notify: ev.notify}})
		head := strings.Replace(tc.head, " P ", " "+pathOf(t, ticket.URL)+" ", 1)
		head = strings.Replace(head, "\nL\n", fmt.Sprintf("\nContent-Length: %d\n", len(tc.body)), 1)
		got := raw(t, ticket.URL, strings.ReplaceAll(head+"Host: h\nConnection: close\n\n", "\n", "\r\n")+tc.body)
		kept, _ := tc.m.state()
		if !strings.HasPrefix(got, fmt.Sprintf("HTTP/1.1 %d ", tc.status)) || len(kept) != 0 {
			t.Errorf("%s: got %q, kept %q, want %d", tc.name, got, kept, tc.status)
			continue
		}
		e := <-ev
		if e.Kind == files.Started {
			e = ev.want(t, files.Failed)
		}
		if e.Kind != files.Failed || !errors.Is(e.Err, tc.err) || e.Whole {
			t.Errorf("%s: got %+v, want %v", tc.name, e, tc.err)
		}
	}
}

// All uploads together have a bound, and a job that is closed gives back its
// part.
func TestUploadsInTotal(t *testing.T) {
	t.Parallel()
	s := start(t, files.Options{MaxUploadTotal: 250})
	m := new(memory)
	first := accept(t, s, files.Intake{Open: m.open})
	second := accept(t, s, files.Intake{Open: m.open})
	for _, tc := range []struct {
		u      string
		n      int
		status int
	}{
		{first.URL, 200, 200},
		{second.URL, 51, 503},
		{second.URL, 50, 200},
		{first.URL, 1, 503}, // beside the old one, which it would replace
	} {
		if got := do(t, "PUT", tc.u, strings.NewReader(pattern(tc.n))); got.StatusCode != tc.status {
			t.Errorf("%d bytes: got %d, want %d", tc.n, got.StatusCode, tc.status)
		}
	}
	s.Withdraw(first.Token)
	if got := do(t, "PUT", second.URL, strings.NewReader(pattern(200))); got.StatusCode != http.StatusOK {
		t.Errorf("got %d, want 200 after the other has gone", got.StatusCode)
	}
}

func TestUploadStatus(t *testing.T) {
	t.Parallel()
	s := start(t, files.Options{})
	for _, status := range []int{200, 201, 204} {
		ticket := accept(t, s, files.Intake{Open: new(memory).open, Status: status})
		if got := do(t, "PUT", ticket.URL, strings.NewReader("x")); got.StatusCode != status || got.ContentLength != 0 {
			t.Errorf("got %d, length %d, want %d without a body [quirk 36]", got.StatusCode, got.ContentLength, status)
		}
	}
	if _, err := s.Accept(files.Intake{Open: new(memory).open, Status: 302}); err == nil {
		t.Error("got status 302 accepted")
	}
}

func TestUploadsStayBelowTheRoot(t *testing.T) {
	t.Parallel()
	top := t.TempDir()
	dir := filepath.Join(top, "root")
	if err := errors.Join(os.Mkdir(dir, 0o700), os.Symlink("..", filepath.Join(dir, "out"))); err != nil {
		t.Fatal(err)
	}
	write(t, top, "outside", "as it was")
	if err := os.Symlink("../outside", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	s := start(t, files.Options{UploadRoot: dir})
	for _, name := range []string{"", ".", "..", "../x", "out/x", "/x", "none/x", "link/x", "a/../../x"} {
		if _, err := s.Accept(files.Intake{File: name}); err == nil {
			t.Errorf("%q: got it accepted, want an error", name)
		}
	}
	// A link is replaced, not followed.
	do(t, "PUT", accept(t, s, files.Intake{File: "link"}).URL, strings.NewReader("new"))
	if got, err := os.ReadFile(filepath.Join(top, "outside")); err != nil || string(got) != "as it was" {
		t.Errorf("got %q, %v, want it untouched", got, err)
	}
	none := start(t, files.Options{})
	if _, err := none.Accept(files.Intake{File: "x"}); err == nil {
		t.Error("got it accepted without a root")
	}
}

// Whatever comes as a form is bounded and does not panic, and what is taken for
// the file lies in it.
func FuzzForm(f *testing.F) {
	s := start(f, files.Options{MaxUpload: 1 << 16})
	f.Add("multipart/form-data; boundary=B", form)
	f.Add("multipart/form-data; boundary=\"B", strings.ReplaceAll(form, "\r\n", "\n"))
	f.Add("multipart/x; boundary=;;", "----\r\n\r\n")
	f.Fuzz(func(t *testing.T, kind, body string) {
		if strings.IndexFunc(kind, func(r rune) bool { return r < ' ' || r == 0x7f }) >= 0 {
			t.Skip("net/http does not let it pass")
		}
		m := new(memory)
		ticket := accept(t, s, files.Intake{Open: m.open})
		defer s.Withdraw(ticket.Token)
		got := raw(t, ticket.URL, fmt.Sprintf("POST %s HTTP/1.0\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s",
			pathOf(t, ticket.URL), kind, len(body), body))
		kept, _ := m.state()
		ok := strings.HasPrefix(got, "HTTP/1.0 200 ")
		if ok != (len(kept) == 1) || !ok && !strings.HasPrefix(got, "HTTP/1.0 4") {
			t.Fatalf("got %q, kept %d", got, len(kept))
		}
		if ok && !strings.Contains(body, kept[0]) {
			t.Fatalf("got %q, which is not in the body", kept[0])
		}
	})
}
