// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package uds_test

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/mtp/uds"
	"github.com/uspgate/uspgate/usp"
)

// readField reads one frame by hand, which has exactly one field.
func readField(tb testing.TB, conn net.Conn) (kind byte, value []byte) {
	tb.Helper()
	kind, value, err := nextField(conn)
	if err != nil {
		tb.Fatalf("read a frame: got %v, want one", err)
	}
	return kind, value
}

func nextField(conn net.Conn) (kind byte, value []byte, err error) {
	if err := conn.SetReadDeadline(time.Now().Add(mtptest.Timeout)); err != nil {
		return 0, nil, err
	}
	head := make([]byte, 13)
	if _, err := io.ReadFull(conn, head); err != nil {
		return 0, nil, err
	}
	size := binary.BigEndian.Uint32(head[9:])
	if string(head[:4]) != "_USP" || binary.BigEndian.Uint32(head[4:]) != size+5 {
		return 0, nil, errors.New("not a frame of one field")
	}
	value = make([]byte, size)
	_, err = io.ReadFull(conn, value)
	return head[8], value, err
}

// wantError wants an Error field with this text and then the end.
func wantError(tb testing.TB, conn net.Conn, text string) {
	tb.Helper()
	kind, value := readField(tb, conn)
	if kind != errorType || string(value) != text {
		tb.Fatalf("got field %d %q, want an Error %q", kind, value, text)
	}
	wantEnd(tb, conn)
}

// wantEnd wants that nothing more comes and the connection ends.
func wantEnd(tb testing.TB, conn net.Conn) {
	tb.Helper()
	kind, value, err := nextField(conn)
	if !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		tb.Fatalf("after the end: got field %d %q %v, want a closed connection", kind, value, err)
	}
}

// wantRecord wants a Record next at p.
func wantRecord(tb testing.TB, p *mtptest.Port, raw []byte) {
	tb.Helper()
	if got := p.Next(); string(got.Record.Bytes()) != string(raw) {
		tb.Fatalf("Record: got %q, want %q", got.Record.Bytes(), raw)
	}
}

// start runs a Server with a Recorder.
func start(tb testing.TB, o uds.ServerOptions) (*uds.Server, *mtptest.Recorder) {
	tb.Helper()
	if o.CloseTimeout == 0 {
		o.CloseTimeout = 200 * time.Millisecond
	}
	s, hub := newServer(tb, o), mtptest.NewRecorder(tb)
	mtptest.Start(tb, s, hub)
	return s, hub
}

// TestFrames are the bytes of each exchange with a server, both directions.
func TestFrames(t *testing.T) {
	t.Parallel()
	// The example of TR-369: an Endpoint ID of 21 bytes.
	const agent = "\x5F\x55\x53\x50\x00\x00\x00\x1A\x01\x00\x00\x00\x15os::012345-0123456789"
	const server = "\x5F\x55\x53\x50\x00\x00\x00\x15\x01\x00\x00\x00\x10self::controller"
	const disconnect = "\x5F\x55\x53\x50\x00\x00\x00\x37\x03\x00\x00\x00\x32" +
		"\x0a\x031.4\x12\x10self::controller\x1a\x15os::012345-0123456789\x62\x02\x0a\x00"
	raw := disconnect[13:]
	failed := func(text string) string { return string(frame(tlv(errorType, []byte(text)))) }
	const malformed = "not a USP frame or not a USP Record"
	tests := []struct {
		name     string // [clause] what
		in, want string
		records  []string
		cause    error
	}{
		{"[R-UDS.16, R-UDS.17] Handshakes", agent, server, nil, nil},
		{"[R-UDS.6 to R-UDS.11, R-UDS.22] a Record", agent + disconnect, server, []string{raw}, nil},
		{
			"[R-UDS.9] two Records in one frame", agent + "_USP\x00\x00\x00\x6e" + disconnect[8:] + disconnect[8:], server,
			[]string{raw, raw},
			nil,
		},
		{
			"[R-UDS.9] Handshake and Record in one frame", "_USP\x00\x00\x00\x51" + agent[8:] + disconnect[8:], server,
			[]string{raw},
			nil,
		},
		{
			"[R-UDS.15] a field of unknown type",
			agent + "_USP\x00\x00\x00\x08\x09\x00\x00\x00\x03abc" + disconnect, server,
			[]string{raw},
			nil,
		},
		{
			"[R-UDS.15] before the Handshake",
			"_USP\x00\x00\x00\x08\x09\x00\x00\x00\x03abc" + agent + disconnect, server,
			[]string{raw},
			nil,
		},
		{"[R-UDS.19] a second Handshake", agent + agent + disconnect, server, []string{raw}, nil},
		{
			"[R-UDS.19] a second Handshake of somebody else",
			agent + "_USP\x00\x00\x00\x08\x01\x00\x00\x00\x03a:b" + disconnect, server,
			[]string{raw},
			nil,
		},
		{"[R-UDS.20] a Record before the Handshake", disconnect + agent + disconnect, server, []string{raw}, nil},
		{
			"[R-UDS.21] an empty Handshake",
			"_USP\x00\x00\x00\x05\x01\x00\x00\x00\x00", failed("the Handshake does not name an Endpoint"), nil, nil,
		},
		{
			"[R-UDS.21] a Handshake with a space", "_USP\x00\x00\x00\x0a\x01\x00\x00\x00\x05os: a",
			failed("the Handshake does not name an Endpoint"), nil, nil,
		},
		{
			"[R-UDS.23] not a Record",
			agent + "_USP\x00\x00\x00\x08\x03\x00\x00\x00\x03abc", server + failed(malformed), nil, mtp.ErrMalformed,
		},
		{
			"[R-UDS.23] no sync bytes",
			agent + "_usp\x00\x00\x00\x05\x03\x00\x00\x00\x00", server + failed(malformed), nil, mtp.ErrMalformed,
		},
		{
			"[R-UDS.23] no sync bytes before the Handshake",
			"_usp\x00\x00\x00\x05\x03\x00\x00\x00\x00", failed(malformed), nil, nil,
		},
		{
			"[R-UDS.23] a frame without a field",
			agent + "_USP\x00\x00\x00\x00", server + failed(malformed), nil, mtp.ErrMalformed,
		},
		{
			"[R-UDS.23] a field longer than its frame",
			agent + "_USP\x00\x00\x00\x05\x03\x00\x00\x00\x01", server + failed(malformed), nil,
			mtp.ErrMalformed,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, hub := start(t, uds.ServerOptions{})
			conn := dial(t, s.Addr())
			send(t, conn, []byte(tt.in))
			got := make([]byte, len(tt.want))
			if err := conn.SetReadDeadline(time.Now().Add(mtptest.Timeout)); err != nil {
				t.Fatal(err)
			}
			if n, err := io.ReadFull(conn, got); err != nil || string(got) != tt.want {
				t.Fatalf("got %q %v, want %q", got[:n], err, tt.want)
			}
			if len(tt.want) > 0 && tt.want[8] != handshakeType {
				wantEnd(t, conn)
				return
			}
			p := hub.Link()
			if p.Peer.Endpoint != "os::012345-0123456789" || p.Peer.Identity.Method != "handshake" {
				t.Fatalf("Peer: got %+v, want the Endpoint of the Handshake", p.Peer)
			}
			for _, raw := range tt.records {
				wantRecord(t, p, []byte(raw))
			}
			if tt.cause == nil {
				send(t, conn, []byte(disconnect)) // all is well
				wantRecord(t, p, []byte(raw))
				return
			}
			wantEnd(t, conn)
			if err := p.WaitDown(); !errors.Is(err, tt.cause) {
				t.Fatalf("cause: got %v, want %v", err, tt.cause)
			}
		})
	}
}

