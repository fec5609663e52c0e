// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing"
	"github.com/uspgate/uspgate/usp"
)

// link is a Link whose peer is the test. What is enqueued stays outstanding
// until deliver or kill.
type link struct {
	t    testing.TB
	port mtp.Port

	mu       sync.Mutex
	limit    int  // of outstanding Records; 0: none
	auto     bool // settle within Enqueue
	down     bool
	out      []outgoing // outstanding
	got      []outgoing // delivered
	acks     map[mtp.Token]error
	ackOrder []mtp.Token
	next     mtp.Token
	closed   error
	quiet    bool        // twice is for the test to look at
	twice    bool        // a token was acknowledged twice
	seen     []outgoing  // everything that was enqueued
	journal  *[]outgoing // the same of all Links of the Router, by time
}

type outgoing struct {
	rec  usp.Record
	hint mtp.Hint
	tok  mtp.Token
	at   time.Time // when it was enqueued
}

var _ mtp.Link = (*link)(nil)

// connector is a link whose MTP has Connect Records.
type connector struct{ *link }

func (c connector) ConnectRecord(from, to usp.EndpointID) usp.Record {
	return usp.NewWebSocketConnect(from, to)
}

// up brings a Link up and fails the test if it is refused.
func up(tb testing.TB, r *routing.Router, p mtp.Peer) *link {
	tb.Helper()
	l, err := dial(tb, r, p)
	if err != nil {
		tb.Fatalf("LinkUp(%s): %v", p.Endpoint, err)
	}
	return l
}

func dial(tb testing.TB, r *routing.Router, p mtp.Peer) (*link, error) {
	tb.Helper()
	if p.Kind == "" {
		p.Kind = mtp.WebSocket
	}
	if p.Listener == "" {
		p.Listener = string(p.Kind)
	}
	l := &link{t: tb, acks: make(map[mtp.Token]error), journal: journalOf(r)}
	var as mtp.Link = connector{l}
	if p.Kind == mtp.CoAP || p.Kind == mtp.Virtual {
		as = l
	}
	port, err := r.LinkUp(as, p)
	l.port = port
	return l, err
}

// journals are shared by the Links of one Router.
var (
	journal  sync.Mutex
	journals = map[*routing.Router]*[]outgoing{}
)

func journalOf(r *routing.Router) *[]outgoing {
	journal.Lock()
	defer journal.Unlock()
	if journals[r] == nil {
		journals[r] = new([]outgoing)
	}
	return journals[r]
}

func (l *link) Enqueue(rec usp.Record, hint mtp.Hint, t mtp.Token) error {
	l.mu.Lock()
	switch {
	case l.down:
		l.mu.Unlock()
		return mtp.ErrLinkDown
	case l.limit > 0 && len(l.out) >= l.limit:
		l.mu.Unlock()
		return mtp.ErrFull
	}
	o := outgoing{rec, hint, t, time.Now()}
	l.seen = append(l.seen, o)
	journal.Lock()
	*l.journal = append(*l.journal, o)
	journal.Unlock()
	if l.auto {
		l.got = append(l.got, o)
		l.mu.Unlock()
		l.port.Settled(t, nil)
		return nil
	}
	l.out = append(l.out, o)
	l.mu.Unlock()
	return nil
}

func (l *link) Ack(t mtp.Token, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, twice := l.acks[t]; twice {
		l.twice = true
		if !l.quiet {
			l.t.Errorf("token %d is acknowledged twice", t)
		}
	}
	l.acks[t] = err
	l.ackOrder = append(l.ackOrder, t)
}

func (l *link) Close(cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed == nil {
		l.closed = cause
	}
}

// send gives rec to the router and returns its token.
func (l *link) send(rec usp.Record) mtp.Token { return l.sendHint(rec, mtp.Hint{}) }

func (l *link) sendHint(rec usp.Record, hint mtp.Hint) mtp.Token {
	l.mu.Lock()
	l.next++
	t := l.next
	l.mu.Unlock()
	l.port.Accept(rec, hint, t)
	return t
}

// settle gives the outcome of the i-th outstanding Record.
func (l *link) settle(i int, err error) {
	l.mu.Lock()
	o := l.out[i]
	l.out = append(l.out[:i:i], l.out[i+1:]...)
	if err == nil {
		l.got = append(l.got, o)
	}
	l.mu.Unlock()
	l.port.Settled(o.tok, err)
}

// deliver settles everything that is outstanding and whatever follows from
// that, until want Records have been delivered in all.
func (l *link) deliver(want int) {
	l.t.Helper()
	eventually(l.t, fmt.Sprintf("%d Records delivered", want), func() bool {
		for l.outstanding() > 0 {
			l.settle(0, nil)
		}
		return len(l.received()) >= want
	})
}

// kill ends the Link as a lost connection does.
func (l *link) kill() {
	l.mu.Lock()
	l.down = true
	out := l.out
	l.out = nil
	l.mu.Unlock()
	for _, o := range out {
		l.port.Settled(o.tok, mtp.ErrLinkDown)
	}
	l.port.Down(errors.New("connection lost"))
}

func (l *link) outstanding() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.out)
}

func (l *link) received() []outgoing {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]outgoing(nil), l.got...)
}

// queued are the Records that are outstanding.
func (l *link) queued() []outgoing {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]outgoing(nil), l.out...)
}

func (l *link) isClosed() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}

func (l *link) isDown() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.down
}

// acked returns the outcome of a token, and whether there is one.
func (l *link) acked(t mtp.Token) (error, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	err, ok := l.acks[t]
	return err, ok
}

// wantAck waits for the outcome of t and compares it.
func (l *link) wantAck(t mtp.Token, want error) {
	l.t.Helper()
	eventually(l.t, fmt.Sprintf("acknowledgement of token %d", t), func() bool { _, ok := l.acked(t); return ok })
	if err, _ := l.acked(t); !errors.Is(err, want) {
		l.t.Fatalf("token %d is settled with %v, want %v", t, err, want)
	}
}

// eventually polls cond, at most for five seconds.
func eventually(tb testing.TB, what string, cond func() bool) {
	tb.Helper()
	deadline := time.NewTimer(5 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(100 * time.Microsecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline.C:
			tb.Fatalf("waited in vain for: %s", what)
		}
	}
}

// msg is a Record from a to b whose payload is text: not a Message, which the
// router must not mind.
func msg(from, to usp.EndpointID, text string) usp.Record {
	return usp.NewNoSession(from, to, "", []byte(text))
}

// texts are the payloads of the Records, connect for a Connect Record.
func texts(list []outgoing) []string {
	var s []string
	for i := range list {
		switch h := list[i].rec.Header(); {
		case h.Type.IsConnect():
			s = append(s, "connect "+string(h.From))
		case h.Type == usp.RecordDisconnect:
			s = append(s, "disconnect "+string(h.From))
		default:
			s = append(s, string(h.Payload))
		}
	}
	return s
}

func newRouter(tb testing.TB, o routing.Options) *routing.Router {
	tb.Helper()
	r, err := routing.New(o)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

const (
	agentID      = usp.EndpointID("os::012345-A")
	otherAgent   = usp.EndpointID("os::012345-B")
	controllerID = usp.EndpointID("self::controller")
)

func agentPeer(id usp.EndpointID) mtp.Peer {
	who := mtp.Identity{Method: "certificate", IDs: []usp.EndpointID{id}}
	return mtp.Peer{Endpoint: id, Role: usp.RoleAgent, Identity: who}
}

func controllerPeer(id usp.EndpointID) mtp.Peer {
	p := agentPeer(id)
	p.Role = usp.RoleController
	return p
}
