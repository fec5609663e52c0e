// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package ws_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/mtp/ws"
	"github.com/uspgate/uspgate/usp"
)

// peerConn is a connection that a client under test has opened.
type peerConn struct {
	net.Conn
	r   *bufio.Reader
	req *http.Request
}

func (c *peerConn) Read(p []byte) (int, error) { return c.r.Read(p) }

// answer sends 101 with the subprotocol and more header lines, CRLF each.
func (c *peerConn) answer(more string) {
	c.accept("Sec-WebSocket-Protocol: v1.usp\r\n" + more)
}

func (c *peerConn) accept(lines string) {
	key := c.req.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
	sum := sha1.Sum([]byte(key))
	_, _ = c.Write([]byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: " + base64.StdEncoding.EncodeToString(sum[:]) + "\r\n" + lines + "\r\n"))
}

// acceptor listens and gives every connection to f after its request was read.
func acceptor(t *testing.T, f func(*peerConn)) (addr string) {
	t.Helper()
	var lc net.ListenConfig
	ln, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: got %v, want nil", err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer conn.Close()
				p := &peerConn{Conn: conn, r: bufio.NewReader(conn)}
				if p.req, err = http.ReadRequest(p.r); err == nil {
					f(p)
				}
			})
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		serving.Wait()
	})
	return ln.Addr().String()
}

// untilEnd reads until the client goes.
func untilEnd(c *peerConn) {
	for {
		if _, err := nextFrame(c); err != nil {
			return
		}
	}
}

// TestRequest_R_WS_9_R_WS_10b_R_WS_10c looks at what the client sends.
func TestRequest_R_WS_9_R_WS_10b_R_WS_10c(t *testing.T) {
	t.Parallel()
	password := http.Header{"Authorization": {"Basic eDp5"}}
	vectors := []struct {
		name      string
		opts      ws.ClientOptions
		path      string
		uri       string
		extension string
	}{
		{"plain", ws.ClientOptions{Endpoint: "doc::agent"}, "/usp", "/usp?eid=doc::agent", ""},
		{"percent", ws.ClientOptions{Endpoint: "doc::agent%21"}, "/usp", "/usp?eid=doc::agent%2521", ""},
		{"query kept", ws.ClientOptions{Endpoint: "doc::agent"}, "/usp?a=b%20c", "/usp?a=b%20c&eid=doc::agent", ""},
		{"path kept", ws.ClientOptions{Endpoint: "self::c"}, "/agents/os::a%2521", "/agents/os::a%2521?eid=self::c", ""},
		{"no path", ws.ClientOptions{Endpoint: "self::c"}, "", "/?eid=self::c", ""},
		{
			"legacy",
			ws.ClientOptions{Endpoint: "doc::agent%21", LegacyExtension: true},
			"/usp",
			"/usp?eid=doc::agent%2521", `bbf-usp-protocol; eid="doc::agent%21"`, // [R-WS.10a]
		},
		{"header", ws.ClientOptions{Endpoint: "doc::agent", Header: password}, "/usp", "/usp?eid=doc::agent", ""},
	}
	for _, v := range vectors {
		requests := make(chan *http.Request, 100)
		addr := acceptor(t, func(c *peerConn) { requests <- c.req })
		v.opts.URL = "ws://" + addr + v.path
		v.opts.Retry.Interval = time.Hour
		running := mtptest.Start(t, newClient(t, v.opts), mtptest.NewRecorder(t))
		r := <-requests
		running.Stop(t)
		if r.RequestURI != v.uri {
			t.Errorf("%s: got URI %s, want %s", v.name, r.RequestURI, v.uri)
		}
		if got := r.Header.Get("Sec-WebSocket-Protocol"); got != ws.Subprotocol {
			t.Errorf("%s: got subprotocol %q, want %q", v.name, got, ws.Subprotocol)
		}
		if got := r.Header.Get("Sec-WebSocket-Extensions"); got != v.extension {
			t.Errorf("%s: got extension %q, want %q", v.name, got, v.extension)
		}
		if got := r.Header.Get("Authorization"); got != v.opts.Header.Get("Authorization") {
			t.Errorf("%s: got Authorization %q, want %q", v.name, got, v.opts.Header.Get("Authorization"))
		}
	}
}