// TestPeerError_R_UDS_25: an Error closes, without an answer.
func TestPeerError_R_UDS_25(t *testing.T) {
	t.Parallel()
	s, hub := start(t, uds.ServerOptions{})
	conn := shakeHands(t, s.Addr(), mtptest.Agent)
	p := hub.Link()
	send(t, conn, []byte("_USP\x00\x00\x00\x08\x02\x00\x00\x00\x03bye"))
	wantEnd(t, conn)
	if err := p.WaitDown(); err == nil || err.Error() != `uds: the peer sent an Error: "bye"` {
		t.Fatalf("cause: got %v, want that of the peer", err)
	}
}

// TestReplies: what a peer is told when its Link is closed.
func TestReplies(t *testing.T) {
	t.Parallel()
	for cause, text := range map[error]string{
		mtp.ErrReplaced:       "replaced by a newer connection of the same Endpoint",
		mtp.ErrForbidden:      "not allowed for this Endpoint",
		mtp.ErrBusy:           "try again later",
		errors.ErrUnsupported: "try again later",
	} {
		s, hub := start(t, uds.ServerOptions{})
		conn := shakeHands(t, s.Addr(), mtptest.Agent)
		hub.Link().Link.Close(cause)
		wantError(t, conn, text)
	}
	for _, cause := range []error{nil, mtp.ErrDraining} {
		s, hub := start(t, uds.ServerOptions{})
		conn := shakeHands(t, s.Addr(), mtptest.Agent)
		hub.Link().Link.Close(cause)
		wantEnd(t, conn)
	}
}

// TestOutcomes: a Record that the peer may not send ends the connection, one
// that cannot be delivered now does not [R-UDS.24, R-SEC.4c].
func TestOutcomes(t *testing.T) {
	t.Parallel()
	s, hub := start(t, uds.ServerOptions{})
	conn := shakeHands(t, s.Addr(), mtptest.Agent)
	p := hub.Link()
	raw := mtptest.Record(mtptest.Agent, mtptest.Controller, "x", 0)
	for _, err := range []error{mtp.ErrUnroutable, mtp.ErrBusy, mtp.ErrTooLarge, mtp.ErrLinkDown} {
		p.RefuseRecords(refusing(err))
		send(t, conn, record(raw))
		wantRecord(t, p, raw)
	}
	p.RefuseRecords(refusing(mtp.ErrForbidden))
	send(t, conn, record(raw))
	wantError(t, conn, "not allowed for this Endpoint")
	if err := p.WaitDown(); !errors.Is(err, mtp.ErrForbidden) {
		t.Fatalf("cause: got %v, want %v", err, mtp.ErrForbidden)
	}
}

func refusing(err error) func(usp.Record) error { return func(usp.Record) error { return err } }
