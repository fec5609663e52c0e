// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package stomp

import (
	"net"
	"strconv"
	"sync"
	"sync/atomic"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// link is one client of the server. It is up from its first subscription, or
// its first Record, until the connection ends; Records for it wait until it is
// subscribed to something.
type link struct {
	core
	server *Server
	// established is set once the STOMP frame has been accepted.
	established atomic.Bool

	// Of the goroutine that reads. Nothing of it changes after the STOMP frame
	// but told, and peer until the link is up.
	told   usp.Role // as told to the router
	remote string
	peer   mtp.Peer
	trunk  bool // it may speak for more than one Endpoint

	mu       sync.Mutex
	role     usp.Role // as found out so far
	roleRank roleRank
	subs     []subscription
	way      way
}

type subscription struct{ id, destination string }

var (
	_ mtp.Link      = (*link)(nil)
	_ mtp.Connector = (*link)(nil)
	_ carrier       = (*link)(nil)
)

func newLink(s *Server, raw net.Conn) *link {
	l := &link{server: s}
	l.init(raw, &s.opts.LinkOptions, s.metrics)
	l.reader.maxBody = 0 // whoever has not been let in has no body read
	return l
}

// ConnectRecord implements mtp.Connector [R-MTP.6].
func (l *link) ConnectRecord(from, to usp.EndpointID) usp.Record {
	return usp.NewSTOMPConnect(from, to, l.opts.Destinations.of(usp.Address{ID: from, Role: usp.RoleAgent}))
}

// introduce brings the link up, once, and tells the router the role of a client
// that has shown it since. It runs on the goroutine that reads and holds no
// lock: the router may use the Link from within LinkUp.
func (l *link) introduce() error {
	l.mu.Lock()
	role := l.role
	l.mu.Unlock()
	if l.port != nil {
		l.rebind(role)
		return nil
	}
	l.peer.Role, l.told = role, role
	port, err := l.server.handler.LinkUp(l, l.peer)
	if err != nil {
		l.metrics.Rejected(mtp.RejectRouter)
		l.logRefused(err)
		l.flow.cut(err)
		return err
	}
	l.port = port
	l.metrics.LinkUp()
	l.flow.start(port)
	if l.peer.Shared && l.peer.Endpoint != "" {
		return port.Bind(usp.Address{ID: l.peer.Endpoint, Role: role}, mtp.Hint{})
	}
	return nil
}

// rebind binds the client in its role if that has come to light.
func (l *link) rebind(role usp.Role) {
	id := l.peer.Endpoint
	if role == usp.RoleUnknown || l.told != usp.RoleUnknown || id == "" {
		return
	}
	l.told = role
	if l.port.Bind(usp.Address{ID: id, Role: role}, mtp.Hint{}) == nil {
		l.port.Unbind(usp.Address{ID: id})
	}
}

// begin implements carrier. The destination is one that the client is
// subscribed to: the one asked for, that of the template, or any, for nothing
// but Records for it comes to it. reply-to-dest is where we take Records for
// the sender [R-STOMP.18, R-STOMP.23].
func (l *link) begin(dst []byte, e *entry) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.way.leads(e) {
		if len(l.subs) == 0 {
			return dst, mtp.ErrUnroutable // it has unsubscribed this moment
		}
		sub := l.subscribed(e)
		replyTo := l.opts.Destinations.of(usp.Address{ID: e.from, Role: l.role.Opposite()})
		l.way.turn(e)
		l.way.head = appendMessage(l.way.head[:0], sub.id, sub.destination, replyTo)
	}
	dst = append(dst, l.way.head...)
	dst = append(dst, "message-id:"...)
	dst = append(strconv.AppendUint(dst, e.number, 10), '\n')
	return appendLength(dst, len(e.data)), nil
}

// subscribed finds the subscription by which e goes; l.mu is held.
func (l *link) subscribed(e *entry) *subscription {
	if len(l.subs) == 1 {
		return &l.subs[0]
	}
	template := l.opts.Destinations.of(usp.Address{ID: e.to, Role: l.role})
	best := &l.subs[0]
	for i := range l.subs {
		switch l.subs[i].destination {
		case e.dest:
			return &l.subs[i]
		case template:
			best = &l.subs[i]
		}
	}
	return best
}

// bye implements carrier: the client closes the connection, and if it does not,
// the deadline of Close does. STOMP has no good-bye of a server but ERROR, which
// would tell the client that it has done something wrong.
func (l *link) bye(error) {
	if err := l.conn.leave(); err != nil {
		l.stop()
	}
}

// lastWords tells a client what it has done wrong [R-STOMP.7]. It is false if
// nothing is to be said, or the client does not listen.
func (l *link) lastWords(err error) bool {
	words := l.words(err)
	if words == nil {
		return false
	}
	l.flow.cut(err)
	return l.conn.farewell(words) == nil
}

// end is called when the connection is over: everything is settled, then the
// router hears that the link is down.
func (l *link) end(err error) {
	if !l.established.Load() {
		return
	}
	cause := l.flow.end(err)
	if l.port == nil {
		return
	}
	l.metrics.LinkDown()
	l.port.Down(cause)
}

// logRefused says why a client was turned away.
func (l *link) logRefused(err error) {
	l.opts.Log.Warn("client refused", zap.Error(err), zap.String("remote", l.remote),
		zap.String("endpoint_id", string(l.peer.Endpoint)))
}
