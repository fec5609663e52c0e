// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package tp469_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/uspgate/uspgate/test/harness"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/usprecord"
)

// broker is the listener of a broker that the test is: it serves connections by hand.
type broker struct {
	net.Listener

	t *testing.T
}

// newBroker listens; with conf it wants TLS.
func newBroker(t *testing.T, conf *tls.Config) *broker {
	t.Helper()
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	if conf != nil {
		ln = tls.NewListener(ln, conf)
	}
	return &broker{Listener: ln, t: t}
}

// accept waits for a connection.
func (b *broker) accept() net.Conn {
	b.t.Helper()
	conn, err := b.Accept()
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(harness.Timeout)); err != nil {
		b.t.Fatal(err)
	}
	return conn
}

// refuse waits for a connection, closes it at once, and returns when it came.
func (b *broker) refuse() time.Time {
	b.t.Helper()
	conn := b.accept()
	at := time.Now()
	_ = conn.Close()
	return at
}

// retries checks that a client whose connection was cut comes back after one interval and
// after the next.
func (b *broker) retries(interval time.Duration, cut func()) {
	b.t.Helper()
	begin := time.Now()
	cut()
	first := b.refuse()
	second := b.refuse()
	within(b.t, "first attempt", first.Sub(begin), interval, 2*interval)
	within(b.t, "second attempt", second.Sub(first), 2*interval, 4*interval)
}

// stomp is the binding by which a Virtual Agent connects to a STOMP broker as an Agent of
// its own.
func (b *broker) stomp(scheme, more string) string {
	return `mtp:
  - name: north
    type: stomp
    connect: "` + scheme + "://" + b.Addr().String() + `"
    role: controller
    peer: "` + string(raw) + `"
    link: per_agent
    username: virtual
    password: secret
    virtual_host: vhost
    retry: {interval: 200ms, multiplier: 2000}
` + more
}

// stompFrame is one as it was on the wire.
type stompFrame struct {
	command string
	headers map[string]string
	body    []byte
}

// stompConn is one connection, the end of the broker. It is a line, whose Controller is at
// controllerDest.
type stompConn struct {
	net.Conn

	t         *testing.T
	r         *bufio.Reader
	at, sub   string     // the destination of the Agent, and the id of its subscription
	last      stompFrame // the last SEND
	messageID int
}

const controllerDest = "/queue/tp469.controller"

// stompAgent accepts a connection and answers its first frame; with at it is told to
// subscribe there.
func (b *bench) stompAgent(br *broker, at string, headers ...string) (c *stompConn, first stompFrame) {
	b.Helper()
	c = newSTOMP(b.T, br.accept())
	first = c.want("STOMP")
	lines := append([]string{"version:1.2"}, headers...)
	if at != "" {
		lines = append(lines, "subscribe-dest:"+stompEscape(at))
	}
	c.write("CONNECTED", nil, lines...)
	f := c.want("SUBSCRIBE")
	c.at, c.sub = f.headers["destination"], f.headers["id"]
	if f.headers["ack"] != "auto" && f.headers["ack"] != "" {
		b.Errorf("got ack:%s, want auto [R-STOMP.13]", f.headers["ack"])
	}
	return c, first
}

func newSTOMP(t *testing.T, conn net.Conn) *stompConn {
	t.Helper()
	return &stompConn{Conn: conn, t: t, r: bufio.NewReader(conn)}
}

func stompEscape(s string) string {
	return strings.NewReplacer(`\`, `\\`, "\n", `\n`, ":", `\c`).Replace(s)
}

func stompUnescape(s string) string {
	return strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\c`, ":").Replace(s)
}

// write sends a frame with headers as they are.
func (c *stompConn) write(command string, body []byte, headers ...string) {
	c.t.Helper()
	text := command + "\n" + strings.Join(headers, "\n") + "\n\n" + string(body) + "\x00"
	if _, err := io.WriteString(c, text); err != nil {
		c.t.Fatal(err)
	}
}

// frame reads one, past heart-beats, and confirms it if that is asked for.
func (c *stompConn) frame() (f stompFrame, err error) {
	c.t.Helper()
	f.headers = make(map[string]string)
	for f.command == "" {
		line, err := c.r.ReadString('\n')
		if err != nil {
			return f, err
		}
		f.command = strings.TrimSuffix(line, "\n")
	}
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			return f, err
		}
		if line == "\n" {
			break
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		f.headers[name] = stompUnescape(value)
	}
	if text, ok := f.headers["content-length"]; ok {
		n, err := strconv.Atoi(text)
		if err != nil {
			return f, err
		}
		f.body = make([]byte, n)
		if _, err := io.ReadFull(c.r, f.body); err != nil {
			return f, err
		}
	}
	if end, err := c.r.ReadByte(); err != nil || end != 0 {
		return f, fmt.Errorf("%s: got %q, %w behind the body, want NUL", f.command, end, err)
	}
	if id := f.headers["receipt"]; id != "" {
		c.write("RECEIPT", nil, "receipt-id:"+id)
	}
	return f, nil
}

// want reads a frame, which has to be of that command.
func (c *stompConn) want(command string) stompFrame {
	c.t.Helper()
	f, err := c.frame()
	if err != nil || f.command != command {
		c.t.Fatalf("got %s %v, %v, want %s", f.command, f.headers, err, command)
	}
	return f
}

func (c *stompConn) send(rec usp.Record) {
	c.t.Helper()
	c.message(rec.Bytes())
}

