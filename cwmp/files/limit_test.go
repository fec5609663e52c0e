// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package files_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/uspgate/uspgate/cwmp/files"
)

// A gigabyte is refused by its length, or when it has become too much; the memory
// that it takes is bounded.
func TestGigabyteBody(t *testing.T) { //nolint:paralleltest // it looks at the memory of the process
	s := start(t, files.Options{})
	for _, head := range []string{"Content-Length: 1073741824", "Transfer-Encoding: chunked"} {
		ev := newEvents()
		ticket := accept(t, s, files.Intake{Open: openNull, MaxBytes: 8 << 20, Access: files.Access{Notify: ev.notify}})
		c := dial(t, ticket.URL)
		_, _ = io.WriteString(c, "PUT "+pathOf(t, ticket.URL)+" HTTP/1.1\r\nHost: h\r\n"+head+"\r\n\r\n")
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		piece := "10000\r\n" + pattern(1<<16) + "\r\n"
		sent := 0
		for sent < 1<<30 {
			n, err := io.WriteString(c, piece)
			if sent += n; err != nil {
				break
			}
		}
		runtime.ReadMemStats(&after)
		if sent >= 1<<30 {
			t.Errorf("%s: got it read to its end", head)
		}
		e := <-ev
		if e.Kind == files.Started {
			e = ev.want(t, files.Failed)
		}
		if !errors.Is(e.Err, files.ErrTooLarge) {
			t.Errorf("%s: got %v, want ErrTooLarge", head, e.Err)
		}
		if grown := int64(after.Sys) - int64(before.Sys); grown > 64<<20 {
			t.Errorf("%s: got %d bytes more, want a bound", head, grown)
		}
	}
}

// null is a Destination that keeps nothing.
type null struct{}

func openNull(context.Context) (files.Destination, error) { return null{}, nil }

func (null) Write(p []byte) (int, error) { return len(p), nil }

func (null) Commit() error { return nil }

func (null) Discard() {}

func TestHugeHeader(t *testing.T) {
	t.Parallel()
	s := start(t, files.Options{})
	ticket := offer(t, s, files.Offer{Content: contentOf("x"), Access: files.Access{Username: "u", Password: "p"}})
	for _, head := range []string{
		"X: " + strings.Repeat("x", 1<<20), strings.Repeat("X: y\r\n", 1<<17),
		"Authorization: Digest " + strings.Repeat("a=\"b\",", 1<<17),
	} {
		c := dial(t, ticket.URL)
		go func() {
			_, _ = io.WriteString(c, "GET "+pathOf(t, ticket.URL)+" HTTP/1.1\r\nHost: h\r\n"+head+"\r\n\r\n")
		}()
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("got %+v, %v, want 431", resp, err)
		}
	}
}

// What is in the way of a form's file is bounded, also when it was squeezed to
// almost nothing.
func TestBombs(t *testing.T) {
	t.Parallel()
	s := start(t, files.Options{})
	field := "--B\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\n"
	for name, body := range map[string]string{
		"large field":      field + strings.Repeat("x", 100<<20),
		"large head":       "--B\r\nX: " + strings.Repeat("x", 9<<20),
		"many heads":       "--B\r\n" + strings.Repeat("X: y\r\n", 1<<20),
		"many parts":       strings.Repeat(field+"\r\n", 1<<16),
		"endless preamble": strings.Repeat("x\r\n", 1<<22),
	} {
		ticket := accept(t, s, files.Intake{Open: openNull, MaxBytes: 1 << 20})
		got := do(t, "POST", ticket.URL, strings.NewReader(squeezed(t, "gzip", body)),
			"Content-Type", "multipart/form-data; boundary=B", "Content-Encoding", "gzip")
		if got.StatusCode != http.StatusBadRequest && got.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: got %d, want 400 or 413", name, got.StatusCode)
		}
	}
}

// stuck begins a download and does not read it.
func stuck(t *testing.T, u string) *net.TCPConn {
	t.Helper()
	c := dial(t, u)
	_, _ = io.WriteString(c, "GET "+pathOf(t, u)+" HTTP/1.1\r\nHost: h\r\n\r\n")
	return c
}

func TestTooManyTransfers(t *testing.T) {
	t.Parallel()
	large := contentOf(pattern(16 << 20))
	for reason, o := range map[string]files.Options{
		"transfers": {MaxTransfers: 2},
		"address":   {MaxTransfersPerAddress: 2},
		"job":       {MaxTransfersPerJob: 2},
	} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			reg := prometheus.NewRegistry()
			o.Metrics = reg
			s := start(t, o)
			ev := newEvents()
			ticket := offer(t, s, files.Offer{Content: large, Access: files.Access{Notify: ev.notify}})
			first := stuck(t, ticket.URL)
			stuck(t, ticket.URL)
			ev.want(t, files.Started, files.Started)
			got := do(t, "GET", ticket.URL, nil)
			after, _ := strconv.Atoi(got.Header.Get("Retry-After"))
			if got.StatusCode != http.StatusServiceUnavailable || after < 30 || after > 90 || refused(t, reg, reason) != 1 {
				t.Errorf("got %d, Retry-After %d, want 503 and 30 to 90", got.StatusCode, after)
			}
			if n := metric(t, reg, "uspgate_files_active_transfers", "download"); n != 2 {
				t.Errorf("got %v active, want 2", n)
			}
			_ = first.Close()
			ev.want(t, files.Failed)
			if got := do(t, "GET", ticket.URL, nil, "Range", "bytes=0-0"); got.StatusCode != http.StatusPartialContent {
				t.Errorf("got %d after one has ended, want 206", got.StatusCode)
			}
		})
	}
}

func TestTooManyConnections(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	s := start(t, files.Options{MaxConns: 3, Metrics: reg})
	ticket := offer(t, s, files.Offer{Content: contentOf("x")})
	conns := []*net.TCPConn{dial(t, ticket.URL), dial(t, ticket.URL), dial(t, ticket.URL)}
	for range 50 {
		c := dial(t, ticket.URL)
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Fatal("got a connection above the bound served")
		}
	}
	if n := refused(t, reg, "connections"); n != 50 {
		t.Errorf("got %d counted, want 50", n)
	}
	for _, c := range conns {
		_ = c.Close()
	}
	until(t, func() bool {
		resp, err := client().Get(ticket.URL)
		if err == nil {
			_ = resp.Body.Close()
		}
		return err == nil && resp.StatusCode == http.StatusOK
	})
}
