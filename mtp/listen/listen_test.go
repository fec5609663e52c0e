// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package listen_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/listen"
)

// patience bounds every wait of a test.
const patience = 10 * time.Second

// open listens with o, on a port of its own unless o says where.
func open(t *testing.T, o listen.Options) (net.Listener, *prometheus.Registry) {
	t.Helper()
	reg := prometheus.NewRegistry()
	metrics, err := mtp.NewMetrics(reg, mtp.WebSocket)
	if err != nil {
		t.Fatalf("NewMetrics: got %v, want nil", err)
	}
	o.Metrics = metrics
	if o.Address == "" {
		o.Address = "127.0.0.1:0"
	}
	ln, err := listen.Listen(t.Context(), o)
	if err != nil {
		t.Fatalf("Listen: got %v, want nil", err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	return ln, reg
}

// dial connects to ln and writes first.
func dial(t *testing.T, ln net.Listener, first string) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), ln.Addr().Network(), ln.Addr().String())
	if err != nil {
		t.Fatalf("dial: got %v, want nil", err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, first); err != nil {
		t.Fatalf("write: got %v, want nil", err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	return conn
}

func accept(t *testing.T, ln net.Listener) net.Conn {
	t.Helper()
	conn, err := ln.Accept()
	if err != nil {
		t.Fatalf("Accept: got %v, want nil", err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// wantEnd reads until the other side has closed.
func wantEnd(t *testing.T, conn net.Conn) {
	t.Helper()
	_, err := conn.Read(make([]byte, 1))
	if !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("read: got %v, want the end", err)
	}
}

// wantRejected compares the counter of one reason.
func wantRejected(t *testing.T, reg *prometheus.Registry, reason string, want float64) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatalf("Gather: got %v, want nil", err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if got := m.GetCounter().GetValue(); l.GetName() == "reason" && l.GetValue() == reason && got != want {
					t.Fatalf("rejected for %s: got %v, want %v", reason, got, want)
				}
			}
		}
	}
}

func loopback() []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }

func TestMaxConnections(t *testing.T) {
	t.Parallel()
	ln, reg := open(t, listen.Options{MaxConnections: 2})
	dial(t, ln, "")
	a := accept(t, ln)
	dial(t, ln, "")
	accept(t, ln)
	next := make(chan net.Conn, 1)
	go func() {
		c, _ := ln.Accept()
		next <- c
	}()
	wantEnd(t, dial(t, ln, ""))
	wantRejected(t, reg, "connections", 1)
	for range 2 { // a second Close counts nothing
		_ = a.Close()
	}
	dial(t, ln, "")
	c := <-next
	defer c.Close()
	wantRejected(t, reg, "connections", 1)
	go func() {
		c, _ := ln.Accept()
		next <- c
	}()
	wantEnd(t, dial(t, ln, ""))
	_ = ln.Close()
	if got := <-next; got != nil {
		t.Fatalf("Accept above the bound: got %v, want none", got)
	}
}

func TestMaxConnectionsPerAddress(t *testing.T) {
	t.Parallel()
	ln, reg := open(t, listen.Options{MaxConnectionsPerAddress: 1})
	dial(t, ln, "")
	a := accept(t, ln)
	next := make(chan net.Conn, 1)
	go func() {
		c, _ := ln.Accept()
		next <- c
	}()
	wantEnd(t, dial(t, ln, ""))
	wantRejected(t, reg, "address", 1)
	_ = a.Close()
	dial(t, ln, "")
	_ = (<-next).Close()
}

