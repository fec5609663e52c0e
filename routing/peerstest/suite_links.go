// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package peerstest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing"
	"github.com/uspgate/uspgate/usp"
)

// link is the Router's end of a NodeLink.
type link struct {
	routing.NodeLink

	n     *node
	other string

	mu      sync.Mutex
	accepts []routing.Forward
	tokens  []mtp.Token // of these
	settled []settlement
	inside  bool // Accept
	down    bool
	block   chan struct{}               // Accept waits for it
	answer  func(routing.Forward) error // nil: not by Accept
}

type settlement struct {
	t   mtp.Token
	err error
}

func (l *link) Accept(f routing.Forward, t mtp.Token) {
	l.mu.Lock()
	inside, down, block, answer := l.inside, l.down, l.block, l.answer
	l.inside = true
	l.accepts = append(l.accepts, f)
	l.tokens = append(l.tokens, t)
	l.mu.Unlock()
	if inside || down {
		l.n.wrong("Accept: got it inside of Accept %v, after Down %v, want neither", inside, down)
	}
	if block != nil {
		<-block
	}
	if answer != nil {
		l.Ack(t, answer(f))
	}
	l.mu.Lock()
	l.inside = false
	l.mu.Unlock()
}

func (l *link) Settled(t mtp.Token, err error) {
	l.mu.Lock()
	down := l.down
	l.settled = append(l.settled, settlement{t, err})
	l.mu.Unlock()
	if down {
		l.n.wrong("Settled of %d after Down", t)
	}
}

func (l *link) Down(error) {
	l.mu.Lock()
	again, inside := l.down, l.inside
	l.down = true
	l.mu.Unlock()
	if again || inside {
		l.n.wrong("Down: got it again %v, inside of Accept %v, want neither", again, inside)
	}
	l.n.mu.Lock()
	defer l.n.mu.Unlock()
	if l.n.links[l.other] == l {
		delete(l.n.links, l.other)
	}
}

func (l *link) set(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
}

func (l *link) settlements() []settlement {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.settled)
}

func (l *link) accepted() ([]routing.Forward, []mtp.Token) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.accepts), slices.Clone(l.tokens)
}

func (l *link) isDown() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.down
}

// pair is the two ends of the Link of two nodes, and the node of the second.
func pair(t *testing.T, o *town) (near, far *link, b *node) {
	t.Helper()
	a, b := o.join("a"), o.join("b")
	end := func(n *node) *link {
		select {
		case l := <-n.ups:
			return l
		case <-time.After(patience):
			t.Fatalf("%s: NodeUp has not been called in time", n.name)
			return nil
		}
	}
	return end(a), end(b), b
}

// numbered is the nth Forward of a test.
func numbered(n, size int) routing.Forward {
	body := append(binary.BigEndian.AppendUint64(nil, uint64(n)), make([]byte, size)...)
	return routing.Forward{
		To: address("1"), Fence: 7, Record: usp.NewNoSession("self::c", address("1").ID, "1.3", body),
		Hint: mtp.Hint{Destination: "topic", ReplyTo: "reply"}, Via: "via", Trunk: "trunk",
		Signed: n%2 == 0, Sealed: n%3 == 0, Leg: uint32(n), Age: time.Duration(n) * time.Millisecond,
	}
}

func sameForward(a, b *routing.Forward) bool {
	return a.To == b.To && a.Fence == b.Fence && a.Hint == b.Hint && a.Via == b.Via && a.Trunk == b.Trunk &&
		a.Signed == b.Signed && a.Sealed == b.Sealed && a.Leg == b.Leg && a.Age == b.Age &&
		bytes.Equal(a.Record.Bytes(), b.Record.Bytes())
}

// forward sends until it is taken: each Settled may make room.
func (l *link) forward(t *testing.T, f routing.Forward, token mtp.Token) {
	t.Helper()
	eventually(t, "there is room", func() bool {
		err := l.Forward(f, token)
		if err != nil && !errors.Is(err, mtp.ErrFull) {
			t.Fatalf("Forward: got %v, want nil or ErrFull", err)
		}
		return err == nil
	})
}

