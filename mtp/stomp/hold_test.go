// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package stomp_test

import (
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/mtp/stomp"
	"github.com/uspgate/uspgate/routing/routetest"
	"github.com/uspgate/uspgate/usp"
)

func fullRouter(t *testing.T, o stomp.LinkOptions) (*routetest.Full, *mtptest.Running) {
	t.Helper()
	r := routetest.New(t, usp.Address{ID: controller, Role: usp.RoleController})
	o.Metrics = r.Metrics
	if o.CloseTimeout == 0 {
		o.CloseTimeout = 200 * time.Millisecond
	}
	s, err := stomp.NewServer(stomp.ServerOptions{LinkOptions: o, Listen: "127.0.0.1:0", Role: usp.RoleAgent})
	if err != nil {
		t.Fatal(err)
	}
	return r, mtptest.Start(t, s, r)
}

// TestUnreadWhileTheBufferIsFull: no ERROR, which would cost the Agent a minute; the
// heart-beats that we owe go on, and those that are not read are not missed.
func TestUnreadWhileTheBufferIsFull(t *testing.T) {
	t.Parallel()
	r, server := fullRouter(t, stomp.LinkOptions{HeartBeat: time.Second, FrameTimeout: 100 * time.Millisecond})
	p := dial(t, server.Transport.Addr())
	p.write(connectFrame(agent, "heart-beat:1000,1000"))
	p.want("CONNECTED")
	for i := range 4 {
		p.write(sendFrame(record(agent, controller, i)))
	}
	p.write(sendFrame(record(agent, controller, 4), "receipt:last"))
	r.Want("uspgate_held_records", 2)
	for range 4 { // heart-beats: more than two intervals in which nothing is read
		if err := p.SetReadDeadline(time.Now().Add(mtptest.Timeout)); err != nil {
			t.Fatal(err)
		}
		if b, err := p.r.ReadByte(); b != '\n' || err != nil {
			t.Fatalf("got %q, %v, want a heart-beat", b, err)
		}
	}
	r.Want("uspgate_held_records", 2)
	r.Room()
	for i := range 5 {
		if got, want := r.Room(), fmt.Sprint("payload ", i); got != want {
			t.Fatalf("got %q in the buffer, want %q", got, want)
		}
	}
	if f := p.want("RECEIPT"); f.headers["receipt-id"] != "last" {
		t.Errorf("receipt-id: got %q, want last", f.headers["receipt-id"])
	}
}

// TestUnreadForTooLong: a SEND that asked for nothing is dropped; one that asked for
// a RECEIPT does not get it, and the connection ends.
func TestUnreadForTooLong(t *testing.T) {
	t.Parallel()
	r, server := fullRouter(t, stomp.LinkOptions{MaxHold: 10 * time.Millisecond})
	p := agentPeer(t, server.Transport.Addr(), agent)
	for i := range 6 {
		p.write(sendFrame(record(agent, controller, i)))
	}
	r.Want("uspgate_held_total late", 6)
	r.Want("uspgate_records_total in stomp busy", 6)
	r.Want("uspgate_connections stomp", 1)
	p.write(sendFrame(record(agent, controller, 6), "receipt:no"))
	if f, err := p.next(); err == nil {
		t.Errorf("got %q, want the end of the connection", f.raw)
	}
}

func TestUnreadEnds(t *testing.T) {
	t.Parallel()
	t.Run("shutdown", func(t *testing.T) {
		t.Parallel()
		r, server := fullRouter(t, stomp.LinkOptions{MaxHold: time.Hour})
		p := agentPeer(t, server.Transport.Addr(), agent)
		for i := range 4 {
			p.write(sendFrame(record(agent, controller, i)))
		}
		r.Want("uspgate_held_records", 2)
		server.Stop(t)
		r.Want("uspgate_connections stomp", 0)
	})
	t.Run("reset", func(t *testing.T) {
		t.Parallel()
		r, server := fullRouter(t, stomp.LinkOptions{MaxHold: time.Hour, HeartBeat: time.Second})
		p := dial(t, server.Transport.Addr())
		p.write(connectFrame(agent, "heart-beat:1000,1000"))
		p.want("CONNECTED")
		for i := range 4 {
			p.write(sendFrame(record(agent, controller, i)))
		}
		r.Want("uspgate_held_records", 2)
		if err := p.Conn.(*net.TCPConn).SetLinger(0); err != nil {
			t.Fatal(err)
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		r.Want("uspgate_connections stomp", 0) // by our next heart-beat
	})
}
