// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"
)

// links are the Links to the other nodes. Of two nodes the one whose name sorts
// first makes the Link, by a hello to the other.
type links struct {
	n *Node

	mu    sync.Mutex
	byID  map[uint64]*nodeLink
	all   []*nodeLink      // that are not down yet, in the order in which they were made
	peers map[string]*peer // that live
	life  *life            // nil: there are none
}

// peer is a node that lives.
type peer struct {
	name  string
	epoch uint64
	stop  context.CancelFunc // ends dial
}

var (
	errPeerGone = errors.New("cluster: the other node is gone")
	errNewer    = errors.New("cluster: the other node has made a new link")
)

// helloAgain is the pause before the next hello.
const helloAgain = 200 * time.Millisecond

func (s *links) init(n *Node) {
	s.n = n
	s.byID = make(map[uint64]*nodeLink)
	s.peers = make(map[string]*peer)
}

// begin links this life with the nodes that live.
func (s *links) begin(l *life) {
	s.mu.Lock()
	s.life = l
	s.mu.Unlock()
	for name, m := range s.n.living() {
		s.came(name, m.epoch)
	}
}

// end ends all Links.
func (s *links) end() {
	s.mu.Lock()
	s.life = nil
	peers := s.peers
	s.peers = make(map[string]*peer)
	all := make([]*nodeLink, 0, len(s.byID))
	for _, l := range s.byID {
		all = append(all, l)
	}
	s.mu.Unlock()
	for _, p := range peers {
		p.stop()
	}
	for _, l := range all {
		l.s.end(errNoLease)
	}
}

// came begins with a node that lives.
func (s *links) came(name string, epoch uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life == nil || name == s.n.o.Name {
		return
	}
	if p := s.peers[name]; p != nil {
		if p.epoch == epoch {
			return
		}
		p.stop()
	}
	ctx, stop := context.WithCancel(s.life.ctx)
	p := &peer{name: name, epoch: epoch, stop: stop}
	s.peers[name] = p
	if s.n.o.Name < name {
		s.n.group.Go(func() { s.dial(ctx, p) })
	}
}

// gone ends with a node whose life is over.
func (s *links) gone(name string, epoch uint64) {
	s.mu.Lock()
	p := s.peers[name]
	if p != nil && p.epoch == epoch {
		delete(s.peers, name)
		p.stop()
	}
	var all []*nodeLink
	for _, l := range s.byID {
		if l.peer == name && l.epoch == epoch {
			all = append(all, l)
		}
	}
	s.mu.Unlock()
	for _, l := range all {
		l.s.end(errPeerGone)
	}
}

// over forgets a Link whose stream has ended, and has it finished.
func (s *links) over(l *nodeLink) {
	s.mu.Lock()
	delete(s.byID, l.s.id)
	s.mu.Unlock()
	s.n.group.Go(l.finish)
}

func (s *links) add(l *nodeLink) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byID[l.s.id] = l
	s.all = slices.DeleteFunc(s.all, func(l *nodeLink) bool {
		select {
		case <-l.down:
			return true
		default:
			return false
		}
	})
	s.all = append(s.all, l)
}

// first ends the Links to the same node that were made before l, those of earlier lives
// of either included, and waits until they are down: the Router has one at a time.
func (s *links) first(l *nodeLink) {
	s.mu.Lock()
	var before []*nodeLink
	for _, x := range s.all {
		if x == l {
			break
		}
		if x.peer == l.peer {
			before = append(before, x)
		}
	}
	s.mu.Unlock()
	for _, x := range before {
		x.s.end(errNewer)
		<-x.down
	}
}

// dial makes the Link anew whenever it is down.
func (s *links) dial(ctx context.Context, p *peer) {
	for ctx.Err() == nil {
		l, err := s.hello(ctx, p)
		if err == nil {
			select {
			case <-l.down:
			case <-ctx.Done():
			}
			continue
		}
		s.n.log.Debug("no link with a node yet", zap.String("peer", p.name), zap.Error(err))
		pause(ctx, helloAgain)
	}
}

// hello asks the other node for a Link and brings it up.
func (s *links) hello(ctx context.Context, p *peer) (*nodeLink, error) {
	s.mu.Lock()
	life := s.life
	s.mu.Unlock()
	if life == nil {
		return nil, errNoLease
	}
	var id [8]byte
	_, _ = rand.Read(id[:])
	l := newNodeLink(s.n, p.name, p.epoch, binary.BigEndian.Uint64(id[:]))
	s.add(l)
	s.first(l)
	message := append([]byte{msgHello}, id[:]...)
	message = appendString(message, s.n.o.Name)
	message = binary.AppendUvarint(message, life.epoch)
	asking, cancel := context.WithTimeout(ctx, s.n.o.Lease)
	defer cancel()
	reply, err := s.n.o.Bus.Request(asking, address(p.name, p.epoch), serviceLink, message)
	if err == nil && (len(reply) == 0 || reply[0] != answerOK) {
		err = errStreamGone
	}
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = l.up()
	}
	if err == nil && ctx.Err() != nil {
		err = errPeerGone
	}
	if err != nil {
		l.made()
		l.s.end(err)
		<-l.down
		return nil, err
	}
	return l, nil
}

// handle is the service.
func (s *links) handle(message []byte, reply func([]byte)) {
	if len(message) == 0 {
		reply([]byte{answerNo})
		return
	}
	if message[0] == msgHello {
		s.greeted(message[1:], reply)
		return
	}
	id, number, data, ok := dataOf(message)
	s.mu.Lock()
	l := s.byID[id]
	s.mu.Unlock()
	if !ok || l == nil || !l.s.receive(number, data) {
		reply([]byte{answerNo})
		return
	}
	reply([]byte{answerOK})
}

// greeted answers a hello once the Link is up here.
func (s *links) greeted(message []byte, reply func([]byte)) {
	d := reader{b: message}
	if len(message) < 8 {
		reply([]byte{answerNo})
		return
	}
	id := binary.BigEndian.Uint64(message)
	d.b = message[8:]
	name, epoch := d.string(), d.uvarint()
	s.mu.Lock()
	p := s.peers[name]
	s.mu.Unlock()
	if d.bad || p == nil || p.epoch != epoch || s.n.o.Name <= name {
		reply([]byte{answerNo}) // it asks again
		return
	}
	s.n.group.Go(func() {
		answer := byte(answerNo)
		if s.welcome(p, id) {
			answer = answerOK
		}
		reply([]byte{answer})
	})
}

// welcome brings up a Link, after it has ended the one that there is.
func (s *links) welcome(p *peer, id uint64) bool {
	l := newNodeLink(s.n, p.name, p.epoch, id)
	s.add(l)
	s.first(l)
	if s.current(p) && l.up() == nil && s.current(p) {
		return true
	}
	l.made()
	l.s.end(errPeerGone)
	<-l.down
	return false
}

// current reports that p lives, and so does this node.
func (s *links) current(p *peer) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.peers[p.name] == p && s.life != nil
}
