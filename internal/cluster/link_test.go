// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/uspgate/uspgate/internal/cluster"
	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing"
	"github.com/uspgate/uspgate/usp"
)

// far is a Router's end of one Link that notes what comes.
type far struct {
	link routing.NodeLink

	mu      sync.Mutex
	accepts []routing.Forward
	tokens  []mtp.Token
	settled []settlement
	down    error
	ended   bool
	block   chan struct{} // Accept waits for it, if not nil
	answer  func(routing.Forward) error
}

type settlement struct {
	t   mtp.Token
	err error
}

func (f *far) Accept(x routing.Forward, t mtp.Token) {
	f.mu.Lock()
	block, answer := f.block, f.answer
	f.accepts = append(f.accepts, x)
	f.tokens = append(f.tokens, t)
	f.mu.Unlock()
	if block != nil {
		<-block
	}
	if answer != nil {
		f.link.Ack(t, answer(x))
	}
}

func (f *far) Settled(t mtp.Token, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.settled = append(f.settled, settlement{t, err})
}

func (f *far) Down(cause error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down, f.ended = cause, true
}

func (f *far) settlements() []settlement {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]settlement(nil), f.settled...)
}

// linkRouter has the Links of a node be far.
type linkRouter struct {
	*house
	links chan *far
	setup func(*far)
}

func (r *linkRouter) NodeUp(_ string, l routing.NodeLink) (routing.NodePort, error) {
	f := &far{link: l}
	if r.setup != nil {
		r.setup(f)
	}
	r.links <- f
	return f, nil
}

// pair is two nodes with the ends of the Link between them.
func pair(t *testing.T, setup func(*far), change func(*cluster.Options)) (o *town, a, b *linkRouter) {
	t.Helper()
	o = newTown(t)
	make1 := func(name string, setup func(*far)) *linkRouter {
		r := &linkRouter{links: make(chan *far, 16), setup: setup}
		r.house = o.startWith(name, change, func(h *house) routing.PeerHandler {
			r.house = h
			return r
		})
		return r
	}
	return o, make1("a", nil), make1("b", setup)
}

func answerNothing(routing.Forward) error { return nil }

func forward(n int, payload []byte) routing.Forward {
	body := binary.BigEndian.AppendUint64(nil, uint64(n))
	return routing.Forward{
		To: agent(1), Fence: 7, Record: usp.NewNoSession("self::c", agent(1).ID, "1.3", append(body, payload...)),
		Hint: mtp.Hint{Destination: "topic", ReplyTo: "reply"}, Via: "via", Trunk: "trunk", Signed: n%2 == 0,
		Sealed: n%3 == 0, Leg: uint32(n), Age: time.Duration(n) * time.Millisecond,
	}
}

// same compares what crosses.
func same(a, b *routing.Forward) bool {
	x, y := *a, *b
	recA, recB := x.Record.Bytes(), y.Record.Bytes()
	x.Record, y.Record = usp.Record{}, usp.Record{}
	return x.To == y.To && x.Fence == y.Fence && x.Hint == y.Hint && x.Via == y.Via && x.Trunk == y.Trunk &&
		x.Signed == y.Signed && x.Sealed == y.Sealed && x.Leg == y.Leg && x.Age == y.Age && bytes.Equal(recA, recB)
}

func TestLinkCarriesForwards(t *testing.T) {
	t.Parallel()
	const n = 5000
	_, a, b := pair(t, func(f *far) { f.answer = answerNothing }, nil)
	near, remote := <-a.links, <-b.links
	for i := range n {
		f := forward(i, make([]byte, i%300))
		for errors.Is(near.link.Forward(f, mtp.Token(i+1)), mtp.ErrFull) {
			eventually(t, "room", func() bool { return len(near.settlements()) > i-cluster.DefaultWindowRecords/2 })
		}
	}
	eventually(t, "all are settled", func() bool { return len(near.settlements()) == n })
	for i, s := range near.settlements() {
		if s.err != nil || s.t != mtp.Token(i+1) {
			t.Fatalf("settled: got %d, %v, want %d, nil", s.t, s.err, i+1)
		}
	}
	for i := range remote.accepts {
		want := forward(i, make([]byte, i%300))
		if !same(&remote.accepts[i], &want) {
			t.Fatalf("Forward %d: got %+v, want %+v", i, remote.accepts[i], want)
		}
	}
}

// A Record of 5 MiB crosses, in several messages of the Bus if need be.
func TestLinkCarriesLargeRecords(t *testing.T) {
	t.Parallel()
	_, a, b := pair(t, func(f *far) { f.answer = answerNothing }, nil)
	near, remote := <-a.links, <-b.links
	payload := make([]byte, 5<<20)
	for i := range payload {
		payload[i] = byte(rand.Uint32())
	}
	for i := range 3 {
		if err := near.link.Forward(forward(i, payload), mtp.Token(i+1)); err != nil {
			t.Fatalf("Forward: got %v, want nil", err)
		}
	}
	eventually(t, "all are settled", func() bool { return len(near.settlements()) == 3 })
	for i := range 3 {
		if want := forward(i, payload); !same(&remote.accepts[i], &want) {
			t.Errorf("Record %d is not what was sent", i)
		}
	}
}

