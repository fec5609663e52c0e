// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt

import (
	"bufio"
	"errors"
	"sync"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
	"go.uber.org/zap"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// link is one client of the broker. It is up from its first subscription, or
// its first Record, until the connection ends; Records for it wait until it is
// subscribed to something.
type link struct {
	server *Server
	conn   *conn
	number uint64
	gone   chan struct{} // closed when everything of it is over

	// Of the goroutine that reads.
	packets packetReader
	port    mtp.Port // nil until up
	told    usp.Role // as told to the router

	// Of the CONNECT, by that goroutine; nothing of it changes afterwards but
	// peer until the link is up.
	version   byte
	v5        bool
	clientID  string
	keepAlive time.Duration
	flow      *flow
	peer      mtp.Peer
	trunk     bool // it may speak for more than one Endpoint
	will      *will

	mu       sync.Mutex
	role     usp.Role // as found out so far
	roleRank roleRank
	topic    string // where Records go by default
	rank     rank   // how topic was found
	subs     []*subscription
	way      way
}

// subscription does not change once it is made.
type subscription struct {
	filter      string
	qos         byte
	plain       bool // plain knows of it
	noLocal     bool
	asPublished bool
	id          int // Subscription Identifier, or 0
}

var (
	_ mtp.Link      = (*link)(nil)
	_ mtp.Connector = (*link)(nil)
	_ carrier       = (*link)(nil)
)

func newLink(s *Server, c *conn) *link {
	return &link{
		server: s, conn: c, number: s.numbers.Add(1), gone: make(chan struct{}),
		packets: packetReader{
			r: bufio.NewReaderSize(c, readBuffer), maxPublish: s.opts.MaxRecord + overhead, maxControl: s.opts.MaxControl,
		},
	}
}

// Enqueue implements mtp.Link.
func (l *link) Enqueue(rec usp.Record, hint mtp.Hint, t mtp.Token) error {
	return l.flow.enqueue(&rec, hint.Destination, t)
}

// Ack implements mtp.Link.
func (l *link) Ack(t mtp.Token, err error) { l.flow.ack(t, err) }

// Close implements mtp.Link.
func (l *link) Close(cause error) { l.flow.close(cause) }

// ConnectRecord implements mtp.Connector [R-MTP.6].
func (l *link) ConnectRecord(from, to usp.EndpointID) usp.Record {
	topic := l.server.opts.Topics.of(usp.Address{ID: from, Role: usp.RoleAgent})
	return usp.NewMQTTConnect(from, to, l.v5, topic)
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
		l.server.metrics.Rejected(mtp.RejectRouter)
		l.logRefused(err)
		l.cut(closeCode(err), err)
		return err
	}
	l.port = port
	l.server.metrics.LinkUp()
	l.flow.start(port)
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

// cut ends the connection at once, and says why in MQTT 5.
func (l *link) cut(code packets.Code, cause error) {
	if l.v5 {
		l.conn.try(disconnect(true, code.Code))
	}
	l.flow.fail(cause)
}

// violated ends the connection for what the client has sent.
func (l *link) violated(cause error) {
	code := packets.ErrProtocolViolation
	if c, ok := errors.AsType[packets.Code](cause); ok {
		code = c
	}
	l.cut(code, cause)
}

// send implements carrier.
func (l *link) send(head, tail []byte) error { return l.conn.send(head, tail) }

// bye implements carrier: the client closes the connection, and if it does not,
// the deadline of Close does.
func (l *link) bye(cause error) {
	if l.v5 {
		if err := l.conn.send(disconnect(true, closeCode(cause).Code), nil); err != nil {
			l.stop()
			return
		}
	}
	if err := l.conn.leave(); err != nil {
		l.stop()
	}
}

// stop implements carrier.
func (l *link) stop() { _ = l.conn.Close() }

// end is called when the connection is over: everything is settled, then the
// router hears that the link is down.
func (l *link) end(err error) {
	if l.flow == nil {
		return
	}
	cause := l.flow.end(err)
	if l.port == nil {
		return
	}
	l.server.metrics.LinkDown()
	l.port.Down(cause)
}

// logRefused says why a client was turned away.
func (l *link) logRefused(err error) {
	l.server.opts.Log.Warn("client refused", zap.Error(err), zap.String("remote", l.conn.RemoteAddr().String()),
		zap.String("client_id", l.clientID), zap.String("endpoint_id", string(l.peer.Endpoint)))
}
