// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster_test

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"testing"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing"
	"github.com/uspgate/uspgate/routing/buffer"
	"github.com/uspgate/uspgate/routing/peerstest"
	"github.com/uspgate/uspgate/usp"
)

// gate is a node with a real Router, on a buffer that all of them share.
type gate struct {
	*house
	r *routing.Router
	q *peerstest.Queue
}

type gates struct {
	*town
	store *peerstest.Store
}

func newGates(t *testing.T) *gates {
	t.Helper()
	mem, err := buffer.NewMemory(buffer.MemoryOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return &gates{town: newTown(t), store: peerstest.NewStore(mem, nil)}
}

func (g *gates) open(name string) *gate {
	g.t.Helper()
	n := &gate{q: g.store.Queue()}
	n.house = g.startWith(name, nil, func(h *house) routing.PeerHandler {
		var err error
		n.r, err = routing.New(routing.Options{Peers: h.Peers(), Buffer: n.q})
		if err != nil {
			g.t.Fatalf("routing.New: got %v, want nil", err)
		}
		return n.r
	})
	ctx, cancel := context.WithCancel(context.WithoutCancel(g.t.Context()))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = n.r.Run(ctx)
	}()
	g.t.Cleanup(func() {
		cancel()
		<-ended
		n.q.Wait()
	})
	return n
}

// kill has the node not reach anything any more, nor be reached.
func (g *gates) kill(n *gate) {
	n.q.Cut()
	n.door.setShut(true)
	g.hub.Cut(n.bus, true)
}

// plug is a Link whose peer settles at once and notes the numbers that come.
type plug struct {
	port   mtp.Port // not before linked is closed: the Router may be faster
	linked chan struct{}

	mu   sync.Mutex
	got  []uint64
	acks map[mtp.Token]error
	down bool
}

func plugIn(t *testing.T, r *routing.Router, a usp.Address) *plug {
	t.Helper()
	p := &plug{linked: make(chan struct{}), acks: map[mtp.Token]error{}}
	port, err := r.LinkUp(p, mtp.Peer{
		Kind: mtp.MQTT, Listener: "mqtt", Endpoint: a.ID, Role: a.Role,
		Identity: mtp.Identity{Method: "password", IDs: []usp.EndpointID{a.ID}, Name: string(a.ID)},
	})
	if err != nil {
		t.Fatalf("LinkUp: got %v, want nil", err)
	}
	p.port = port
	close(p.linked)
	if err := port.Bind(a, mtp.Hint{}); err != nil {
		t.Fatalf("Bind: got %v, want nil", err)
	}
	t.Cleanup(p.pull)
	return p
}

// pull takes the Link down.
func (p *plug) pull() {
	p.mu.Lock()
	was := p.down
	p.down = true
	p.mu.Unlock()
	if !was {
		<-p.linked
		p.port.Down(mtp.ErrLinkDown)
	}
}

func (p *plug) Enqueue(rec usp.Record, _ mtp.Hint, t mtp.Token) error {
	p.mu.Lock()
	if p.down {
		p.mu.Unlock()
		return mtp.ErrLinkDown
	}
	if payload := rec.Header().Payload; len(payload) == 8 {
		p.got = append(p.got, binary.BigEndian.Uint64(payload))
	}
	p.mu.Unlock()
	select {
	case <-p.linked:
		p.port.Settled(t, nil)
	default: // an Enqueue does not wait
		go func() {
			<-p.linked
			p.port.Settled(t, nil)
		}()
	}
	return nil
}

func (p *plug) Ack(t mtp.Token, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.acks[t] = err
}

func (p *plug) Close(error) { go p.pull() }

func (p *plug) acked(t mtp.Token) (err error, answered bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	err, answered = p.acks[t]
	return err, answered
}

func (p *plug) received() []uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]uint64(nil), p.got...)
}

func (p *plug) send(from, to usp.EndpointID, n uint64) mtp.Token {
	p.port.Accept(usp.NewNoSession(from, to, "1.3", binary.BigEndian.AppendUint64(nil, n)), mtp.Hint{}, mtp.Token(n))
	return mtp.Token(n)
}

