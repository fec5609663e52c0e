// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package files_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/uspgate/uspgate/cwmp/files"
)

func TestGetAndHead(t *testing.T) {
	t.Parallel()
	s := start(t, files.Options{})
	ev := newEvents()
	text := pattern(100_000)
	ticket := offer(t, s, files.Offer{Content: contentOf(text), Access: files.Access{Notify: ev.notify}})
	if ticket.Size != 100_000 {
		t.Errorf("got size %d, want 100000", ticket.Size)
	}
	head := do(t, "HEAD", ticket.URL, nil)
	got := do(t, "GET", ticket.URL, nil)
	if got.text != text || head.text != "" {
		t.Errorf("got %d and %d bytes, want the content and nothing", len(got.text), len(head.text))
	}
	for _, a := range []answer{head, got} {
		if a.StatusCode != http.StatusOK || a.ContentLength != 100_000 || len(a.TransferEncoding) != 0 {
			t.Errorf("got %d, length %d, %v, want 200 with a length [quirk 38]",
				a.StatusCode, a.ContentLength, a.TransferEncoding)
		}
		for name, want := range map[string]string{
			"Accept-Ranges": "bytes", "Content-Type": "application/octet-stream",
			"Last-Modified": "Sun, 01 Mar 2026 12:00:00 GMT", "Set-Cookie": "", "Location": "",
		} {
			if a.Header.Get(name) != want {
				t.Errorf("got %s: %q, want %q", name, a.Header.Get(name), want)
			}
		}
		if tag := a.Header.Get("Etag"); !strings.HasPrefix(tag, `"`) || tag != got.Header.Get("Etag") {
			t.Errorf("got ETag %q, want a strong one, and always the same", tag)
		}
	}
	e := ev.want(t, files.Started, files.Finished) // none of HEAD
	if !e.Whole || e.Bytes != 100_000 || e.Err != nil || e.Token != ticket.Token || !e.Remote.Addr().IsLoopback() {
		t.Errorf("got %+v, want the whole of it", e)
	}
	st, ok := s.Status(ticket.Token)
	if !ok || st.Whole != 1 || st.Bytes != 100_000 || st.Last.IsZero() || st.Active != 0 {
		t.Errorf("got %+v, want one whole download", st)
	}
}

func TestHTTP10(t *testing.T) {
	t.Parallel()
	s := start(t, files.Options{})
	ticket := offer(t, s, files.Offer{Content: contentOf("firmware")})
	p := pathOf(t, ticket.URL)
	got := raw(t, ticket.URL, "GET "+p+" HTTP/1.0\r\n\r\n")
	if !strings.HasPrefix(got, "HTTP/1.0 200 OK\r\n") || !strings.Contains(got, "\r\nContent-Length: 8\r\n") ||
		!strings.HasSuffix(got, "\r\n\r\nfirmware") {
		t.Errorf("got %q, want the file and then the end", got)
	}
	got = raw(t, ticket.URL, "GET "+p+" HTTP/1.0\nConnection: keep-alive\n\nGET "+p+" HTTP/1.0\nRange: bytes=4-\n\n")
	if strings.Count(got, "\r\n\r\nfirmware") != 1 || !strings.HasSuffix(got, "\r\n\r\nware") ||
		!strings.Contains(got, " 206 ") {
		t.Errorf("got %q, want two answers on one connection", got)
	}
	got = raw(t, ticket.URL, "GET "+ticket.URL+" HTTP/1.1\r\nHost: elsewhere\r\nConnection: close\r\n\r\n")
	if !strings.HasSuffix(got, "\r\n\r\nfirmware") {
		t.Errorf("got %q of an absolute URL, want the file [quirk 42]", got)
	}
}

// Some clients say that they will send no more, and read on.
func TestHalfClosedClientGetsItsFile(t *testing.T) {
	t.Parallel()
	s := start(t, files.Options{MaxRate: 64 << 20})
	text := pattern(4 << 20)
	ticket := offer(t, s, files.Offer{Content: contentOf(text)})
	c := dial(t, ticket.URL)
	_, _ = io.WriteString(c, "GET "+pathOf(t, ticket.URL)+" HTTP/1.0\r\n\r\n")
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(c)
	if err != nil || !strings.HasSuffix(string(got), text) {
		t.Fatalf("got %d bytes, %v, want all", len(got), err)
	}
}

