// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package ws_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/mtp/ws"
	"github.com/uspgate/uspgate/usp"
)

func TestReplyTable(t *testing.T) {
	t.Parallel()
	vectors := []struct {
		cause error
		code  int
		ack   bool
	}{
		{nil, 1000, false},
		{mtp.ErrMalformed, 1003, true},
		{mtp.ErrForbidden, 1008, true},
		{mtp.ErrTooLarge, 1009, false},
		{mtp.ErrUnroutable, 1008, false},
		{mtp.ErrReplaced, ws.CloseReplaced, false},
		{mtp.ErrDraining, 1001, false},
		{mtp.ErrBusy, 1013, false},
		{errors.New("anything else"), 1013, false},
		{fmt.Errorf("wrapped: %w", mtp.ErrReplaced), ws.CloseReplaced, false},
	}
	for _, v := range vectors {
		if code, ack := ws.ReplyTo(v.cause); code != v.code || ack != v.ack {
			t.Errorf("%v: got %d %v, want %d %v", v.cause, code, ack, v.code, v.ack)
		}
	}
}

// TestBadInput_R_WS_16 sends what a peer must not send and wants the status of
// the Close frame that answers it.
func TestBadInput_R_WS_16(t *testing.T) {
	t.Parallel()
	const limit = 1000
	s, hub := start(t, ws.ServerOptions{LinkOptions: ws.LinkOptions{MaxRecord: limit}})
	vectors := []struct {
		name  string
		input []byte
		code  int
	}{
		{"text frame", frame(finalBit|opText, []byte("hello")), 1003},
		{"text frame with a Record", frame(finalBit|opText, mtptest.Record("os::a", "os::b", "x", 0)), 1003},
		{"garbage", frame(finalBit|opBinary, []byte{0xff, 0xff}), 1003},
		{"Record without to_id", frame(finalBit|opBinary, mtptest.Record("os::a", "", "x", 0)), 1003},
		{"nothing", frame(finalBit|opBinary, nil), 1003},
		{"too large", frame(finalBit|opBinary, mtptest.Record("os::a", "os::b", "x", limit+1)), 1009},
		{"endless fragments", append(
			frame(opBinary, make([]byte, 100)), bytes.Repeat(frame(opContinuation, make([]byte, 100)), 100)...,
		), 1009},
		{"claims 2^63-1 bytes", []byte("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00"), 1009},
		{"claims 2^64-1 bytes", []byte("\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00"), 1009},
		{"violates RFC 6455", frame(finalBit|0x40|opBinary, nil), 1002},
		{"bad close status", frame(finalBit|opClose, binary.BigEndian.AppendUint16(nil, 1005)), 1002},
	}
	for _, v := range vectors {
		t.Run(v.name, func(t *testing.T) {
			conn, _ := handshake(t, s.Addr(), "/usp?eid=os::a", nil)
			p := hub.Link()
			if _, err := conn.Write(v.input); err != nil {
				t.Fatalf("write: got %v, want nil", err)
			}
			wantClose(t, conn, v.code)
			if err := p.WaitDown(); err == nil {
				t.Fatal("cause: got nil, want an error")
			}
		})
	}
}

// TestRefusedRecord_R_SEC_4c: what the router refuses ends the session only
// where the table says so.
func TestRefusedRecord_R_SEC_4c(t *testing.T) {
	t.Parallel()
	s, hub := start(t, ws.ServerOptions{})
	vectors := []struct {
		outcome error
		code    int // 0: goes on
	}{
		{mtp.ErrForbidden, 1008},
		{mtp.ErrMalformed, 1003},
		{mtp.ErrUnroutable, 0},
		{mtp.ErrBusy, 0},
		{mtp.ErrTooLarge, 0},
	}
	for _, v := range vectors {
		t.Run(v.outcome.Error(), func(t *testing.T) {
			conn, _ := handshake(t, s.Addr(), "/usp?eid=os::a", nil)
			p := hub.Link()
			p.RefuseRecords(func(usp.Record) error { return v.outcome })
			rec := mtptest.Record("os::a", "os::b", "refused", 0)
			if _, err := conn.Write(frame(finalBit|opBinary, rec)); err != nil {
				t.Fatalf("write: got %v, want nil", err)
			}
			p.Next()
			if v.code != 0 {
				wantClose(t, conn, v.code)
				if err := p.WaitDown(); !errors.Is(err, v.outcome) {
					t.Fatalf("cause: got %v, want %v", err, v.outcome)
				}
				return
			}
			if _, err := conn.Write(frame(finalBit|opBinary, rec)); err != nil {
				t.Fatalf("write: got %v, want nil", err)
			}
			p.Next()
		})
	}
}

