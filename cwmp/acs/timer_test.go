// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/cwmp/acs"
)

// pipes is a net.Listener without a network, for the clock of a bubble.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (l *pipes) dial() net.Conn { return l.dialFrom("192.0.2.1") }

// dialFrom connects from an address.
func (l *pipes) dialFrom(addr string) net.Conn {
	here, there := net.Pipe()
	l.conns <- &pipe{Conn: there, from: &net.TCPAddr{IP: net.ParseIP(addr), Port: 1234}}
	return here
}

// pipe is the Server's end of a connection.
type pipe struct {
	net.Conn
	from net.Addr
}

func (p *pipe) RemoteAddr() net.Addr { return p.from }

// bed is what a test in a bubble works with.
type bed struct {
	*testing.T

	newCPE func() *cpe
	cpeAt  func(addr string) *cpe
	server *acs.Server
	stop   func() // tells the Server to end
}

// bubble runs f with a Server and a way to make CPE, on a clock of its own.
func bubble(t *testing.T, h *script, o acs.Options, f func(b bed)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		h.init()
		o.Handler, o.Listener = h, l
		s, err := acs.New(o)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Listen(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		var all []*cpe
		defer func() {
			for _, p := range all {
				if p.c != nil {
					_ = p.c.Close()
				}
			}
			cancel()
			if err := <-done; err != nil {
				t.Errorf("Run: got %v, want nil", err)
			}
		}()
		cpeAt := func(addr string) *cpe {
			p := &cpe{t: t, dial: func() net.Conn { return l.dialFrom(addr) }, patience: 1000 * time.Hour}
			all = append(all, p)
			return p
		}
		newCPE := func() *cpe {
			p := &cpe{t: t, dial: l.dial}
			all = append(all, p)
			return p
		}
		f(bed{T: t, newCPE: newCPE, cpeAt: cpeAt, server: s, stop: cancel})
	})
}

// wantClosedAfter checks when and why the session is closed, on the bubble's
// clock.
func (s *script) wantClosedAfter(t *testing.T, d time.Duration, want error) {
	t.Helper()
	select {
	case <-s.closed:
		t.Fatalf("closed before %v, want after", d)
	case <-time.After(d - time.Millisecond):
	}
	select {
	case got := <-s.closed:
		if got != want { //nolint:errorlint // the very value
			t.Fatalf("got cause %v, want %v", got, want)
		}
	case <-time.After(2 * time.Millisecond):
		t.Fatalf("not closed after %v, want cause %v", d, want)
	}
}

func TestSessionTimeout(t *testing.T) {
	for _, tc := range []struct {
		name, header string
		want         time.Duration
	}{
		{"default", "", 60 * time.Second},
		{"of the CPE", "120", 120 * time.Second},
		{"capped", "86400", 300 * time.Second},
		{"no less than is usual", "5", 30 * time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := &script{next: []cwmp.Request{getDevice}}
			bubble(t, h, acs.Options{}, func(b bed) {
				t := b.T

				p := b.newCPE()
				head := ""
				if tc.header != "" {
					head = "<cwmp:SessionTimeout>" + tc.header + "</cwmp:SessionTimeout>"
				}
				p.connect()
				_ = p.c.SetDeadline(time.Time{})
				p.post(envelope(cwmp.Namespace12, "1", head, informOf("1", "1 BOOT", "0"))).envelope("InformResponse")
				p.post("").envelope("GetParameterValues")
				h.wantClosedAfter(t, tc.want, acs.ErrTimeout)
			})
		})
	}
}

// Each POST starts the wait anew.
func TestSlowCPEKeepsItsSession(t *testing.T) {
	h := &script{}
	bubble(t, h, acs.Options{}, func(b bed) {
		t := b.T

		p := b.newCPE()
		p.connect()
		_ = p.c.SetDeadline(time.Time{})
		p.post(inform("1")).envelope("InformResponse")
		for range 10 {
			<-time.After(59 * time.Second)
			p.post(message("2", complete)).envelope("TransferCompleteResponse")
		}
		p.post("").want(http.StatusNoContent)
		h.wantClosed(t, nil)
	})
}

// A CPE is not kept waiting for longer than it waits.
func TestReplyTimeout(t *testing.T) {
	h := &script{onNext: func(ctx context.Context) error {
		<-ctx.Done()
		return context.Cause(ctx)
	}}
	bubble(t, h, acs.Options{}, func(b bed) {
		t := b.T

		p := b.newCPE()
		p.connect()
		_ = p.c.SetDeadline(time.Time{})
		p.post(inform("1")).envelope("InformResponse")
		start := time.Now()
		p.post("").want(http.StatusServiceUnavailable)
		if got := time.Since(start); got != 25*time.Second {
			t.Fatalf("got an answer after %v, want 25s", got)
		}
		h.wantClosed(t, acs.ErrTimeout)
	})
}

