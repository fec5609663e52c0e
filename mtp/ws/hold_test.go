// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package ws_test

import (
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/mtp/ws"
	"github.com/uspgate/uspgate/routing/routetest"
	"github.com/uspgate/uspgate/usp"
)

// unread is an Agent whose Records find no room.
type unread struct {
	*routetest.Full
	server *mtptest.Running
	conn   rawConn
	n      int
}

func fullRouter(t *testing.T, o ws.LinkOptions) *unread {
	t.Helper()
	r := routetest.New(t, usp.Address{ID: mtptest.Controller, Role: usp.RoleController})
	o.Metrics = r.Metrics
	if o.CloseTimeout == 0 {
		o.CloseTimeout = 200 * time.Millisecond
	}
	s := newServer(t, ws.ServerOptions{LinkOptions: o, Role: usp.RoleAgent})
	u := &unread{Full: r, server: mtptest.Start(t, s, r)}
	u.conn, _ = handshake(t, s.Addr(), "/usp?eid="+string(mtptest.Agent), nil)
	return u
}

func (u *unread) write(t *testing.T, first byte, payload []byte) {
	t.Helper()
	if _, err := u.conn.Write(frame(first, payload)); err != nil {
		t.Fatalf("write: got %v, want nil", err)
	}
}

// send sends n Records.
func (u *unread) send(t *testing.T, n int) {
	t.Helper()
	for range n {
		u.n++
		u.write(t, finalBit|opBinary, mtptest.Record(mtptest.Agent, mtptest.Controller, fmt.Sprint("record ", u.n), 0))
	}
}

// drain makes room for the Records one by one.
func (u *unread) drain(t *testing.T) {
	t.Helper()
	if got := u.Room(); got != "filler" {
		t.Fatalf("got %q in the buffer, want filler", got)
	}
	for i := range u.n {
		if got, want := u.Room(), fmt.Sprint("record ", i+1); got != want {
			t.Fatalf("got %q in the buffer, want %q", got, want)
		}
	}
}

// TestUnreadWhileTheBufferIsFull: a Ping is answered while few Records are held;
// then nothing is read any more, our Pings go on, and the Link stays.
func TestUnreadWhileTheBufferIsFull(t *testing.T) {
	t.Parallel()
	u := fullRouter(t, ws.LinkOptions{KeepAlive: keepAlive})
	u.send(t, 1)
	u.write(t, finalBit|opPing, []byte("early"))
	f := readFrame(t, u.conn)
	for ; f.first == finalBit|opPing; f = readFrame(t, u.conn) {
		u.write(t, finalBit|opPong, f.payload)
	}
	if f.first != finalBit|opPong || string(f.payload) != "early" {
		t.Fatalf("got %#x %q, want the Pong", f.first, f.payload)
	}
	u.send(t, 3)
	u.write(t, finalBit|opPing, []byte("late"))
	u.Want("uspgate_held_records", 2)
	for range 5 { // more than two intervals without a sign of the peer that is read
		if f := readFrame(t, u.conn); f.first != finalBit|opPing {
			t.Fatalf("got %#x, want a Ping of ours: the Ping behind Records is not read", f.first)
		}
	}
	u.Want("uspgate_held_records", 2)
	u.drain(t)
	for f = readFrame(t, u.conn); f.first == finalBit|opPing; f = readFrame(t, u.conn) {
	}
	if f.first != finalBit|opPong || string(f.payload) != "late" {
		t.Fatalf("got %#x %q, want the Pong that was due", f.first, f.payload)
	}
	u.Want("uspgate_records_total in websocket ok", 4)
}

// TestUnreadForTooLong: what has been held for too long is dropped and counted, and
// the Link stays.
func TestUnreadForTooLong(t *testing.T) {
	t.Parallel()
	u := fullRouter(t, ws.LinkOptions{MaxHold: 10 * time.Millisecond})
	u.send(t, 6)
	u.Want("uspgate_held_total late", 6)
	u.Want("uspgate_records_total in websocket busy", 6)
	u.write(t, finalBit|opPing, nil)
	if f := readFrame(t, u.conn); f.first != finalBit|opPong {
		t.Fatalf("got %#x, want a Pong", f.first)
	}
}

// TestUnreadEnds: neither the end of the process nor that of a dead peer waits for
// room.
func TestUnreadEnds(t *testing.T) {
	t.Parallel()
	t.Run("shutdown", func(t *testing.T) {
		t.Parallel()
		u := fullRouter(t, ws.LinkOptions{MaxHold: time.Hour})
		u.send(t, 4)
		u.Want("uspgate_held_records", 2)
		u.server.Stop(t)
		u.Want("uspgate_connections websocket", 0)
	})
	t.Run("reset", func(t *testing.T) {
		t.Parallel()
		u := fullRouter(t, ws.LinkOptions{MaxHold: time.Hour, KeepAlive: keepAlive})
		u.send(t, 4)
		u.Want("uspgate_held_records", 2)
		if err := u.conn.Conn.(*net.TCPConn).SetLinger(0); err != nil {
			t.Fatal(err)
		}
		if err := u.conn.Close(); err != nil {
			t.Fatal(err)
		}
		u.Want("uspgate_connections websocket", 0) // by our next Ping
	})
}
