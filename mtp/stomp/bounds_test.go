// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package stomp_test

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/mtp/stomp"
	"github.com/uspgate/uspgate/usp"
)

// TestBounds: what a peer can make large or slow.
func TestBounds(t *testing.T) {
	t.Parallel()
	hub := mtptest.NewRecorder(t)
	addr := serve(t, stomp.ServerOptions{
		LinkOptions: stomp.LinkOptions{
			HandshakeTimeout: 300 * time.Millisecond, FrameTimeout: 300 * time.Millisecond, MaxRecord: 100_000,
			CloseTimeout: 100 * time.Millisecond,
		},
		Role: usp.RoleAgent, MaxSubscriptions: 2,
	}, hub)
	long, many := strings.Repeat("x", 100_001), slices.Concat(subscribeFrame("1", "a"), subscribeFrame("2", "b"))
	tests := map[string]struct {
		connected bool
		input     []byte
		text      string // of the ERROR; "": none
		cause     error
	}{
		"says nothing":             {false, nil, "", nil},
		"half a command":           {false, []byte("STO"), "", nil},
		"half a STOMP frame":       {false, []byte("STOMP\naccept-version:1.2\n"), "", nil},
		"half a command, later":    {true, []byte("SEN"), "", nil},
		"half a header":            {true, []byte("SEND\ndestination:/queue"), "", nil},
		"half a body":              {true, []byte("SEND\ncontent-length:100\n\nbody"), "", nil},
		"half a large body":        {true, []byte("SEND\ncontent-length:90000\n\nbody"), "", nil},
		"half a body of no length": {true, []byte("SEND\n\nbody"), "", nil},
		"too large a body":         {true, []byte("SEND\ncontent-length:100001\n\n"), "larger than 100000", mtp.ErrTooLarge},
		"too large, no length":     {true, []byte("SEND\n\n" + long), "larger than 100000", mtp.ErrTooLarge},
		"too many subscriptions":   {true, many, "too many", nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { // one after the other, to know whose Link it is
			var p *peer
			var link *mtptest.Port
			if tt.connected {
				p = agentPeer(t, addr, agent)
				link = hub.Link()
			} else {
				p = dial(t, addr)
			}
			p.write(tt.input)
			if tt.text == "" {
				p.wantEnd()
			} else {
				p.wantError(tt.text)
			}
			if link == nil {
				return
			}
			if err := link.WaitDown(); err == nil || tt.cause != nil && !errors.Is(err, tt.cause) {
				t.Errorf("cause: got %v, want %v", err, tt.cause)
			}
		})
	}
}

// TestSlowBody: one that comes on has the time that it needs, in pieces of 64
// KiB.
func TestSlowBody(t *testing.T) {
	t.Parallel()
	hub := mtptest.NewRecorder(t)
	addr := serve(t, stomp.ServerOptions{
		LinkOptions: stomp.LinkOptions{FrameTimeout: 400 * time.Millisecond}, Role: usp.RoleAgent,
	}, hub)
	p := agentPeer(t, addr, agent)
	link := hub.Link()
	rec := mtptest.Record(agent, controller, "slow", 500_000)
	frame := sendFrame(rec)
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for len(frame) > 0 {
		n := min(len(frame), 70_000)
		p.write(frame[:n])
		frame = frame[n:]
		<-ticker.C
	}
	if got := link.Next(); !bytes.Equal(got.Record.Bytes(), rec) {
		t.Error("the Record has changed")
	}
}

// TestConnections: one too many is closed at once, and a place that was given
// back can be used.
func TestConnections(t *testing.T) {
	t.Parallel()
	addr := serve(t, stomp.ServerOptions{MaxConnections: 1}, mtptest.NewRecorder(t))
	p := agentPeer(t, addr, agent)
	dial(t, addr).wantEnd()
	p.write(rawFrame("DISCONNECT", nil))
	p.wantEnd()
	deadline := time.Now().Add(mtptest.Timeout)
	for {
		again := dial(t, addr)
		again.write(connectFrame(agent))
		if _, err := again.next(); err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("no place was given back")
		}
	}
}

// TestProxy: behind a load balancer that is trusted, the client is who its header
// says.
func TestProxy(t *testing.T) {
	t.Parallel()
	hub := mtptest.NewRecorder(t)
	addr := serve(t, stomp.ServerOptions{
		Role: usp.RoleAgent, ProxyFrom: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		LinkOptions: stomp.LinkOptions{HandshakeTimeout: time.Second},
	}, hub)
	p := dial(t, addr)
	p.write([]byte("PROXY TCP4 192.0.2.7 198.51.100.1 4711 61613\r\n"),
		connectFrame(agent), subscribeFrame("0", agentDest(agent)))
	p.want("CONNECTED")
	if got := hub.Link().Peer; got.Remote != "192.0.2.7:4711" || got.Loopback {
		t.Errorf("Peer: got %+v, want 192.0.2.7:4711", got)
	}
	p = dial(t, addr)
	p.write(connectFrame(agent)) // without the header
	p.wantEnd()
}

// TestBitByBit: frames may come in any pieces.
func TestBitByBit(t *testing.T) {
	t.Parallel()
	hub := mtptest.NewRecorder(t)
	addr := serve(t, stomp.ServerOptions{Role: usp.RoleAgent}, hub)
	p := agentPeer(t, addr, agent)
	link := hub.Link()
	small, large := record(agent, controller, 1), mtptest.Record(agent, controller, "large", 40_000)
	input := slices.Concat([]byte("\n"), sendFrame(small), []byte("\r\n"), rawFrame("SEND", small),
		sendFrame(small), sendFrame(large), sendFrame(small))
	for _, size := range []int{1, 7, 100, 127, 128, 129, 5000, 16384, len(input)} {
		r := bytes.NewReader(input)
		buf := make([]byte, size)
		for {
			n, err := r.Read(buf)
			if err == io.EOF {
				break
			}
			p.write(buf[:n])
		}
		for i, want := range [][]byte{small, small, small, large, small} {
			if got := link.Next(); !bytes.Equal(got.Record.Bytes(), want) {
				t.Fatalf("pieces of %d, Record %d: it has changed", size, i)
			}
		}
	}
}