// TestCloseStatus_R_WS_8: the queue is written, then the Close frame comes.
func TestCloseStatus_R_WS_8(t *testing.T) {
	t.Parallel()
	s, hub := start(t, ws.ServerOptions{})
	vectors := []struct {
		cause error
		code  int
	}{
		{mtp.ErrReplaced, ws.CloseReplaced}, // [R-WS.4]
		{mtp.ErrDraining, 1001},
		{mtp.ErrForbidden, 1008},
		{nil, 1000},
	}
	for _, v := range vectors {
		conn, _ := handshake(t, s.Addr(), "/usp?eid=os::a", nil)
		p := hub.Link()
		rec := mtptest.Record("os::b", "os::a", "last", 0)
		p.Send(rec, mtp.Hint{})
		p.Link.Close(v.cause)
		if f := readFrame(t, conn); f.first != finalBit|opBinary || !bytes.Equal(f.payload, rec) {
			t.Fatalf("%v: got frame %#x %q, want the Record first", v.cause, f.first, f.payload)
		}
		wantClose(t, conn, v.code)
		if err := p.WaitDown(); !errors.Is(err, v.cause) && v.cause != nil {
			t.Fatalf("cause: got %v, want %v", err, v.cause)
		}
	}
}

// TestPeerCloses_R_WS_8: a Close frame is answered with its own status.
func TestPeerCloses_R_WS_8(t *testing.T) {
	t.Parallel()
	s, hub := start(t, ws.ServerOptions{})
	for _, code := range []int{1000, 1001, 4321} {
		conn, _ := handshake(t, s.Addr(), "/usp?eid=os::a", nil)
		p := hub.Link()
		status := binary.BigEndian.AppendUint16(nil, uint16(code))
		if _, err := conn.Write(frame(finalBit|opClose, append(status, "bye"...))); err != nil {
			t.Fatalf("write: got %v, want nil", err)
		}
		f := readFrame(t, conn)
		if f.first != finalBit|opClose || !slices.Equal(f.payload, status) {
			t.Fatalf("answer: got %#x %q, want Close %d", f.first, f.payload, code)
		}
		wantEnd(t, conn)
		if err := p.WaitDown(); err == nil {
			t.Fatal("cause: got nil, want an error")
		}
	}
}

func TestRefusedLink(t *testing.T) {
	t.Parallel()
	vectors := []struct {
		cause error
		code  int
	}{
		{mtp.ErrBusy, 1013}, {mtp.ErrForbidden, 1008}, {mtp.ErrUnroutable, 1008}, {errors.New("other"), 1013},
	}
	for _, v := range vectors {
		s, hub := newServer(t, ws.ServerOptions{}), mtptest.NewRecorder(t)
		hub.Refuse = func(mtp.Peer) error { return v.cause }
		mtptest.Start(t, s, hub)
		conn, _ := handshake(t, s.Addr(), "/usp?eid=os::a", nil)
		wantClose(t, conn, v.code)
	}
}

// panicky is a Port whose Accept panics.
type panicky struct{ mtp.Port }

func (panicky) Accept(usp.Record, mtp.Hint, mtp.Token) { panic("test") }

type panickyHandler struct{ hub *mtptest.Recorder }

func (h panickyHandler) LinkUp(l mtp.Link, p mtp.Peer) (mtp.Port, error) {
	port, err := h.hub.LinkUp(l, p)
	return panicky{port}, err
}

// TestPanicEndsOneLink: whatever a peer triggers ends its own connection only.
func TestPanicEndsOneLink(t *testing.T) {
	t.Parallel()
	s, hub := newServer(t, ws.ServerOptions{}), mtptest.NewRecorder(t)
	mtptest.Start(t, s, panickyHandler{hub})
	conn, _ := handshake(t, s.Addr(), "/usp?eid=os::a", nil)
	p := hub.Link()
	if _, err := conn.Write(frame(finalBit|opBinary, mtptest.Record("os::a", "os::b", "x", 0))); err != nil {
		t.Fatalf("write: got %v, want nil", err)
	}
	wantClose(t, conn, 1011)
	if err := p.WaitDown(); err == nil {
		t.Fatal("cause: got nil, want an error")
	}
	handshake(t, s.Addr(), "/usp?eid=os::a", nil)
	hub.Link()
}

// TestShutdownOfMany: every Link is down when Run returns, also with peers that
// answer nothing.
func TestShutdownOfMany(t *testing.T) {
	t.Parallel()
	s := newServer(t, ws.ServerOptions{LinkOptions: ws.LinkOptions{CloseTimeout: 50 * time.Millisecond}})
	hub := mtptest.NewRecorder(t)
	running := mtptest.Start(t, s, hub)
	ports := make([]*mtptest.Port, 50)
	for i := range ports {
		handshake(t, s.Addr(), fmt.Sprintf("/usp?eid=os::a-%d", i), nil)
		ports[i] = hub.Link()
	}
	running.Stop(t)
	for i, p := range ports {
		if !p.IsDown() {
			t.Fatalf("Link %d: got up after Run has returned, want down", i)
		}
	}
}
