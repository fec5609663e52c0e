// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package coap_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/coap"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/usp"
)

// insist sends a Record again and again until it gets that answer.
func (p *peer) insist(code byte) {
	p.tb.Helper()
	for begin := time.Now(); ; {
		m := p.roundTrip(p.post(hello))
		if m.code == code {
			return
		}
		if m.code != code503 || time.Since(begin) > mtptest.Timeout {
			p.tb.Fatalf("answer: got %v, want 5.03 and later %d.%02d", m, code>>5, code&31)
		}
	}
}

// from makes the n-th Agent's Record.
func from(n int) []byte {
	return mtptest.Record(usp.EndpointID(fmt.Sprintf("os::00D09E-%d", n)), mtptest.Controller, "hello", 0)
}

// at returns a peer at another address of this host.
func at(tb testing.TB, ip, addr string) *peer {
	tb.Helper()
	conn, err := net.ListenPacket("udp", net.JoinHostPort(ip, "0"))
	if err != nil {
		tb.Fatalf("listen: got %v, want nil", err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	return &peer{tb: tb, conn: conn, to: address(tb, addr)}
}

// rejections is how many were turned away for the reason.
func rejections(tb testing.TB, reg *prometheus.Registry, reason string) int {
	tb.Helper()
	families, err := reg.Gather()
	if err != nil {
		tb.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if f.GetName() == "uspgate_connections_rejected_total" && l.GetName() == "reason" && l.GetValue() == reason {
					return int(m.GetCounter().GetValue())
				}
			}
		}
	}
	return 0
}

// rejected fails the test unless one was turned away for the reason.
func rejected(tb testing.TB, reg *prometheus.Registry, reason string) {
	tb.Helper()
	if got := rejections(tb, reg, reason); got != 1 {
		tb.Fatalf("rejections for %s: got %d, want 1", reason, got)
	}
}

func TestMaxPeers(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	_, p, _ := serve(t, coap.ServerOptions{LinkOptions: coap.LinkOptions{Metrics: reg}, MaxPeers: 2})
	p.want(p.post(from(1)), code204)
	p.want(p.post(from(2)), code204)
	p.want(p.post(from(3)), code503)
	p.want(p.post(from(1)), code204)
	rejected(t, reg, "connections")
}

func TestMaxPeersPerAddress(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	_, p, addr := serve(t, coap.ServerOptions{LinkOptions: coap.LinkOptions{Metrics: reg}, MaxPeersPerAddress: 1})
	p.want(p.post(from(1)), code204)
	p.want(p.post(from(2)), code503)
	rejected(t, reg, "address")
	other := at(t, "127.0.0.2", addr)
	other.want(other.post(from(2)), code204)
}

// TestMove: the address of a live Endpoint is not taken over by another host;
// that of a silent one is.
func TestMove(t *testing.T) {
	t.Parallel()
	const quiet = 150 * time.Millisecond
	hub, p, addr := serve(t, coap.ServerOptions{MoveAfter: quiet})
	p.want(p.post(hello), code204)
	south := hub.Link()
	thief := at(t, "127.0.0.2", addr)
	begin := time.Now()
	thief.insist(code204)
	if waited := time.Since(begin); waited < quiet/2 {
		t.Fatalf("the other host was believed after %v, want about %v", waited, quiet)
	}
	south.Send(mtptest.Record(mtptest.Controller, mtptest.Agent, "down", 0), mtp.Hint{})
	if m := thief.next(); m.code != codePost {
		t.Fatalf("got %v, want a POST", m)
	}
}

func TestAuth(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	o := coap.ServerOptions{LinkOptions: coap.LinkOptions{Metrics: reg}}
	o.Auth = func(c coap.Claim) (mtp.Identity, error) {
		if c.Endpoint != mtptest.Agent || !c.Remote.Addr().IsLoopback() {
			return mtp.Identity{}, errors.New("a stranger")
		}
		return mtp.Identity{Method: "password", IDs: []usp.EndpointID{mtptest.Agent}}, nil
	}
	hub, p, _ := serve(t, o)
	p.want(p.post(hello), code204)
	if got := hub.Link().Peer.Identity.Method; got != "password" {
		t.Fatalf("Identity: got %q, want that of Auth", got)
	}
	p.want(p.post(from(1)), code403)
	rejected(t, reg, "auth")
}

