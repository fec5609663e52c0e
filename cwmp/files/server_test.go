// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package files_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/uspgate/uspgate/cwmp/files"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 20 * time.Second

// start runs a Server until the test ends.
func start(tb testing.TB, o files.Options) *files.Server {
	tb.Helper()
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	if o.DrainTimeout == 0 {
		o.DrainTimeout = 50 * time.Millisecond
	}
	s, err := files.New(o)
	if err != nil {
		tb.Fatal(err)
	}
	run(tb, s)
	return s
}

// run runs s until the test ends, or stop is called.
func run(tb testing.TB, s *files.Server) (stop func()) {
	tb.Helper()
	if err := s.Listen(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.Run(ctx); err != nil {
			tb.Errorf("got %v of Run, want nil", err)
		}
	})
	stop = func() {
		cancel()
		wg.Wait()
	}
	tb.Cleanup(stop)
	return stop
}

// events collects what a job tells.
type events chan files.Event

func newEvents() events { return make(events, 1000) }

func (e events) notify(ev files.Event) { e <- ev }

// want takes the next events, which have to be of these kinds, and returns the
// last.
func (e events) want(tb testing.TB, kinds ...files.Kind) (last files.Event) {
	tb.Helper()
	for _, k := range kinds {
		select {
		case last = <-e:
			if last.Kind != k {
				tb.Fatalf("got event %v (%+v), want %v", last.Kind, last, k)
			}
		case <-time.After(patience):
			tb.Fatalf("got no event, want %v", k)
		}
	}
	return last
}

func (e events) none(tb testing.TB) {
	tb.Helper()
	select {
	case ev := <-e:
		tb.Fatalf("got event %v (%+v), want none", ev.Kind, ev)
	default:
	}
}

// content is a Content in memory.
type content struct {
	*bytes.Reader
	at time.Time
}

func (c content) ModTime() time.Time { return c.at }

func contentOf(s string) content {
	return content{bytes.NewReader([]byte(s)), time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
}

// pattern is n bytes that tell where they are from.
func pattern(n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		b.WriteString(time.Duration(i).String())
		b.WriteByte('.')
	}
	return b.String()[:n]
}

func offer(tb testing.TB, s *files.Server, o files.Offer) files.Ticket {
	tb.Helper()
	t, err := s.Offer(o)
	if err != nil {
		tb.Fatal(err)
	}
	return t
}

func accept(tb testing.TB, s *files.Server, in files.Intake) files.Ticket {
	tb.Helper()
	t, err := s.Accept(in)
	if err != nil {
		tb.Fatal(err)
	}
	return t
}

// client makes a connection of its own for each request.
func client() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
}

type answer struct {
	*http.Response
	text string
}

// do sends a request; header are pairs.
func do(tb testing.TB, method, u string, body io.Reader, header ...string) answer {
	tb.Helper()
	req, err := http.NewRequestWithContext(tb.Context(), method, u, body)
	if err != nil {
		tb.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := client().Do(req)
	if err != nil {
		tb.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		tb.Fatal(err)
	}
	return answer{resp, string(text)}
}

// dial connects to the host of u.
func dial(tb testing.TB, u string) *net.TCPConn {
	tb.Helper()
	c, err := net.Dial("tcp", host(tb, u))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return c.(*net.TCPConn)
}

func host(tb testing.TB, u string) string {
	tb.Helper()
	p, err := url.Parse(u)
	if err != nil {
		tb.Fatal(err)
	}
	return p.Host
}

func pathOf(tb testing.TB, u string) string {
	tb.Helper()
	p, err := url.Parse(u)
	if err != nil {
		tb.Fatal(err)
	}
	return p.Path
}

// raw writes text to the host of u and returns all that comes until it closes.
func raw(tb testing.TB, u, text string) string {
	tb.Helper()
	c := dial(tb, u)
	if _, err := io.WriteString(c, text); err != nil {
		tb.Fatal(err)
	}
	got, err := io.ReadAll(c)
	if err != nil {
		tb.Fatalf("got %q, %v, want a connection that is closed", got, err)
	}
	return string(got)
}

// memory is a Destination, and what has become of all of them.
type memory struct {
	mu        sync.Mutex
	committed []string
	discarded int
	commitErr error
	writeErr  error
}

type memoryFile struct {
	m *memory
	bytes.Buffer
}

func (m *memory) open(context.Context) (files.Destination, error) { return &memoryFile{m: m}, nil }

func (f *memoryFile) Write(p []byte) (int, error) {
	if f.m.writeErr != nil {
		return 0, f.m.writeErr
	}
	return f.Buffer.Write(p)
}

func (f *memoryFile) Commit() error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if f.m.commitErr != nil {
		return f.m.commitErr
	}
	f.m.committed = append(f.m.committed, f.String())
	return nil
}

func (f *memoryFile) Discard() {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	f.m.discarded++
}

func (m *memory) state() (committed []string, discarded int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.committed, m.discarded
}

func write(tb testing.TB, dir, name, text string) {
	tb.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
}

// pipes is a net.Listener in memory, for tests in a bubble.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
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

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 7567} }

// dial makes a connection and its reader.
func (p *pipes) dial(tb testing.TB) (net.Conn, *bufio.Reader) {
	tb.Helper()
	ours, theirs := net.Pipe()
	p.conns <- theirs
	tb.Cleanup(func() { _ = ours.Close() })
	return ours, bufio.NewReader(ours)
}

func until(tb testing.TB, ok func() bool) {
	tb.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	end := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-end:
			tb.Fatal("got no change in time")
		}
	}
}
