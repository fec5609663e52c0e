// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt

import (
	"strings"
	"sync"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/mtp/internal/fifo"
	"github.com/uspgate/uspgate/usp"
)

// represented are the Endpoints of this gateway that share the connection of a
// Client, and what of them the broker has still to be told. It outlives the
// connections. Safe for concurrent use; no method blocks.
type represented struct {
	max int

	mu    sync.Mutex
	addrs map[usp.Address]*presence
	count int // wanted
	full  bool
	// Of the connection; the queue is nil without one, or without need.
	gate   func(uint64) // told how many have been queued
	queue  fifo.Queue[usp.Address]
	queued uint64
	wake   chan struct{}
}

// presence is one of the represented.
type presence struct {
	wanted     bool // by the router
	subscribed bool // the broker has been asked
	queued     bool
}

func newRepresented(limit int) *represented {
	return &represented{max: limit, addrs: make(map[usp.Address]*presence), wake: make(chan struct{}, 1)}
}

// add reports whether there was room, and whether it is the first for which
// there was none.
func (r *represented) add(a usp.Address) (ok, first bool) {
	r.mu.Lock()
	p := r.addrs[a]
	if p == nil || !p.wanted {
		if r.count >= r.max {
			first, r.full = !r.full, true
			r.mu.Unlock()
			return false, first
		}
		if p == nil {
			a.ID = usp.EndpointID(strings.Clone(string(a.ID)))
			p = new(presence)
			r.addrs[a] = p
		}
		p.wanted = true
		r.count++
		r.push(a, p)
	}
	r.tell()
	return true, false
}

// remove takes a back.
func (r *represented) remove(a usp.Address) {
	r.mu.Lock()
	if p := r.addrs[a]; p != nil && p.wanted {
		p.wanted, r.full = false, false
		r.count--
		if r.gate == nil {
			delete(r.addrs, a)
		} else {
			r.push(a, p)
		}
	}
	r.tell()
}

// push queues a for the broker, once; r.mu is held.
func (r *represented) push(a usp.Address, p *presence) {
	if r.gate == nil || p.queued {
		return
	}
	p.queued = true
	r.queue.Push(a)
	r.queued++
}

// tell has the connection hear what is queued. It unlocks r.mu: the connection
// takes locks of its own.
func (r *represented) tell() {
	gate, n, waiting := r.gate, r.queued, r.queue.Len() > 0
	r.mu.Unlock()
	if gate != nil {
		gate(n)
	}
	if waiting {
		select {
		case r.wake <- struct{}{}:
		default:
		}
	}
}

// connected queues everything for a new connection, whose gate hears how many
// have been queued: what is sent for one that has just come waits for its
// subscription.
func (r *represented) connected(gate func(uint64)) {
	r.mu.Lock()
	r.gate, r.queued, r.queue = gate, 0, fifo.Queue[usp.Address]{}
	for a, p := range r.addrs {
		p.subscribed, p.queued = false, false
		r.push(a, p)
	}
	r.tell()
}

// disconnected forgets the connection.
func (r *represented) disconnected() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gate, r.queue = nil, fifo.Queue[usp.Address]{}
	for a, p := range r.addrs {
		if p.queued = false; !p.wanted {
			delete(r.addrs, a)
		}
	}
}

// next takes up to limit addresses from the queue, oldest first, to all of which
// the same is to be done; n is how many have been taken, those included for
// which there is nothing to do any more.
func (r *represented) next(limit int) (list []usp.Address, subscribe bool, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.queue.Len() > 0 && len(list) < limit {
		a := *r.queue.At(0)
		p := r.addrs[a]
		todo := p.wanted != p.subscribed
		if todo && len(list) > 0 && p.wanted != subscribe {
			break
		}
		r.queue.Pop()
		p.queued = false
		n++
		if todo {
			list, subscribe, p.subscribed = append(list, a), p.wanted, p.wanted
		}
		if !p.wanted {
			delete(r.addrs, a)
		}
	}
	return list, subscribe, n
}

// any reports whether anybody is represented.
func (r *represented) any() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.count > 0
}

// roles tells in which roles id is represented.
func (r *represented) roles(id usp.EndpointID) (agent, controller bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	is := func(role usp.Role) bool {
		p := r.addrs[usp.Address{ID: id, Role: role}]
		return p != nil && p.wanted
	}
	return is(usp.RoleAgent), is(usp.RoleController)
}

// Represent implements mtp.Representer, for a Client that is Shared: a is
// subscribed for, now and after each time that the connection comes back.
// Without Shared it does nothing.
func (c *Client) Represent(a usp.Address) {
	if !c.opts.Shared {
		return
	}
	ok, first := c.represented.add(a)
	if !ok && first {
		c.opts.Log.Warn("no room for more Endpoints on the shared connection",
			zap.Int("max_represented", c.opts.MaxRepresented), zap.String("endpoint_id", string(a.ID)))
	}
	if !ok {
		c.unrepresented.Inc()
	}
	c.version.Add(1)
}

// Withdraw implements mtp.Representer [R-MQTT.34].
func (c *Client) Withdraw(a usp.Address) {
	if c.opts.Shared {
		c.represented.remove(a)
		c.version.Add(1)
	}
}