func TestPatterns(t *testing.T) {
	t.Parallel()
	_, p, _ := serve(t, coap.ServerOptions{LinkOptions: coap.LinkOptions{Patterns: []string{"os::00D09E-1*"}}})
	p.want(p.post(from(12)), code204)
	p.want(p.post(from(22)), code403)
}

func TestMaxUnsettled(t *testing.T) {
	t.Parallel()
	hub := mtptest.NewRecorder(t)
	hub.Hold, hub.Window = true, 1
	o := coap.LinkOptions{MaxUnsettled: 3}
	server := mtptest.Start(t, newServer(t, coap.ServerOptions{LinkOptions: o}), hub)
	p := newPeer(t, server.Transport.Addr())
	for range 3 {
		p.send(p.post(hello).bytes())
	}
	p.want(p.post(hello), code503)
	hub.Link().Release(3, nil)
}

// firstBlock is the first block of a body that never ends.
func (p *peer) firstBlock() msg { return p.post(bytes.Repeat([]byte("x"), 1024), blockOpt(0, true, 6)) }

func TestMaxTransfers(t *testing.T) {
	t.Parallel()
	o := coap.LinkOptions{MaxTransfers: 3, MaxTransfersPerPeer: 2, TransferTimeout: 200 * time.Millisecond}
	_, _, addr := serve(t, coap.ServerOptions{LinkOptions: o})
	for _, tt := range []struct {
		ip   string
		code byte
	}{
		{"127.0.0.1", code231},
		{"127.0.0.1", code231},
		{"127.0.0.1", code503}, // per peer
		{"127.0.0.2", code231},
		{"127.0.0.3", code503}, // in all
	} {
		p := at(t, tt.ip, addr)
		p.want(p.firstBlock(), tt.code)
	}
	late := at(t, "127.0.0.3", addr) // they end
	for begin := time.Now(); late.roundTrip(late.firstBlock()).code != code231; {
		if time.Since(begin) > mtptest.Timeout {
			t.Fatal("the other bodies do not end")
		}
	}
}

func TestMaxReassembly(t *testing.T) {
	t.Parallel()
	o := coap.LinkOptions{MaxReassembly: 8 << 10}
	_, _, addr := serve(t, coap.ServerOptions{LinkOptions: o})
	a, b := newPeer(t, addr), newPeer(t, addr)
	for i := range 4 { // 4 KiB are allocated at first
		m := a.firstBlock()
		m.opts[3] = blockOpt(i, true, 6)
		a.want(m, code231)
	}
	b.want(b.firstBlock(), code231)
	m := a.firstBlock()
	m.opts[3] = blockOpt(4, true, 6)
	a.want(m, code503)
	b.want(b.post(hello), code204)
}

// TestBlocksIn: blocks that come twice or not at all do no harm, and a second
// Record at the same time has its Request-Tag.
func TestBlocksIn(t *testing.T) {
	t.Parallel()
	record := mtptest.Record(mtptest.Agent, mtptest.Controller, "in blocks", 60)
	hub, p, _ := serve(t, coap.ServerOptions{LinkOptions: coap.LinkOptions{MaxRecord: 100}})
	part := func(num int) msg {
		end := min(16*num+16, len(record))
		return p.post(record[16*num:end], blockOpt(num, end < len(record), 0))
	}
	p.want(part(0), code231)
	p.want(part(2), code408)
	p.want(part(1), code231)
	p.want(part(1), code231) // again, in another message
	tagged := part(0)
	tagged.opts = append(tagged.opts, opt{292, "tag"})
	p.want(tagged, code231)
	p.want(part(2), code231)
	p.want(part(3), code204)
	if got := hub.Link().Next(); !bytes.Equal(got.Record.Bytes(), record) {
		t.Fatalf("Record: got %q, want %q", got.Record.Bytes(), record)
	}
	p.want(part(3), code408)
	p.want(part(0), code231)
	p.want(part(0), code231) // from the beginning
	for i := 1; i < 6; i++ {
		p.want(p.post(record[:16], blockOpt(i, true, 0)), code231)
	}
	if got := p.want(p.post(record[:16], blockOpt(6, true, 0)), code413); got.opts[1] != (opt{optSize1, "\x64"}) {
		t.Fatalf("answer: got %v, want Size1 100", got)
	}
}

