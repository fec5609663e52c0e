// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package uds_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/mtp/uds"
	"github.com/uspgate/uspgate/usp"
)

const benchRecord = 400

// BenchmarkRelayBare is the figure to beat: two connections, one read and one
// write per frame, no queue, no routing.
func BenchmarkRelayBare(b *testing.B) {
	ln, err := (&net.ListenConfig{}).Listen(b.Context(), "unix", socketPath(b))
	if err != nil {
		b.Fatalf("listen: got %v, want nil", err)
	}
	defer ln.Close()
	from := dial(b, ln.Addr().String())
	in, err := ln.Accept()
	if err != nil {
		b.Fatalf("accept: got %v, want nil", err)
	}
	to := dial(b, ln.Addr().String())
	out, err := ln.Accept()
	if err != nil {
		b.Fatalf("accept: got %v, want nil", err)
	}
	var relay sync.WaitGroup
	relay.Go(func() {
		r := bufio.NewReader(in)
		for {
			head, err := r.Peek(8)
			if err != nil {
				return
			}
			f := make([]byte, 8+binary.BigEndian.Uint32(head[4:]))
			if _, err := io.ReadFull(r, f); err != nil {
				return
			}
			if _, err := out.Write(f); err != nil {
				return
			}
		}
	})
	load(b, from, to)
	_ = from.Close()
	relay.Wait()
	_ = in.Close()
	_ = out.Close()
}

// BenchmarkRelayLink is the same through two Links: Accept, Enqueue, Settled,
// Ack, with a bounded window.
func BenchmarkRelayLink(b *testing.B) {
	relay := newRelay(256)
	s := newServer(b, uds.ServerOptions{LinkOptions: uds.LinkOptions{CloseTimeout: 10 * time.Millisecond}})
	running := mtptest.Start(b, s, relay)
	from := shakeHands(b, s.Addr(), mtptest.Agent)
	relay.wait(1)
	to := shakeHands(b, s.Addr(), mtptest.Neighbour)
	relay.wait(2)
	if err := to.SetDeadline(time.Time{}); err != nil {
		b.Fatal(err)
	}
	load(b, from, to)
	running.Stop(b)
}

// load sends b.N Records into from and waits until they have come out of to,
// and reports the CPU time of the whole process per Record.
func load(b *testing.B, from io.Writer, to io.Reader) {
	b.Helper()
	const batch = 64
	raw := mtptest.Record(mtptest.Agent, mtptest.Controller, "bench", benchRecord)
	frames := bytes.Repeat(record(raw), batch)
	size := len(frames) / batch
	b.ReportAllocs()
	b.ResetTimer()
	cpu := cpuTime()
	var sender sync.WaitGroup
	sender.Go(func() {
		for n := b.N; n > 0; n -= batch {
			if _, err := from.Write(frames[:min(n, batch)*len(frames)/batch]); err != nil {
				b.Errorf("write: got %v, want nil", err)
				return
			}
		}
	})
	if _, err := io.CopyN(io.Discard, to, int64(b.N*size)); err != nil {
		b.Fatalf("read: got %v, want nil", err)
	}
	sender.Wait()
	b.StopTimer()
	b.ReportMetric(float64(cpuTime()-cpu)/float64(b.N), "cpu-ns/op")
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// relay is a Handler that sends everything to the Link that came up last.
type relay struct {
	mu     sync.Mutex
	links  []mtp.Link
	more   *sync.Cond
	window chan struct{}
}

func newRelay(window int) *relay {
	r := &relay{window: make(chan struct{}, window)}
	r.more = sync.NewCond(&r.mu)
	return r
}

func (r *relay) LinkUp(l mtp.Link, _ mtp.Peer) (mtp.Port, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.links = append(r.links, l)
	r.more.Broadcast()
	return &relayPort{relay: r, link: l}, nil
}

func (r *relay) wait(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.links) < n {
		r.more.Wait()
	}
}

// relayPort gives its tokens straight to the last Link; Settled there is Ack
// here, as there is one sender.
type relayPort struct {
	relay *relay
	link  mtp.Link
}

func (p *relayPort) Bind(usp.Address, mtp.Hint) error { return nil }
func (p *relayPort) Unbind(usp.Address)               {}

func (p *relayPort) Presence(usp.Address, bool) {}
func (p *relayPort) Down(error)                 {}

func (p *relayPort) Accept(rec usp.Record, hint mtp.Hint, t mtp.Token) {
	p.relay.window <- struct{}{}
	if err := p.relay.links[len(p.relay.links)-1].Enqueue(rec, hint, t); err != nil {
		p.link.Ack(t, err)
		<-p.relay.window
	}
}

func (p *relayPort) Settled(t mtp.Token, err error) {
	p.relay.links[0].Ack(t, err)
	<-p.relay.window
}
