// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package stomp_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/mtp/stomp"
	"github.com/uspgate/uspgate/usp"
)

// pipes is a listener whose connections are in memory, so that time can be
// that of the test.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

func (*pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) dial() net.Conn {
	ours, theirs := net.Pipe()
	p.conns <- theirs
	return ours
}

// until runs tr until stop is called.
func until(t *testing.T, tr mtp.Transport, h mtp.Handler) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- tr.Run(ctx, h) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: got %v, want nil", err)
		}
	}
}

// beats reads what comes and notes when.
type beats struct {
	mu   sync.Mutex
	n    int
	last time.Time
	gap  time.Duration // the longest
	end  chan struct{}
}

// listen notes every byte as a sign of life, of which line ends between frames
// are heart-beats.
func listen(r io.Reader) *beats {
	b := &beats{last: time.Now(), end: make(chan struct{})}
	go func() {
		defer close(b.end)
		buf := make([]byte, 4096)
		for {
			if _, err := r.Read(buf); err != nil {
				return
			}
			b.mu.Lock()
			b.gap = max(b.gap, time.Since(b.last))
			b.last = time.Now()
			b.n++
			b.mu.Unlock()
		}
	}()
	return b
}

func (b *beats) seen() (n int, gap time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.n, b.gap
}

// TestHeartBeatSent: the server gives a sign of life in every interval that was
// agreed on, and none that was not [STOMP 1.2, Heart-beating; R-STOMP.8].
func TestHeartBeatSent(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		header   string
		interval time.Duration // 0: none
	}{
		"as wanted":        {"heart-beat:0,10000", 10 * time.Second},
		"not so often":     {"heart-beat:0,1", time.Second},
		"seldom":           {"heart-beat:0,600000", 10 * time.Minute},
		"not wanted":       {"heart-beat:0,0", 0},
		"nothing was said": {"x:y", 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newPipes()
				s, err := stomp.NewServer(stomp.ServerOptions{Role: usp.RoleAgent})
				if err != nil {
					t.Fatal(err)
				}
				s.Use(l)
				stop := until(t, s, mtptest.NewRecorder(t))
				conn := l.dial()
				if _, err := conn.Write(connectFrame(agent, tt.header)); err != nil {
					t.Fatal(err)
				}
				b := listen(conn)
				const intervals = 20
				long := max(tt.interval, time.Minute) * intervals
				time.Sleep(long) //nolint:forbidigo // the time is synctest's
				switch n, gap := b.seen(); {
				case tt.interval == 0 && n > 1:
					t.Errorf("got %d signs of life, want CONNECTED", n)
				case tt.interval > 0 && (gap > tt.interval || n < int(long/tt.interval) || n > 3*int(long/tt.interval)):
					t.Errorf("got %d signs of life, at most %v apart, want one every %v", n, gap, tt.interval)
				}
				stop()
				_ = conn.Close()
				<-b.end
			})
		})
	}
}

// TestHeartBeatMissed: a client may be late, by an interval; one that is silent
// for more than three is gone. What it was not asked for it need not give.
func TestHeartBeatMissed(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		header string
		every  time.Duration // 0: it says nothing
		gone   bool
	}{
		"in time":       {"heart-beat:10000,0", 10 * time.Second, false},
		"late":          {"heart-beat:10000,0", 19 * time.Second, false},
		"silent":        {"heart-beat:10000,0", 0, true},
		"more often":    {"heart-beat:1,0", 5 * time.Second, false},
		"has none":      {"heart-beat:0,0", 0, false},
		"says nothing":  {"x:y", 0, false},
		"slower itself": {"heart-beat:60000,0", 60 * time.Second, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newPipes()
				s, err := stomp.NewServer(stomp.ServerOptions{
					LinkOptions: stomp.LinkOptions{HeartBeat: 5 * time.Second}, Role: usp.RoleAgent,
				})
				if err != nil {
					t.Fatal(err)
				}
				s.Use(l)
				hub := mtptest.NewRecorder(t)
				stop := until(t, s, hub)
				conn := l.dial()
				b := listen(conn)
				frames := append(connectFrame(agent, tt.header), subscribeFrame("0", agentDest(agent))...)
				if _, err := conn.Write(frames); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				link := hub.Link()
				begin := time.Now()
				for !link.IsDown() && time.Since(begin) < 10*time.Minute {
					if tt.every == 0 {
						time.Sleep(time.Second) //nolint:forbidigo // the time is synctest's
						synctest.Wait()
						continue
					}
					time.Sleep(tt.every) //nolint:forbidigo // the time is synctest's
					_, _ = conn.Write([]byte("\n"))
				}
				after := time.Since(begin)
				if link.IsDown() != tt.gone || tt.gone && (after < 20*time.Second || after > 32*time.Second) {
					t.Errorf("gone: got %v after %v, want %v between two and three intervals", link.IsDown(), after, tt.gone)
				}
				_ = conn.Close()
				stop()
				<-b.end
			})
		})
	}
}