// TestBlockSize: blocks that are too large for us are to become smaller.
func TestBlockSize(t *testing.T) {
	t.Parallel()
	_, p, _ := serve(t, coap.ServerOptions{LinkOptions: coap.LinkOptions{BlockSize: 64}})
	got := p.want(p.firstBlock(), code231)
	if v, _ := got.get(optBlock1); v != blockOpt(0, true, 2).value {
		t.Fatalf("Block1: got %q, want size 64", v)
	}
	p.want(p.post([]byte(strings.Repeat("y", 64)), blockOpt(16, true, 2)), code231)
}

// TestMaxExchanges: what is forgotten is another request.
func TestMaxExchanges(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]coap.LinkOptions{
		"in all":   {MaxExchanges: 2},
		"per peer": {MaxExchangesPerPeer: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hub, p, _ := serve(t, coap.ServerOptions{LinkOptions: o})
			first := p.post(hello)
			p.want(first, code204)
			p.want(p.post(hello), code204)
			p.want(first, code204) // a repetition
			p.want(p.post(hello), code204)
			p.want(first, code204) // forgotten
			south := hub.Link()
			for range 4 {
				south.Next()
			}
		})
	}
}

func TestIdle(t *testing.T) {
	t.Parallel()
	hub, p, _ := serve(t, coap.ServerOptions{LinkOptions: coap.LinkOptions{Idle: 100 * time.Millisecond}})
	p.want(p.post(hello), code204)
	if err := hub.Link().WaitDown(); err == nil {
		t.Fatal("cause: got nil, want an error")
	}
	p.insist(code204)
	hub.Link()
}

// TestNStart: to one address no more than NStart messages are under way.
func TestNStart(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{1, 2} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			t.Parallel()
			hub, p, _ := serve(t, coap.ServerOptions{LinkOptions: coap.LinkOptions{NStart: limit}})
			for i := range 3 { // three Endpoints at one address
				p.want(p.post(from(i)), code204)
				hub.Link().Send(hello, mtp.Hint{})
				if i < limit {
					p.next()
				}
			}
			if m, ok := p.within(100 * time.Millisecond); ok {
				t.Fatalf("got %v, want nothing more yet", m)
			}
		})
	}
}

// TestCloseTimeout: a Link whose peer takes nothing is cut off.
func TestCloseTimeout(t *testing.T) {
	t.Parallel()
	hub, p, _ := serve(t, coap.ServerOptions{LinkOptions: coap.LinkOptions{CloseTimeout: 50 * time.Millisecond}})
	p.want(p.post(hello), code204)
	south := hub.Link()
	south.Send(hello, mtp.Hint{})
	south.Link.Close(mtp.ErrReplaced)
	if err := south.WaitDown(); !errors.Is(err, mtp.ErrReplaced) {
		t.Fatalf("cause: got %v, want %v", err, mtp.ErrReplaced)
	}
	if got := south.Settlement().Err; !errors.Is(got, mtp.ErrLinkDown) {
		t.Fatalf("Settled: got %v, want %v", got, mtp.ErrLinkDown)
	}
	p.next() // the Record that was not answered
	p.insist(code204)
}

// TestMaxAnswers: separate responses beyond the bound of messages that wait for
// an ACK are sent once, without.
func TestMaxAnswers(t *testing.T) {
	t.Parallel()
	hub := mtptest.NewRecorder(t)
	hub.Hold, hub.Window = true, 8
	o := coap.LinkOptions{AckDelay: time.Millisecond, MaxExchanges: 1, AckTimeout: time.Minute}
	server := mtptest.Start(t, newServer(t, coap.ServerOptions{LinkOptions: o}), hub)
	p := newPeer(t, server.Transport.Addr())
	for range 3 {
		if m := p.roundTrip(p.post(hello)); m.typ != ack || m.code != codeEmpty {
			t.Fatalf("answer: got %v, want an empty ACK", m)
		}
	}
	hub.Link().Release(3, nil)
	for _, typ := range []byte{con, non, non} {
		if m := p.next(); m.typ != typ || m.code != code204 {
			t.Fatalf("response: got %v, want a 2.04 of type %d", m, typ)
		}
	}
}