func TestRange(t *testing.T) {
	t.Parallel()
	s := start(t, files.Options{})
	ticket := offer(t, s, files.Offer{Content: contentOf("0123456789")})
	for _, tc := range []struct {
		header, text, contentRange string
		status                     int
	}{
		{"bytes=2-4", "234", "bytes 2-4/10", 206},
		{"Bytes = 2-4", "234", "bytes 2-4/10", 206},
		{"bytes=,2-4 ,", "234", "bytes 2-4/10", 206},
		{"bytes=7-", "789", "bytes 7-9/10", 206},
		{"bytes=-2", "89", "bytes 8-9/10", 206},
		{"bytes=5-500", "56789", "bytes 5-9/10", 206},
		{"bytes=0-", "0123456789", "bytes 0-9/10", 206},
		{"bytes=10-", "Range Not Satisfiable", "bytes */10", 416},
		// Not of the grammar, or beyond reason: as if it were not there.
		{"bytes=4-2", "0123456789", "", 200},
		{"bytes 2-4", "0123456789", "", 200},
		{"bytes=a-b", "0123456789", "", 200},
		{"bytes=", "0123456789", "", 200},
		{"bytes=-", "0123456789", "", 200},
		{"items=0-1", "0123456789", "", 200},
		{"bytes=99999999999999999999-", "0123456789", "", 200},
		{"bytes=" + strings.Repeat("0-0,", 16) + "1-1", "0123456789", "", 200},
	} {
		got := do(t, "GET", ticket.URL, nil, "Range", tc.header)
		if got.StatusCode != tc.status || tc.status != 416 && got.text != tc.text ||
			got.Header.Get("Content-Range") != tc.contentRange || got.ContentLength != int64(len(got.text)) {
			t.Errorf("%s: got %d %q %q, want %d %q %q", tc.header, got.StatusCode, got.text,
				got.Header.Get("Content-Range"), tc.status, tc.text, tc.contentRange)
		}
	}
}