func (c *stompConn) message(body []byte) {
	c.t.Helper()
	c.messageID++
	c.write("MESSAGE", body, "subscription:"+stompEscape(c.sub), "message-id:"+strconv.Itoa(c.messageID),
		"destination:"+stompEscape(c.at), "content-type:application/vnd.bbf.usp.msg",
		"reply-to-dest:"+controllerDest, "content-length:"+strconv.Itoa(len(body)))
}

func (c *stompConn) next() usp.Record {
	c.t.Helper()
	c.last = c.want("SEND")
	return record(c.t, c.last.body)
}

// headed checks the headers of the last SEND [R-STOMP.18-23].
func (c *stompConn) headed() {
	c.t.Helper()
	for name, want := range map[string]string{
		"content-length": strconv.Itoa(len(c.last.body)), "content-type": "application/vnd.bbf.usp.msg",
		"reply-to-dest": c.at, "destination": controllerDest,
	} {
		if got := c.last.headers[name]; got != want {
			c.t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func case6_2(b *bench) {
	br := newBroker(b.T, nil)
	b.alone(br.stomp("stomp", ""))
	for range 2 {
		c, first := b.stompAgent(br, "")
		for name, want := range map[string]string{
			"endpoint-id": string(b.cpe.Agent), "login": "virtual", "passcode": "secret", "host": "vhost",
			"accept-version": "1.2",
		} {
			if got := first.headers[name]; got != want {
				b.Errorf("%s: got %q, want %q", name, got, want)
			}
		}
		b.answers(c, "6.2")
		_ = c.Close()
	}
}

// ServerRetryInitialInterval is the upper end of the first wait.
func case6_3(b *bench) {
	br := newBroker(b.T, nil)
	b.alone(br.stomp("stomp", ""))
	c, _ := b.stompAgent(br, "")
	b.answers(c, "6.3 before")
	br.retries(200*time.Millisecond, func() { _ = c.Close() })
	c, _ = b.stompAgent(br, "")
	b.answers(c, "6.3 after")
}

func case6_4(b *bench) {
	br := newBroker(b.T, nil)
	b.alone(br.stomp("stomp", ""))
	c, _ := b.stompAgent(br, "")
	b.answers(c, "6.4")
	c.headed()
}

func case6_5(b *bench) {
	const at = "/queue/tp469:given"
	br := newBroker(b.T, nil)
	b.alone(br.stomp("stomp", ""))
	c, _ := b.stompAgent(br, at)
	if c.at != at {
		b.Errorf("got a subscription to %q, want %q", c.at, at)
	}
	b.answers(c, "6.5")
	c.headed()
}

func case6_6(b *bench) {
	br := newBroker(b.T, nil)
	b.alone(br.stomp("stomp", "    destinations: {agent: \"/queue/tp469.{endpoint_id}.in\"}\n"))
	c, _ := b.stompAgent(br, "")
	if want := "/queue/tp469." + string(b.cpe.Agent) + ".in"; c.at != want {
		b.Errorf("got a subscription to %q, want %q", c.at, want)
	}
	b.answers(c, "6.6")
	c.headed()
}

func case6_8(b *bench) {
	br := newBroker(b.T, nil)
	b.alone(br.stomp("stomp", "    keep_alive: 1s\n"))
	c, first := b.stompAgent(br, "", "heart-beat:0,1000")
	if got := strings.ReplaceAll(first.headers["heart-beat"], " ", ""); got != "1000,1000" {
		b.Errorf("got heart-beat %q, want that of the configuration", got)
	}
	b.answers(c, "6.8")
	begin := time.Now()
	for beats := 0; beats < 2; {
		next, err := c.r.Peek(1)
		if err != nil {
			b.Fatalf("got %v, want a heart-beat", err)
		}
		if next[0] == '\n' {
			beats++
			_, err = c.r.Discard(1)
		} else {
			_, err = c.frame() // what the Agent says of its own
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	within(b.T, "two heart-beats", time.Since(begin), 0, 2*time.Second)
}

// The malformed Record is ignored: the next SEND is the answer to what follows it.
func case6_9(b *bench) {
	br := newBroker(b.T, nil)
	b.alone(br.stomp("stomp", ""))
	c, _ := b.stompAgent(br, "")
	b.answers(c, "6.9 before")
	c.message([]byte{0xff, 0xff, 0xff})
	c.message(nil)
	b.answers(c, "6.9 after")
}

func case6_11(b *bench) {
	s := newSecure(b.T)
	br := newBroker(b.T, s.conf)
	b.alone(br.stomp("stomps", s.agents))
	c, _ := b.stompAgent(br, "")
	b.answers(c, "6.11")
	b.identifiedConn(c.Conn)
}

func case6_12(b *bench) {
	br := newBroker(b.T, nil)
	b.alone(br.stomp("stomp", ""))
	for range 2 {
		c, _ := b.stompAgent(br, "")
		connect := parsed(b.T, b.shown(c, usp.RecordSTOMPConnect)).GetStompConnect()
		if v := connect.GetVersion(); v != usprecord.STOMPConnectRecord_V1_2 {
			b.Errorf("got version %v, want 1.2", v)
		}
		if got := connect.GetSubscribedDestination(); got != c.at {
			b.Errorf("got subscribed_destination %q, want %q", got, c.at)
		}
		_ = c.Close()
	}
}

// parsed is a Record with all that is in it.
func parsed(t *testing.T, rec usp.Record) *usprecord.Record {
	t.Helper()
	out := new(usprecord.Record)
	if err := proto.Unmarshal(rec.Bytes(), out); err != nil {
		t.Fatal(err)
	}
	return out
}
