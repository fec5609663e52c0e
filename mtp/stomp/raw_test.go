// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package stomp_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/mtp/stomp"
	"github.com/uspgate/uspgate/usp"
)

const (
	agent      = mtptest.Agent
	controller = mtptest.Controller
)

func record(from, to usp.EndpointID, n int) []byte {
	rec := usp.NewNoSession(from, to, "1.4", fmt.Appendf(nil, "payload %d", n))
	return rec.Bytes()
}

func agentDest(id usp.EndpointID) string      { return "/queue/usp.v1.agent." + string(id) }
func controllerDest(id usp.EndpointID) string { return "/queue/usp.v1.controller." + string(id) }

// escape is the Value Encoding of STOMP 1.2.
func escape(s string) string {
	return strings.NewReplacer(`\`, `\\`, "\r", `\r`, "\n", `\n`, ":", `\c`).Replace(s)
}

// rawFrame is a frame with these lines "name:value" as they are.
func rawFrame(command string, body []byte, lines ...string) []byte {
	b := []byte(command + "\n")
	for _, l := range lines {
		b = append(append(b, l...), '\n')
	}
	return append(append(append(b, '\n'), body...), 0)
}

// connectFrame is the first frame of an Endpoint as an Agent in the field sends
// it; more are further headers.
func connectFrame(id usp.EndpointID, more ...string) []byte {
	lines := append([]string{"accept-version:1.2", "host:/", "endpoint-id:" + escape(string(id))}, more...)
	return rawFrame("STOMP", nil, lines...)
}

func subscribeFrame(id, destination string, more ...string) []byte {
	lines := append([]string{"id:" + id, "destination:" + escape(destination), "ack:auto"}, more...)
	return rawFrame("SUBSCRIBE", nil, lines...)
}

// sendFrame is a SEND with a Record.
func sendFrame(rec []byte, more ...string) []byte {
	return rawFrame("SEND", rec, append([]string{
		"destination:" + escape(controllerDest(controller)), "content-type:application/vnd.bbf.usp.msg",
		"reply-to-dest:" + escape(agentDest(agent)), "content-length:" + strconv.Itoa(len(rec)),
	}, more...)...)
}

// peer is a client, or a broker, that the test writes and reads by hand.
type peer struct {
	net.Conn
	t testing.TB
	r *bufio.Reader
}

func newPeer(tb testing.TB, conn net.Conn) *peer {
	tb.Helper()
	tb.Cleanup(func() { _ = conn.Close() })
	return &peer{Conn: conn, t: tb, r: bufio.NewReaderSize(conn, 64<<10)}
}

func dial(tb testing.TB, addr string) *peer {
	tb.Helper()
	conn, err := new(net.Dialer).DialContext(tb.Context(), "tcp", addr)
	if err != nil {
		tb.Fatal(err)
	}
	return newPeer(tb, conn)
}

func (p *peer) write(parts ...[]byte) {
	p.t.Helper()
	for _, b := range parts {
		if _, err := p.Write(b); err != nil {
			p.t.Fatalf("write: got %v, want nil", err)
		}
	}
}

// got is a frame as it was on the wire.
type got struct {
	command string
	headers map[string]string // not unescaped
	body    []byte
	raw     string // command and headers
}

// next reads a frame, past heart-beats.
func (p *peer) next() (got, error) {
	if err := p.SetReadDeadline(time.Now().Add(mtptest.Timeout)); err != nil {
		return got{}, err
	}
	f := got{headers: map[string]string{}}
	for f.command == "" {
		line, err := p.r.ReadString('\n')
		if err != nil {
			return f, err
		}
		f.command = strings.TrimSuffix(line, "\n")
		f.raw = line
	}
	for {
		line, err := p.r.ReadString('\n')
		if err != nil {
			return f, err
		}
		f.raw += line
		line = strings.TrimSuffix(line, "\n")
		if line == "" {
			break
		}
		name, value, _ := strings.Cut(line, ":")
		f.headers[name] = value
	}
	n, err := strconv.Atoi(f.headers["content-length"])
	if err != nil {
		n = 0
	}
	f.body = make([]byte, n+1)
	if _, err := io.ReadFull(p.r, f.body); err != nil {
		return f, err
	}
	if f.body[n] != 0 {
		return f, fmt.Errorf("%q: no NUL after the body", f.raw)
	}
	f.body = f.body[:n]
	return f, nil
}

// want reads a frame with this command.
func (p *peer) want(command string) got {
	p.t.Helper()
	f, err := p.next()
	if err != nil || f.command != command {
		p.t.Fatalf("frame: got %q %q, %v, want %s", f.raw, f.body, err, command)
	}
	return f
}

// wantEnd reads until the connection ends.
func (p *peer) wantEnd() {
	p.t.Helper()
	_ = p.SetReadDeadline(time.Now().Add(mtptest.Timeout))
	if _, err := io.Copy(io.Discard, p.r); isTimeout(err) {
		p.t.Fatal("the connection does not end")
	}
}

func isTimeout(err error) bool {
	t, ok := err.(net.Error) //nolint:errorlint // as the connection gives it
	return ok && t.Timeout()
}

// wantError reads an ERROR, and the end of the connection.
func (p *peer) wantError(text string) got {
	p.t.Helper()
	f := p.want("ERROR")
	if !strings.Contains(f.headers["message"], text) {
		p.t.Errorf("ERROR: got message %q, want %q in it", f.headers["message"], text)
	}
	p.wantEnd()
	return f
}

// agentPeer is a client that is connected and subscribed to its destination.
func agentPeer(tb testing.TB, addr string, id usp.EndpointID) *peer {
	tb.Helper()
	p := dial(tb, addr)
	p.write(connectFrame(id), subscribeFrame("0", agentDest(id), "receipt:sub"))
	p.want("CONNECTED")
	if f := p.want("RECEIPT"); f.headers["receipt-id"] != "sub" {
		tb.Fatalf("receipt-id: got %q, want sub", f.headers["receipt-id"])
	}
	return p
}

// serve starts a server on a free port and returns its address.
func serve(tb testing.TB, o stomp.ServerOptions, h mtp.Handler) string {
	tb.Helper()
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	s, err := stomp.NewServer(o)
	if err != nil {
		tb.Fatalf("NewServer: got %v, want nil", err)
	}
	mtptest.Start(tb, s, h)
	return s.Addr()
}

// connectTo starts a client.
func connectTo(tb testing.TB, o stomp.ClientOptions, h mtp.Handler) *stomp.Client {
	tb.Helper()
	if o.Retry.Interval == 0 {
		o.Retry.Interval = 10 * time.Millisecond
	}
	if o.Endpoint == "" {
		o.Endpoint = agent
	}
	if o.Role == usp.RoleUnknown {
		o.Role = usp.RoleAgent
	}
	c, err := stomp.NewClient(o)
	if err != nil {
		tb.Fatalf("NewClient: got %v, want nil", err)
	}
	mtptest.Start(tb, c, h)
	return c
}
