// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"sync"

	"github.com/uspgate/uspgate/routing"
	"github.com/uspgate/uspgate/usp"
)

// teller tells the Router what has happened, in order, by one goroutine. Changes
// of one address that it has not told yet are one. Its queue is bounded by the
// number of addresses and of claims under way.
type teller struct {
	mu    sync.Mutex
	queue []telling
	due   map[usp.Address]struct{} // whose OwnerChanged is in queue
	bell  chan struct{}
	ended bool
}

type telling struct {
	f       func(routing.PeerHandler) // nil: OwnerChanged(address)
	address usp.Address
}

func (t *teller) init() {
	t.due = make(map[usp.Address]struct{})
	t.bell = make(chan struct{}, 1)
}

// post has f called in its turn. Any lock may be held.
func (t *teller) post(f func(routing.PeerHandler)) {
	t.mu.Lock()
	if t.ended {
		t.mu.Unlock()
		go f(nobody{}) // a claim that comes too late hears so
		return
	}
	t.queue = append(t.queue, telling{f: f})
	t.mu.Unlock()
	t.ring()
}

// changed has OwnerChanged called. Any lock may be held.
func (t *teller) changed(a usp.Address) {
	t.mu.Lock()
	if _, due := t.due[a]; due || t.ended {
		t.mu.Unlock()
		return
	}
	t.due[a] = struct{}{}
	t.queue = append(t.queue, telling{address: a})
	t.mu.Unlock()
	t.ring()
}

func (t *teller) ring() {
	select {
	case t.bell <- struct{}{}:
	default:
	}
}

// run tells until ctx ends; what is left then is told too.
func (t *teller) run(ctx context.Context, n *Node) {
	for ctx.Err() == nil {
		select {
		case <-t.bell:
		case <-ctx.Done():
		}
		t.tell(n)
	}
	t.mu.Lock()
	t.ended = true
	t.mu.Unlock()
	t.tell(n)
}

func (t *teller) tell(n *Node) {
	n.mu.Lock()
	h := n.handler
	n.mu.Unlock()
	if h == nil {
		h = nobody{}
	}
	for {
		t.mu.Lock()
		queue := t.queue
		t.queue = nil
		t.mu.Unlock()
		if len(queue) == 0 {
			return
		}
		for i := range queue {
			if f := queue[i].f; f != nil {
				f(h)
				continue
			}
			t.mu.Lock()
			delete(t.due, queue[i].address)
			t.mu.Unlock()
			h.OwnerChanged(queue[i].address)
		}
	}
}

// nobody is the handler of a Node without a Router.
type nobody struct{}

func (nobody) NodeUp(string, routing.NodeLink) (routing.NodePort, error) { return nil, errNoRouter }
func (nobody) NodeDead(string)                                           {}
func (nobody) OwnerChanged(usp.Address)                                  {}
func (nobody) PeersLost()                                                {}

func (nobody) Disown(_ usp.Address, _ uint64, _ routing.Session, done func(error)) { done(nil) }
