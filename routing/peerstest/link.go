// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package peerstest

import (
	"sync"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing"
)

// session is what two nodes have between them: a way in each direction.
type session struct {
	c    *Cluster
	ends [2]*end
	wg   sync.WaitGroup
	once sync.Once
	gone chan struct{}
}

// end is the NodeLink that a Router has to the other node.
type end struct {
	s    *session
	at   *Node
	peer *end
	port routing.NodePort

	mu      sync.Mutex
	ready   sync.Cond
	down    bool
	sending []forward   // on their way to the peer
	answers []answer    // likewise
	open    []mtp.Token // given to Forward and not settled
}

type forward struct {
	f routing.Forward
	t mtp.Token
}

type answer struct {
	t   mtp.Token
	err error
}

var _ routing.NodeLink = (*end)(nil)

// connect links two nodes.
func connect(a, b *Node) {
	s := &session{c: a.c, gone: make(chan struct{})}
	for i, n := range []*Node{a, b} {
		s.ends[i] = &end{s: s, at: n}
		s.ends[i].ready.L = &s.ends[i].mu
	}
	s.ends[0].peer, s.ends[1].peer = s.ends[1], s.ends[0]
	for _, e := range s.ends {
		e.at.mu.Lock()
		h := e.at.h
		e.at.sessions[e.peer.at.name] = s
		e.at.mu.Unlock()
		port, err := h.NodeUp(e.peer.at.name, e)
		if err != nil {
			s.once.Do(func() { close(s.gone) })
			continue
		}
		e.mu.Lock()
		e.port = port
		e.ready.Broadcast()
		e.mu.Unlock()
	}
	for _, e := range s.ends {
		s.wg.Go(e.send)
		s.wg.Go(e.answer)
	}
	a.c.wg.Go(s.finish)
}

// Sever breaks the Link between two nodes; Connect makes a new one.
func (c *Cluster) Sever(a, b *Node) {
	a.mu.Lock()
	s := a.sessions[b.name]
	a.mu.Unlock()
	if s == nil {
		return
	}
	s.end()
	s.wg.Wait()
}

// Connect links two nodes whose Link is down, if both live.
func (c *Cluster) Connect(a, b *Node) {
	a.mu.Lock()
	linked := a.sessions[b.name] != nil || a.stopped
	a.mu.Unlock()
	b.mu.Lock()
	linked = linked || b.stopped
	b.mu.Unlock()
	if !linked {
		connect(a, b)
	}
}

// end has nothing more go over the session.
func (s *session) end() {
	s.once.Do(func() { close(s.gone) })
	for _, e := range s.ends {
		e.mu.Lock()
		e.down = true
		e.ready.Broadcast()
		e.mu.Unlock()
	}
}

// finish tells the Routers that the session is down.
func (s *session) finish() {
	<-s.gone
	s.end()
	for _, e := range s.ends {
		e.mu.Lock()
		open := e.open
		e.open = nil
		e.mu.Unlock()
		if e.port == nil {
			continue
		}
		for _, t := range open {
			e.port.Settled(t, mtp.ErrLinkDown)
		}
		e.port.Down(mtp.ErrLinkDown)
	}
	s.wg.Wait()
	for _, e := range s.ends {
		e.at.mu.Lock()
		if e.at.sessions[e.peer.at.name] == s {
			delete(e.at.sessions, e.peer.at.name)
		}
		e.at.mu.Unlock()
	}
}

// Forward implements routing.NodeLink.
func (e *end) Forward(f routing.Forward, t mtp.Token) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.down:
		return mtp.ErrLinkDown
	case len(e.open) >= e.s.c.o.Window:
		return mtp.ErrFull
	}
	e.open = append(e.open, t)
	e.sending = append(e.sending, forward{f, t})
	e.ready.Broadcast()
	return nil
}

// Ack implements routing.NodeLink.
func (e *end) Ack(t mtp.Token, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.down {
		e.answers = append(e.answers, answer{t, err})
		e.ready.Broadcast()
	}
}

// send carries what is forwarded to the peer's Router.
func (e *end) send() {
	for {
		e.mu.Lock()
		for !e.down && (len(e.sending) == 0 || e.port == nil) {
			e.ready.Wait()
		}
		if e.down {
			e.mu.Unlock()
			return
		}
		f := e.sending[0]
		e.sending = e.sending[1:]
		e.mu.Unlock()
		if !e.s.c.wait() || e.isDown() {
			return
		}
		if port := e.peer.router(); port != nil {
			port.Accept(f.f, f.t)
		}
	}
}

// answer carries outcomes to the peer's Router.
func (e *end) answer() {
	for {
		e.mu.Lock()
		for !e.down && len(e.answers) == 0 {
			e.ready.Wait()
		}
		if e.down {
			e.mu.Unlock()
			return
		}
		a := e.answers[0]
		e.answers = e.answers[1:]
		e.mu.Unlock()
		if !e.s.c.wait() {
			return
		}
		if e.peer.settle(a.t) {
			e.peer.router().Settled(a.t, a.err)
		}
	}
}

func (e *end) isDown() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.down
}

// router is the Router's end, once there is one.
func (e *end) router() routing.NodePort {
	e.mu.Lock()
	defer e.mu.Unlock()
	for !e.down && e.port == nil {
		e.ready.Wait()
	}
	return e.port
}

// settle reports whether a token is outstanding, and takes it.
func (e *end) settle(t mtp.Token) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.down {
		return false
	}
	for i, o := range e.open {
		if o == t {
			e.open = append(e.open[:i:i], e.open[i+1:]...)
			return true
		}
	}
	return false
}
