// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package ws_test

import (
	"bytes"
	"crypto/tls"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/mtp/ws"
)

// TestRest: readers that rest all the time lose nothing, whatever the pieces in
// which Records come, and a Link can be closed from both sides.
func TestRest(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	plain, secure := ws.ServerOptions{}, ws.ServerOptions{TLS: &tls.Config{Certificates: []tls.Certificate{a.issue()}}}
	vectors := []struct {
		name   string
		opts   ws.ServerOptions
		byPeer bool
	}{
		{"closed by us", plain, false},
		{"closed by the peer", plain, true},
		{"TLS, closed by us", secure, false},
		{"TLS, closed by the peer", secure, true},
	}
	for _, v := range vectors {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, v.opts)
			s.LookEvery(32 * time.Millisecond) // a look each millisecond, at a Link each 32
			hub := mtptest.NewRecorder(t)
			mtptest.Start(t, s, hub)
			raw := dial(t, s.Addr())
			if v.opts.TLS != nil {
				raw = tls.Client(raw, &tls.Config{RootCAs: a.pool, ServerName: "127.0.0.1"})
			}
			conn, _ := exchange(t, raw, "/usp?eid=os::a", nil)
			p := hub.Link()
			restAndSend(t, conn, p)
			if v.byPeer {
				_ = conn.Close()
			} else {
				p.Link.Close(mtp.ErrDraining)
				wantClose(t, conn, 1001)
				_ = conn.Close()
			}
			if err := p.WaitDown(); err == nil {
				t.Error("cause: got nil, want an error")
			}
		})
	}
}

// restAndSend sends Records in pieces with pauses about as long as a look takes
// to come round.
func restAndSend(t *testing.T, conn net.Conn, p *mtptest.Port) {
	t.Helper()
	for i := range 30 {
		rec := mtptest.Record("os::a", "os::b", "x", 100+i*1000)
		for piece := frame(finalBit|opBinary, rec); len(piece) > 0; {
			n := min(len(piece), 1+rand.IntN(20_000))
			if _, err := conn.Write(piece[:n]); err != nil {
				t.Fatalf("write: got %v, want nil", err)
			}
			piece = piece[n:]
			<-time.After(time.Duration(rand.IntN(70)) * time.Millisecond)
		}
		if got := p.Next().Record; !bytes.Equal(got.Bytes(), rec) {
			t.Fatalf("Record %d: got %d bytes, want the %d that were sent", i, got.Len(), len(rec))
		}
	}
}
