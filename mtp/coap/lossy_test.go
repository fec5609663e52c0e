// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package coap_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/coap"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/usp"
)

// lossy is a UDP proxy for one client that loses, delays and repeats datagrams
// in both directions, by a seed.
type lossy struct {
	front, back *net.UDPConn
	client      atomic.Pointer[net.UDPAddr]
	lost, late  atomic.Int64
	cut         atomic.Bool // nothing passes
	wg          sync.WaitGroup
}

// newLossy returns a proxy to the server at addr.
func newLossy(tb testing.TB, addr string, seed uint64, loss, delay, repeat float64) *lossy {
	tb.Helper()
	p := &lossy{front: listenUDP(tb)}
	var err error
	if p.back, err = net.DialUDP("udp", nil, address(tb, addr)); err != nil {
		tb.Fatalf("dial: got %v, want nil", err)
	}
	pass := func(r *rand.Rand, b []byte, send func([]byte)) {
		b = bytes.Clone(b)
		dice := r.Float64()
		switch {
		case p.cut.Load():
		case dice < loss:
			p.lost.Add(1)
		case dice < loss+delay:
			p.late.Add(1)
			p.wg.Add(1)
			time.AfterFunc(time.Duration(1+r.IntN(40))*time.Millisecond, func() {
				defer p.wg.Done()
				send(b)
			})
		case dice < loss+delay+repeat:
			send(b)
			send(b)
		default:
			send(b)
		}
	}
	p.wg.Go(func() {
		r, buf := rand.New(rand.NewPCG(seed, 1)), make([]byte, 2048)
		for {
			n, from, err := p.front.ReadFromUDP(buf)
			if err != nil {
				return
			}
			p.client.Store(from)
			pass(r, buf[:n], func(b []byte) { _, _ = p.back.Write(b) })
		}
	})
	p.wg.Go(func() {
		r, buf := rand.New(rand.NewPCG(seed, 2)), make([]byte, 2048)
		for {
			n, err := p.back.Read(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				continue // nobody there
			}
			if to := p.client.Load(); to != nil {
				pass(r, buf[:n], func(b []byte) { _, _ = p.front.WriteToUDP(b, to) })
			}
		}
	})
	tb.Cleanup(func() {
		_ = p.front.Close()
		_ = p.back.Close()
		p.wg.Wait()
	})
	return p
}

func listenUDP(tb testing.TB) *net.UDPConn {
	tb.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		tb.Fatalf("listen: got %v, want nil", err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	return conn
}

// TestLoss: with a fifth of all datagrams lost, others late and repeated, 64
// KiB pass in both directions, once and in order [R-COAP.5, RFC 7959].
func TestLoss(t *testing.T) {
	t.Parallel()
	const records = 3
	o := coap.LinkOptions{
		ReplyToSource: true, AckTimeout: 15 * time.Millisecond, MaxRetransmit: 14, AckDelay: 10 * time.Millisecond,
	}
	hub, peer := mtptest.NewRecorder(t), mtptest.NewRecorder(t)
	server := mtptest.Start(t, newServer(t, coap.ServerOptions{LinkOptions: o, Role: usp.RoleAgent}), hub)
	proxy := newLossy(t, server.Transport.Addr(), 20, 0.20, 0.10, 0.05)
	mtptest.Start(t, newClient(t, coap.ClientOptions{
		LinkOptions: o, URL: "coap://" + proxy.front.LocalAddr().String() + "/usp",
		Endpoint: mtptest.Agent, Peer: mtptest.Controller, Role: usp.RoleController,
	}), peer)
	north := peer.Link()
	north.Send(mtptest.Record(mtptest.Agent, mtptest.Controller, "hello", 0), mtp.Hint{})
	south := hub.Link()
	south.Next()

	for i := range records {
		up := mtptest.Record(mtptest.Agent, mtptest.Controller, "up"+strconv.Itoa(i), 64<<10)
		down := mtptest.Record(mtptest.Controller, mtptest.Agent, "down"+strconv.Itoa(i), 64<<10)
		north.Send(up, mtp.Hint{})
		south.Send(down, mtp.Hint{})
		if got := south.Next(); !bytes.Equal(got.Record.Bytes(), up) {
			t.Fatalf("Record %d up: got another, want it byte for byte", i)
		}
		if got := north.Next(); !bytes.Equal(got.Record.Bytes(), down) {
			t.Fatalf("Record %d down: got another, want it byte for byte", i)
		}
	}
	for range records + 1 {
		if got := north.Settlement(); got.Err != nil {
			t.Fatalf("Settled: got %v, want nil", got.Err)
		}
	}
	for range records {
		if got := south.Settlement(); got.Err != nil {
			t.Fatalf("Settled: got %v, want nil", got.Err)
		}
	}
	if proxy.lost.Load() < 100 || proxy.late.Load() < 50 {
		t.Fatalf("the proxy lost %d and delayed %d datagrams, want more", proxy.lost.Load(), proxy.late.Load())
	}
}

// TestLargest: a Record of 5 MiB passes by blocks of 1024 in both directions.
func TestLargest(t *testing.T) {
	t.Parallel()
	south, north := pair(t, coap.ServerOptions{}, coap.ClientOptions{})
	begin := time.Now()
	up := mtptest.Record(mtptest.Agent, mtptest.Controller, "up", coap.DefaultMaxRecord)
	north.Send(up, mtp.Hint{})
	if got := south.Next(); !bytes.Equal(got.Record.Bytes(), up) {
		t.Fatal("Record up: got another, want it byte for byte")
	}
	down := mtptest.Record(mtptest.Controller, mtptest.Agent, "down", coap.DefaultMaxRecord)
	south.Send(down, mtp.Hint{})
	if got := north.Next(); !bytes.Equal(got.Record.Bytes(), down) {
		t.Fatal("Record down: got another, want it byte for byte")
	}
	t.Logf("2 × 5 MiB in %v", time.Since(begin))
}

// pair connects a Server and a Client, whose Agent has greeted.
func pair(tb testing.TB, so coap.ServerOptions, co coap.ClientOptions) (south, north *mtptest.Port) {
	tb.Helper()
	hub, peer := mtptest.NewRecorder(tb), mtptest.NewRecorder(tb)
	so.Role = usp.RoleAgent
	server := mtptest.Start(tb, newServer(tb, so), hub)
	if co.URL == "" {
		co.URL = "coap://" + server.Transport.Addr() + "/usp"
	}
	co.Endpoint, co.Peer, co.Role = mtptest.Agent, mtptest.Controller, usp.RoleController
	mtptest.Start(tb, newClient(tb, co), peer)
	north = peer.Link()
	north.Send(mtptest.Record(mtptest.Agent, mtptest.Controller, "hello", 0), mtp.Hint{})
	south = hub.Link()
	south.Next()
	return south, north
}