var controller = usp.Address{ID: "self::controller", Role: usp.RoleController}

func TestRecordsCross(t *testing.T) {
	t.Parallel()
	g := newGates(t)
	a, b := g.open("a"), g.open("b")
	eventually(t, "linked", func() bool { return len(a.Nodes()) == 2 && a.Nodes()[1].Linked && b.Nodes()[0].Linked })
	x := plugIn(t, a.r, agent(1))
	c := plugIn(t, b.r, controller)
	const n = 500
	eventually(t, "both are known", func() bool {
		return b.Peers().Owner(agent(1)).Alive && a.Peers().Owner(controller).Alive
	})
	for i := range uint64(n) {
		c.send(controller.ID, agent(1).ID, i+1)
		x.send(agent(1).ID, controller.ID, i+1)
	}
	eventually(t, "all have come", func() bool { return len(x.received()) == n && len(c.received()) == n })
	for _, got := range [][]uint64{x.received(), c.received()} {
		for i := range got {
			if got[i] != uint64(i+1) {
				t.Fatalf("got %d as number %d", got[i], i+1)
			}
		}
	}
	eventually(t, "all are acknowledged", func() bool {
		err, is := c.acked(n)
		return is && err == nil
	})
}

// An Agent goes from node to node, and its node dies: what was acknowledged
// comes, in order; twice only where that explains it.
func TestNothingAcknowledgedIsLost(t *testing.T) {
	t.Parallel()
	g := newGates(t)
	a, b, c := g.open("a"), g.open("b"), g.open("c")
	sender := plugIn(t, c.r, controller)
	eventually(t, "linked", func() bool { return len(c.Nodes()) == 3 && c.Nodes()[0].Linked && c.Nodes()[1].Linked })
	plugs := []*plug{plugIn(t, a.r, agent(1))}
	eventually(t, "the Agent is known", func() bool { return c.Peers().Owner(agent(1)).Info.Up })
	stop := make(chan struct{})
	sent := make(chan []uint64, 1)
	go func() {
		var acked []uint64
		defer func() { sent <- acked }()
		for n := uint64(1); ; n++ {
			for {
				tok := sender.send(controller.ID, agent(1).ID, n)
				err, answered := error(nil), false
				eventually(t, "an answer", func() bool { err, answered = sender.acked(tok); return answered })
				if err == nil {
					break
				}
				if !errors.Is(err, mtp.ErrBusy) {
					t.Errorf("Record %d: got %v, want nil or ErrBusy", n, err)
					return
				}
				sender.mu.Lock()
				delete(sender.acks, tok)
				sender.mu.Unlock()
			}
			acked = append(acked, n)
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	arrived := func(p *plug, n int) func() bool { return func() bool { return len(p.received()) >= n } }
	eventually(t, "some come at a", arrived(plugs[0], 50))
	plugs = append(plugs, plugIn(t, b.r, agent(1))) // moves
	eventually(t, "some come at b", arrived(plugs[1], 50))
	plugs = append(plugs, plugIn(t, c.r, agent(1)))
	eventually(t, "some come at c", arrived(plugs[2], 50))
	plugs = append(plugs, plugIn(t, a.r, agent(1)))
	eventually(t, "some come at a again", arrived(plugs[3], 50))
	g.kill(a)
	plugs[3].pull()
	plugs = append(plugs, plugIn(t, b.r, agent(1)))
	eventually(t, "some come at b after a has died", arrived(plugs[4], 50))
	close(stop)
	acked := <-sent
	eventually(t, "the last has come", func() bool {
		got := plugs[4].received()
		return len(got) > 0 && got[len(got)-1] == acked[len(acked)-1]
	})
	next := uint64(1)
	twice := 0
	for _, p := range plugs {
		for _, n := range p.received() {
			switch {
			case n == next:
				next++
			case n > next:
				t.Fatalf("got %d, want %d: something is missing", n, next)
			default:
				twice++
			}
		}
	}
	if next != uint64(len(acked))+1 {
		t.Errorf("got %d, want %d", next-1, len(acked))
	}
	t.Logf("%d Records, %d of them twice", len(acked), twice)
	a.door.setShut(false)
	g.hub.Cut(a.bus, false)
}
