// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package coap_test

import (
	"bytes"
	"net/netip"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/coap"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/usp"
)

const benchRecord = 400

// crossing is a Handler that acknowledges every Record at once, and tells.
type crossing struct {
	accepted chan struct{}
	links    chan mtp.Link
}

func newCrossing() *crossing {
	return &crossing{accepted: make(chan struct{}, 1<<16), links: make(chan mtp.Link, 1<<16)}
}

func (c *crossing) LinkUp(l mtp.Link, _ mtp.Peer) (mtp.Port, error) {
	c.links <- l
	return &crossingPort{c, l}, nil
}

type crossingPort struct {
	c    *crossing
	link mtp.Link
}

func (*crossingPort) Bind(usp.Address, mtp.Hint) error { return nil }
func (*crossingPort) Unbind(usp.Address)               {}
func (*crossingPort) Presence(usp.Address, bool)       {}
func (*crossingPort) Down(error)                       {}

func (p *crossingPort) Accept(_ usp.Record, _ mtp.Hint, t mtp.Token) {
	p.link.Ack(t, nil)
	select {
	case p.c.accepted <- struct{}{}:
	default:
	}
}

func (p *crossingPort) Settled(mtp.Token, error) {
	select {
	case p.c.accepted <- struct{}{}:
	default:
	}
}

// cpu is what this process has used.
func cpu(tb testing.TB) time.Duration {
	tb.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// BenchmarkIn is what a Record from a peer costs, datagrams of the peer's side
// included: one POST and its 2.04.
func BenchmarkIn(b *testing.B) {
	server := mtptest.Start(b, newServer(b, coap.ServerOptions{}), newCrossing())
	p := newPeer(b, server.Transport.Addr())
	record := mtptest.Record(mtptest.Agent, mtptest.Controller, "", benchRecord)
	buf := make([]byte, 2048)
	b.ReportAllocs()
	before := cpu(b)
	for b.Loop() {
		p.send(p.post(record).bytes())
		if _, _, err := p.conn.ReadFrom(buf); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/op")
}

// BenchmarkRelay is a Record through a Client and a Server of ours.
func BenchmarkRelay(b *testing.B) {
	for _, size := range []int{benchRecord, 64 << 10, 5 << 20} {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			hub, peer := newCrossing(), newCrossing()
			server := mtptest.Start(b, newServer(b, coap.ServerOptions{}), hub)
			mtptest.Start(b, newClient(b, coap.ClientOptions{
				URL: "coap://" + server.Transport.Addr() + "/usp", Endpoint: mtptest.Agent,
			}), peer)
			link := <-peer.links
			rec, err := usp.NewRecord(mtptest.Record(mtptest.Agent, mtptest.Controller, "", size))
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(size))
			b.ReportAllocs()
			before := cpu(b)
			for b.Loop() {
				if err := link.Enqueue(rec, mtp.Hint{}, 1); err != nil {
					b.Fatal(err)
				}
				<-peer.accepted
			}
			b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/op")
		})
	}
}

// TestIdlePeers: an Endpoint that is silent costs memory only, and little.
func TestIdlePeers(t *testing.T) {
	t.Parallel()
	const peers = 2000
	hub := newCrossing()
	o := coap.LinkOptions{AckDelay: time.Minute}
	server := newServer(t, coap.ServerOptions{LinkOptions: o})
	p := newPeer(t, mtptest.Start(t, server, hub).Transport.Addr())
	p.want(p.post(from(0)), code204)
	source := netip.MustParseAddrPort(p.conn.LocalAddr().String())
	for i := range peers {
		server.Feed(source, p.post(from(i)).bytes())
	}
	for range peers + 1 {
		<-hub.accepted
	}
	if u := server.Usage(); u.Links != peers || u.Held != 0 || u.Lanes != 0 || u.Messages != 0 || u.Exchanges > 256 {
		t.Fatalf("usage: got %+v, want %d Links and nothing else", u, peers)
	}
	if n := bytes.Count(stacks(), []byte("mtp/coap.(*link)")); n > 100 { // of tests that run beside, too
		t.Fatalf("goroutines of Links: got %d, want none", n)
	}
}

// stacks are those of all goroutines.
func stacks() []byte {
	buf := make([]byte, 16<<20)
	return buf[:runtime.Stack(buf, true)]
}
