// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package tp469_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/uspgate/uspgate/internal/sim/cpe"
	"github.com/uspgate/uspgate/test/harness"
	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/usp"
)

// The fields of a frame [R-UDS.12].
const (
	udsHandshake = 1
	udsError     = 2
	udsRecord    = 3
)

// socketPath is one that is short enough for the address of a socket.
func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "uds") //nolint:usetesting // t.TempDir may be too long
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

func field(kind byte, value []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(value))), value...)
}

func frame(fields ...[]byte) []byte {
	all := bytes.Join(fields, nil)
	return append(binary.BigEndian.AppendUint32([]byte("_USP"), uint32(len(all))), all...)
}

// udsConn is one end of a connection. It is a line.
type udsConn struct {
	net.Conn

	t *testing.T
}

func dialUDS(t *testing.T, socket string) *udsConn {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	return newUDSConn(t, conn)
}

func newUDSConn(t *testing.T, conn net.Conn) *udsConn {
	t.Helper()
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(harness.Timeout)); err != nil {
		t.Fatal(err)
	}
	return &udsConn{Conn: conn, t: t}
}

func (c *udsConn) write(b []byte) {
	c.t.Helper()
	if _, err := c.Write(b); err != nil {
		c.t.Fatal(err)
	}
}

func (c *udsConn) send(rec usp.Record) {
	c.t.Helper()
	c.write(frame(field(udsRecord, rec.Bytes())))
}

func (c *udsConn) next() usp.Record {
	c.t.Helper()
	return record(c.t, c.want(udsRecord))
}

// want reads a frame, which has to have one field of that type. What the Agent says of its
// own may come before an Error.
func (c *udsConn) want(kind byte) []byte {
	c.t.Helper()
	got, value, err := c.field()
	for kind == udsError && got == udsRecord && err == nil {
		got, value, err = c.field()
	}
	if err != nil || got != kind {
		c.t.Fatalf("got a field of type %d with %q, %v, want one of type %d", got, value, err, kind)
	}
	return value
}

func (c *udsConn) field() (kind byte, value []byte, err error) {
	head := make([]byte, 13)
	if _, err := io.ReadFull(c, head); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[9:])
	if string(head[:4]) != "_USP" || binary.BigEndian.Uint32(head[4:]) != 5+n {
		return 0, nil, errors.New("no frame with one field [R-UDS.6]")
	}
	value = make([]byte, n)
	_, err = io.ReadFull(c, value)
	return head[8], value, err
}

// ends checks that the other side closes without an answer.
func (c *udsConn) ends() {
	c.t.Helper()
	kind, value, err := c.field()
	for kind == udsRecord && err == nil {
		kind, value, err = c.field()
	}
	if !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		c.t.Errorf("got a field of type %d with %q, %v, want the end of the connection", kind, value, err)
	}
}

// shakes says who the test is and checks who answers.
func (c *udsConn) shakes(as, with usp.EndpointID) {
	c.t.Helper()
	c.write(frame(field(udsHandshake, []byte(as))))
	if got := c.want(udsHandshake); string(got) != string(with) {
		c.t.Fatalf("got a Handshake of %q, want one of %s", got, with)
	}
}

// expected is who the Virtual Agent of the CPE will be.
func (b *bench) expected() usp.EndpointID {
	b.Helper()
	m, err := cpe.LoadBuiltin(b.model)
	if err != nil {
		b.Fatal(err)
	}
	c, err := cpe.New(cpe.Options{ACS: "http://127.0.0.1:1", Model: m, Serial: "1"})
	if err != nil {
		b.Fatal(err)
	}
	return agent.EndpointIDFor(c.Identity())
}

// socket starts a gateway with a socket behind which the Virtual Agent is, and returns its
// path.
func (b *bench) socket() string {
	b.Helper()
	path := socketPath(b.T)
	b.alone(`mtp:
  - {name: local, type: uds, listen: "` + path + `", role: controller, presents: "` + string(b.expected()) + `"}
`)
	return path
}

// The client's Handshake comes first, the server's after it; the first Record is the Connect
// Record of the Agent.
func own1(b *bench) {
	c := dialUDS(b.T, b.socket())
	if err := c.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		b.Fatal(err)
	}
	if _, _, err := c.field(); !errors.Is(err, os.ErrDeadlineExceeded) {
		b.Errorf("got %v before the Handshake of the client, want nothing", err)
	}
	if err := c.SetReadDeadline(time.Now().Add(harness.Timeout)); err != nil {
		b.Fatal(err)
	}
	c.shakes(raw, b.cpe.Agent)
	b.shown(c, usp.RecordUDSConnect)
	b.answers(c, "own.1")
}

