// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package tp469_test

import (
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/uspgate/uspgate/mtp/ws"
	"github.com/uspgate/uspgate/test/harness"
	"github.com/uspgate/uspgate/usp"
)

// wsHost is the WebSocket server of a Controller.
type wsHost struct {
	t      *testing.T
	url    string
	conns  chan *wsConn
	tried  chan time.Time // every attempt to connect
	refuse atomic.Bool
}

// newWSHost runs a server; with conf it wants TLS.
func newWSHost(t *testing.T, conf *tls.Config) *wsHost {
	t.Helper()
	h := &wsHost{t: t, conns: make(chan *wsConn, 16), tried: make(chan time.Time, 16)}
	s := httptest.NewUnstartedServer(h)
	if s.TLS = conf; conf == nil {
		s.Start()
	} else {
		s.Config.ErrorLog = log.New(io.Discard, "", 0) // the case about it says what is refused
		s.StartTLS()
	}
	t.Cleanup(s.Close)
	h.url = "ws" + strings.TrimPrefix(s.URL, "http") + "/usp"
	return h
}

// ServeHTTP implements http.Handler.
func (h *wsHost) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.tried <- time.Now()
	if h.refuse.Load() {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	u := websocket.Upgrader{Subprotocols: []string{"v1.usp"}} // and no extension [R-WS.11b]
	conn, err := u.Upgrade(w, r, nil)
	if err != nil {
		h.t.Errorf("upgrade: %v", err)
		return
	}
	h.conns <- &wsConn{Conn: conn, t: h.t, request: r}
}

// north is the binding by which a Virtual Agent connects there as an Agent of its own.
func (h *wsHost) north(more string) string {
	return `mtp:
  - name: north
    type: websocket
    connect: "` + h.url + `"
    role: controller
    peer: "` + string(raw) + `"
    link: per_agent
    retry: {interval: 200ms, multiplier: 2000}
` + more
}

// accept waits for a connection.
func (h *wsHost) accept() *wsConn {
	h.t.Helper()
	select {
	case c := <-h.conns:
		h.t.Cleanup(func() { _ = c.Close() })
		return c
	case <-time.After(harness.Timeout):
		h.t.Fatal("nobody connects")
		return nil
	}
}

// attempt waits for the next attempt to connect.
func (h *wsHost) attempt() time.Time {
	h.t.Helper()
	select {
	case at := <-h.tried:
		return at
	case <-time.After(harness.Timeout):
		h.t.Fatal("nobody tries to connect")
		return time.Time{}
	}
}

// wsConn is one connection, the end of the Controller. It is a line.
type wsConn struct {
	*websocket.Conn

	t       *testing.T
	request *http.Request
}

func (c *wsConn) send(rec usp.Record) {
	c.t.Helper()
	if err := c.WriteMessage(websocket.BinaryMessage, rec.Bytes()); err != nil {
		c.t.Fatal(err)
	}
}

func (c *wsConn) next() usp.Record {
	c.t.Helper()
	kind, b, err := c.read()
	if err != nil || kind != websocket.BinaryMessage {
		c.t.Fatalf("got message type %d, %v, want a binary one with a Record [R-WS.14]", kind, err)
	}
	return record(c.t, b)
}

func (c *wsConn) read() (kind int, b []byte, err error) {
	c.t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(harness.Timeout)); err != nil {
		c.t.Fatal(err)
	}
	return c.ReadMessage()
}

// closes reads until the Agent closes, which has to be with that status, and until the
// connection ends.
func (c *wsConn) closes(status int) {
	c.t.Helper()
	for {
		_, _, err := c.read()
		if err == nil {
			continue
		}
		var e *websocket.CloseError
		if !errors.As(err, &e) || e.Code != status {
			c.t.Errorf("got %v, want a Close frame with status %d", err, status)
		}
		return
	}
}

