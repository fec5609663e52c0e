// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package files_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/uspgate/uspgate/cwmp/files"
)

func TestAddrIsLoopbackByDefault(t *testing.T) {
	t.Parallel()
	s, err := files.New(files.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = s.Offer(files.Offer{Content: contentOf("x")}); !errors.Is(err, files.ErrURL) {
		t.Fatalf("got %v before Listen, want ErrURL", err)
	}
	if err = s.Run(t.Context()); err == nil {
		t.Fatal("got no error of Run before Listen")
	}
	if err = s.Listen(t.Context()); err != nil {
		t.Skip("the default port is taken: ", err)
	}
	if s.Addr() != "127.0.0.1:7567" {
		t.Errorf("got %s, want loopback", s.Addr())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err = s.Run(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestTwoServersInOneProcess(t *testing.T) {
	t.Parallel()
	a, b := start(t, files.Options{}), start(t, files.Options{})
	ticket := offer(t, a, files.Offer{Content: contentOf("of a")})
	if got := do(t, "GET", ticket.URL, nil); got.text != "of a" {
		t.Errorf("got %q, want the file", got.text)
	}
	other := strings.Replace(ticket.URL, a.Addr(), b.Addr(), 1)
	if got := do(t, "GET", other, nil); got.StatusCode != http.StatusNotFound {
		t.Errorf("got %d of the other Server, want 404", got.StatusCode)
	}
}

// A transfer may end while the Server drains, and is cut when that takes too
// long. Then all jobs are closed and nothing is alive.
func TestDrain(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		timeout time.Duration
		last    files.Kind
		err     error
	}{
		{"waits", patience, files.Finished, nil},
		{"cuts", time.Millisecond, files.Failed, files.ErrShutdown},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s, err := files.New(files.Options{Addr: "127.0.0.1:0", DrainTimeout: tc.timeout})
			if err != nil {
				t.Fatal(err)
			}
			stop := run(t, s)
			ev, idle := newEvents(), newEvents()
			const size = 8 << 20
			ticket := offer(t, s, files.Offer{Content: contentOf(pattern(size)), Access: files.Access{Notify: ev.notify}})
			offer(t, s, files.Offer{Content: contentOf("x"), Access: files.Access{Notify: idle.notify}})
			c := dial(t, ticket.URL)
			_, _ = io.WriteString(c, "GET "+pathOf(t, ticket.URL)+" HTTP/1.1\r\nHost: h\r\n\r\n")
			ev.want(t, files.Started)
			stopped := make(chan struct{})
			go func() {
				defer close(stopped)
				stop()
			}()
			if tc.err == nil {
				until(t, func() bool { // nobody is let in any more
					probe, err := net.Dial("tcp", s.Addr())
					if err == nil {
						_ = probe.Close()
					}
					return err != nil
				})
				if got, err := io.ReadAll(c); err != nil || len(got) < size {
					t.Errorf("got %d bytes, %v, want the whole", len(got), err)
				}
			}
			if e := ev.want(t, tc.last, files.Closed); !errors.Is(e.Err, files.ErrShutdown) {
				t.Errorf("got closed by %v, want ErrShutdown", e.Err)
			}
			idle.want(t, files.Closed)
			<-stopped
			if _, err = s.Offer(files.Offer{Content: contentOf("x")}); !errors.Is(err, files.ErrShutdown) {
				t.Errorf("got %v of Offer afterwards, want ErrShutdown", err)
			}
		})
	}
}