// Before its Handshake a Record of the client is ignored; after it another Handshake and
// fields of other types are.
func own2(b *bench) {
	c := dialUDS(b.T, b.socket())
	c.send(b.to("early", getInfo()))
	c.write(frame(field(udsHandshake, []byte(raw))))
	c.want(udsHandshake)
	c.write(frame(field(udsHandshake, []byte(raw))))
	c.write(frame(field(99, []byte("of a later version")), field(udsRecord, wire(b.to("own.2", getInfo())))))
	for {
		m := b.hears(c.next())
		if m == nil || !isAnswer(m) {
			continue
		}
		if m.GetHeader().GetMsgId() != "own.2" {
			b.Errorf("got an answer to %q, want none but that to own.2", m.GetHeader().GetMsgId())
		}
		b.informs(m)
		return
	}
}

// A Handshake that names no Endpoint, a Record that does not parse and what is no frame are
// answered with an Error, and the connection ends.
func own3(b *bench) {
	path := b.socket()
	for name, bad := range map[string][]byte{
		"Handshake of nobody": frame(field(udsHandshake, nil)),
		"no frame":            []byte("GET / HTTP/1.1\r\n\r\n"),
	} {
		c := dialUDS(b.T, path)
		c.write(bad)
		if text := c.want(udsError); len(text) == 0 {
			b.Errorf("%s: got an Error without text", name)
		}
		c.ends()
	}
	for name, bad := range map[string][]byte{
		"no Record":        frame(field(udsRecord, []byte{0xff, 0xff, 0xff})),
		"nothing":          frame(field(udsRecord, nil)),
		"no frame":         []byte("_usp_usp_usp_usp"),
		"field over frame": append([]byte("_USP\x00\x00\x00\x05"), field(udsRecord, []byte{1, 2, 3})...),
	} {
		c := dialUDS(b.T, path)
		c.shakes(raw, b.cpe.Agent)
		b.shown(c, usp.RecordUDSConnect)
		c.write(bad)
		if text := c.want(udsError); len(text) == 0 {
			b.Errorf("%s: got an Error without text", name)
		}
		c.ends()
	}
}

// An Error of the peer ends the connection without an answer.
func own4(b *bench) {
	c := dialUDS(b.T, b.socket())
	c.shakes(raw, b.cpe.Agent)
	b.shown(c, usp.RecordUDSConnect)
	c.write(frame(field(udsError, []byte("I have seen enough"))))
	c.ends()
}

// As a client the gateway says its Handshake first, and comes back 1 to 5 s after a
// connection has ended.
func own5(b *bench) {
	path := socketPath(b.T)
	ln, err := (&net.ListenConfig{}).Listen(b.Context(), "unix", path)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = ln.Close() })
	b.alone(`mtp:
  - {name: local, type: uds, connect: "unix:` + path + `", role: controller, presents: "` + string(b.expected()) + `"}
`)
	var cut time.Time
	for i := range 2 {
		conn, err := ln.Accept()
		if err != nil {
			b.Fatal(err)
		}
		if i > 0 {
			within(b.T, "the second connection", time.Since(cut), time.Second, 5*time.Second)
		}
		c := newUDSConn(b.T, conn)
		if got := c.want(udsHandshake); string(got) != string(b.cpe.Agent) {
			b.Errorf("got a Handshake of %q, want one of %s", got, b.cpe.Agent)
		}
		c.write(frame(field(udsHandshake, []byte(raw))))
		b.shown(c, usp.RecordUDSConnect)
		b.answers(c, "own.5")
		_ = conn.Close()
		cut = time.Now()
	}
}

// A native Agent and a Controller are on two sockets of the gateway, and speak as if they
// were on one.
func own6(b *bench) {
	south, north := socketPath(b.T), socketPath(b.T)
	b.alone(`mtp:
  - {name: south, type: uds, listen: "` + south + `", role: agent, presents: "` + string(raw) + `"}
  - {name: north, type: uds, listen: "` + north + `", role: controller, presents: "` + string(native) + `"}
`)
	a, c := dialUDS(b.T, south), dialUDS(b.T, north)
	a.shakes(native, raw)
	a.send(usp.NewUDSConnect(native, raw))
	c.shakes(raw, native)
	connect := c.next()
	if h := connect.Header(); h.Type != usp.RecordUDSConnect || h.From != native || h.To != raw {
		b.Errorf("got a %s from %s, want the Connect Record of %s", h.Type, h.From, native)
	}
	same(b.T, c, a, relayed(raw, native)...)
	same(b.T, a, c, relayed(native, raw)...)
}
