// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package files_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uspgate/uspgate/cwmp/files"
)

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