// TestProxied: who is behind a trusted proxy, and what follows the header.
func TestProxied(t *testing.T) {
	t.Parallel()
	v2 := "\r\n\r\n\x00\r\nQUIT\n"
	four := "\xc0\x00\x02\x07\x7f\x00\x00\x01\x1f\x90\x00\x50" // 192.0.2.7:8080 to 127.0.0.1:80
	vectors := []struct{ name, header, remote string }{
		{"v1", "PROXY TCP4 192.0.2.7 127.0.0.1 8080 80\r\n", "192.0.2.7:8080"},
		{"v1 IPv6", "PROXY TCP6 2001:db8::7 ::1 8080 80\r\n", "[2001:db8::7]:8080"},
		{"v1 of the proxy itself", "PROXY UNKNOWN\r\n", "127.0.0.1:"},
		{"v2", v2 + "\x21\x11\x00\x0c" + four, "192.0.2.7:8080"},
		{"v2 with a TLV", v2 + "\x21\x11\x01\x0f" + four + "\xea\x01\x00" + strings.Repeat("x", 256), "192.0.2.7:8080"},
		{"v2 of the proxy itself", v2 + "\x20\x00\x00\x00", "127.0.0.1:"},
		{"v2 of the proxy itself, with addresses", v2 + "\x20\x11\x00\x0c" + four, "127.0.0.1:"},
	}
	for _, v := range vectors {
		for _, split := range []int{0, 1, 5, 14, len(v.header) - 1, len(v.header)} {
			t.Run(fmt.Sprintf("%s/%d", v.name, split), func(t *testing.T) {
				t.Parallel()
				ln, _ := open(t, listen.Options{ProxyFrom: loopback()})
				client := dial(t, ln, v.header[:split])
				conn := accept(t, ln)
				client2 := strings.NewReader(v.header[split:] + "hello")
				go func() {
					_, _ = io.Copy(client, client2)
					_ = client.(*net.TCPConn).CloseWrite()
				}()
				if got := conn.RemoteAddr().String(); !strings.HasPrefix(got, v.remote) {
					t.Errorf("RemoteAddr: got %s, want %s", got, v.remote)
				}
				if listen.Loopback(conn) {
					t.Error("Loopback: got true, want false behind a proxy")
				}
				if got, err := io.ReadAll(conn); err != nil || string(got) != "hello" {
					t.Errorf("behind the header: got %q, %v, want hello, nil", got, err)
				}
			})
		}
	}
}

// TestNotTrusted: a header from elsewhere is no header.
func TestNotTrusted(t *testing.T) {
	t.Parallel()
	ln, _ := open(t, listen.Options{ProxyFrom: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}})
	const sent = "PROXY TCP4 192.0.2.7 127.0.0.1 8080 80\r\n"
	client := dial(t, ln, sent)
	conn := accept(t, ln)
	_ = client.(*net.TCPConn).CloseWrite()
	if got, err := io.ReadAll(conn); err != nil || string(got) != sent {
		t.Errorf("read: got %q, %v, want all that was sent", got, err)
	}
	if !listen.AddressOf(conn.RemoteAddr()).IsLoopback() || !listen.Loopback(conn) {
		t.Errorf("RemoteAddr: got %v, want loopback", conn.RemoteAddr())
	}
}

func TestMalformedHeader(t *testing.T) {
	t.Parallel()
	v2 := "\r\n\r\n\x00\r\nQUIT\n"
	vectors := map[string]string{
		"none":            "GET / HTTP/1.1\r\n\r\n",
		"other signature": "PROXX TCP4 192.0.2.7 127.0.0.1 8080 80\r\n",
		"endless line":    "PROXY TCP4 " + strings.Repeat("1", 200),
		"no CR":           "PROXY TCP4 192.0.2.7 127.0.0.1 8080 80\n",
		"no port":         "PROXY TCP4 192.0.2.7 127.0.0.1 8080\r\n",
		"bad address":     "PROXY TCP4 192.0.2.777 127.0.0.1 8080 80\r\n",
		"UDP":             v2 + "\x21\x12\x00\x0c\xc0\x00\x02\x07\x7f\x00\x00\x01\x1f\x90\x00\x50",
		"short v2":        v2 + "\x21\x11\x00\x04\xc0\x00\x02\x07",
		"huge v2":         v2 + "\x21\x11\xff\xff",
		"version 3":       v2 + "\x31\x11\x00\x0c\xc0\x00\x02\x07\x7f\x00\x00\x01\x1f\x90\x00\x50",
	}
	for name, sent := range vectors {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ln, reg := open(t, listen.Options{ProxyFrom: loopback(), MaxConnections: 1})
			client := dial(t, ln, sent)
			conn := accept(t, ln)
			if got := conn.RemoteAddr().String(); got != client.LocalAddr().String() {
				t.Errorf("RemoteAddr: got %s, want %s", got, client.LocalAddr())
			}
			if n, err := conn.Read(make([]byte, 10)); n != 0 || err == nil {
				t.Errorf("Read: got %d, %v, want an error", n, err)
			}
			wantEnd(t, client)
			wantRejected(t, reg, "handshake", 1)
			dial(t, ln, "PROXY UNKNOWN\r\n") // the refused one no longer counts
			accept(t, ln)
		})
	}
}

