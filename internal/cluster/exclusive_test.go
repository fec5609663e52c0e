// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster_test

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// broker is what the client roles of several nodes connect to: one at a time.
type broker struct {
	t       *testing.T
	running atomic.Int32
	limit   int // of what a Link has outstanding; 0: it settles at once

	mu    sync.Mutex
	got   []uint64
	hints []string
	types []usp.RecordType
	link  *brokerLink
}

// client is the Transport of one node.
type client struct {
	b          *broker
	represents chan usp.Address
}

func (*client) Name() string                 { return "broker" }
func (*client) Listen(context.Context) error { return nil }
func (*client) Addr() string                 { return "mqtt://broker" }
func (c *client) Represent(a usp.Address)    { c.represents <- a }
func (*client) Withdraw(usp.Address)         {}

func (c *client) Run(ctx context.Context, h mtp.Handler) error {
	if c.b.running.Add(1) > 1 {
		c.b.t.Error("two nodes run the Transport at a time")
	}
	defer c.b.running.Add(-1)
	l := &brokerLink{b: c.b}
	port, err := h.LinkUp(l, mtp.Peer{
		Kind: mtp.MQTT, Listener: "broker", Shared: true, Role: usp.RoleAgent, MaxRecord: 1000,
		Identity: mtp.Identity{Method: "password", Any: true},
	})
	if err != nil {
		return err
	}
	l.port = port
	c.b.mu.Lock()
	c.b.link = l
	c.b.mu.Unlock()
	<-ctx.Done()
	l.mu.Lock()
	l.down = true
	open := l.open
	l.open = nil
	l.mu.Unlock()
	for _, t := range open {
		port.Settled(t, mtp.ErrLinkDown)
	}
	port.Down(nil)
	return nil
}

type brokerLink struct {
	b    *broker
	port mtp.Port

	mu   sync.Mutex
	open []mtp.Token
	down bool
}

func (l *brokerLink) Enqueue(rec usp.Record, hint mtp.Hint, t mtp.Token) error {
	l.mu.Lock()
	if l.down {
		l.mu.Unlock()
		return mtp.ErrLinkDown
	}
	if l.b.limit > 0 && len(l.open) >= l.b.limit {
		l.mu.Unlock()
		return mtp.ErrFull
	}
	l.open = append(l.open, t)
	l.b.mu.Lock()
	h := rec.Header()
	l.b.types = append(l.b.types, h.Type)
	if len(h.Payload) == 8 {
		l.b.got = append(l.b.got, binary.BigEndian.Uint64(h.Payload))
		l.b.hints = append(l.b.hints, hint.Destination)
	}
	l.b.mu.Unlock()
	l.mu.Unlock()
	if l.b.limit == 0 {
		l.settleAll()
	}
	return nil
}

// settleAll settles what is outstanding.
func (l *brokerLink) settleAll() {
	l.mu.Lock()
	open := l.open
	l.open = nil
	l.mu.Unlock()
	for _, t := range open {
		l.port.Settled(t, nil)
	}
}

func (*brokerLink) Ack(mtp.Token, error) {}
func (*brokerLink) Close(error)          {}
func (*brokerLink) ConnectRecord(from, to usp.EndpointID) usp.Record {
	return usp.NewMQTTConnect(from, to, true, "reply/topic")
}

func (b *broker) received() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.got)
}

// desk is the Router of one node: it notes the Link of the broker.
type desk struct {
	mu      sync.Mutex
	link    mtp.Link
	peer    mtp.Peer
	settled []settlement
	ups     int
}

func (d *desk) LinkUp(l mtp.Link, p mtp.Peer) (mtp.Port, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.link, d.peer = l, p
	d.ups++
	return deskPort{d}, nil
}

type deskPort struct{ d *desk }

func (deskPort) Bind(usp.Address, mtp.Hint) error             { return nil }
func (deskPort) Unbind(usp.Address)                           {}
func (deskPort) Presence(usp.Address, bool)                   {}
func (deskPort) Accept(_ usp.Record, _ mtp.Hint, _ mtp.Token) {}
func (p deskPort) Settled(t mtp.Token, err error) {
	p.d.mu.Lock()
	defer p.d.mu.Unlock()
	p.d.settled = append(p.d.settled, settlement{t, err})
}

func (p deskPort) Down(error) {
	p.d.mu.Lock()
	defer p.d.mu.Unlock()
	p.d.link = nil
}

func (d *desk) current() (mtp.Link, mtp.Peer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.link, d.peer
}

func (d *desk) settlements() []settlement {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]settlement(nil), d.settled...)
}

// branch is a node with the Transport.
type branch struct {
	*house
	desk desk
	t    *client
	stop func()
}