// TestAnswer_R_WS_11b_R_WS_12: what the client makes of the server's answer.
func TestAnswer_R_WS_11b_R_WS_12(t *testing.T) {
	t.Parallel()
	const protocol = "Sec-WebSocket-Protocol: v1.usp\r\n"
	const ext = "Sec-WebSocket-Extensions: bbf-usp-protocol; eid="
	vectors := []struct {
		name   string
		lines  string
		expect usp.EndpointID
		want   usp.EndpointID
		taken  bool
	}{
		{"plain", protocol, "", "", true},
		{"expected but not told", protocol, "os::b", "os::b", true},
		{"unrequested extension", protocol + ext + "\"os::b\"\r\n", "", "os::b", true},
		{"unrequested extension, token", protocol + ext + "os::b\r\n", "", "os::b", true},
		{"told as expected", protocol + ext + "\"os::b\"\r\n", "os::b", "os::b", true},
		{"unreadable extension", protocol + ext + "\"os::b\r\n", "os::b", "os::b", true},
		{"told another", protocol + ext + "\"os::c\"\r\n", "os::b", "", false},
		{"no subprotocol", "", "", "", false},
		{"another subprotocol", "Sec-WebSocket-Protocol: v2.usp\r\n", "", "", false},
	}
	for _, v := range vectors {
		calls := make(chan struct{}, 100)
		addr := acceptor(t, func(c *peerConn) {
			calls <- struct{}{}
			c.accept(v.lines)
			untilEnd(c)
		})
		hub := mtptest.NewRecorder(t)
		running := mtptest.Start(t, newClient(t, ws.ClientOptions{
			LinkOptions: ws.LinkOptions{CloseTimeout: 10 * time.Millisecond}, URL: "ws://" + addr,
			Endpoint: "os::a", Peer: v.expect, Role: usp.RoleController,
			Retry: mtp.BackoffOptions{Interval: time.Millisecond, Multiplier: 1000},
		}), hub)
		if v.taken {
			want := mtp.Peer{Endpoint: v.want, Presents: "os::a", Role: usp.RoleController}
			if p := hub.Link().Peer; p.Endpoint != want.Endpoint || p.Presents != want.Presents || p.Role != want.Role {
				t.Errorf("%s: got %+v, want %+v", v.name, p, want)
			}
		} else {
			for range 3 { // it tries again and again, and no Link comes up
				<-calls
			}
		}
		running.Stop(t)
		if got := hub.Links(); got != 0 {
			t.Errorf("%s: got %d more Links, want 0", v.name, got)
		}
	}
}

func TestClientOptions(t *testing.T) {
	t.Parallel()
	vectors := []ws.ClientOptions{
		{Endpoint: "os::a"},
		{Endpoint: "os::a", URL: "http://host/usp"},
		{Endpoint: "os::a", URL: "ws:///usp"},
		{Endpoint: "os::a", URL: "ws://user:secret@host/usp"},
		{Endpoint: "os::a", URL: "ws://host/usp#x"},
		{Endpoint: "os::a", URL: "ws://%zz"},
		{URL: "ws://host/usp"},
	}
	for _, v := range vectors {
		c, err := ws.NewClient(v)
		if err == nil {
			t.Errorf("NewClient(%+v): got %v, want an error", v, c)
			continue
		}
		if bytes.Contains([]byte(err.Error()), []byte("secret")) {
			t.Errorf("NewClient: got %q, want no password in it", err)
		}
	}
}

// TestClientStopsWithinHandshake: a server that never answers holds nobody up.
func TestClientStopsWithinHandshake(t *testing.T) {
	t.Parallel()
	called, hang := make(chan struct{}), make(chan struct{})
	addr := acceptor(t, func(*peerConn) {
		close(called)
		<-hang
	})
	defer close(hang)
	running := mtptest.Start(t, newClient(t, ws.ClientOptions{
		LinkOptions: ws.LinkOptions{HandshakeTimeout: time.Hour}, URL: "ws://" + addr, Endpoint: "os::a",
	}), mtptest.NewRecorder(t))
	<-called
	running.Stop(t)
}

