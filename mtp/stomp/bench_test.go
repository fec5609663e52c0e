// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package stomp_test

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/mtp/stomp"
	"github.com/uspgate/uspgate/usp"
)

const (
	benchRecord = 400
	benchBatch  = 64
)

// crossing is a Handler that sends everything to the Link that came up last,
// or acknowledges it if there is only one.
type crossing struct {
	mu    sync.Mutex
	links []mtp.Link
	more  *sync.Cond
	room  chan struct{}
}

func newCrossing() *crossing {
	c := &crossing{room: make(chan struct{}, 200)}
	c.more = sync.NewCond(&c.mu)
	return c
}

func (c *crossing) LinkUp(l mtp.Link, _ mtp.Peer) (mtp.Port, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.links = append(c.links, l)
	c.more.Broadcast()
	return &crossingPort{crossing: c, link: l}, nil
}

// wait returns the n-th Link.
func (c *crossing) wait(n int) mtp.Link {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.links) < n {
		c.more.Wait()
	}
	return c.links[n-1]
}

type crossingPort struct {
	crossing *crossing
	link     mtp.Link
}

func (*crossingPort) Bind(usp.Address, mtp.Hint) error { return nil }
func (*crossingPort) Unbind(usp.Address)               {}
func (*crossingPort) Presence(usp.Address, bool)       {}
func (*crossingPort) Down(error)                       {}

func (p *crossingPort) Accept(rec usp.Record, _ mtp.Hint, t mtp.Token) {
	c := p.crossing
	if len(c.links) == 1 {
		p.link.Ack(t, nil)
		return
	}
	c.room <- struct{}{}
	if err := c.links[1].Enqueue(rec, mtp.Hint{}, t); err != nil {
		p.link.Ack(t, err)
		<-c.room
	}
}

func (p *crossingPort) Settled(t mtp.Token, err error) {
	if c := p.crossing; len(c.links) > 1 {
		c.links[0].Ack(t, err)
	}
	<-p.crossing.room
}

// batchOf is what a client sends: SENDs that are all alike, with receipts of
// two digits or without.
func batchOf(record []byte, receipts bool) []byte {
	var out []byte
	for i := range benchBatch {
		if receipts {
			out = append(out, sendFrame(record, fmt.Sprintf("receipt:%d", i+10))...)
		} else {
			out = append(out, sendFrame(record)...)
		}
	}
	return out
}

// source sends n Records, rounded up to whole batches, and reads the RECEIPTs.
func source(tb testing.TB, p *peer, batch []byte, n int, receipts bool) {
	tb.Helper()
	answers := make([]byte, benchBatch*len("RECEIPT\nreceipt-id:10\n\n\x00"))
	for ; n > 0; n -= benchBatch {
		if _, err := p.Write(batch); err != nil {
			tb.Errorf("write: got %v, want nil", err)
			return
		}
		if !receipts {
			continue
		}
		if _, err := io.ReadFull(p.r, answers); err != nil {
			tb.Errorf("RECEIPTs: got %v, want nil", err)
			return
		}
	}
}

// sink reads n MESSAGEs; they end with the NUL that ends the Record as well,
// and nothing else in them is one.
func sink(tb testing.TB, p *peer, n int) {
	tb.Helper()
	buf := make([]byte, 64<<10)
	for n > 0 {
		k, err := p.Read(buf)
		if err != nil {
			tb.Errorf("read: got %v, want nil", err)
			return
		}
		n -= bytes.Count(buf[:k], []byte{0})
	}
}

func benchServer(tb testing.TB, h mtp.Handler) (string, *mtptest.Running) {
	tb.Helper()
	s, err := stomp.NewServer(stomp.ServerOptions{
		LinkOptions: stomp.LinkOptions{CloseTimeout: 10 * time.Millisecond}, Listen: "127.0.0.1:0", Role: usp.RoleAgent,
	})
	if err != nil {
		tb.Fatal(err)
	}
	r := mtptest.Start(tb, s, h)
	return s.Addr(), r
}

