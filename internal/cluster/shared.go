// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"encoding/binary"
	"errors"
	"sync"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// shared are the Transports that this node runs for all, and the streams over
// which other nodes use their shared Links.
type shared struct {
	n *Node

	streams streams

	mu   sync.Mutex
	held map[string]*heldTransport
}

// heldTransport is one Transport that this node runs.
type heldTransport struct {
	s    *shared
	name string

	mu    sync.Mutex
	links map[uint64]*heldLink
	users map[uint64]*stream // by id
	next  uint64
}

// heldLink is one shared Link of it.
type heldLink struct {
	t    *heldTransport
	id   uint64
	link mtp.Link
	peer mtp.Peer
	port mtp.Port // the Router's

	mu    sync.Mutex
	queue []remoteRecord // to be enqueued, oldest first
	busy  bool           // somebody is enqueueing
	again bool           // there may be room
	out   map[uint64]remoteToken
	next  uint64
	down  bool
}

// remoteRecord is one that another node has enqueued.
type remoteRecord struct {
	rec  usp.Record
	hint mtp.Hint
	from remoteToken
}

type remoteToken struct {
	user  *stream
	token uint64
}

// remoteBit tells the tokens of other nodes from the Router's, which count up
// from small numbers.
const remoteBit = mtp.Token(1) << 63

func (s *shared) init(n *Node) {
	s.n = n
	s.held = make(map[string]*heldTransport)
}

// hold begins with a Transport that this node runs from now on.
func (s *shared) hold(name string) *heldTransport {
	t := &heldTransport{s: s, name: name, links: make(map[uint64]*heldLink), users: make(map[uint64]*stream)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held[name] = t
	return t
}

// drop ends with it; its Links are down.
func (s *shared) drop(t *heldTransport) {
	s.mu.Lock()
	if s.held[t.name] == t {
		delete(s.held, t.name)
	}
	s.mu.Unlock()
	t.mu.Lock()
	users := t.users
	t.users = nil
	t.mu.Unlock()
	for _, u := range users {
		u.end(errPeerGone)
	}
}

// handle is the service.
func (s *shared) handle(message []byte, reply func([]byte)) {
	s.streams.handle(message, reply, s.greeted)
}

// greeted begins a stream with a node that wants to use a Transport of this one.
func (s *shared) greeted(message []byte) bool {
	if len(message) < 8 {
		return false
	}
	id := binary.BigEndian.Uint64(message)
	d := reader{b: message[8:]}
	node, epoch, name := d.string(), d.uvarint(), d.string()
	s.mu.Lock()
	t := s.held[name]
	s.mu.Unlock()
	if d.bad || t == nil {
		return false
	}
	x := &stream{
		bus: s.n.o.Bus, to: address(node, epoch), service: serviceShared, id: id, timeout: s.n.o.messageTimeout(),
	}
	x.init()
	x.frame = func(b []byte) error { return t.frame(x, b) }
	x.over = func(error) {
		s.streams.remove(x)
		t.mu.Lock()
		delete(t.users, id)
		t.mu.Unlock()
	}
	s.streams.add(x)
	t.mu.Lock()
	if t.users == nil { // dropped
		t.mu.Unlock()
		s.streams.remove(x)
		return false
	}
	t.users[id] = x
	for _, l := range t.links {
		x.write(l.appendUp)
	}
	t.mu.Unlock()
	x.begin()
	s.n.group.Go(x.send)
	return true
}

// frame takes what another node sends: a Record to be enqueued.
func (t *heldTransport) frame(x *stream, b []byte) error {
	id, token, hint, rec, err := parseEnqueue(b)
	if err != nil {
		return err
	}
	t.mu.Lock()
	l := t.links[id]
	t.mu.Unlock()
	from := remoteToken{x, token}
	if l == nil {
		from.settle(id, mtp.ErrLinkDown)
		return nil
	}
	l.enqueue(remoteRecord{rec, hint, from})
	return nil
}

func (r remoteToken) settle(link uint64, err error) {
	r.user.write(func(b []byte) []byte { return appendSettled(b, link, r.token, classOf(err)) })
}

// enqueue puts a Record in line.
func (l *heldLink) enqueue(r remoteRecord) {
	if c, ok := l.link.(mtp.Connector); ok && r.rec.Header().Type.IsConnect() {
		// Made where the Link is not; here is what the MTP really wants.
		r.rec = c.ConnectRecord(r.rec.Header().From, r.rec.Header().To)
	}
	l.mu.Lock()
	if l.down {
		l.mu.Unlock()
		r.from.settle(l.id, mtp.ErrLinkDown)
		return
	}
	l.queue = append(l.queue, r)
	l.mu.Unlock()
	l.flush()
}

// flush enqueues what there is room for. One goroutine at a time does, so that
// order is kept; the others leave word.
func (l *heldLink) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.again = true
	if l.busy {
		return
	}
	l.busy = true
	for l.again {
		l.again = false
		for len(l.queue) > 0 && !l.down {
			r := l.queue[0]
			l.next++
			n := l.next
			l.out[n] = r.from
			l.mu.Unlock()
			err := l.link.Enqueue(r.rec, r.hint, remoteBit|mtp.Token(n))
			l.mu.Lock()
			if err == nil {
				l.queue = l.queue[1:]
				continue
			}
			delete(l.out, n)
			if errors.Is(err, mtp.ErrFull) { // a Settled will follow
				break
			}
			l.queue = l.queue[1:]
			r.from.settle(l.id, err)
		}
	}
	l.busy = false
}

