// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
	"go.uber.org/zap"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// errRefused ends a connection whose CONNACK has said no.
var errRefused = errors.New("mqtt: connection refused")

// serve is the life of a connection, on a goroutine of its own.
func (s *Server) serve(c *conn) {
	l := newLink(s, c)
	err := l.guarded()
	_ = c.Close() // it may have been closed by the writer
	l.testament(err)
	s.forget(l)
	l.end(err)
	close(l.gone)
}

// guarded is run; what a client makes panic costs its connection only.
func (l *link) guarded() (err error) {
	defer func() {
		if r := recover(); r != nil {
			if err = fmt.Errorf("mqtt: panic: %v", r); l.flow != nil {
				l.violated(packets.ErrMalformedPacket)
			}
			l.server.opts.Log.Warn("panic while reading a packet", zap.Any("panic", r),
				zap.String("remote", l.conn.RemoteAddr().String()), zap.ByteString("stack", debug.Stack()))
		}
	}()
	return l.run()
}

// run takes the CONNECT and then all other packets. It returns nil if the
// client has said good-bye.
func (l *link) run() error {
	if err := l.open(); err != nil {
		return err
	}
	for {
		if err := l.await(); err != nil {
			return err
		}
		first, err := l.packets.r.ReadByte()
		if err != nil {
			return err
		}
		// What is needed for a packet is not on the stack of an idle client.
		if over, err := l.packet(first); over || err != nil {
			return err
		}
	}
}

// await sets the deadline of the keep-alive [MQTT-3.1.2-22]; with 0 there is
// none, and a peer that is gone is found out by TCP.
func (l *link) await() error {
	if l.packets.r.Buffered() > 0 || len(l.conn.ahead) > 0 {
		return nil
	}
	var deadline time.Time
	if l.keepAlive > 0 {
		deadline = time.Now().Add(l.keepAlive + l.keepAlive/2)
	}
	return l.conn.SetReadDeadline(deadline)
}

// packet deals with the packet that begins with first.
func (l *link) packet(first byte) (over bool, err error) {
	var pk packets.Packet
	if err := l.packets.next(first, &pk); err != nil {
		if _, ok := errors.AsType[packets.Code](err); ok {
			l.violated(err)
		}
		return false, err
	}
	if pk.FixedHeader.Type == packets.Disconnect {
		if pk.ReasonCode != 0 { // 0x04: and wants its will to be done
			return true, fmt.Errorf("mqtt: disconnected by the client with %#x", pk.ReasonCode)
		}
		return true, nil
	}
	if l.flow.over() {
		return false, nil // until the client closes the connection
	}
	return false, l.take(&pk)
}

// open takes the CONNECT and answers it.
func (l *link) open() error {
	var pk packets.Packet
	if err := l.first(&pk); err != nil {
		l.server.incomplete(l.conn, err)
		return err
	}
	l.version, l.packets.version = pk.ProtocolVersion, pk.ProtocolVersion
	l.v5 = pk.ProtocolVersion >= 5
	if err := valid(&pk); err != nil {
		return l.refuse(err)
	}
	l.connected(&pk)
	err := l.identify(&pk)
	if err == nil {
		err = l.server.register(l)
	}
	if err != nil {
		return l.refuse(err)
	}
	l.keepAlive = time.Duration(pk.Connect.Keepalive) * time.Second
	l.will = l.server.willOf(&pk)
	return l.welcome(&pk)
}

// first reads the first packet, which is a CONNECT [MQTT-3.1.0-1].
func (l *link) first(pk *packets.Packet) error {
	b, err := l.packets.r.ReadByte()
	if err != nil {
		return err
	}
	if b != packets.Connect<<4 {
		return packets.ErrProtocolViolationRequireFirstConnect
	}
	return l.packets.next(b, pk)
}

// valid reports what is wrong with a CONNECT.
func valid(pk *packets.Packet) error {
	c := *pk
	if c.Connect.WillFlag && len(c.Connect.WillPayload) == 0 {
		c.Connect.WillPayload = []byte{0} // the library does not know that a will may be empty
	}
	code := c.ConnectValidate()
	switch {
	case isFilter(pk.Connect.WillTopic):
		return packets.ErrTopicNameInvalid
	case string(pk.Connect.ProtocolName) == "MQIsdp", code == packets.ErrProtocolViolationProtocolVersion:
		return packets.ErrUnsupportedProtocolVersion // [MQTT-3.1.2-2]
	case code != packets.CodeSuccess:
		return code
	case pk.ProtocolVersion < 5 && !pk.Connect.Clean && pk.Connect.ClientIdentifier == "":
		return packets.ErrClientIdentifierNotValid // [MQTT-3.1.3-8 of 3.1.1]
	case pk.Properties.AuthenticationMethod != "":
		return packets.ErrBadAuthenticationMethod
	}
	return nil
}