func newBranch(t *testing.T, o *town, b *broker, name string) *branch {
	t.Helper()
	n := &branch{house: o.start(name, nil), t: &client{b: b, represents: make(chan usp.Address, 8)}}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	transport := n.Exclusive(n.t)
	ended := make(chan error, 1)
	go func() { ended <- transport.Run(ctx, &n.desk) }()
	n.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run of the Transport at %s: got %v, want nil", name, err)
		}
	})
	t.Cleanup(n.stop)
	r, ok := transport.(mtp.Representer)
	if !ok {
		t.Fatal("the Transport does not represent any more")
	}
	r.Represent(agent(1))
	if got := <-n.t.represents; got != agent(1) {
		t.Errorf("Represent: got %v, want %v", got, agent(1))
	}
	return n
}

func numbered(n uint64) usp.Record {
	return usp.NewNoSession("self::c", agent(1).ID, "1.3", binary.BigEndian.AppendUint64(nil, n))
}

func TestOneNodeRunsTheTransport(t *testing.T) {
	t.Parallel()
	o := newTown(t)
	b := &broker{t: t}
	a, c := newBranch(t, o, b, "a"), newBranch(t, o, b, "c")
	eventually(t, "both have a Link", func() bool {
		la, _ := a.desk.current()
		lc, _ := c.desk.current()
		return la != nil && lc != nil
	})
	_, p := a.desk.current()
	holder, other := a, c
	if p.Node != "" {
		holder, other = c, a
	}
	link, p := other.desk.current()
	if p.Kind != mtp.MQTT || p.Listener != "broker" || !p.Shared || p.Role != usp.RoleAgent || p.MaxRecord != 1000 ||
		p.Node != holder.Name() || !p.Identity.Any {
		t.Errorf("the Link beside: got %+v, want that of %s", p, holder.Name())
	}
	const n = 100
	for i := range uint64(n) {
		if err := link.Enqueue(numbered(i), mtp.Hint{Destination: "to/1"}, mtp.Token(i+1)); err != nil {
			t.Fatalf("Enqueue: got %v, want nil", err)
		}
	}
	eventually(t, "all are settled", func() bool { return len(other.desk.settlements()) == n })
	for i, got := range b.got {
		if got != uint64(i) || b.hints[i] != "to/1" || other.desk.settlements()[i] != (settlement{mtp.Token(i + 1), nil}) {
			t.Fatalf("number %d: got %d to %q", i, got, b.hints[i])
		}
	}
	conn, ok := link.(mtp.Connector)
	if !ok {
		t.Fatal("the Link beside makes no Connect Records")
	}
	if err := link.Enqueue(conn.ConnectRecord(agent(1).ID, "self::c"), mtp.Hint{}, 1000); err != nil {
		t.Fatalf("Enqueue: got %v, want nil", err)
	}
	eventually(t, "the Connect Record is there", func() bool { return len(other.desk.settlements()) == n+1 })
	if got := b.types[len(b.types)-1]; got != usp.RecordMQTTConnect {
		t.Errorf("the Connect Record: got %v, want that of MQTT", got)
	}

	holder.stop() // as at the end of a process
	eventually(t, "the other runs it", func() bool {
		l, p := other.desk.current()
		return l != nil && p.Node == ""
	})
	if err := link.Enqueue(numbered(1), mtp.Hint{}, 1); !errors.Is(err, mtp.ErrLinkDown) {
		t.Errorf("Enqueue on the old Link: got %v, want ErrLinkDown", err)
	}
}

// Where the connection is slow the Records of all nodes wait, in order, and what
// is outstanding when the node dies is settled.
func TestRemoteLinkWaitsAndDies(t *testing.T) {
	t.Parallel()
	o := newTown(t)
	b := &broker{t: t, limit: 3}
	a := newBranch(t, o, b, "a")
	eventually(t, "a runs it", func() bool { l, _ := a.desk.current(); return l != nil })
	c := newBranch(t, o, b, "c")
	eventually(t, "c has a Link", func() bool { l, _ := c.desk.current(); return l != nil })
	link, _ := c.desk.current()
	const n = 20
	for i := range uint64(n) {
		if err := link.Enqueue(numbered(i), mtp.Hint{}, mtp.Token(i+1)); err != nil {
			t.Fatalf("Enqueue: got %v, want nil", err)
		}
	}
	eventually(t, "the broker has what it takes", func() bool { return b.received() == 3 })
	for i := 3; i <= 12; i += 3 {
		b.link.settleAll()
		eventually(t, "the next are there", func() bool { return b.received() == i+3 && len(c.desk.settlements()) == i })
	}
	a.door.setShut(true)
	o.hub.Cut(a.bus, true)
	eventually(t, "all are settled", func() bool { return len(c.desk.settlements()) == n })
	for i, s := range c.desk.settlements() {
		var want error
		if i >= 12 {
			want = mtp.ErrLinkDown
		}
		if s.t != mtp.Token(i+1) || !errors.Is(s.err, want) {
			t.Errorf("settlement %d: got %d, %v, want %d, %v", i, s.t, s.err, i+1, want)
		}
	}
	eventually(t, "c runs it", func() bool { l, p := c.desk.current(); return l != nil && p.Node == "" })
	a.door.setShut(false)
	o.hub.Cut(a.bus, false)
	eventually(t, "a has a Link to what c runs", func() bool {
		l, p := a.desk.current()
		return l != nil && p.Node == "c"
	})
}
