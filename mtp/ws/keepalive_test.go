// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package ws_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/mtp/ws"
	"github.com/uspgate/uspgate/usp"
)

const keepAlive = 100 * time.Millisecond

// TestPing_R_WS_17: Pings come at the interval, and a peer that answers stays.
func TestPing_R_WS_17(t *testing.T) {
	t.Parallel()
	s, hub := start(t, ws.ServerOptions{LinkOptions: ws.LinkOptions{KeepAlive: keepAlive}})
	conn, _ := handshake(t, s.Addr(), "/usp?eid=os::a", nil)
	p := hub.Link()
	begin := time.Now()
	const pings = 10
	for i := range pings {
		f := readFrame(t, conn)
		if f.first != finalBit|opPing {
			t.Fatalf("frame %d: got %#x, want a Ping", i, f.first)
		}
		if _, err := conn.Write(frame(finalBit|opPong, f.payload)); err != nil {
			t.Fatalf("write: got %v, want nil", err)
		}
	}
	if took := time.Since(begin); took < (pings-2)*keepAlive {
		t.Fatalf("%d Pings: got in %v, want at least %v", pings, took, (pings-2)*keepAlive)
	}
	if p.IsDown() {
		t.Fatal("the Link of a peer that answers went down")
	}
}

// TestPong_R_WS_18: a Ping is answered with its payload, between Records too.
func TestPong_R_WS_18(t *testing.T) {
	t.Parallel()
	s, hub := start(t, ws.ServerOptions{})
	conn, _ := handshake(t, s.Addr(), "/usp?eid=os::a", nil)
	hub.Link()
	for _, payload := range [][]byte{nil, []byte("ping"), make([]byte, 125)} {
		if _, err := conn.Write(frame(finalBit|opPing, payload)); err != nil {
			t.Fatalf("write: got %v, want nil", err)
		}
		if f := readFrame(t, conn); f.first != finalBit|opPong || !bytes.Equal(f.payload, payload) {
			t.Fatalf("answer: got %#x %q, want a Pong with %q", f.first, f.payload, payload)
		}
	}
}

// TestLostPeer_R_WS_17: a peer without a sign of life is dropped; pieces of a
// message that say nothing are none.
func TestLostPeer_R_WS_17(t *testing.T) {
	t.Parallel()
	vectors := []struct {
		name  string
		first []byte
		again []byte
	}{
		{"silent", nil, nil},
		{"endless empty fragments", frame(opBinary, nil), frame(opContinuation, nil)},
	}
	for _, v := range vectors {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			s, hub := start(t, ws.ServerOptions{LinkOptions: ws.LinkOptions{KeepAlive: keepAlive}})
			conn, _ := handshake(t, s.Addr(), "/usp?eid=os::a", nil)
			p := hub.Link()
			begin := time.Now()
			_, err := conn.Write(v.first)
			tick := time.NewTicker(keepAlive / 10)
			defer tick.Stop()
			for err == nil && !p.IsDown() && time.Since(begin) < mtptest.Timeout {
				<-tick.C
				_, err = conn.Write(v.again)
			}
			if err := p.WaitDown(); err == nil {
				t.Fatal("cause: got nil, want an error")
			}
			if took := time.Since(begin); took < 2*keepAlive {
				t.Fatalf("dropped after %v, want at least %v", took, 2*keepAlive)
			}
		})
	}
}

// TestBusyIsNotSilent: a peer is not lost because we do not listen.
func TestBusyIsNotSilent(t *testing.T) {
	t.Parallel()
	s := newServer(t, ws.ServerOptions{LinkOptions: ws.LinkOptions{KeepAlive: keepAlive}})
	hub := mtptest.NewRecorder(t)
	hub.Hold, hub.Window = true, 1
	mtptest.Start(t, s, hub)
	conn, _ := handshake(t, s.Addr(), "/usp?eid=os::a", nil)
	p := hub.Link()
	rec := frame(finalBit|opBinary, mtptest.Record("os::a", "os::b", "x", 0))
	if _, err := conn.Write(bytes.Repeat(rec, 3)); err != nil {
		t.Fatalf("write: got %v, want nil", err)
	}
	<-time.After(6 * keepAlive)
	if p.IsDown() {
		t.Fatal("the Link of a peer that waits for us went down")
	}
	p.Release(3, nil)
	p.Next()
	p.Release(3, nil)
}

// TestStalledPeer: one that takes nothing is dropped although it talks.
func TestStalledPeer(t *testing.T) {
	t.Parallel()
	s, hub := start(t, ws.ServerOptions{LinkOptions: ws.LinkOptions{KeepAlive: keepAlive}})
	conn, _ := handshake(t, s.Addr(), "/usp?eid=os::a", nil)
	p := hub.Link()
	rec := mtptest.Record("os::b", "os::a", "flood", 1<<20)
	tick := time.NewTicker(keepAlive / 10)
	defer tick.Stop()
	for begin := time.Now(); !p.IsDown(); <-tick.C {
		_, _ = p.Enqueue(rec, mtp.Hint{})              // until it is full or down
		_, _ = conn.Write(frame(finalBit|opPong, nil)) // a sign of life
		if time.Since(begin) > mtptest.Timeout {
			t.Fatal("a peer that takes nothing was not dropped")
		}
	}
}

// TestClientPing_R_WS_17: the client role pings too.
func TestClientPing_R_WS_17(t *testing.T) {
	t.Parallel()
	pinged := make(chan struct{}, 100)
	addr := acceptor(t, func(conn *peerConn) {
		conn.answer("")
		for {
			f, err := nextFrame(conn)
			if err != nil {
				return
			}
			if f.first == finalBit|opPing {
				pinged <- struct{}{}
				_, _ = conn.Write([]byte{finalBit | opPong, 0})
			}
		}
	})
	c := newClient(t, ws.ClientOptions{
		LinkOptions: ws.LinkOptions{KeepAlive: keepAlive, CloseTimeout: keepAlive},
		URL:         "ws://" + addr + "/usp", Endpoint: "os::a", Role: usp.RoleController,
	})
	hub := mtptest.NewRecorder(t)
	mtptest.Start(t, c, hub)
	p := hub.Link()
	for range 5 {
		<-pinged
	}
	if p.IsDown() {
		t.Fatal("the Link to a server that answers went down")
	}
}
