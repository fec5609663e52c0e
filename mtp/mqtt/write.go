// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt

import (
	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// write is the Outbox's writer: PUBACKs that are due, then the batch, in as few
// system calls as possible.
func (l *link) write(batch []mtp.Outgoing) error {
	l.conn.hold()
	err := l.writeAcks()
	for i := 0; err == nil && i < len(batch); i++ {
		err = l.publish(&batch[i])
	}
	if releaseErr := l.conn.release(); err == nil {
		err = releaseErr
	}
	if err != nil {
		l.client.Stop(err)
	}
	return err
}

// writeAcks answers the PUBLISHes whose turn it is.
func (l *link) writeAcks() error {
	for {
		l.mu.Lock()
		r, ok := l.in.next()
		l.mu.Unlock()
		if !ok {
			return nil
		}
		if err := l.acknowledge(r); err != nil {
			return err
		}
	}
}

func (l *link) acknowledge(r receipt) error {
	a := answerTo(r.err)
	if a.close && !l.v5() {
		return r.err // not acknowledged: the client sends it again
	}
	if r.qos < 2 {
		return l.conn.encode(func(b []byte) []byte { return appendPuback(b, r.id, l.v5(), a.reason) })
	}
	pubrec := packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Pubrec},
		PacketID:    r.id, ReasonCode: a.reason, ProtocolVersion: l.client.Properties.ProtocolVersion,
	}
	if a.reason < packets.ErrUnspecifiedError.Code {
		l.client.State.Inflight.Set(pubrec) // its PUBREL is answered by the broker
	}
	return l.client.WritePacket(pubrec)
}

// publish encodes one Record. With QoS 1 it waits for room in the client's
// Receive Maximum.
func (l *link) publish(o *mtp.Outgoing) error {
	p, ok := l.address(o)
	if !ok {
		l.mu.Lock()
		note(&l.flight.unsent, o.Token)
		l.mu.Unlock()
		return nil
	}
	if p.qos > 0 {
		id, err := l.take(o.Token)
		if err != nil {
			return err
		}
		p.id = id
	}
	return l.conn.encode(p.append)
}

// address finds topic, QoS and Response Topic for o; it is false if the client
// is not subscribed to the topic.
func (l *link) address(o *mtp.Outgoing) (publish, bool) {
	rec, err := usp.Peek(o.Data)
	if err != nil {
		return publish{}, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	p := publish{v5: l.v5(), topic: o.Hint.Destination, payload: o.Data}
	if p.topic == "" {
		p.topic = l.topic
	}
	if p.topic == "" {
		p.topic = l.server.opts.Topics.of(usp.Address{ID: rec.To, Role: l.role})
	}
	from := usp.Address{ID: rec.From, Role: l.role.Opposite()}
	response := l.server.opts.Topics.of(from) // every PUBLISH has one [R-MQTT.22]
	var ok bool
	if p.v5 {
		p.response = response
		p.qos, ok = l.covered(p.topic)
		return p, ok
	}
	// A 3.1.1 client is subscribed to TOPIC/# [R-MQTT.15]; one that is not
	// still gets the Record, without reply topic.
	if p.qos, ok = l.covered(joinReply(p.topic, response)); ok {
		p.topic = joinReply(p.topic, response)
		return p, true
	}
	p.qos, ok = l.covered(p.topic)
	return p, ok
}

// take waits for room and returns a packet id.
func (l *link) take(t mtp.Token) (uint16, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.flight.list) >= l.limit && !l.gone && !l.client.Closed() {
		l.mu.Unlock()
		err := l.conn.sync()
		l.mu.Lock()
		if err != nil {
			return 0, err
		}
		if len(l.flight.list) >= l.limit && !l.gone && !l.client.Closed() {
			l.room.Wait()
		}
	}
	if l.gone || l.client.Closed() {
		return 0, mochi.ErrConnectionClosed
	}
	return l.flight.add(t), nil
}

// puback settles the PUBLISH with that id; false if it is not one of ours.
func (l *link) puback(id uint16) bool {
	if id < firstID {
		return false
	}
	l.mu.Lock()
	t, ok := l.flight.acked(id)
	port := l.port
	l.mu.Unlock()
	l.room.Signal()
	if ok {
		port.Settled(t, nil)
	}
	return ok
}