func measure(b *testing.B, f func()) {
	b.Helper()
	b.ReportAllocs()
	b.ResetTimer()
	cpu := cpuTime()
	f()
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

var benchReceipts = map[string]bool{"Receipts": true, "NoReceipts": false}

// BenchmarkServerIn is one client's Records up to the router and their RECEIPTs.
func BenchmarkServerIn(b *testing.B) {
	for name, receipts := range benchReceipts {
		b.Run(name, func(b *testing.B) {
			c := newCrossing()
			addr, running := benchServer(b, c)
			p := agentPeer(b, addr, agent)
			c.wait(1)
			batch := batchOf(mtptest.Record(agent, controller, "bench", benchRecord), receipts)
			measure(b, func() {
				source(b, p, batch, b.N, receipts)
				p.write(rawFrame("UNSUBSCRIBE", nil, "id:x", "receipt:end"))
				p.want("RECEIPT")
			})
			_ = p.Close()
			running.Stop(b)
		})
	}
}

// BenchmarkServerOut is Records from the router to one client.
func BenchmarkServerOut(b *testing.B) {
	c := newCrossing()
	addr, running := benchServer(b, c)
	p := agentPeer(b, addr, agent)
	l := c.wait(1)
	rec, err := usp.NewRecord(mtptest.Record(controller, agent, "bench", benchRecord))
	if err != nil {
		b.Fatal(err)
	}
	var reader sync.WaitGroup
	measure(b, func() {
		reader.Go(func() { sink(b, p, b.N) })
		for i := range b.N {
			c.room <- struct{}{}
			if err := l.Enqueue(rec, mtp.Hint{}, mtp.Token(i)); err != nil {
				b.Fatalf("Enqueue: got %v, want nil", err)
			}
		}
		reader.Wait()
	})
	_ = p.Close()
	running.Stop(b)
}

// BenchmarkRelay is from one client to another.
func BenchmarkRelay(b *testing.B) {
	for name, receipts := range benchReceipts {
		b.Run(name, func(b *testing.B) {
			c := newCrossing()
			addr, running := benchServer(b, c)
			from := agentPeer(b, addr, agent)
			c.wait(1)
			to := agentPeer(b, addr, mtptest.Neighbour)
			c.wait(2)
			n := (b.N + benchBatch - 1) / benchBatch * benchBatch
			batch := batchOf(mtptest.Record(agent, mtptest.Neighbour, "bench", benchRecord), receipts)
			var reader sync.WaitGroup
			measure(b, func() {
				reader.Go(func() { sink(b, to, n) })
				source(b, from, batch, n, receipts)
				reader.Wait()
			})
			_, _ = from.Close(), to.Close()
			running.Stop(b)
		})
	}
}

// TestAllocs: a Record from one client to another costs its own bytes, and the
// id of its receipt.
func TestAllocs(t *testing.T) { //nolint:paralleltest // AllocsPerRun counts the whole process
	budget := map[bool]float64{false: 1.3, true: 2.3} // with a rest for the runtime
	for name, receipts := range benchReceipts {
		c := newCrossing()
		addr, running := benchServer(t, c)
		from := agentPeer(t, addr, agent)
		c.wait(1)
		to := agentPeer(t, addr, mtptest.Neighbour)
		c.wait(2)
		batch := batchOf(mtptest.Record(agent, mtptest.Neighbour, "bench", benchRecord), receipts)
		buf := make([]byte, 64<<10)
		answers := make([]byte, benchBatch*len("RECEIPT\nreceipt-id:10\n\n\x00"))
		exchange := func() {
			from.write(batch)
			for n := benchBatch; n > 0; {
				k, err := to.Read(buf)
				if err != nil {
					t.Fatal(err)
				}
				n -= bytes.Count(buf[:k], []byte{0})
			}
			if receipts {
				if _, err := io.ReadFull(from.r, answers); err != nil {
					t.Fatal(err)
				}
			}
		}
		exchange()
		got := testing.AllocsPerRun(200, exchange) / benchBatch
		t.Logf("%s: %.2f allocations per Record", name, got)
		if got > budget[receipts] && !raceDetector { // it empties pools at random
			t.Errorf("%s: allocations per Record: got %.2f, want at most %v", name, got, budget[receipts])
		}
		_, _ = from.Close(), to.Close()
		running.Stop(t)
	}
}