func TestSeveralRanges(t *testing.T) {
	t.Parallel()
	s := start(t, files.Options{})
	ev := newEvents()
	text := pattern(1000)
	ticket := offer(t, s, files.Offer{Content: contentOf(text), Access: files.Access{Notify: ev.notify}})
	got := do(t, "GET", ticket.URL, nil, "Range", "bytes=0-9, 500-509, -5")
	kind, params, err := mime.ParseMediaType(got.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/byteranges" || got.StatusCode != http.StatusPartialContent ||
		got.ContentLength != int64(len(got.text)) {
		t.Fatalf("got %d %v %d, want parts with a length", got.StatusCode, got.Header, got.ContentLength)
	}
	parts := multipart.NewReader(strings.NewReader(got.text), params["boundary"])
	for _, want := range []string{text[:10], text[500:510], text[995:]} {
		p, err := parts.NextPart()
		if err != nil {
			t.Fatal(err)
		}
		if b, _ := io.ReadAll(p); string(b) != want {
			t.Errorf("got %q, want %q", b, want)
		}
	}
	if e := ev.want(t, files.Started, files.Finished); e.Whole || e.Bytes != 25 {
		t.Errorf("got %+v, want 25 bytes that are not the whole", e)
	}
}

func TestConditions(t *testing.T) {
	t.Parallel()
	s := start(t, files.Options{})
	ev := newEvents()
	ticket := offer(t, s, files.Offer{Content: contentOf("0123456789"), Access: files.Access{Notify: ev.notify}})
	tag := do(t, "HEAD", ticket.URL, nil).Header.Get("Etag")
	const at, before = "Sun, 01 Mar 2026 12:00:00 GMT", "Sun, 01 Mar 2026 11:00:00 GMT"
	for _, tc := range []struct {
		header []string
		status int
	}{
		{[]string{"If-None-Match", tag}, 304},
		{[]string{"If-None-Match", `"other", ` + tag}, 304},
		{[]string{"If-None-Match", `"other"`}, 200},
		{[]string{"If-Modified-Since", at}, 304},
		{[]string{"If-Modified-Since", "Sun, 01 Mar 2026 13:00:00 GMT"}, 304},
		{[]string{"If-Modified-Since", before}, 200},
		{[]string{"If-Modified-Since", "Sunday, 01-Mar-26 12:00:00 GMT"}, 304},
		{[]string{"If-Modified-Since", "yesterday"}, 200},
		{[]string{"If-None-Match", `"other"`, "If-Modified-Since", at}, 200},
		{[]string{"If-Match", `"other"`}, 412},
		{[]string{"If-Unmodified-Since", before}, 412},
		{[]string{"Range", "bytes=1-2", "If-Range", tag}, 206},
		{[]string{"Range", "bytes=1-2", "If-Range", `"other"`}, 200},
		{[]string{"Range", "bytes=1-2", "If-Range", at}, 206},
		{[]string{"Range", "bytes=1-2", "If-Range", before}, 200},
	} {
		if got := do(t, "GET", ticket.URL, nil, tc.header...); got.StatusCode != tc.status {
			t.Errorf("%v: got %d, want %d", tc.header, got.StatusCode, tc.status)
		}
		if tc.status == 200 || tc.status == 206 {
			ev.want(t, files.Started, files.Finished)
		}
		ev.none(t)
	}
}

// A one-time URL is used up by the whole file, in however many pieces.
func TestOneTimeURLIsGoodUntilTheFileIsWhole(t *testing.T) {
	t.Parallel()
	s := start(t, files.Options{})
	ev := newEvents()
	text := pattern(1000)
	ticket := offer(t, s, files.Offer{
		Content: contentOf(text), Access: files.Access{Uses: 1, Notify: ev.notify},
	})
	for _, r := range []string{"bytes=600-", "bytes=0-99", "bytes=50-399"} {
		do(t, "GET", ticket.URL, nil, "Range", r)
		if e := ev.want(t, files.Started, files.Finished); e.Whole {
			t.Fatalf("got %+v, want it not whole", e)
		}
	}
	if got := do(t, "GET", ticket.URL, nil, "Range", "bytes=400-"); got.text != text[400:] {
		t.Fatalf("got %d bytes, want the last piece", len(got.text))
	}
	if e := ev.want(t, files.Started, files.Finished); !e.Whole {
		t.Errorf("got %+v, want it whole", e)
	}
	if e := ev.want(t, files.Closed); e.Err != nil {
		t.Errorf("got closed by %v, want nil", e.Err)
	}
	if got := do(t, "GET", ticket.URL, nil); got.StatusCode != http.StatusNotFound {
		t.Errorf("got %d, want 404 of a used URL", got.StatusCode)
	}
	if _, ok := s.Status(ticket.Token); ok {
		t.Error("got a status of a closed job")
	}
}

// A download that breaks off is resumed from where it was [quirk 72].
func TestQuirk72BrokenDownloadIsResumed(t *testing.T) {
	t.Parallel()
	s := start(t, files.Options{})
	ev := newEvents()
	text := pattern(4 << 20)
	ticket := offer(t, s, files.Offer{Content: contentOf(text), Access: files.Access{Uses: 1, Notify: ev.notify}})
	c := dial(t, ticket.URL)
	_, _ = io.WriteString(c, "GET "+pathOf(t, ticket.URL)+" HTTP/1.1\r\nHost: h\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	half := make([]byte, 1<<20)
	if _, err = io.ReadFull(resp.Body, half); err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	e := ev.want(t, files.Started, files.Failed)
	if !errors.Is(e.Err, files.ErrInterrupted) || e.Bytes < 1<<20 || e.Bytes >= 4<<20 {
		t.Errorf("got %+v, want it interrupted", e)
	}
	rest := do(t, "GET", ticket.URL, nil,
		"Range", fmt.Sprintf("bytes=%d-", len(half)), "If-Range", resp.Header.Get("Etag"))
	if rest.StatusCode != http.StatusPartialContent || string(half)+rest.text != text {
		t.Errorf("got %d and %d bytes, want the rest", rest.StatusCode, len(rest.text))
	}
	ev.want(t, files.Started, files.Finished, files.Closed)
}

type brokenContent struct{ content }

func (brokenContent) ReadAt(p []byte, off int64) (int, error) {
	if off > 0 {
		return 0, errors.New("disk")
	}
	return len(p) / 2, io.ErrUnexpectedEOF
}

// What cannot be read is never sent as if it were whole.
func TestContentThatFails(t *testing.T) {
	t.Parallel()
	s := start(t, files.Options{})
	ev := newEvents()
	ticket := offer(t, s, files.Offer{
		Content: brokenContent{contentOf(pattern(100_000))}, Access: files.Access{Notify: ev.notify},
	})
	got := raw(t, ticket.URL, "GET "+pathOf(t, ticket.URL)+" HTTP/1.1\r\nHost: h\r\n\r\n")
	if _, body, _ := strings.Cut(got, "\r\n\r\n"); len(body) >= 100_000 {
		t.Errorf("got %d bytes, want fewer", len(body))
	}
	if e := ev.want(t, files.Started, files.Failed); !errors.Is(e.Err, files.ErrContent) || e.Whole {
		t.Errorf("got %+v, want ErrContent", e)
	}
}

func TestWithdraw(t *testing.T) {
	t.Parallel()
	s := start(t, files.Options{})
	ev := newEvents()
	ticket := offer(t, s, files.Offer{Content: contentOf(pattern(16 << 20)), Access: files.Access{Notify: ev.notify}})
	c := dial(t, ticket.URL)
	_, _ = io.WriteString(c, "GET "+pathOf(t, ticket.URL)+" HTTP/1.1\r\nHost: h\r\n\r\n")
	ev.want(t, files.Started)
	if st, _ := s.Status(ticket.Token); st.Active != 1 {
		t.Errorf("got %+v, want it active", st)
	}
	if !s.Withdraw(ticket.Token) || s.Withdraw(ticket.Token) {
		t.Error("got a wrong result of Withdraw, want true once")
	}
	if e := ev.want(t, files.Failed); !errors.Is(e.Err, files.ErrWithdrawn) {
		t.Errorf("got %v, want ErrWithdrawn", e.Err)
	}
	if e := ev.want(t, files.Closed); !errors.Is(e.Err, files.ErrWithdrawn) {
		t.Errorf("got %v, want ErrWithdrawn", e.Err)
	}
	if got := do(t, "GET", ticket.URL, nil); got.StatusCode != http.StatusNotFound {
		t.Errorf("got %d, want 404", got.StatusCode)
	}
}

func TestMethods(t *testing.T) {
	t.Parallel()
	s := start(t, files.Options{})
	down := offer(t, s, files.Offer{Content: contentOf("x")})
	up := accept(t, s, files.Intake{Open: new(memory).open})
	for _, tc := range []struct{ method, url, allow string }{
		{"PUT", down.URL, "GET, HEAD"},
		{"POST", down.URL, "GET, HEAD"},
		{"OPTIONS", down.URL, "GET, HEAD"},
		{"GET", up.URL, "PUT, POST"},
		{"DELETE", up.URL, "PUT, POST"},
	} {
		got := do(t, tc.method, tc.url, nil)
		if got.StatusCode != http.StatusMethodNotAllowed || got.Header.Get("Allow") != tc.allow {
			t.Errorf("%s: got %d, Allow %q, want 405, %q", tc.method, got.StatusCode, got.Header.Get("Allow"), tc.allow)
		}
	}
}

func TestEmptyFileAndNoModTime(t *testing.T) {
	t.Parallel()
	s := start(t, files.Options{})
	ev := newEvents()
	c := contentOf("")
	c.at = time.Time{}
	ticket := offer(t, s, files.Offer{Content: c, ContentType: "text/xml", Access: files.Access{Notify: ev.notify}})
	got := do(t, "GET", ticket.URL, nil)
	if got.StatusCode != http.StatusOK || got.ContentLength != 0 || got.Header.Get("Last-Modified") != "" ||
		got.Header.Get("Content-Type") != "text/xml" {
		t.Errorf("got %d %v, want an empty file", got.StatusCode, got.Header)
	}
	if e := ev.want(t, files.Started, files.Finished); !e.Whole {
		t.Errorf("got %+v, want it whole", e)
	}
}