// TestNoHeader: a proxy that says nothing, or goes, or is closed by the owner,
// holds nobody up.
func TestNoHeader(t *testing.T) {
	t.Parallel()
	t.Run("silent", func(t *testing.T) {
		t.Parallel()
		ln, reg := open(t, listen.Options{ProxyFrom: loopback(), HeaderTimeout: 20 * time.Millisecond})
		client := dial(t, ln, "PROXY ")
		conn := accept(t, ln)
		_ = conn.SetDeadline(time.Now().Add(time.Hour))
		_ = conn.RemoteAddr()
		wantEnd(t, client)
		wantRejected(t, reg, "handshake", 1)
	})
	t.Run("impatient owner", func(t *testing.T) {
		t.Parallel()
		ln, _ := open(t, listen.Options{ProxyFrom: loopback(), HeaderTimeout: time.Hour})
		dial(t, ln, "PROXY ")
		conn := accept(t, ln)
		_ = conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		_ = conn.RemoteAddr()
	})
	t.Run("gone", func(t *testing.T) {
		t.Parallel()
		ln, _ := open(t, listen.Options{ProxyFrom: loopback(), HeaderTimeout: time.Hour})
		_ = dial(t, ln, "").Close()
		_ = accept(t, ln).RemoteAddr()
	})
	t.Run("closed", func(t *testing.T) {
		t.Parallel()
		ln, _ := open(t, listen.Options{ProxyFrom: loopback(), HeaderTimeout: time.Hour})
		dial(t, ln, "")
		conn := accept(t, ln)
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = conn.RemoteAddr()
		}()
		_ = conn.Close()
		<-done
	})
}

// TestDeadlineSurvivesHeader: the owner's deadline counts again afterwards.
func TestDeadlineSurvivesHeader(t *testing.T) {
	t.Parallel()
	ln, _ := open(t, listen.Options{ProxyFrom: loopback()})
	dial(t, ln, "PROXY UNKNOWN\r\n")
	conn := accept(t, ln)
	_ = conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	_, err := conn.Read(make([]byte, 1))
	if e, ok := errors.AsType[net.Error](err); !ok || !e.Timeout() {
		t.Fatalf("Read: got %v, want a timeout", err)
	}
}

// TestProxiedPerAddress: the bound is on who is behind the proxy.
func TestProxiedPerAddress(t *testing.T) {
	t.Parallel()
	ln, reg := open(t, listen.Options{ProxyFrom: loopback(), MaxConnectionsPerAddress: 1})
	const a, b = "PROXY TCP4 192.0.2.7 127.0.0.1 8080 80\r\n.", "PROXY TCP4 192.0.2.8 127.0.0.1 8080 80\r\n."
	take := func(header string, want bool) net.Conn {
		t.Helper()
		client := dial(t, ln, header)
		conn := accept(t, ln)
		_, err := conn.Read(make([]byte, 1))
		if (err == nil) != want {
			t.Fatalf("%q: got %v, want taken %v", header, err, want)
		}
		if !want {
			wantEnd(t, client)
		}
		return conn
	}
	first := take(a, true)
	take(b, true)
	take(a, false)
	wantRejected(t, reg, "address", 1)
	_ = first.Close()
	take(a, true)
}