// TestHeartBeatAccepting: as long as the router does not take a Record, that
// nothing is heard of the client is not its fault.
func TestHeartBeatAccepting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		s, err := stomp.NewServer(stomp.ServerOptions{
			LinkOptions: stomp.LinkOptions{HeartBeat: 5 * time.Second}, Role: usp.RoleAgent,
		})
		if err != nil {
			t.Fatal(err)
		}
		s.Use(l)
		hub := mtptest.NewRecorder(t)
		hub.Hold, hub.Window = true, 1
		stop := until(t, s, hub)
		conn := l.dial()
		b := listen(conn)
		for _, f := range [][]byte{
			connectFrame(agent, "heart-beat:5000,0"),
			sendFrame(record(agent, controller, 1)), sendFrame(record(agent, controller, 2)),
		} {
			if _, err := conn.Write(f); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		link := hub.Link()
		time.Sleep(time.Minute) //nolint:forbidigo // the time is synctest's
		if link.IsDown() {
			t.Error("the client was dropped while the router did not take its Record")
		}
		link.Release(2, nil)
		time.Sleep(time.Minute) //nolint:forbidigo // the time is synctest's
		if !link.IsDown() {
			t.Error("the client was not dropped when it was silent")
		}
		_ = conn.Close()
		stop()
		<-b.end
	})
}

// TestClientHeartBeat: the client gives what was agreed on, and drops a broker
// that does not.
func TestClientHeartBeat(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		conns := make(chan net.Conn, 8)
		c, err := stomp.NewClient(stomp.ClientOptions{
			LinkOptions: stomp.LinkOptions{HeartBeat: 10 * time.Second}, URL: "stomp://broker", Endpoint: agent,
			Role: usp.RoleAgent, Retry: mtp.BackoffOptions{Rand: func() float64 { return 0 }},
		})
		if err != nil {
			t.Fatal(err)
		}
		c.DialWith(func() (net.Conn, error) {
			ours, theirs := net.Pipe()
			conns <- theirs
			return ours, nil
		})
		hub := mtptest.NewRecorder(t)
		stop := until(t, c, hub)
		conn := <-conns
		r := bufio.NewReader(conn)
		if _, err := r.ReadString(0); err != nil { // STOMP
			t.Fatal(err)
		}
		if _, err := conn.Write(rawFrame("CONNECTED", nil, "version:1.2", "heart-beat:1000,30000")); err != nil {
			t.Fatal(err)
		}
		if _, err := r.ReadString(0); err != nil { // SUBSCRIBE
			t.Fatal(err)
		}
		if _, err := conn.Write(rawFrame("RECEIPT", nil, "receipt-id:ready")); err != nil {
			t.Fatal(err)
		}
		b := listen(r)
		link := hub.Link()
		begin := time.Now()
		for range 20 { // late
			time.Sleep(18 * time.Second) //nolint:forbidigo // the time is synctest's
			_, _ = conn.Write([]byte("\n"))
		}
		if n, gap := b.seen(); n < 12 || gap > 30*time.Second || link.IsDown() {
			t.Errorf("got %d signs of life, %v apart, down %v, want one every 30s", n, gap, link.IsDown())
		}
		<-b.end // it drops us
		if silent := time.Since(begin) - 20*18*time.Second; silent < 20*time.Second || silent > 31*time.Second {
			t.Errorf("dropped after %v, want 20s to 31s", silent)
		}
		down := time.Now()
		again := <-conns
		if waited := time.Since(down); waited != stomp.DefaultRetryInterval { // [R-STOMP.7]
			t.Errorf("retry: got after %v, want %v", waited, stomp.DefaultRetryInterval)
		}
		_ = conn.Close()
		_ = again.Close()
		stop()
	})
}
