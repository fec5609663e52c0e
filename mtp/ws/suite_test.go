// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package ws_test

import (
	"bufio"
	"encoding/binary"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/mtp/ws"
	"github.com/uspgate/uspgate/usp"
)

func TestSuite(t *testing.T) {
	t.Parallel()
	mtptest.Run(t, mtptest.Suite{
		NewServer: func(tb testing.TB, o mtptest.Options) mtp.Transport {
			tb.Helper()
			return newServer(tb, ws.ServerOptions{
				LinkOptions: linkOptions(o), Listen: o.Listen, Endpoint: o.Endpoint, Role: usp.RoleAgent,
			})
		},
		NewClient: func(tb testing.TB, addr string, o mtptest.Options) mtp.Transport {
			tb.Helper()
			return newClient(tb, ws.ClientOptions{
				LinkOptions: linkOptions(o), URL: "ws://" + addr + ws.DefaultPath, Endpoint: o.Endpoint,
				Peer: mtptest.Controller, Role: usp.RoleController, Retry: o.Retry,
			})
		},
		Connector: true,
		Dial: func(tb testing.TB, addr string, id usp.EndpointID) net.Conn {
			tb.Helper()
			conn, _ := handshake(tb, addr, ws.DefaultPath+"?eid="+string(id), nil)
			return conn
		},
		Frame: func(raw []byte) []byte { return frame(finalBit|opBinary, raw) },
		Fragments: func(raw []byte) []byte { // [R-WS.14b], with a Ping and an empty piece in between
			out := frame(opBinary, raw[:10])
			out = append(out, frame(finalBit|opPing, []byte("ping"))...)
			out = append(out, frame(opContinuation, nil)...)
			out = append(out, frame(opContinuation, raw[10:1500])...)
			return append(out, frame(finalBit|opContinuation, raw[1500:])...)
		},
		Malformed: map[string][]byte{
			"text frame":              frame(finalBit|opText, []byte("hello")),
			"not a Record":            frame(finalBit|opBinary, []byte{0xff, 0xff, 0xff}),
			"empty message":           frame(finalBit|opBinary, nil),
			"unmasked frame":          {finalBit | opBinary, 1, 0},
			"huge frame":              []byte("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00"),
			"frame of negative size":  []byte("\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00"),
			"reserved opcode":         frame(finalBit|0x3, nil),
			"reserved bit":            frame(finalBit|0x40|opBinary, nil),
			"continuation of nothing": frame(finalBit|opContinuation, nil),
			"long control frame":      frame(finalBit|opPing, make([]byte, 126)),
		},
	})
}

func linkOptions(o mtptest.Options) ws.LinkOptions {
	return ws.LinkOptions{MaxRecord: o.MaxRecord, QueueRecords: o.QueueRecords, CloseTimeout: o.CloseTimeout}
}

func newServer(tb testing.TB, o ws.ServerOptions) *ws.Server {
	tb.Helper()
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	s, err := ws.NewServer(o)
	if err != nil {
		tb.Fatalf("NewServer: got %v, want nil", err)
	}
	return s
}

func newClient(tb testing.TB, o ws.ClientOptions) *ws.Client {
	tb.Helper()
	c, err := ws.NewClient(o)
	if err != nil {
		tb.Fatalf("NewClient: got %v, want nil", err)
	}
	return c
}

// What a frame made by hand needs [RFC 6455 5.2].
const (
	finalBit       = 0x80
	maskBit        = 0x80
	opContinuation = 0
	opText         = 1
	opBinary       = 2
	opClose        = 8
	opPing         = 9
	opPong         = 10
)

// frame makes a client's frame with the first byte as given.
func frame(first byte, payload []byte) []byte {
	out := []byte{first}
	switch n := len(payload); {
	case n < 126:
		out = append(out, maskBit|byte(n))
	case n < 1<<16:
		out = binary.BigEndian.AppendUint16(append(out, maskBit|126), uint16(n))
	default:
		out = binary.BigEndian.AppendUint64(append(out, maskBit|127), uint64(n))
	}
	key := [4]byte{0xa1, 0xb2, 0xc3, 0xd4}
	out = append(out, key[:]...)
	for i, b := range payload {
		out = append(out, b^key[i%4])
	}
	return out
}

// rawConn reads what came behind the handshake first.
type rawConn struct {
	net.Conn
	r *bufio.Reader
}

func (c rawConn) Read(p []byte) (int, error) { return c.r.Read(p) }

func (c rawConn) CloseWrite() error { return c.Conn.(interface{ CloseWrite() error }).CloseWrite() }

// request is a handshake by hand; header replaces what it names.
func request(tb testing.TB, addr, target string, header http.Header) (rawConn, *http.Response) {
	tb.Helper()
	var d net.Dialer
	conn, err := d.DialContext(tb.Context(), "tcp", addr)
	if err != nil {
		tb.Fatalf("dial: got %v, want nil", err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	return exchange(tb, conn, target, header)
}

// exchange is a request on a connection that is there.
func exchange(tb testing.TB, conn net.Conn, target string, header http.Header) (rawConn, *http.Response) {
	tb.Helper()
	h := http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"},
		"Sec-Websocket-Key": {"AQIDBAUGBwgJCgsMDQ4PEA=="}, "Sec-Websocket-Protocol": {ws.Subprotocol},
		"Origin": {"http://elsewhere.example"},
	}
	maps.Copy(h, header)
	path, query, _ := strings.Cut(target, "?")
	u := &url.URL{Opaque: path, RawQuery: query}
	r := &http.Request{Method: http.MethodGet, Host: "gateway.example", Header: h, URL: u}
	if err := r.Write(conn); err != nil {
		tb.Fatalf("write: got %v, want nil", err)
	}
	raw := rawConn{conn, bufio.NewReader(conn)}
	resp, err := http.ReadResponse(raw.r, r)
	if err != nil {
		tb.Fatalf("handshake: got %v, want an answer", err)
	}
	_ = resp.Body.Close()
	return raw, resp
}

// handshake is a request that must succeed.
func handshake(tb testing.TB, addr, target string, header http.Header) (rawConn, *http.Response) {
	tb.Helper()
	conn, resp := request(tb, addr, target, header)
	if resp.StatusCode != http.StatusSwitchingProtocols {
		tb.Fatalf("handshake: got %s, want 101", resp.Status)
	}
	return conn, resp
}
