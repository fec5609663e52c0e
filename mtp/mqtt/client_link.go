// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"sync"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
	"go.uber.org/zap"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/mtp/listen"
	"github.com/uspgate/uspgate/usp"
)

// clientLink is one connection to the broker. A goroutine reads, another one
// keeps the connection alive, and the flow has its writer.
type clientLink struct {
	client  *Client
	conn    *conn
	v5      bool
	packets packetReader
	port    mtp.Port // nil until up
	helpers sync.WaitGroup

	// What the CONNACK says.
	own       string // the topic on which we receive
	filters   []string
	maxQoS    byte
	keepAlive time.Duration

	mu      sync.Mutex
	flow    *flow // nil until the CONNACK
	leaving bool

	ways ways // of the writer

	// Of the goroutine that subscribes.
	answers    chan []byte // the reasons of the next SUBACK or UNSUBACK
	subscribed bool        // to anything
	announced  bool        // that the connection is good
	answered   uint64      // of what the represented have queued
}

// errNoRole settles a Record of an Endpoint that is represented as Agent and
// Controller, to one of which it is not known what it is.
var errNoRole = fmt.Errorf("mqtt: it is not known which role to_id has: %w", mtp.ErrUnroutable)

var (
	_ mtp.Link      = (*clientLink)(nil)
	_ mtp.Connector = (*clientLink)(nil)
	_ carrier       = (*clientLink)(nil)
)

func newClientLink(c *Client, raw net.Conn) *clientLink {
	cn := &conn{Conn: raw, writeTimeout: c.opts.WriteTimeout}
	return &clientLink{
		client: c, conn: cn, v5: c.opts.Version == Version5,
		packets: packetReader{
			r: bufio.NewReaderSize(cn, readBuffer), version: byte(c.opts.Version),
			maxPublish: c.opts.MaxRecord + overhead, maxControl: DefaultMaxControl,
		},
		answers: make(chan []byte, 1), keepAlive: c.opts.KeepAlive, maxQoS: 1,
	}
}

// guarded is run; what a broker makes panic costs this connection only.
func (l *clientLink) guarded(ctx context.Context, h mtp.Handler, up func()) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("mqtt: panic: %v", r)
			l.client.opts.Log.Error("panic while reading", zap.Any("panic", r), zap.ByteString("stack", debug.Stack()))
		}
	}()
	return l.run(ctx, h, up)
}

// run connects, introduces the Link and reads until the connection ends.
func (l *clientLink) run(ctx context.Context, h mtp.Handler, up func()) error {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // the connection ends later than ctx
	defer cancel()
	defer l.conn.Close() //nolint:errcheck // the connection is over
	if err := l.conn.SetReadDeadline(time.Now().Add(l.client.opts.ConnectTimeout)); err != nil {
		return fmt.Errorf("mqtt: %w", err)
	}
	maxPacket, window, err := l.connect()
	if err != nil {
		return fmt.Errorf("mqtt: connect: %w", err)
	}
	o := &l.client.opts
	f := newFlow(l, flowOptions{
		maxRecords: o.QueueRecords, maxBytes: o.QueueBytes, window: window, receive: l.receiveMaximum(),
		maxPacket: maxPacket, v5: l.v5, parks: o.SessionExpiry > 0, repeatAfter: o.RepeatAfter,
		closeTimeout: o.CloseTimeout, metrics: l.client.metrics, ids: controlID - 1,
	})
	l.mu.Lock()
	l.flow = f
	leaving := l.leaving
	l.mu.Unlock()
	if leaving {
		return mtp.ErrDraining
	}
	if o.Shared && o.Prefix == "" {
		l.client.represented.connected(f.setGate)
		defer l.client.represented.disconnected()
	}
	port, err := h.LinkUp(l, l.peer(maxPacket))
	if err != nil {
		l.client.metrics.Rejected(mtp.RejectRouter)
		return fmt.Errorf("mqtt: refused: %w", err)
	}
	l.port = port
	l.client.metrics.LinkUp()
	f.start(port)
	l.helpers.Go(func() { l.subscribing(ctx, up) })
	l.helpers.Go(func() { l.ping(ctx) })
	return l.read()
}

// peer is what there is to know of who is on the broker.
func (l *clientLink) peer(maxPacket int) mtp.Peer {
	o := &l.client.opts
	p := mtp.Peer{
		Kind: mtp.MQTT, Listener: o.Name, Remote: l.client.url.Host,
		Loopback: listen.Loopback(l.conn.Conn), Endpoint: o.Peer, Role: o.Role.Opposite(), Shared: o.Peer == "",
		Identity: mtp.Identity{Method: methodNone, Patterns: o.Patterns}, MaxRecord: maxPacket,
		NoConnectRecords: o.NoConnectRecords, Order: o.Order, MaxHold: o.MaxHold, Acks: o.SessionExpiry > 0,
	}
	_, p.Protected = l.conn.Conn.(*tls.Conn)
	if o.Presents {
		p.Presents = o.Endpoint
	}
	if o.Peer != "" {
		p.Identity.IDs = []usp.EndpointID{o.Peer}
	}
	p.Identity.Any = o.Peer == "" && len(o.Patterns) == 0
	return p
}

// receiveMaximum is how many PUBLISHes the broker may have unacknowledged: in
// 3.1.1 there is no way to tell it.
func (l *clientLink) receiveMaximum() int {
	if l.v5 {
		return l.client.opts.MaxInflight
	}
	return maxIDs
}

