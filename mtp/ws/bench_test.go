// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package ws_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/mtptest"
	"github.com/uspgate/uspgate/mtp/ws"
	"github.com/uspgate/uspgate/usp"
)

const benchRecord = 400

// BenchmarkRelayBare is the figure to beat: two connections of the library,
// one read and one write per message, no queue, no routing.
func BenchmarkRelayBare(b *testing.B) {
	up := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	conns := make(chan *websocket.Conn, 2)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, err := up.Upgrade(w, r, nil); err == nil {
			conns <- c
		}
	}))
	defer srv.Close()
	addr := srv.Listener.Addr().String()
	from, _ := handshake(b, addr, "/", nil)
	in := <-conns
	to, _ := handshake(b, addr, "/", nil)
	out := <-conns
	var relay sync.WaitGroup
	relay.Go(func() {
		for {
			kind, data, err := in.ReadMessage()
			if err != nil {
				return
			}
			if err := out.WriteMessage(kind, data); err != nil {
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
	s := newServer(b, ws.ServerOptions{LinkOptions: ws.LinkOptions{CloseTimeout: 10 * time.Millisecond}})
	running := mtptest.Start(b, s, relay)
	from, _ := handshake(b, s.Addr(), "/usp?eid="+string(mtptest.Agent), nil)
	relay.wait(1)
	to, _ := handshake(b, s.Addr(), "/usp?eid="+string(mtptest.Controller), nil)
	relay.wait(2)
	load(b, from, to)
	running.Stop(b)
}

// load sends b.N Records into from and waits until they have come out of to,
// and reports the CPU time of the whole process per Record.
func load(b *testing.B, from io.Writer, to io.Reader) {
	b.Helper()
	const batch = 64
	raw := mtptest.Record(mtptest.Agent, mtptest.Controller, "bench", benchRecord)
	frames := bytes.Repeat(frame(finalBit|opBinary, raw), batch)
	size := len(frames)/batch - 4 // a server does not mask
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