func TestLinkOutcomes(t *testing.T) {
	t.Parallel()
	outcomes := []error{
		nil, routing.ErrMoved, mtp.ErrBusy, mtp.ErrForbidden, mtp.ErrUnroutable, mtp.ErrTooLarge, mtp.ErrMalformed,
	}
	_, a, b := pair(t, nil, nil)
	near, remote := <-a.links, <-b.links
	for i := range outcomes {
		if err := near.link.Forward(forward(i, nil), mtp.Token(i+1)); err != nil {
			t.Fatalf("Forward: got %v, want nil", err)
		}
	}
	eventually(t, "all are there", func() bool {
		remote.mu.Lock()
		defer remote.mu.Unlock()
		return len(remote.tokens) == len(outcomes)
	})
	for i := len(outcomes) - 1; i >= 0; i-- { // in any order
		remote.link.Ack(remote.tokens[i], outcomes[i])
	}
	eventually(t, "all are settled", func() bool { return len(near.settlements()) == len(outcomes) })
	for i, s := range near.settlements() {
		want := len(outcomes) - 1 - i
		if s.t != mtp.Token(want+1) || !errors.Is(s.err, outcomes[want]) {
			t.Errorf("settled: got %d, %v, want %d, %v", s.t, s.err, want+1, outcomes[want])
		}
	}
}

// A Router that takes nothing holds a window's worth, and nothing of the way back.
func TestLinkWindow(t *testing.T) {
	t.Parallel()
	const window = 10
	block := make(chan struct{})
	_, a, b := pair(t, func(f *far) { f.block, f.answer = block, answerNothing },
		func(o *cluster.Options) { o.WindowRecords = window })
	near, remote := <-a.links, <-b.links
	near.mu.Lock()
	near.answer = answerNothing
	near.mu.Unlock()
	for i := range window {
		if err := near.link.Forward(forward(i, nil), mtp.Token(i+1)); err != nil {
			t.Fatalf("Forward %d: got %v, want nil", i, err)
		}
	}
	if err := near.link.Forward(forward(window, nil), 99); !errors.Is(err, mtp.ErrFull) {
		t.Errorf("beyond the window: got %v, want ErrFull", err)
	}
	if err := remote.link.Forward(forward(0, nil), 5); err != nil {
		t.Errorf("the way back: got %v, want nil", err)
	}
	eventually(t, "the way back is free", func() bool { return len(remote.settlements()) == 1 })
	close(block)
	eventually(t, "all are settled", func() bool { return len(near.settlements()) == window })
}

// What has had no outcome when the Link ends is settled in order, once, and
// nothing comes after Down.
func TestLinkDown(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*town, *linkRouter, *linkRouter){
		"lost":  func(o *town, _, b *linkRouter) { o.hub.Cut(b.bus, true) },
		"leave": func(_ *town, _, b *linkRouter) { b.stop() },
		"dead": func(o *town, _, b *linkRouter) {
			b.door.setShut(true)
			o.hub.Cut(b.bus, true)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const n = 20
			o, a, b := pair(t, nil, nil)
			near, remote := <-a.links, <-b.links
			for i := range n {
				if err := near.link.Forward(forward(i, nil), mtp.Token(i+1)); err != nil {
					t.Fatalf("Forward: got %v, want nil", err)
				}
			}
			eventually(t, "all are there", func() bool {
				remote.mu.Lock()
				defer remote.mu.Unlock()
				return len(remote.tokens) == n
			})
			remote.link.Ack(remote.tokens[3], nil)
			eventually(t, "one is settled", func() bool { return len(near.settlements()) == 1 })
			end(o, a, b)
			err := error(nil)
			eventually(t, "the Link is down", func() bool {
				if err == nil {
					err = near.link.Forward(forward(0, nil), 100)
				}
				near.mu.Lock()
				defer near.mu.Unlock()
				return near.ended
			})
			got := near.settlements()
			want := mtp.Token(1)
			for _, s := range got[1:] {
				if want == 4 {
					want++
				}
				if s.t == 100 {
					break
				}
				if s.t != want || !errors.Is(s.err, mtp.ErrLinkDown) {
					t.Errorf("settled: got %d, %v, want %d, ErrLinkDown", s.t, s.err, want)
				}
				want++
			}
			if want != n+1 {
				t.Errorf("settled up to %d, want %d", want-1, n)
			}
			if err := near.link.Forward(forward(0, nil), 101); !errors.Is(err, mtp.ErrLinkDown) {
				t.Errorf("Forward after Down: got %v, want ErrLinkDown", err)
			}
			near.link.Ack(1, nil) // is ignored
			b.door.setShut(false)
			o.hub.Cut(b.bus, false)
		})
	}
}