// ends waits until nothing more comes.
func (c *wsConn) ends() {
	c.t.Helper()
	var slow net.Error
	if _, err := io.Copy(io.Discard, c.NetConn()); errors.As(err, &slow) && slow.Timeout() {
		c.t.Error("the connection does not end")
	}
}

// drop cuts the connection without a word.
func (c *wsConn) drop() {
	c.t.Helper()
	if err := c.NetConn().Close(); err != nil {
		c.t.Fatal(err)
	}
}

func case7_1(b *bench) {
	h := newWSHost(b.T, nil)
	b.alone(h.north(""))
	for range 2 {
		c := h.accept()
		if got := c.request.URL.Query().Get("eid"); got != string(b.cpe.Agent) {
			b.Errorf("got eid %q, want %q [R-WS.10b]", got, b.cpe.Agent)
		}
		if got := websocket.Subprotocols(c.request); !slices.Contains(got, "v1.usp") {
			b.Errorf("got subprotocols %q, want v1.usp [R-WS.9]", got)
		}
		b.answers(c, "7.1")
		c.drop()
	}
}

// The second connection is to the WebSocket server of the gateway, at the resource of the
// Virtual Agent. One that does not prove to be the Controller is rejected; one that does
// takes the place of the first.
func case7_2(b *bench) {
	h := newWSHost(b.T, nil)
	b.alone(h.north(`  - {name: claimed, type: websocket, listen: "127.0.0.1:0"}
  - name: proved
    type: websocket
    listen: "127.0.0.1:0"
    auth: {mode: password, users: [{username: raw, password: secret, endpoint_id: "` + string(raw) + `"}]}
`))
	first := h.accept()
	b.answers(first, "7.2 before")
	b.opens("claimed").closes(websocket.ClosePolicyViolation)
	b.answers(first, "7.2 meanwhile")
	proved := b.opens("proved")
	first.closes(ws.CloseReplaced)
	b.answers(proved, "7.2 after")
}

// opens connects to a WebSocket server of the gateway.
func (b *bench) opens(name string) *wsConn {
	b.Helper()
	u := "ws://" + b.gateway.Addr(name) + "/usp/agents/" + url.PathEscape(string(b.cpe.Agent)) + "?eid=" + string(raw)
	r := &http.Request{Header: http.Header{}}
	r.SetBasicAuth("raw", "secret")
	d := &websocket.Dialer{Subprotocols: []string{"v1.usp"}}
	conn, resp, err := d.DialContext(b.ctx(), u, r.Header)
	if err != nil {
		b.Fatal(err)
	}
	_ = resp.Body.Close() // the library has read it
	b.Cleanup(func() { _ = conn.Close() })
	return &wsConn{Conn: conn, t: b.T}
}

func case7_4(b *bench) {
	h := newWSHost(b.T, nil)
	b.alone(h.north(""))
	c := h.accept()
	text := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	if err := c.WriteControl(websocket.CloseMessage, text, time.Now().Add(harness.Timeout)); err != nil {
		b.Fatal(err)
	}
	c.closes(websocket.CloseNormalClosure)
	c.ends()
}

func case7_6(b *bench) {
	h := newWSHost(b.T, nil)
	b.alone(h.north(""))
	for _, bad := range [][]byte{{0xff, 0xff, 0xff}, nil, wire(usp.NewNoSession(raw, "", "", nil))} {
		c := h.accept()
		if err := c.WriteMessage(websocket.BinaryMessage, bad); err != nil {
			b.Fatal(err)
		}
		c.closes(websocket.CloseUnsupportedData)
		_ = c.Close()
	}
	c := h.accept()
	if err := c.WriteMessage(websocket.TextMessage, []byte("text")); err != nil {
		b.Fatal(err)
	}
	c.closes(websocket.CloseUnsupportedData)
}

