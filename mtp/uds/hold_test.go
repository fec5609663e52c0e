// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package uds_test

import (
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/mtp/uds"
	"github.com/uspgate/uspgate/routing/routetest"
	"github.com/uspgate/uspgate/usp"
)

func fullRouter(t *testing.T, o uds.LinkOptions) (*routetest.Full, *mtptest.Running, *net.UnixConn) {
	t.Helper()
	r := routetest.New(t, usp.Address{ID: mtptest.Controller, Role: usp.RoleController})
	o.Metrics, o.Role, o.Endpoint = r.Metrics, usp.RoleAgent, "self::gateway"
	if o.CloseTimeout == 0 {
		o.CloseTimeout = 200 * time.Millisecond
	}
	s := newServer(t, uds.ServerOptions{LinkOptions: o})
	running := mtptest.Start(t, s, r)
	return r, running, shakeHands(t, s.Addr(), mtptest.Agent)
}

func sendRecords(t *testing.T, conn *net.UnixConn, n int) {
	t.Helper()
	for i := range n {
		send(t, conn, record(mtptest.Record(mtptest.Agent, mtptest.Controller, fmt.Sprint("record ", i+1), 0)))
	}
}

// TestUnreadWhileTheBufferIsFull: no Error field, no end; it goes on when there is
// room.
func TestUnreadWhileTheBufferIsFull(t *testing.T) {
	t.Parallel()
	r, _, conn := fullRouter(t, uds.LinkOptions{FrameTimeout: 50 * time.Millisecond})
	sendRecords(t, conn, 5)
	r.Want("uspgate_held_records", 2)
	<-time.After(200 * time.Millisecond) // longer than a frame may take
	r.Want("uspgate_held_records", 2)
	if err := conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Read(make([]byte, 1)); n > 0 || !err.(net.Error).Timeout() { //nolint:errorlint // as it is read
		t.Fatalf("got %d bytes, %v, want silence", n, err)
	}
	r.Room()
	for i := range 5 {
		if got, want := r.Room(), fmt.Sprint("record ", i+1); got != want {
			t.Fatalf("got %q in the buffer, want %q", got, want)
		}
	}
	r.Want("uspgate_records_total in uds ok", 5)
}

func TestUnreadForTooLong(t *testing.T) {
	t.Parallel()
	r, _, conn := fullRouter(t, uds.LinkOptions{MaxHold: 10 * time.Millisecond})
	sendRecords(t, conn, 6)
	r.Want("uspgate_held_total late", 6)
	r.Want("uspgate_records_total in uds busy", 6)
	r.Want("uspgate_connections uds", 1)
}

func TestUnreadEnds(t *testing.T) {
	t.Parallel()
	r, server, conn := fullRouter(t, uds.LinkOptions{MaxHold: time.Hour})
	sendRecords(t, conn, 4)
	r.Want("uspgate_held_records", 2)
	server.Stop(t)
	r.Want("uspgate_connections uds", 0)

	// A peer that is gone is noticed by what is written to it.
	r, _, conn = fullRouter(t, uds.LinkOptions{MaxHold: time.Hour})
	sendRecords(t, conn, 4)
	r.Want("uspgate_held_records", 2)
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	c, err := r.LinkUp(nobody{}, mtp.Peer{
		Kind: mtp.WebSocket, Endpoint: "self::other", Role: usp.RoleController,
		Identity: mtp.Identity{IDs: []usp.EndpointID{"self::other"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	c.Accept(usp.NewNoSession("self::other", mtptest.Agent, "", nil), mtp.Hint{}, 1)
	r.Want("uspgate_connections uds", 0)
	c.Down(nil)
}

// nobody is a Link of a Controller that does not care.
type nobody struct{}

func (nobody) Enqueue(usp.Record, mtp.Hint, mtp.Token) error { return mtp.ErrLinkDown }
func (nobody) Ack(mtp.Token, error)                          {}
func (nobody) Close(error)                                   {}
