// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package files_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/uspgate/uspgate/cwmp/files"
)

// refused is the value of uspgate_files_refused_total.
func refused(tb testing.TB, reg *prometheus.Registry, reason string) int {
	tb.Helper()
	return int(metric(tb, reg, "uspgate_files_refused_total", reason))
}

// metric is the sum of the samples of name that have label as the value of any
// label.
func metric(tb testing.TB, reg *prometheus.Registry, name, label string) (sum float64) {
	tb.Helper()
	all, err := reg.Gather()
	if err != nil {
		tb.Fatal(err)
	}
	for _, f := range all {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if f.GetName() == name && l.GetValue() == label {
					sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
				}
			}
		}
	}
	return sum
}

// slowReader takes size bytes every pause.
func slowReader(c io.Reader, size int, pause time.Duration, done *int) error {
	buf := make([]byte, size)
	for {
		n, err := io.ReadFull(c, buf)
		*done += n
		if err != nil {
			return err
		}
		<-time.After(pause)
	}
}

// 40 minutes at 7 kB/s, and a pause to erase flash: nothing is cut.
func TestSlowCPEGetsItsFile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ln := newPipes()
		s := start(t, files.Options{Listener: ln})
		ev := newEvents()
		const size = 7 * 1024 * 60 * 40
		ticket := offer(t, s, files.Offer{Content: contentOf(pattern(size)), Access: files.Access{
			Notify: ev.notify, Expires: time.Now().Add(time.Minute), // it may end later
		}})
		c, r := ln.dial(t)
		_, _ = io.WriteString(c, "GET "+pathOf(t, ticket.URL)+" HTTP/1.1\r\nHost: h\r\n\r\n")
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(110 * time.Second)
		var got int
		if err = slowReader(resp.Body, 7*1024, time.Second, &got); !errors.Is(err, io.EOF) || got != size {
			t.Fatalf("got %d bytes, %v, want %d", got, err, size)
		}
		if e := ev.want(t, files.Started, files.Finished); !e.Whole || e.Took < 40*time.Minute {
			t.Errorf("got %+v, want the whole in 40 minutes", e)
		}
		if e := ev.want(t, files.Closed); !errors.Is(e.Err, files.ErrExpired) {
			t.Errorf("got %v, want ErrExpired after the end", e.Err)
		}
	})
}

// One that takes nothing, or a byte a second, is ended after StallTimeout.
func TestStuckDownloadIsEnded(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1} {
		synctest.Test(t, func(t *testing.T) {
			ln := newPipes()
			s := start(t, files.Options{Listener: ln})
			ev := newEvents()
			ticket := offer(t, s, files.Offer{Content: contentOf(pattern(1 << 20)), Access: files.Access{Notify: ev.notify}})
			c, _ := ln.dial(t)
			_, _ = io.WriteString(c, "GET "+pathOf(t, ticket.URL)+" HTTP/1.1\r\nHost: h\r\n\r\n")
			begin := time.Now()
			var wg sync.WaitGroup
			if size > 0 {
				wg.Go(func() {
					var n int
					_ = slowReader(c, size, time.Second, &n)
				})
			}
			if e := <-ev; e.Kind != files.Started {
				t.Errorf("got %v, want started", e.Kind)
			}
			e := <-ev
			if took := time.Since(begin); !errors.Is(e.Err, files.ErrStalled) || took > 5*time.Minute {
				t.Errorf("got %v after %v, want ErrStalled", e.Err, took)
			}
			_ = c.Close()
			wg.Wait()
		})
	}
}

func TestSlowUpload(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name        string
		size        int // bytes a second
		total       int
		min, max    time.Duration
		kind        files.Kind
		err         error
		credentials bool
	}{
		{"slow", 1024, 2400 * 1024, 39 * time.Minute, 41 * time.Minute, files.Finished, nil, false},
		{"one byte a second", 1, 100_000, 0, 3 * time.Minute, files.Failed, files.ErrStalled, false},
		{"one byte a second of a small one", 1, 1000, 0, 3 * time.Minute, files.Failed, files.ErrStalled, false},
		{"nothing", 0, 1000, 0, 3 * time.Minute, files.Failed, files.ErrStalled, false},
		{"without credentials", 1, 1000, 0, 3 * time.Minute, 0, nil, true},
		{"without credentials or a body", 0, 1000, 0, 4 * time.Second, 0, nil, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ln := newPipes()
				s := start(t, files.Options{Listener: ln})
				m, ev := new(memory), newEvents()
				in := files.Intake{Open: m.open, Access: files.Access{Notify: ev.notify}}
				if tc.credentials {
					in.Username = "u"
				}
				ticket := accept(t, s, in)
				c, r := ln.dial(t)
				_, _ = fmt.Fprintf(c, "PUT %s HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n", pathOf(t, ticket.URL), tc.total)
				begin := time.Now()
				var wg sync.WaitGroup
				wg.Go(func() {
					for sent := 0; sent < tc.total && tc.size > 0; sent += tc.size {
						if _, err := io.WriteString(c, pattern(tc.size)); err != nil {
							return
						}
						<-time.After(time.Second)
					}
				})
				resp, err := http.ReadResponse(r, nil)
				if tc.credentials && (err != nil || resp.StatusCode != http.StatusUnauthorized) {
					t.Errorf("got %+v, %v, want 401", resp, err)
				}
				if took := time.Since(begin); took < tc.min || took > tc.max {
					t.Errorf("got an answer (%v) after %v, want %v to %v", err, took, tc.min, tc.max)
				}
				_ = c.Close()
				wg.Wait()
				if tc.kind == 0 {
					ev.none(t)
					return
				}
				if e := ev.want(t, files.Started, tc.kind); !errors.Is(e.Err, tc.err) {
					t.Errorf("got %v, want %v", e.Err, tc.err)
				}
			})
		})
	}
}