func TestUnix(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	old, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatalf("listen: got %v, want nil", err)
	}
	old.(*net.UnixListener).SetUnlinkOnClose(false)
	if _, err := listen.Listen(t.Context(), listen.Options{Network: "unix", Address: path}); err == nil {
		t.Fatal("Listen beside another server: got nil, want an error")
	}
	_ = old.Close() // as a process that was killed
	ln, _ := open(t, listen.Options{
		Network: "unix", Address: path, MaxConnectionsPerAddress: 1,
		ProxyFrom: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")},
	})
	for range 2 { // they have no address to count by, and no proxy
		client := dial(t, ln, "x")
		conn := accept(t, ln)
		if n, err := conn.Read(make([]byte, 9)); n != 1 || err != nil {
			t.Fatalf("Read: got %d, %v, want 1, nil", n, err)
		}
		if !listen.Loopback(conn) {
			t.Fatal("Loopback of a Unix socket: got false, want true")
		}
		if err := conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Fatalf("CloseWrite: got %v, want nil", err)
		}
		wantEnd(t, client)
	}
}

func TestListenRefuses(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "missing", "s")
	for _, o := range []listen.Options{
		{Network: "udp", Address: "127.0.0.1:0"}, {Address: "nonsense"}, {Network: "unix", Address: file},
	} {
		if ln, err := listen.Listen(t.Context(), o); err == nil {
			_ = ln.Close()
			t.Errorf("Listen(%+v): got nil, want an error", o)
		}
	}
}

// brokenListener fails as told, then for good.
type brokenListener struct {
	net.Listener
	errs   []error
	accept int
}

func (l *brokenListener) Accept() (net.Conn, error) {
	l.accept++
	if len(l.errs) == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	err := l.errs[0]
	l.errs = l.errs[1:]
	return nil, &net.OpError{Op: "accept", Err: err}
}

// TestTemporary: Accept goes on where that makes sense, and only there.
func TestTemporary(t *testing.T) {
	t.Parallel()
	broken := &brokenListener{errs: []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ECONNABORTED}}
	_, err := listen.Wrap(broken).Accept()
	if !errors.Is(err, io.ErrUnexpectedEOF) || broken.accept != 5 {
		t.Fatalf("Accept: got %v after %d, want the final error after 5", err, broken.accept)
	}
	bare, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: got %v, want nil", err)
	}
	endless := &brokenListener{Listener: bare}
	for range 1000 {
		endless.errs = append(endless.errs, syscall.EMFILE)
	}
	ln := listen.Wrap(endless)
	done := make(chan error, 1)
	go func() {
		_, err := ln.Accept()
		done <- err
	}()
	_ = ln.Close()
	select {
	case err := <-done:
		if !errors.Is(err, net.ErrClosed) {
			t.Fatalf("Accept after Close: got %v, want %v", err, net.ErrClosed)
		}
	case <-time.After(patience):
		t.Fatal("Accept after Close: still resting")
	}
}

func TestLoopbackThroughTLS(t *testing.T) {
	t.Parallel()
	ln, _ := open(t, listen.Options{ProxyFrom: loopback()})
	dial(t, ln, "PROXY TCP4 127.0.0.1 127.0.0.1 8080 80\r\n")
	if listen.Loopback(tls.Server(accept(t, ln), &tls.Config{MinVersion: tls.VersionTLS12})) {
		t.Error("Loopback of a proxied connection in TLS: got true, want false")
	}
	ln, _ = open(t, listen.Options{})
	dial(t, ln, "")
	if !listen.Loopback(tls.Server(accept(t, ln), &tls.Config{MinVersion: tls.VersionTLS12})) {
		t.Error("Loopback in TLS: got false, want true")
	}
}

func TestAddressOf(t *testing.T) {
	t.Parallel()
	vectors := []struct {
		in   net.Addr
		want string
	}{
		{&net.TCPAddr{IP: net.ParseIP("192.0.2.7"), Port: 1}, "192.0.2.7"},
		{&net.TCPAddr{IP: net.ParseIP("::ffff:192.0.2.7"), Port: 1}, "192.0.2.7"},
		{&net.UDPAddr{IP: net.ParseIP("2001:db8::7"), Port: 1}, "2001:db8::7"},
		{&net.UnixAddr{Name: "/x", Net: "unix"}, "invalid IP"},
		{nil, "invalid IP"},
	}
	for _, v := range vectors {
		if got := listen.AddressOf(v.in).String(); got != v.want {
			t.Errorf("AddressOf(%v): got %s, want %s", v.in, got, v.want)
		}
	}
}
