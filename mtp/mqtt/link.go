// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt

import (
	"errors"
	"sync"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
	"go.uber.org/zap"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// qos0 marks the tokens of PUBLISHes that get no PUBACK.
const qos0 = mtp.Token(1) << 63

// link is one client of the broker. It is up from its first subscription, or
// its first Record, until the connection ends.
type link struct {
	server *Server
	client *mochi.Client
	conn   *conn
	peer   mtp.Peer
	out    *mtp.Outbox
	limit  int // unacknowledged PUBLISHes that the client takes

	mu     sync.Mutex
	room   sync.Cond // of flight; signalled by PUBACKs and by down
	port   mtp.Port  // nil until up
	gone   bool
	role   usp.Role // as found out so far
	topic  string   // where Records go by default
	rank   rank     // how topic was found
	subs   []subscription
	in     receipts
	flight flight
}

type subscription struct {
	filter string
	qos    byte
}

// rank orders what may tell the client's own topic.
type rank uint8

const (
	rankNone      rank = iota
	rankFilter         // a subscription to one topic
	rankReplyTo        // where it wants an answer
	rankTemplate       // a subscription to the topic of the template
	rankConnected      // its Connect Record
)

var (
	_ mtp.Link      = (*link)(nil)
	_ mtp.Connector = (*link)(nil)
)

func newLink(s *Server, cl *mochi.Client, c *conn) *link {
	l := &link{server: s, client: cl, conn: c, limit: s.opts.MaxInflight}
	l.room.L = &l.mu
	if rm := int(cl.Properties.Props.ReceiveMaximum); rm > 0 {
		l.limit = min(l.limit, rm) // [MQTT-3.3.4-9]
	}
	l.out = mtp.NewOutbox(mtp.OutboxOptions{
		MaxRecords: s.opts.QueueRecords, MaxBytes: s.opts.QueueBytes,
		Write: l.write, Finish: l.finish, Abort: func() { cl.Stop(mtp.ErrLinkDown) },
		Metrics: s.metrics,
	})
	return l
}

func (l *link) v5() bool { return l.client.Properties.ProtocolVersion >= 5 }

// Enqueue implements mtp.Link.
func (l *link) Enqueue(rec usp.Record, hint mtp.Hint, t mtp.Token) error {
	return l.out.Enqueue(rec, hint, t)
}

// ConnectRecord implements mtp.Connector [R-MTP.6].
func (l *link) ConnectRecord(from, to usp.EndpointID) usp.Record {
	topic := l.server.opts.Topics.of(usp.Address{ID: from, Role: usp.RoleAgent})
	return usp.NewMQTTConnect(from, to, l.v5(), topic)
}

// Ack implements mtp.Link: the PUBACKs are written by the Outbox's writer.
func (l *link) Ack(t mtp.Token, err error) {
	l.server.metrics.Received(err)
	if t&qos0 != 0 {
		return
	}
	l.mu.Lock()
	ready := l.in.settle(t, err)
	l.mu.Unlock()
	if ready {
		l.out.Poke()
	}
}

// Close implements mtp.Link.
func (l *link) Close(cause error) {
	l.mu.Lock()
	if l.client.StopCause() == nil {
		l.server.closing.Store(l, closeCode(cause))
	}
	l.mu.Unlock()
	l.out.Close(l.server.opts.CloseTimeout)
}

// finish is the good-bye after everything has been written.
func (l *link) finish() {
	code := packets.ErrServerShuttingDown
	if c, ok := l.server.closing.LoadAndDelete(l); ok {
		if pc, ok := c.(packets.Code); ok {
			code = pc
		}
	}
	if l.v5() {
		_ = l.server.broker.DisconnectClient(l.client, code) // the connection ends either way
	}
	l.client.Stop(code)
}

// up introduces the link to the router, once.
func (l *link) up() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.port != nil {
		return nil
	}
	if l.gone {
		return mtp.ErrLinkDown
	}
	peer := l.peer
	peer.Role = l.role
	port, err := l.server.handler.LinkUp(l, peer)
	if err != nil {
		l.gone = true
		l.server.metrics.Rejected(mtp.RejectRouter)
		return err
	}
	l.port = port
	l.server.metrics.LinkUp()
	l.out.Start(settler{l: l})
	return nil
}

// down ends the link after its connection: everything is settled first.
func (l *link) down(cause error) {
	l.mu.Lock()
	l.gone = true
	port := l.port
	l.mu.Unlock()
	l.room.Broadcast()
	l.server.closing.Delete(l)
	if port == nil {
		l.out.Discard()
		return
	}
	l.out.Fail()
	<-l.out.Done()
	l.abandon()
	l.server.metrics.LinkDown()
	if errors.Is(cause, packets.CodeDisconnect) {
		cause = nil
	}
	port.Down(cause)
}

// subscribed notes what the client subscribes to and what it tells of it.
func (l *link) subscribed(filter string, qos byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unsubscribe(filter)
	l.subs = append(l.subs, subscription{filter, min(qos, 1)})
	topic := filter
	if len(filter) > 2 && filter[len(filter)-2:] == "/#" {
		topic = filter[:len(filter)-2] // as 3.1.1 clients subscribe [R-MQTT.15]
	}
	if isFilter(topic) {
		return
	}
	a, ok := l.server.opts.Topics.parse(topic)
	if !ok {
		l.learnTopic(topic, rankFilter)
		return
	}
	l.learnRole(a.Role)
	if l.peer.Endpoint == "" && l.port == nil && l.peer.Identity.Method == "none" {
		l.peer.Endpoint = a.ID
	}
	if a.ID == l.peer.Endpoint {
		l.learnTopic(topic, rankTemplate)
	}
}

func (l *link) unsubscribed(filter string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unsubscribe(filter)
}

func (l *link) unsubscribe(filter string) {
	for i := range l.subs {
		if l.subs[i].filter == filter {
			l.subs = append(l.subs[:i], l.subs[i+1:]...)
			return
		}
	}
}

// learnTopic keeps the best topic known; l.mu is held.
func (l *link) learnTopic(topic string, r rank) {
	if topic != "" && r >= l.rank {
		l.topic, l.rank = topic, r
	}
}

// learnRole keeps the first role found; l.mu is held.
func (l *link) learnRole(r usp.Role) {
	if l.role == usp.RoleUnknown {
		l.role = r
	}
}

// covered returns the QoS with which the client is subscribed to topic.
func (l *link) covered(topic string) (qos byte, ok bool) {
	for _, s := range l.subs {
		if matches(s.filter, topic) {
			qos, ok = max(qos, s.qos), true
		}
	}
	return qos, ok
}

// logRefused says why a link did not come up.
func (l *link) logRefused(err error) {
	l.server.opts.Log.Warn("client refused", zap.Error(err), zap.String("remote", l.peer.Remote),
		zap.String("client_id", l.client.ID), zap.String("endpoint_id", string(l.peer.Endpoint)))
}