// A header, and what nobody wants of a body, one byte a second.
func TestSlowLoris(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		first string
		most  time.Duration
	}{
		"header":           {"GET / HTTP/1.1\r\nHost: h\r\nX: ", 21 * time.Second},
		"nothing":          {"", 21 * time.Second},
		"body of no job":   {"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n", 5 * time.Second},
		"chunks of no job": {"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", 5 * time.Second},
		"idle":             {"GET / HTTP/1.1\r\nHost: h\r\n\r\n", 90 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ln := newPipes()
				start(t, files.Options{Listener: ln})
				c, r := ln.dial(t)
				begin := time.Now()
				var wg sync.WaitGroup
				wg.Go(func() {
					_, _ = io.WriteString(c, tc.first)
					for name != "nothing" && name != "idle" {
						if _, err := io.WriteString(c, "1"); err != nil {
							return
						}
						<-time.After(time.Second)
					}
				})
				_, _ = io.Copy(io.Discard, r)
				if took := time.Since(begin); took > tc.most {
					t.Errorf("got closed after %v, want at most %v", took, tc.most)
				}
				_ = c.Close()
				wg.Wait()
			})
		})
	}
}

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
func (null) Write(p []byte) (int, error)                  { return len(p), nil }
func (null) Commit() error                                { return nil }
func (null) Discard()                                     {}

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

// The rate of all, and of each.
func TestMaxRate(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name       string
		all, each  int64
		seconds    int // for two files of 1 MiB at once
		tolerances time.Duration
	}{
		{"all", 64 << 10, 0, 32, 2 * time.Second},
		{"each", 0, 64 << 10, 16, 2 * time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ln := newPipes()
				s := start(t, files.Options{Listener: ln, MaxRate: tc.all, MaxRatePerTransfer: tc.each})
				ticket := offer(t, s, files.Offer{Content: contentOf(pattern(1 << 20))})
				begin := time.Now()
				var wg sync.WaitGroup
				for range 2 {
					c, r := ln.dial(t)
					wg.Go(func() {
						_, _ = io.WriteString(c, "GET "+pathOf(t, ticket.URL)+" HTTP/1.0\r\n\r\n")
						if n, err := io.Copy(io.Discard, r); n < 1<<20 || err != nil {
							t.Errorf("got %d, %v, want the file", n, err)
						}
					})
				}
				wg.Wait()
				want := time.Duration(tc.seconds) * time.Second
				if took := time.Since(begin); took < want-tc.tolerances || took > want+tc.tolerances {
					t.Errorf("got %v, want %v", took, want)
				}
			})
		})
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	s := start(t, files.Options{Metrics: reg})
	start(t, files.Options{Metrics: reg}) // shares them
	ticket := offer(t, s, files.Offer{Content: contentOf("12345"), Access: files.Access{Username: "u"}})
	up := accept(t, s, files.Intake{Open: openNull})
	do(t, "GET", ticket.URL, nil)
	do(t, "GET", ticket.URL, nil, "Authorization", "Basic dTo=")
	do(t, "PUT", up.URL, strings.NewReader("123"))
	do(t, "GET", up.URL, nil)
	do(t, "GET", "http://"+s.Addr()+"/", nil)
	const want = `
# HELP uspgate_files_active_transfers Transfers of files that are going on, by direction (download, upload).
# TYPE uspgate_files_active_transfers gauge
uspgate_files_active_transfers{direction="download"} 0
uspgate_files_active_transfers{direction="upload"} 0
# HELP uspgate_files_bytes_total Bytes of files that were moved, by direction.
# TYPE uspgate_files_bytes_total counter
uspgate_files_bytes_total{direction="download"} 5
uspgate_files_bytes_total{direction="upload"} 3
# HELP uspgate_files_jobs URLs of the file server that CPE can use now.
# TYPE uspgate_files_jobs gauge
uspgate_files_jobs 2
# HELP uspgate_files_refused_total Connections and requests to the file server that were turned away, by reason.
# TYPE uspgate_files_refused_total counter
uspgate_files_refused_total{reason="auth"} 1
uspgate_files_refused_total{reason="method"} 1
uspgate_files_refused_total{reason="unknown"} 1
# HELP uspgate_files_transfers_total Transfers of files that have ended, by direction and result.
# TYPE uspgate_files_transfers_total counter
uspgate_files_transfers_total{direction="download",result="finished"} 1
uspgate_files_transfers_total{direction="upload",result="finished"} 1
`
	until(t, func() bool { return metric(t, reg, "uspgate_files_transfers_total", "finished") == 2 })
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
		t.Errorf("got %v, %v, want no problems", problems, err)
	}
}