func TestCPEVanishes(t *testing.T) {
	t.Run("on a connection that was to stay", func(t *testing.T) {
		h := &script{next: []cwmp.Request{getDevice}}
		bubble(t, h, acs.Options{VanishGrace: 7 * time.Second}, func(b bed) {
			t := b.T

			p := b.newCPE()
			p.post(inform("1")).envelope("InformResponse")
			p.post("").envelope("GetParameterValues")
			p.hangUp()
			h.wantClosedAfter(t, 7*time.Second, acs.ErrVanished)
		})
	})
	t.Run("and comes back in time", func(t *testing.T) {
		h := &script{next: []cwmp.Request{getDevice}}
		bubble(t, h, acs.Options{VanishGrace: 7 * time.Second}, func(b bed) {
			t := b.T

			p := b.newCPE()
			p.post(inform("1")).envelope("InformResponse")
			id := p.post("").envelope("GetParameterValues").ID
			p.hangUp()
			<-time.After(6 * time.Second)
			p.post(message(id, getValues)).want(http.StatusNoContent)
			h.wantClosed(t, nil)
		})
	})
	t.Run("comes back, and falls silent", func(t *testing.T) {
		h := &script{next: []cwmp.Request{getDevice, getDevice}}
		bubble(t, h, acs.Options{VanishGrace: 7 * time.Second}, func(b bed) {
			p := b.newCPE()
			p.post(inform("1")).envelope("InformResponse")
			id := p.post("").envelope("GetParameterValues").ID
			p.hangUp()
			<-time.After(6 * time.Second)
			p.post(message(id, getValues)).envelope("GetParameterValues")
			p.hangUp() // it has shown that it uses more than one connection
			h.wantClosedAfter(b.T, 60*time.Second, acs.ErrTimeout)
		})
	})
	t.Run("a CPE with a connection for each POST has all the time", func(t *testing.T) {
		h := &script{next: []cwmp.Request{getDevice}}
		bubble(t, h, acs.Options{VanishGrace: 7 * time.Second}, func(b bed) {
			t := b.T

			p := b.newCPE()
			p.header = "Connection: close\r\n"
			p.post(inform("1")).envelope("InformResponse")
			p.post("").envelope("GetParameterValues")
			h.wantClosedAfter(t, 60*time.Second, acs.ErrTimeout)
		})
	})
	t.Run("while the Handler thinks", func(t *testing.T) {
		h := &script{onNext: func(ctx context.Context) error {
			<-ctx.Done()
			return context.Cause(ctx)
		}}
		bubble(t, h, acs.Options{}, func(b bed) {
			t := b.T

			p := b.newCPE()
			p.post(inform("1")).envelope("InformResponse")
			if _, err := io.WriteString(p.c, p.text("")); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			p.hangUp()
			synctest.Wait()
			h.wantClosed(t, acs.ErrVanished)
		})
	})
}

// The grace for one more empty POST ends.
func TestEndGrace(t *testing.T) {
	bubble(t, &script{}, acs.Options{}, func(b bed) {
		p := b.newCPE()
		p.post(inform("1")).envelope("InformResponse")
		p.post("").want(http.StatusNoContent)
		p.hangUp()
		<-time.After(4 * time.Second)
		p.post("").want(http.StatusNoContent)
		p.hangUp()
		<-time.After(time.Second)
		synctest.Wait()
		p.post("").want(http.StatusBadRequest)
	})
}

func TestSlowSenders(t *testing.T) {
	body := inform("1")
	head := "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n"
	open := func(t *testing.T, p *cpe, first string) {
		t.Helper()
		p.connect()
		_ = p.c.SetDeadline(time.Time{})
		if _, err := io.WriteString(p.c, first); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("header", func(t *testing.T) {
		bubble(t, &script{}, acs.Options{}, func(b bed) {
			t := b.T

			p := b.newCPE()
			open(t, p, "POST / HTTP/1.1\r\n")
			start := time.Now()
			_, _ = p.r.ReadByte()
			if got := time.Since(start); got != 10*time.Second {
				t.Fatalf("got %v, want the connection closed after 10s", got)
			}
		})
	})
	t.Run("pause in the body", func(t *testing.T) {
		bubble(t, &script{}, acs.Options{}, func(b bed) {
			t := b.T

			p := b.newCPE()
			open(t, p, head+body[:100])
			start := time.Now()
			p.read().want(http.StatusRequestTimeout)
			if got := time.Since(start); got != 15*time.Second {
				t.Fatalf("got %v, want 408 after 15s", got)
			}
		})
	})
	t.Run("drop by drop", func(t *testing.T) {
		bubble(t, &script{}, acs.Options{}, func(b bed) {
			t := b.T

			p := b.newCPE()
			open(t, p, head)
			start := time.Now()
			c := p.c
			var wg sync.WaitGroup
			defer wg.Wait()
			wg.Go(func() {
				for i := range body {
					<-time.After(10 * time.Second)
					if _, err := io.WriteString(c, body[i:i+1]); err != nil {
						return
					}
				}
			})
			p.read().want(http.StatusRequestTimeout)
			if got := time.Since(start); got < 115*time.Second || got > 125*time.Second {
				t.Fatalf("got %v, want 408 after about 120s", got)
			}
		})
	})
	t.Run("slow but steady is served", func(t *testing.T) {
		bubble(t, &script{}, acs.Options{}, func(b bed) {
			t := b.T

			p := b.newCPE()
			open(t, p, head)
			c := p.c
			var wg sync.WaitGroup
			defer wg.Wait()
			wg.Go(func() {
				for rest := body; rest != ""; {
					<-time.After(8 * time.Second)
					n := min(len(rest), 200)
					_, _ = io.WriteString(c, rest[:n])
					rest = rest[n:]
				}
			})
			p.read().envelope("InformResponse")
		})
	})
}