// connected makes the flow of a client by what its CONNECT says.
func (l *link) connected(pk *packets.Packet) {
	o := &l.server.opts
	if l.clientID = strings.Clone(pk.Connect.ClientIdentifier); l.clientID == "" {
		l.clientID = rand.Text() // [MQTT-3.1.3-6]
	}
	window, receive := o.MaxInflight, o.MaxInflight
	if own := int(pk.Properties.ReceiveMaximum); own > 0 {
		window = min(window, own)
	}
	if !l.v5 {
		receive = maxIDs // there is no Receive Maximum; the router's window does it
	}
	l.flow = newFlow(l, flowOptions{
		maxRecords: o.QueueRecords, maxBytes: o.QueueBytes,
		window: window, receive: receive, maxPacket: int(pk.Properties.MaximumPacketSize),
		v5: l.v5, insist: true, closeTimeout: o.CloseTimeout, metrics: l.server.metrics,
	})
}

// welcome sends the CONNACK: what there is, and in MQTT 5 which topic to
// subscribe to [R-MQTT.15, R-MQTT.21]. A session never outlives its connection,
// for what is not acknowledged is kept by the router.
//
// Deviation: an MQTT 3.1.1 client that asks for a session to be kept gets none
// [MQTT-3.1.2-4 of 3.1.1]; Session Present tells it to subscribe again, which
// Agents do anyway [R-MQTT.15].
func (l *link) welcome(pk *packets.Packet) error {
	ack := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Connack}, ProtocolVersion: l.version}
	if l.v5 {
		o, p := &l.server.opts, &ack.Properties
		p.ReceiveMaximum = uint16(o.MaxInflight)
		p.MaximumPacketSize = uint32(o.MaxRecord + overhead)
		p.SharedSubAvailableFlag = true // and it is 0
		p.RetainAvailableFlag, p.SubIDAvailableFlag = !o.Plain, !o.Plain
		p.SessionExpiryIntervalFlag = pk.Properties.SessionExpiryInterval > 0 // 0 as well
		if pk.Connect.ClientIdentifier == "" {
			p.AssignedClientID = l.clientID // [R-MQTT.9]
		}
		if l.peer.Endpoint != "" {
			topic := o.Topics.of(usp.Address{ID: l.peer.Endpoint, Role: l.role})
			p.User = []packets.UserProperty{{Key: "subscribe-topic", Val: topic}}
			p.ResponseInfo = topic
			ack.Mods.AllowResponseInfo = pk.Properties.RequestResponseInfo == 1 // [R-MQTT.12]
		}
	}
	return l.reply(&ack)
}

// refuse sends a CONNACK that says no.
func (l *link) refuse(err error) error {
	code, reason := refusal(err)
	l.server.metrics.Rejected(reason)
	l.logRefused(err)
	ack := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Connack}, ProtocolVersion: l.version}
	if l.version == protocol5 {
		ack.ReasonCode, ack.Properties.ReasonString = code.Code, code.Reason
	} else {
		ack.ReasonCode = returnCode(code.Code)
	}
	if err := l.reply(&ack); err != nil {
		return err
	}
	if err := l.conn.leave(); err != nil {
		return err
	}
	// What the client has sent already would destroy the answer on its way; the
	// deadline of the handshake still applies.
	_, _ = io.CopyN(io.Discard, l.conn, int64(l.server.opts.MaxControl))
	return errRefused
}

// reply writes a packet from the goroutine that reads.
func (l *link) reply(pk *packets.Packet) error {
	raw, err := encode(pk)
	if err != nil {
		return fmt.Errorf("mqtt: encode: %w", err)
	}
	return l.control(raw)
}

// refusal is the answer to a CONNECT that is not accepted.
func refusal(err error) (packets.Code, mtp.Reject) {
	code, isCode := errors.AsType[packets.Code](err)
	switch {
	case isCode:
		return code, mtp.RejectHandshake
	case errors.Is(err, mtp.ErrForbidden):
		return packets.ErrNotAuthorized, mtp.RejectIdentity
	case errors.Is(err, mtp.ErrDraining):
		return packets.ErrServerShuttingDown, mtp.RejectHandshake
	case errors.Is(err, mtp.ErrBusy), errors.Is(err, errBusyClientID):
		return packets.ErrServerBusy, mtp.RejectHandshake
	default:
		return packets.ErrBadUsernameOrPassword, mtp.RejectAuth
	}
}
