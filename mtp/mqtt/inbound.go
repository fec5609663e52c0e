// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt

import (
	"strings"

	"github.com/mochi-mqtt/server/v2/packets"
	"go.uber.org/zap"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// take deals with a packet of the client of the client. An
// error has ended the connection.
func (l *link) take(pk *packets.Packet) error {
	switch pk.FixedHeader.Type {
	case packets.Publish:
		return l.receive(pk)
	case packets.Pingreq:
		return l.control([]byte{typePingresp, 0})
	case packets.Puback:
		l.flow.acked(pk.PacketID, outcomeOf(pk.ReasonCode))
		return nil
	case packets.Pubrel:
		return l.release(pk.PacketID)
	case packets.Subscribe:
		return l.subscribe(pk)
	case packets.Unsubscribe:
		return l.unsubscribe(pk)
	case packets.Pubrec, packets.Pubcomp:
		return nil // nothing goes out with QoS 2
	default:
		l.violated(packets.ErrProtocolViolation)
		return packets.ErrProtocolViolation
	}
}

// receive takes a PUBLISH. Without plain MQTT it carries a Record whatever its
// topic and Content Type, of which Agents in the field have all kinds
// [R-MQTT.27a]. RETAIN is ignored then.
func (l *link) receive(pk *packets.Packet) error {
	if code := pk.PublishValidate(0); code != packets.CodeSuccess {
		l.violated(code)
		return code
	}
	id, qos := pk.PacketID, pk.FixedHeader.Qos
	if qos == 2 {
		if again, answered := l.flow.repeated(id); again {
			return l.repeat(id, answered)
		}
	}
	t, ok := l.flow.received(id, qos)
	if !ok {
		l.violated(packets.ErrReceiveMaximum)
		return packets.ErrReceiveMaximum
	}
	if !l.server.opts.carriesRecord(pk.TopicName, pk.Properties.ContentType) {
		l.flow.answer(t, l.server.plain.receive(l, pk))
		return nil
	}
	rec, err := usp.NewRecord(pk.Payload)
	if err == nil && rec.Len() > l.server.opts.MaxRecord {
		err = mtp.ErrTooLarge
	}
	if err != nil {
		l.server.opts.Log.Debug("PUBLISH refused", zap.Error(err), zap.String("client_id", l.clientID))
		l.Ack(t, err)
		return nil
	}
	reply := l.learn(pk, &rec)
	if err := l.introduce(); err != nil {
		return err
	}
	l.port.Accept(rec, mtp.Hint{ReplyTo: reply}, t)
	return nil
}

// learn notes what a PUBLISH tells of its sender and returns its reply topic,
// or nothing if that is where all Records for it go: the router need not keep it
// for each request then.
func (l *link) learn(pk *packets.Packet, rec *usp.Record) (reply string) {
	reply = replyTopic(pk.TopicName, pk.Properties.ResponseTopic)
	connect := rec.Header().Type == usp.RecordMQTTConnect
	l.mu.Lock()
	defer l.mu.Unlock()
	if connect {
		l.learnRole(usp.RoleAgent, roleConnected)
		if topic := usp.ConnectTopic(rec); !isFilter(topic) {
			l.learnTopic(topic, rankConnected)
		}
	} else if l.roleRank < rolePublished {
		if a, ok := l.server.opts.Topics.parse(pk.TopicName); ok {
			l.learnRole(a.Role.Opposite(), rolePublished)
		}
	}
	l.learnTopic(reply, rankReplyTo)
	if l.rank > rankReplyTo && !l.trunk && reply == l.topic {
		return ""
	}
	return reply
}

// repeat answers a PUBLISH with QoS 2 that has come before [MQTT-4.3.3-10].
func (l *link) repeat(id uint16, answered bool) error {
	if !answered {
		return nil // the PUBREC follows
	}
	return l.control(appendAck(nil, typePubrec, id, l.v5, 0))
}

// release answers a PUBREL [MQTT-4.3.3-11].
func (l *link) release(id uint16) error {
	reason := packets.ErrPacketIdentifierNotFound.Code
	if l.flow.released(id) {
		reason = 0
	}
	return l.control(appendAck(nil, typePubcomp, id, l.v5, reason))
}

// control writes a control packet from the goroutine that reads.
func (l *link) control(p []byte) error { return l.conn.send(p, nil) }

// rank orders what may tell the client's own topic.
type rank uint8

const (
	rankNone      rank = iota
	rankFilter         // a subscription to one topic
	rankReplyTo        // where it wants an answer
	rankTemplate       // a subscription to the topic of the template
	rankConnected      // its Connect Record
)

// learnTopic keeps the best topic known; l.mu is held. That of a trunk would
// not be that of the Endpoints behind it.
func (l *link) learnTopic(topic string, r rank) {
	if topic == "" || l.trunk || r < l.rank || r == l.rank && topic == l.topic {
		return
	}
	l.topic, l.rank, l.way = strings.Clone(topic), r, way{}
}

// roleRank orders what may tell the client's role.
type roleRank uint8

const (
	roleUnknown    roleRank = iota
	roleSubscribed          // to the topic of the template
	rolePublished           // to the topic of a counterpart
	roleConnected           // a Connect Record, or by configuration
)

// learnRole keeps what is known best; l.mu is held.
func (l *link) learnRole(r usp.Role, rank roleRank) {
	if r != usp.RoleUnknown && rank > l.roleRank {
		l.role, l.roleRank = r, rank
	}
}