// leave is called when the transport ends.
func (l *clientLink) leave() {
	l.mu.Lock()
	l.leaving = true
	f := l.flow
	l.mu.Unlock()
	if f != nil {
		f.close(mtp.ErrDraining)
	} else {
		_ = l.conn.Close() // nothing has been promised
	}
}

// end settles what is left; the connection is closed.
func (l *clientLink) end(err error) error {
	l.helpers.Wait()
	if l.flow == nil {
		return err
	}
	err = l.flow.end(err)
	if l.port != nil {
		l.client.metrics.LinkDown()
		l.port.Down(err)
	}
	return err
}

// read handles what the broker sends.
func (l *clientLink) read() error {
	pk := new(packets.Packet)
	for {
		if err := l.next(pk); err != nil {
			return err
		}
		if l.flow.over() {
			continue // until the broker closes the connection
		}
		if err := l.handle(pk); err != nil {
			return err
		}
	}
}

func (l *clientLink) handle(pk *packets.Packet) error {
	switch pk.FixedHeader.Type {
	case packets.Publish:
		return l.receive(pk)
	case packets.Puback:
		l.flow.acked(pk.PacketID, outcomeOf(pk.ReasonCode))
	case packets.Pubrel:
		reason := packets.ErrPacketIdentifierNotFound.Code
		if l.flow.released(pk.PacketID) {
			reason = 0
		}
		return l.conn.send(appendAck(nil, typePubcomp, pk.PacketID, l.v5, reason), nil)
	case packets.Disconnect:
		return fmt.Errorf("mqtt: disconnected by the broker with %#x", pk.ReasonCode)
	case packets.Suback, packets.Unsuback:
		l.answer(pk)
	case packets.Pingresp, packets.Auth:
	default:
		return fmt.Errorf("mqtt: packet of type %d from the broker", pk.FixedHeader.Type)
	}
	return nil
}

// receive takes a PUBLISH [R-MQTT.23, R-MQTT.25].
func (l *clientLink) receive(pk *packets.Packet) error {
	id, qos := pk.PacketID, pk.FixedHeader.Qos
	if qos > 0 && id == 0 {
		return packets.ErrProtocolViolationNoPacketID
	}
	if qos == 2 {
		switch again, answered := l.flow.repeated(id); {
		case answered:
			return l.conn.send(appendAck(nil, typePubrec, id, l.v5, 0), nil)
		case again:
			return nil
		}
	}
	t, ok := l.flow.received(id, qos)
	if !ok {
		return packets.ErrReceiveMaximum
	}
	if l.heard(pk) {
		l.flow.answer(t, nil)
		return nil
	}
	rec, err := usp.NewRecord(pk.Payload)
	if err == nil && rec.Len() > l.client.opts.MaxRecord {
		err = mtp.ErrTooLarge
	}
	if err != nil {
		l.Ack(t, err)
		return nil
	}
	l.port.Accept(rec, mtp.Hint{ReplyTo: l.remember(pk, &rec)}, t)
	return nil
}

// remember notes what a PUBLISH tells of its sender and returns its reply topic.
func (l *clientLink) remember(pk *packets.Packet, rec *usp.Record) (reply string) {
	reply = replyTopic(pk.TopicName, pk.Properties.ResponseTopic)
	h, topic, role := rec.Header(), reply, usp.RoleUnknown
	if h.Type == usp.RecordMQTTConnect {
		role = usp.RoleAgent
		if t := usp.ConnectTopic(rec); t != "" && !isFilter(t) {
			topic = t
		}
	} else if a, ok := l.client.own.parse(pk.TopicName); ok && a.ID == h.To {
		role = a.Role.Opposite()
	}
	if l.client.counterparts.learn(h.From, topic, role) {
		l.client.version.Add(1)
	}
	return reply
}

// ping keeps the connection alive [MQTT-3.1.2-20].
func (l *clientLink) ping(ctx context.Context) {
	ticker := time.NewTicker(l.keepAlive * 3 / 4)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if err := l.conn.send([]byte{typePingreq, 0}, nil); err != nil {
				l.flow.fail(err)
				return
			}
		}
	}
}

// Enqueue implements mtp.Link.
func (l *clientLink) Enqueue(rec usp.Record, hint mtp.Hint, t mtp.Token) error {
	return l.flow.enqueue(&rec, hint.Destination, t)
}

// Ack implements mtp.Link.
func (l *clientLink) Ack(t mtp.Token, err error) { l.flow.ack(t, err) }

// Close implements mtp.Link.
func (l *clientLink) Close(cause error) { l.flow.close(cause) }

// ConnectRecord implements mtp.Connector. It tells which role to has.
func (l *clientLink) ConnectRecord(from, to usp.EndpointID) usp.Record {
	topic := l.own
	if l.client.opts.Shared {
		topic = l.client.own.of(usp.Address{ID: from, Role: usp.RoleAgent})
		if l.client.counterparts.learn(to, "", usp.RoleController) {
			l.client.version.Add(1)
		}
	}
	return usp.NewMQTTConnect(from, to, l.v5, topic)
}

// send implements carrier.
func (l *clientLink) send(head, tail []byte) error { return l.conn.send(head, tail) }

// bye implements carrier: the broker closes the connection then [MQTT-3.14.4-1,
// R-MQTT.35].
func (l *clientLink) bye(cause error) {
	if l.client.opts.Announce && !errors.Is(cause, errRepeat) {
		l.announce(gone)
	}
	err := l.conn.send(disconnect(l.v5, 0), nil)
	if err = errors.Join(err, l.conn.leave()); err != nil {
		l.stop()
	}
}

// stop implements carrier.
func (l *clientLink) stop() { _ = l.conn.Close() }
