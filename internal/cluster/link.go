// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"sync"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing"
)

// nodeLink is a Link to the Router of another node: a stream of Forwards and
// their outcomes in each direction. It lives no longer than either life.
type nodeLink struct {
	n     *Node
	peer  string // the other node
	epoch uint64 // of its life
	s     stream
	down  chan struct{} // closed once port.Down has returned
	made  func()        // up is over, or will not be called
	wait  chan struct{} // closed by made
	begun bool          // it has a port: written by up, before made

	mu    sync.Mutex
	port  routing.NodePort // nil until NodeUp has returned
	out   flights
	over  bool
	cause error

	inMu   sync.Mutex
	inRoom sync.Cond
	in     []arrival // for Accept
	inOver bool
	tasks  sync.WaitGroup // sender and acceptor
}

// arrival is a Forward that came.
type arrival struct {
	f routing.Forward
	t mtp.Token
}

var _ routing.NodeLink = (*nodeLink)(nil)

func newNodeLink(n *Node, peer string, epoch, id uint64) *nodeLink {
	l := &nodeLink{n: n, peer: peer, epoch: epoch, down: make(chan struct{}), wait: make(chan struct{})}
	l.made = sync.OnceFunc(func() { close(l.wait) })
	l.inRoom.L = &l.inMu
	l.s = stream{
		bus: n.o.Bus, to: address(peer, epoch), service: serviceLink, id: id, timeout: n.o.messageTimeout(),
		frame: l.frame, over: l.ended,
	}
	l.s.init()
	return l
}

// Forward implements routing.NodeLink.
func (l *nodeLink) Forward(f routing.Forward, t mtp.Token) error {
	size := int64(f.Record.Len() + forwardOverhead)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.over:
		return mtp.ErrLinkDown
	case l.out.full(&l.n.o, size):
		return mtp.ErrFull
	}
	number := l.out.next()
	if !l.s.write(func(b []byte) []byte { return appendForward(b, number, &f) }) {
		return mtp.ErrLinkDown
	}
	l.out.add(t, size)
	return nil
}

// Ack implements routing.NodeLink.
func (l *nodeLink) Ack(t mtp.Token, err error) {
	c := classOf(err)
	l.n.met.forwarded[directionIn][c].Inc()
	l.s.write(func(b []byte) []byte { return appendOutcome(b, uint64(t), c) })
}

// frame takes what the other side sends.
func (l *nodeLink) frame(b []byte) error {
	kind, number, f, c, err := parseFrame(b)
	switch {
	case err != nil:
		return err
	case kind == frameOutcome:
		return l.outcome(number, c)
	case kind == frameBroken:
		l.Ack(mtp.Token(number), mtp.ErrMalformed)
		return nil
	}
	l.inMu.Lock()
	defer l.inMu.Unlock()
	if len(l.in) > 4*max(l.n.o.WindowRecords, DefaultWindowRecords) {
		return errStreamFrame // it does not keep to a window
	}
	if !l.inOver {
		l.in = append(l.in, arrival{*f, mtp.Token(number)})
		l.inRoom.Signal()
	}
	return nil
}

// outcome settles one Forward.
func (l *nodeLink) outcome(number uint64, c class) error {
	l.mu.Lock()
	token, ok := l.out.settle(number)
	port := l.port
	l.mu.Unlock()
	if !ok {
		return errStreamFrame
	}
	l.n.met.forwarded[directionOut][c].Inc()
	port.Settled(token, c.err())
	return nil
}

// up has the Router use the Link.
func (l *nodeLink) up() error {
	defer l.made()
	l.n.mu.Lock()
	h := l.n.handler
	l.n.mu.Unlock()
	if h == nil {
		return errNoRouter
	}
	port, err := h.NodeUp(l.peer, l)
	if err != nil {
		return err //nolint:wrapcheck // logged by the caller
	}
	l.mu.Lock()
	l.port = port
	l.mu.Unlock()
	l.begun = true
	l.n.met.linksUp.Inc()
	l.tasks.Go(l.s.send)
	l.tasks.Go(func() { l.accept(port) })
	l.s.begin()
	l.n.log.Info("linked with a node", zap.String("peer", l.peer))
	return nil
}

// accept gives the Router what comes.
func (l *nodeLink) accept(port routing.NodePort) {
	for {
		l.inMu.Lock()
		for len(l.in) == 0 && !l.inOver {
			l.inRoom.Wait()
		}
		list := l.in
		l.in = nil
		over := l.inOver
		l.inMu.Unlock()
		if over {
			return
		}
		for i := range list {
			port.Accept(list[i].f, list[i].t)
			l.inMu.Lock()
			over = l.inOver
			l.inMu.Unlock()
			if over {
				return
			}
		}
	}
}

// ended is called by the stream when it is over.
func (l *nodeLink) ended(cause error) {
	l.mu.Lock()
	l.over, l.cause = true, cause
	l.mu.Unlock()
	l.inMu.Lock()
	l.inOver = true
	l.in = nil
	l.inMu.Unlock()
	l.inRoom.Broadcast()
	l.n.links.over(l)
}

// finish settles what is left; it is called once, after ended, and waits for the
// goroutines of the Link.
func (l *nodeLink) finish() {
	<-l.wait
	l.tasks.Wait()
	// No frame is being looked at any more, so that port is called by nobody else.
	l.s.in.Lock()
	l.s.failed = true
	l.s.in.Unlock()
	l.mu.Lock()
	left, port, cause := l.out.end(), l.port, l.cause
	l.mu.Unlock()
	if l.begun {
		for _, token := range left {
			l.n.met.forwarded[directionOut][classLinkDown].Inc()
			port.Settled(token, mtp.ErrLinkDown)
		}
		port.Down(cause)
		l.n.met.linksUp.Dec()
		l.n.log.Info("the link with a node is down", zap.String("peer", l.peer), zap.Error(cause))
	}
	close(l.down)
}