// TestUnfragmented_R_WS_14a_R_WS_15: Records of all sizes, however large, are
// one masked binary frame each from a client and one unmasked from a server.
func TestUnfragmented_R_WS_14a_R_WS_15(t *testing.T) {
	t.Parallel()
	sizes := []int{50, 125, 126, 127, 1000, 4096, 16<<10 - 14, 16 << 10, 16<<10 + 1, 65535, 65536, 200_000, 3 << 20}
	check := func(t *testing.T, f inFrame, size int, masked bool) {
		t.Helper()
		want := mtptest.Record("os::a", "os::b", "x", size)
		if f.first != finalBit|opBinary || (f.key != nil) != masked || !bytes.Equal(f.payload, want) {
			t.Fatalf("Record of %d bytes: got frame %#x of %d bytes, masked %v, want one final binary frame, masked %v",
				size, f.first, len(f.payload), f.key != nil, masked)
		}
	}
	t.Run("server", func(t *testing.T) {
		t.Parallel()
		s, hub := start(t, ws.ServerOptions{})
		conn, _ := handshake(t, s.Addr(), "/usp?eid=os::b", nil)
		p := hub.Link()
		for _, size := range sizes {
			p.Send(mtptest.Record("os::a", "os::b", "x", size), mtp.Hint{})
		}
		for _, size := range sizes {
			check(t, readFrame(t, conn), size, false)
		}
	})
	t.Run("client", func(t *testing.T) {
		t.Parallel()
		frames := make(chan inFrame, len(sizes))
		addr := acceptor(t, func(c *peerConn) {
			c.answer("")
			for {
				f, err := nextFrame(c)
				if err != nil {
					return
				}
				frames <- f
			}
		})
		hub := mtptest.NewRecorder(t)
		mtptest.Start(t, newClient(t, ws.ClientOptions{
			LinkOptions: ws.LinkOptions{CloseTimeout: 10 * time.Millisecond}, URL: "ws://" + addr, Endpoint: "os::a",
		}), hub)
		p := hub.Link()
		for _, size := range sizes {
			p.Send(mtptest.Record("os::a", "os::b", "x", size), mtp.Hint{})
		}
		for _, size := range sizes {
			check(t, <-frames, size, true)
		}
	})
}

// TestDialAgent_R_WS_6: an Agent that is the server tells its Endpoint ID
// unasked, and sends its Connect Record and the first Notify in one piece.
func TestDialAgent_R_WS_6(t *testing.T) {
	t.Parallel()
	rec := usp.NewWebSocketConnect("os::a", "self::c")
	connect := rec.Bytes()
	notify := mtptest.Record("os::a", "self::c", "Boot!", 0)
	addr := acceptor(t, func(c *peerConn) {
		c.answer("Sec-WebSocket-Extensions: bbf-usp-protocol; eid=\"os::a\"\r\n")
		both := append(unmasked(connect), unmasked(notify)...)
		_, _ = c.Write(both)
		untilEnd(c)
	})
	hub := mtptest.NewRecorder(t)
	mtptest.Start(t, newClient(t, ws.ClientOptions{
		LinkOptions: ws.LinkOptions{CloseTimeout: 10 * time.Millisecond, Order: 2}, URL: "ws://" + addr + "/usp",
		Endpoint: "self::c", Carrier: true, Role: usp.RoleAgent,
	}), hub)
	p := hub.Link()
	if got := p.Peer; got.Endpoint != "os::a" || got.Role != usp.RoleAgent || got.Presents != "" || got.Order != 2 {
		t.Errorf("peer: got %+v, want the Agent os::a", got)
	}
	for _, want := range [][]byte{connect, notify} {
		if got := p.Next().Record; !bytes.Equal(got.Bytes(), want) {
			t.Errorf("Record: got %x, want %x", got.Bytes(), want)
		}
	}
}

// unmasked is a server's frame of a short Record.
func unmasked(payload []byte) []byte {
	return append([]byte{finalBit | opBinary, byte(len(payload))}, payload...)
}

// TestRetryWindows_R_WS_19: the waits between dials are as configured.
func TestRetryWindows_R_WS_19(t *testing.T) {
	t.Parallel()
	const m, dials = 20 * time.Millisecond, 5
	calls := make(chan time.Time, 100)
	addr := acceptor(t, func(*peerConn) { calls <- time.Now() })
	mtptest.Start(t, newClient(t, ws.ClientOptions{
		URL: "ws://" + addr, Endpoint: "os::a", Retry: mtp.BackoffOptions{Interval: m, Multiplier: 2000},
	}), mtptest.NewRecorder(t))
	last, low := <-calls, m
	for n := 1; n < dials; n++ {
		now := <-calls
		// Only the lower end is certain where others use the processor too.
		if wait := now.Sub(last); wait < low {
			t.Errorf("wait %d: got %v, want at least %v", n, wait, low)
		}
		last, low = now, 2*low
	}
}

// TestHold_R_WS_4: a client rests as long as it is told to.
func TestHold_R_WS_4(t *testing.T) {
	t.Parallel()
	s, hub := start(t, ws.ServerOptions{})
	rest := make(chan struct{})
	errRest := errors.New("rest")
	mtptest.Start(t, newClient(t, ws.ClientOptions{
		URL: "ws://" + s.Addr() + "/usp", Endpoint: "os::a",
		Hold: func(ctx context.Context) error {
			select {
			case <-rest:
				return nil
			case <-ctx.Done():
				return errRest
			}
		},
	}), mtptest.NewRecorder(t))
	if got := hub.Links(); got != 0 {
		t.Fatalf("Links while held: got %d, want 0", got)
	}
	close(rest)
	hub.Link()
}
