// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt_test

import (
	"io"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mqtt"
	"github.com/uspgate/uspgate/mtp/mtptest"
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

func (*crossingPort) Presence(usp.Address, bool) {}
func (*crossingPort) Down(error)                 {}

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

// batchOf is what a client sends: PUBLISHes with these ids, all alike but for
// them, as long as the ids are not 0.
func batchOf(record []byte, qos byte) []byte {
	var out []byte
	for i := range benchBatch {
		out = append(out, publish(v5, uint16(i+1)*uint16(qos), controllerTopic(mtptest.Controller), record,
			responseTopic(agentTopic(mtptest.Agent)), uspMsg)...)
	}
	return out
}

// sink reads the PUBLISHes of the server and acknowledges what asks for it.
// All of them have the same size.
func sink(tb testing.TB, p *peer, n int, qos byte) {
	tb.Helper()
	if n == 0 {
		return
	}
	first := p.want(packets.Publish)
	if qos > 0 {
		p.write(puback(first.PacketID))
	}
	size := 1 + 2 + first.FixedHeader.Remaining // a length of two bytes
	id, acks, buf := first.PacketID, []byte(nil), make([]byte, benchBatch*size)
	for done := 1; done < n; {
		k, err := io.ReadAtLeast(p.r, buf[:min(benchBatch, n-done)*size], size)
		if err != nil {
			tb.Errorf("read: got %v, want nil", err)
			return
		}
		if rest := k % size; rest > 0 {
			m, err := io.ReadFull(p.r, buf[k:k+size-rest])
			if err != nil {
				tb.Errorf("read: got %v, want nil", err)
				return
			}
			k += m
		}
		acks = acks[:0]
		for range k / size {
			if id++; id == 0 {
				id = 1
			}
			acks = append(acks, puback(id)...)
		}
		if done += k / size; qos > 0 {
			p.write(acks)
		}
	}
}

// source sends n Records, rounded up to whole batches, and reads the PUBACKs.
func source(tb testing.TB, p *peer, batch []byte, n int, qos byte) {
	tb.Helper()
	acks := make([]byte, 4*benchBatch)
	for ; n > 0; n -= benchBatch {
		if _, err := p.Write(batch); err != nil {
			tb.Errorf("write: got %v, want nil", err)
			return
		}
		if qos == 0 {
			continue
		}
		if _, err := io.ReadFull(p.r, acks); err != nil {
			tb.Errorf("PUBACKs: got %v, want nil", err)
			return
		}
	}
}

func benchServer(tb testing.TB, h mtp.Handler) (string, *mtptest.Running) {
	tb.Helper()
	s, err := mqtt.NewServer(mqtt.ServerOptions{
		Listen: "127.0.0.1:0", Role: usp.RoleAgent, CloseTimeout: 10 * time.Millisecond,
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

var benchQoS = map[string]byte{"QoS0": 0, "QoS1": 1}

// BenchmarkServerIn is one client's Records up to the router and their PUBACKs.
func BenchmarkServerIn(b *testing.B) {
	for name, qos := range benchQoS {
		b.Run(name, func(b *testing.B) {
			c := newCrossing()
			addr, running := benchServer(b, c)
			p := agentPeer(b, addr, v5, mtptest.Agent)
			c.wait(1)
			batch := batchOf(mtptest.Record(mtptest.Agent, mtptest.Controller, "bench", benchRecord), qos)
			measure(b, func() { source(b, p, batch, b.N, qos); p.ping() })
			_ = p.Close()
			running.Stop(b)
		})
	}
}

// BenchmarkServerOut is Records from the router to one client, until they are
// settled.
func BenchmarkServerOut(b *testing.B) {
	for name, qos := range benchQoS {
		b.Run(name, func(b *testing.B) {
			c := newCrossing()
			addr, running := benchServer(b, c)
			p := agentPeerQoS(b, addr, v5, mtptest.Agent, qos)
			l := c.wait(1)
			rec, err := usp.NewRecord(mtptest.Record(mtptest.Controller, mtptest.Agent, "bench", benchRecord))
			if err != nil {
				b.Fatal(err)
			}
			var reader sync.WaitGroup
			measure(b, func() {
				reader.Go(func() { sink(b, p, b.N, qos) })
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
		})
	}
}

// BenchmarkRelay is from one client to another.
func BenchmarkRelay(b *testing.B) {
	for name, qos := range benchQoS {
		b.Run(name, func(b *testing.B) {
			c := newCrossing()
			addr, running := benchServer(b, c)
			from := agentPeerQoS(b, addr, v5, mtptest.Agent, qos)
			c.wait(1)
			to := agentPeerQoS(b, addr, v5, mtptest.Neighbour, qos)
			c.wait(2)
			n := (b.N + benchBatch - 1) / benchBatch * benchBatch
			batch := batchOf(mtptest.Record(mtptest.Agent, mtptest.Neighbour, "bench", benchRecord), qos)
			var reader sync.WaitGroup
			measure(b, func() {
				reader.Go(func() { sink(b, to, n, qos) })
				source(b, from, batch, n, qos)
				reader.Wait()
			})
			_, _ = from.Close(), to.Close()
			running.Stop(b)
		})
	}
}

// TestAllocs: a Record from one client to another costs its own bytes and what
// the library allocates for its properties, and with QoS 1 the two bytes of the
// receiver's PUBACK.
func TestAllocs(t *testing.T) { //nolint:paralleltest // AllocsPerRun counts the whole process
	budget := map[byte]float64{0: 2.3, 1: 3.3} // with a rest for the runtime
	for name, qos := range benchQoS {
		c := newCrossing()
		addr, running := benchServer(t, c)
		from := agentPeerQoS(t, addr, v5, mtptest.Agent, qos)
		c.wait(1)
		to := agentPeerQoS(t, addr, v5, mtptest.Neighbour, qos)
		c.wait(2)
		batch := batchOf(mtptest.Record(mtptest.Agent, mtptest.Neighbour, "bench", benchRecord), qos)
		var size int
		id := uint16(0)
		acks, in := make([]byte, 0, 4*benchBatch), make([]byte, 0)
		exchange := func() {
			from.write(batch)
			if size == 0 {
				size = 3 + to.want(packets.Publish).FixedHeader.Remaining
				in = make([]byte, benchBatch*size)
				if _, err := io.ReadFull(to.r, in[size:]); err != nil {
					t.Fatal(err)
				}
			} else if _, err := io.ReadFull(to.r, in); err != nil {
				t.Fatal(err)
			}
			if qos == 0 {
				return
			}
			acks = acks[:0]
			for range benchBatch {
				id++
				acks = append(acks, 0x40, 2, byte(id>>8), byte(id))
			}
			_, _ = to.Write(acks)
			if _, err := io.ReadFull(from.r, acks); err != nil {
				t.Fatal(err)
			}
		}
		exchange()
		got := testing.AllocsPerRun(200, exchange) / benchBatch
		t.Logf("%s: %.2f allocations per Record", name, got)
		if got > budget[qos] && !raceDetector { // it empties pools at random
			t.Errorf("%s: allocations per Record: got %.2f, want at most %v", name, got, budget[qos])
		}
		_, _ = from.Close(), to.Close()
		running.Stop(t)
	}
}