// settled takes an outcome that is another node's.
func (l *heldLink) settled(t mtp.Token, err error) {
	n := uint64(t &^ remoteBit)
	l.mu.Lock()
	r, ok := l.out[n]
	delete(l.out, n)
	l.mu.Unlock()
	if ok {
		r.settle(l.id, err)
	}
}

// sharedHandler is between a Transport and the Router.
type sharedHandler struct {
	t *heldTransport
	h mtp.Handler
}

// LinkUp implements mtp.Handler.
func (h *sharedHandler) LinkUp(link mtp.Link, p mtp.Peer) (mtp.Port, error) {
	port, err := h.h.LinkUp(link, p)
	if err != nil || !p.Shared {
		return port, err //nolint:wrapcheck // the Router's
	}
	l := &heldLink{t: h.t, link: link, peer: p, port: port, out: make(map[uint64]remoteToken)}
	t := h.t
	t.mu.Lock()
	defer t.mu.Unlock()
	t.next++
	l.id = t.next
	t.links[l.id] = l
	for _, u := range t.users {
		u.write(l.appendUp)
	}
	return &sharedPort{Port: port, l: l}, nil
}

// sharedPort is the Port of a shared Link that other nodes use as well.
type sharedPort struct {
	mtp.Port

	l *heldLink
}

// Settled implements mtp.Port.
func (p *sharedPort) Settled(t mtp.Token, err error) {
	if t&remoteBit != 0 {
		p.l.settled(t, err)
	} else {
		p.Port.Settled(t, err)
	}
	p.l.mu.Lock()
	waits := len(p.l.queue) > 0
	p.l.mu.Unlock()
	if waits {
		p.l.flush()
	}
}

// Down implements mtp.Port.
func (p *sharedPort) Down(cause error) {
	l, t := p.l, p.l.t
	l.mu.Lock()
	l.down = true
	queue, out := l.queue, l.out
	l.queue, l.out = nil, nil
	l.mu.Unlock()
	for _, r := range out { // the Transport owes nothing any more
		r.settle(l.id, mtp.ErrLinkDown)
	}
	for _, r := range queue {
		r.from.settle(l.id, mtp.ErrLinkDown)
	}
	t.mu.Lock()
	delete(t.links, l.id)
	for _, u := range t.users {
		u.write(func(b []byte) []byte { return appendDown(b, l.id) })
	}
	t.mu.Unlock()
	p.Port.Down(cause)
}
