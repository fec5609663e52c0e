// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package uds_test

import (
	"encoding/binary"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/mtp/uds"
	"github.com/uspgate/uspgate/usp"
)

func TestSuite(t *testing.T) {
	t.Parallel()
	mtptest.Run(t, suite())
}

// suite is the Unix domain socket binding in both roles, its servers presenting
// a Controller and its clients an Agent.
func suite() mtptest.Suite {
	return mtptest.Suite{
		NewServer: func(tb testing.TB, o mtptest.Options) mtp.Transport {
			tb.Helper()
			return newServer(tb, uds.ServerOptions{LinkOptions: linkOptions(o, usp.RoleAgent), Listen: o.Listen})
		},
		NewClient: func(tb testing.TB, addr string, o mtptest.Options) mtp.Transport {
			tb.Helper()
			return newClient(tb, uds.ClientOptions{
				LinkOptions: linkOptions(o, usp.RoleController), URL: "unix://" + addr,
				Peer: mtptest.Controller, Retry: o.Retry,
			})
		},
		Connector: true,
		Dial: func(tb testing.TB, addr string, id usp.EndpointID) net.Conn {
			tb.Helper()
			return shakeHands(tb, addr, id)
		},
		Frame: record,
		Fragments: func(raw []byte) []byte { // one frame of several fields, those of other types ignored [R-UDS.15]
			fields := tlv(4, []byte("from the future"))
			fields = append(fields, tlv(handshakeType, []byte("os::somebody-else"))...) // [R-UDS.19]
			fields = append(fields, tlv(0, nil)...)
			fields = append(fields, tlv(recordType, raw)...)
			return frame(append(fields, tlv(255, make([]byte, 20_000))...))
		},
		Malformed: map[string][]byte{
			"no sync bytes":            []byte("GET / HTTP/1.1\r\n\r\n"),
			"late sync bytes":          append([]byte{0}, record(mtptest.Record(mtptest.Agent, mtptest.Controller, "x", 0))...),
			"frame without a field":    frame(nil),
			"frame of four bytes":      frame([]byte{3, 0, 0, 0}),
			"field beyond its frame":   frame([]byte{recordType, 0, 0, 0, 1}),
			"field of 4 GiB":           frame([]byte{recordType, 0xff, 0xff, 0xff, 0xff}),
			"frame of 4 GiB":           append([]byte("_USP\xff\xff\xff\xff"), tlv(recordType, nil)...),
			"bytes behind the fields":  frame(append(tlv(4, nil), 1, 2, 3)),
			"too many fields":          frame(make([]byte, 5*(uds.DefaultMaxFields+1))),
			"not a Record":             record([]byte{0xff, 0xff, 0xff}),
			"empty Record":             record(nil),
			"Error from the peer":      frame(tlv(errorType, []byte("I am leaving"))),
			"long Error from the peer": frame(tlv(errorType, make([]byte, 30_000))),
		},
	}
}

func linkOptions(o mtptest.Options, role usp.Role) uds.LinkOptions {
	return uds.LinkOptions{
		Presents: o.Endpoint, Role: role,
		MaxRecord: o.MaxRecord, QueueRecords: o.QueueRecords, CloseTimeout: o.CloseTimeout,
	}
}

// newServer makes a Server on a socket of its own.
func newServer(tb testing.TB, o uds.ServerOptions) *uds.Server {
	tb.Helper()
	if o.Listen == "" {
		o.Listen = socketPath(tb)
	}
	if o.Presents == "" && o.Endpoint == "" {
		o.Presents = mtptest.Controller
	}
	s, err := uds.NewServer(o)
	if err != nil {
		tb.Fatalf("NewServer: got %v, want nil", err)
	}
	return s
}

func newClient(tb testing.TB, o uds.ClientOptions) *uds.Client {
	tb.Helper()
	if o.Presents == "" && o.Endpoint == "" {
		o.Presents = mtptest.Agent
	}
	c, err := uds.NewClient(o)
	if err != nil {
		tb.Fatalf("NewClient: got %v, want nil", err)
	}
	return c
}

// socketPath is a path that is short enough, which those of tb.TempDir need not
// be.
func socketPath(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("", "uds") //nolint:usetesting // see above
	if err != nil {
		tb.Fatalf("MkdirTemp: got %v, want nil", err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

// What a frame made by hand needs [R-UDS.12].
const (
	handshakeType = 1
	errorType     = 2
	recordType    = 3
)

func tlv(kind byte, value []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(value))), value...)
}

func frame(fields []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte("_USP"), uint32(len(fields))), fields...)
}

// record is a frame with one Record, hello one with a Handshake.
func record(raw []byte) []byte       { return frame(tlv(recordType, raw)) }
func hello(id usp.EndpointID) []byte { return frame(tlv(handshakeType, []byte(id))) }

// dial connects and says nothing.
func dial(tb testing.TB, path string) *net.UnixConn {
	tb.Helper()
	conn, err := (&net.Dialer{}).DialContext(tb.Context(), "unix", path)
	if err != nil {
		tb.Fatalf("dial: got %v, want nil", err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	return conn.(*net.UnixConn)
}

// shakeHands connects as id and waits for the server's Handshake.
func shakeHands(tb testing.TB, path string, id usp.EndpointID) *net.UnixConn {
	tb.Helper()
	conn := dial(tb, path)
	send(tb, conn, hello(id))
	if kind, value := readField(tb, conn); kind != handshakeType {
		tb.Fatalf("handshake: got field %d %q, want a Handshake", kind, value)
	}
	return conn
}

func send(tb testing.TB, conn net.Conn, b []byte) {
	tb.Helper()
	if err := conn.SetWriteDeadline(time.Now().Add(mtptest.Timeout)); err != nil {
		tb.Fatalf("deadline: got %v, want nil", err)
	}
	if _, err := conn.Write(b); err != nil {
		tb.Fatalf("write: got %v, want nil", err)
	}
}
