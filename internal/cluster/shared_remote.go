// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"sync"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// mirror has the shared Links of a Transport that another node runs be Links
// here, until ctx ends.
func (s *shared) mirror(ctx context.Context, l *life, name string, by *holder, h mtp.Handler) {
	for ctx.Err() == nil {
		m := &mirror{s: s, name: name, by: by, h: h, links: make(map[uint64]*remoteLink), over: make(chan struct{})}
		if err := m.run(ctx, l); err != nil {
			s.n.log.Debug("the transport of another node is not there", zap.String("transport", name), zap.Error(err))
		}
		pause(ctx, helloAgain)
	}
}

// mirror is one stream to the node that runs a Transport.
type mirror struct {
	s    *shared
	name string
	by   *holder
	h    mtp.Handler
	x    *stream
	over chan struct{}

	mu    sync.Mutex
	links map[uint64]*remoteLink
	ended bool
}

// run makes the stream, and returns when it is over.
func (m *mirror) run(ctx context.Context, l *life) error {
	n := m.s.n
	var id [8]byte
	_, _ = rand.Read(id[:])
	x := &stream{
		bus: n.o.Bus, to: address(m.by.node, m.by.epoch), service: serviceShared,
		id: binary.BigEndian.Uint64(id[:]), timeout: n.o.messageTimeout(), frame: m.frame,
		over: func(error) { close(m.over) },
	}
	x.init()
	m.x = x
	m.s.streams.add(x)
	defer m.s.streams.remove(x)
	message := append([]byte{msgHello}, id[:]...)
	message = appendString(message, n.o.Name)
	message = binary.AppendUvarint(message, l.epoch)
	message = appendString(message, m.name)
	asking, cancel := context.WithTimeout(ctx, n.o.Lease)
	defer cancel()
	reply, err := n.o.Bus.Request(asking, x.to, serviceShared, message)
	if err == nil && (len(reply) == 0 || reply[0] != answerOK) {
		err = errStreamGone
	}
	if err != nil {
		x.end(err)
		return err
	}
	var sender sync.WaitGroup
	sender.Go(x.send)
	x.begin()
	select {
	case <-m.over:
	case <-ctx.Done():
		x.end(errPeerGone)
	}
	sender.Wait()
	m.end()
	return nil
}

// end takes every Link down.
func (m *mirror) end() {
	m.x.in.Lock() // no frame is being looked at any more
	m.x.failed = true
	m.x.in.Unlock()
	m.mu.Lock()
	links := m.links
	m.links, m.ended = nil, true
	m.mu.Unlock()
	for _, l := range links {
		l.end()
	}
}

// frame takes what the other node tells.
func (m *mirror) frame(b []byte) error {
	f, err := parseShared(b)
	if err != nil {
		return err
	}
	m.mu.Lock()
	l := m.links[f.link]
	if f.kind == sharedDown {
		delete(m.links, f.link)
	}
	m.mu.Unlock()
	switch {
	case f.kind == sharedUp && l == nil:
		m.up(&f)
	case l == nil: // the Router has refused it
	case f.kind == sharedDown:
		l.end()
	case f.kind == sharedSettled:
		l.settled(f.token, f.class)
	}
	return nil
}

// up brings a Link up here.
func (m *mirror) up(f *sharedFrame) {
	f.peer.Node, f.peer.Shared = m.by.node, true
	l := &remoteLink{m: m, id: f.link}
	var as mtp.Link = l
	if f.connector {
		as = remoteConnector{l}
	}
	port, err := m.h.LinkUp(as, f.peer)
	if err != nil {
		m.s.n.log.Warn("a link of another node is refused", zap.String("transport", m.name), zap.Error(err))
		return
	}
	l.mu.Lock()
	l.port = port
	l.mu.Unlock()
	m.mu.Lock()
	m.links[f.link] = l
	m.mu.Unlock()
}

// remoteLink is a shared Link of another node.
type remoteLink struct {
	m  *mirror
	id uint64

	mu   sync.Mutex
	port mtp.Port
	out  flights
	down bool
}

var _ mtp.Link = (*remoteLink)(nil)

// remoteConnector is one whose MTP has Connect Records. The other node makes
// them; this one only says between whom.
type remoteConnector struct{ *remoteLink }

// ConnectRecord implements mtp.Connector.
func (remoteConnector) ConnectRecord(from, to usp.EndpointID) usp.Record {
	return usp.NewWebSocketConnect(from, to)
}

// Enqueue implements mtp.Link.
func (l *remoteLink) Enqueue(rec usp.Record, hint mtp.Hint, t mtp.Token) error {
	size := int64(rec.Len() + forwardOverhead)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.down:
		return mtp.ErrLinkDown
	case l.out.full(&l.m.s.n.o, size):
		return mtp.ErrFull
	}
	token := l.out.next()
	if !l.m.x.write(func(b []byte) []byte { return appendEnqueue(b, l.id, token, &hint, &rec) }) {
		return mtp.ErrLinkDown
	}
	l.out.add(t, size)
	return nil
}

// settled takes one outcome.
func (l *remoteLink) settled(token uint64, c class) {
	l.mu.Lock()
	t, ok := l.out.settle(token)
	port := l.port
	l.mu.Unlock()
	if ok {
		port.Settled(t, c.err())
	}
}

// end takes the Link down.
func (l *remoteLink) end() {
	l.mu.Lock()
	l.down = true
	left, port := l.out.end(), l.port
	l.mu.Unlock()
	for _, token := range left {
		port.Settled(token, mtp.ErrLinkDown)
	}
	port.Down(mtp.ErrLinkDown)
}

// Ack implements mtp.Link: nothing comes in over this one.
func (*remoteLink) Ack(mtp.Token, error) {}

// Close implements mtp.Link: the connection is the other node's.
func (*remoteLink) Close(error) {}