// linkCarries: Forwards come in the order of the calls, whole, and both ways at a time.
func linkCarries(t *testing.T, o *town) {
	t.Helper()
	const n = 500
	near, far, _ := pair(t, o)
	var both sync.WaitGroup
	for _, ends := range [][2]*link{{near, far}, {far, near}} {
		ends[1].set(func() { ends[1].answer = func(routing.Forward) error { return nil } })
		both.Go(func() {
			for i := range n {
				ends[0].forward(t, numbered(i, i), mtp.Token(i+1))
			}
		})
	}
	both.Wait()
	for _, ends := range [][2]*link{{near, far}, {far, near}} {
		eventually(t, "all are settled", func() bool { return len(ends[0].settlements()) == n })
		for i, s := range ends[0].settlements() {
			if s.err != nil || s.t != mtp.Token(i+1) {
				t.Fatalf("Settled: got %d, %v, want %d, nil", s.t, s.err, i+1)
			}
		}
		got, _ := ends[1].accepted()
		for i := range got {
			if want := numbered(i, i); !sameForward(&got[i], &want) {
				t.Fatalf("Forward %d: got %+v, want %+v", i, got[i], want)
			}
		}
		if len(got) != n {
			t.Errorf("got %d Forwards, want %d", len(got), n)
		}
	}
}

// linkOutcomes: Ack comes in any order, and its error keeps its class.
func linkOutcomes(t *testing.T, o *town) {
	t.Helper()
	want := []error{
		nil, routing.ErrMoved, mtp.ErrBusy, mtp.ErrForbidden, mtp.ErrUnroutable, mtp.ErrTooLarge, mtp.ErrMalformed,
	}
	near, far, _ := pair(t, o)
	for i := range want {
		near.forward(t, numbered(i, 0), mtp.Token(i+1))
	}
	var tokens []mtp.Token
	eventually(t, "all are there", func() bool {
		_, tokens = far.accepted()
		return len(tokens) == len(want)
	})
	for i := len(want) - 1; i >= 0; i-- {
		far.Ack(tokens[i], want[i])
	}
	eventually(t, "all are settled", func() bool { return len(near.settlements()) == len(want) })
	for _, s := range near.settlements() {
		if !errors.Is(s.err, want[s.t-1]) {
			t.Errorf("Settled of %d: got %v, want %v", s.t, s.err, want[s.t-1])
		}
	}
}

// linkWindow: who takes nothing holds up a bounded number, and nothing of the way back.
func linkWindow(t *testing.T, o *town) {
	t.Helper()
	const most = 100_000
	near, far, _ := pair(t, o)
	nothing := func(routing.Forward) error { return nil }
	block := make(chan struct{})
	far.set(func() { far.block, far.answer = block, nothing })
	near.set(func() { near.answer = nothing })
	sent := 0
	for ; sent < most; sent++ {
		if err := near.Forward(numbered(sent, 0), mtp.Token(sent+1)); err != nil {
			if !errors.Is(err, mtp.ErrFull) {
				t.Errorf("Forward: got %v, want ErrFull", err)
			}
			break
		}
	}
	if sent == 0 || sent == most {
		t.Errorf("got %d Forwards taken, want some, and not without bound", sent)
	}
	far.forward(t, numbered(0, 0), 1)
	eventually(t, "the way back is free", func() bool { return len(far.settlements()) == 1 })
	close(block)
	eventually(t, "all are settled", func() bool { return len(near.settlements()) == sent })
	near.forward(t, numbered(sent, 0), mtp.Token(sent+1))
	eventually(t, "there is room again", func() bool { return len(near.settlements()) == sent+1 })
}

// linkDown: what has no outcome when the other node dies is settled in order, then Down
// comes, and nothing is taken any more.
func linkDown(t *testing.T, o *town) {
	t.Helper()
	const n = 20
	near, far, b := pair(t, o)
	for i := range n {
		near.forward(t, numbered(i, 0), mtp.Token(i+1))
	}
	var tokens []mtp.Token
	eventually(t, "all are there", func() bool {
		_, tokens = far.accepted()
		return len(tokens) == n
	})
	far.Ack(tokens[3], nil)
	eventually(t, "one is settled", func() bool { return len(near.settlements()) == 1 })
	b.kill()
	extra := mtp.Token(n + 1) // a Link that says nothing is noticed by what is sent over it
	taken := near.Forward(numbered(n, 0), extra) == nil
	eventually(t, "the Link is down", near.isDown)
	want := []mtp.Token{4}
	for i := range n {
		if i != 3 {
			want = append(want, mtp.Token(i+1))
		}
	}
	if taken {
		want = append(want, extra)
	}
	var got []mtp.Token
	for i, s := range near.settlements() {
		got = append(got, s.t)
		if (i > 0) != errors.Is(s.err, mtp.ErrLinkDown) {
			t.Errorf("Settled of %d: got %v", s.t, s.err)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("Settled: got %v, want %v", got, want)
	}
	if err := near.Forward(numbered(0, 0), extra+1); !errors.Is(err, mtp.ErrLinkDown) {
		t.Errorf("Forward after Down: got %v, want ErrLinkDown", err)
	}
	near.Ack(1, nil) // is ignored
}