// The Agent answers Pings, bears Pongs, and sends Pings of its own [R-WS.17].
func case7_7(b *bench) {
	h := newWSHost(b.T, nil)
	b.alone(h.north("    keep_alive: 1s\n"))
	c := h.accept()
	var pongs []string
	c.SetPongHandler(func(text string) error { pongs = append(pongs, text); return nil })
	pings := 0
	answer := c.PingHandler()
	c.SetPingHandler(func(text string) error { pings++; return answer(text) })
	deadline := time.Now().Add(harness.Timeout)
	if err := c.WriteControl(websocket.PingMessage, []byte("are you there"), deadline); err != nil {
		b.Fatal(err)
	}
	if err := c.WriteControl(websocket.PongMessage, []byte("unasked"), deadline); err != nil {
		b.Fatal(err)
	}
	b.answers(c, "7.7 after the Pong")
	if !slices.Equal(pongs, []string{"are you there"}) {
		b.Errorf("got Pongs %q, want one with what the Ping had", pongs)
	}
	for i := 0; pings < 2; i++ {
		if time.Now().After(deadline) {
			b.Fatalf("got %d Pings, want two", pings)
		}
		b.answers(c, "7.7 meanwhile")
	}
}

func case7_8(b *bench) {
	h := newWSHost(b.T, nil)
	b.alone(h.north(""))
	c := h.accept()
	h.attempt()
	b.answers(c, "7.8 before")
	h.refuse.Store(true)
	cut := time.Now()
	c.drop()
	first := h.attempt()
	second := h.attempt()
	within(b.T, "first attempt", first.Sub(cut), 200*time.Millisecond, 400*time.Millisecond)
	within(b.T, "second attempt", second.Sub(first), 400*time.Millisecond, 800*time.Millisecond)
	h.refuse.Store(false)
	b.answers(h.accept(), "7.8 after")
}

// within checks a wait between two attempts. A machine that is busy makes it longer, never
// shorter.
func within(t *testing.T, what string, d, low, high time.Duration) {
	t.Helper()
	const early, late = 20 * time.Millisecond, 2 * time.Second
	if d < low-early || d > high+late {
		t.Errorf("%s: got after %s, want %s to %s", what, d, low, high)
	}
}

func case7_9(b *bench) {
	s := newSecure(b.T)
	h := newWSHost(b.T, s.conf)
	b.alone(h.north(s.agents))
	c := h.accept()
	b.identified(c.request.TLS)
	b.answers(c, "7.9")
}

func case7_10(b *bench) {
	h := newWSHost(b.T, nil)
	b.alone(h.north(""))
	for range 2 {
		c := h.accept()
		b.shown(c, usp.RecordWebSocketConnect)
		c.drop()
	}
}

// The server of these cases never answers with the extension.
func case7_11(b *bench) {
	h := newWSHost(b.T, nil)
	b.alone(h.north(""))
	c := h.accept()
	b.answers(c, "7.11")
}

func case7_12(b *bench) {
	h := newWSHost(b.T, nil)
	b.alone(h.north(""))
	c := h.accept()
	rec := wire(b.to("7.12", getInfo()))
	c.fragments(rec[:5], nil, rec[5:20], rec[20:])
	b.informs(b.answer(c, "7.12"))
}

// fragments sends a message in as many frames, with a Ping between them, which the library
// would not do with so few bytes.
func (c *wsConn) fragments(parts ...[]byte) {
	c.t.Helper()
	const final, binaryData, continued, ping = 0x80, 0x2, 0x0, 0x9
	out := []byte{}
	for i, p := range parts {
		first := byte(continued)
		if i == 0 {
			first = binaryData
		}
		if i == len(parts)-1 {
			first |= final
		}
		if len(p) > 125 {
			c.t.Fatalf("a part has %d bytes", len(p))
		}
		out = append(append(append(out, first, byte(len(p))), p...), final|ping, 0)
	}
	if _, err := c.NetConn().Write(out); err != nil {
		c.t.Fatal(err)
	}
}
