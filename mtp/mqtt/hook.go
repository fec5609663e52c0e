// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt

import (
	"errors"
	"slices"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// hook is where the broker asks what USP wants. Its methods run on the
// goroutine of the connection, except OnPacketEncode.
type hook struct {
	mochi.HookBase

	server *Server
}

// ID implements mochi.Hook.
func (*hook) ID() string { return "usp" }

// Provides implements mochi.Hook; a method that is not listed is not called.
func (*hook) Provides(b byte) bool {
	return slices.Contains([]byte{
		mochi.OnConnect, mochi.OnConnectAuthenticate, mochi.OnPacketEncode, mochi.OnPacketRead,
	}, b)
}

func linkOf(cl *mochi.Client) *link {
	if c, ok := cl.Net.Conn.(*conn); ok {
		return c.link
	}
	return nil
}

// OnConnect implements mochi.Hook: what of the CONNECT is not needed is not
// kept. There are no sessions that outlive a connection, for what is not
// acknowledged is kept by the router, and no wills, for nobody would say that
// a Record in one has been delivered.
func (h *hook) OnConnect(cl *mochi.Client, pk packets.Packet) error {
	c, ok := cl.Net.Conn.(*conn)
	if !ok {
		return errors.New("mqtt: foreign connection")
	}
	c.link = newLink(h.server, cl, c, &pk)
	cl.Properties.Will = mochi.Will{}
	cl.Properties.Clean = true
	cl.Properties.Username = nil
	cl.Properties.Props.User = nil
	return nil
}

// OnConnectAuthenticate implements mochi.Hook: who is it, and may it be?
func (h *hook) OnConnectAuthenticate(cl *mochi.Client, pk packets.Packet) bool {
	l := linkOf(cl)
	err := l.identify(&pk)
	if err == nil {
		err = h.server.register(l)
	}
	if err != nil {
		l.refuse(err)
	}
	return err == nil
}

// OnPacketEncode implements mochi.Hook: the CONNACK says what there is, and
// which topic to subscribe to [R-MQTT.15, R-MQTT.21].
func (h *hook) OnPacketEncode(cl *mochi.Client, pk packets.Packet) packets.Packet {
	if pk.FixedHeader.Type != packets.Connack {
		return pk
	}
	l := linkOf(cl)
	v5 := cl.Properties.ProtocolVersion >= 5
	switch {
	case pk.ReasonCode == 0 && l != nil && v5:
		h.welcome(l, &pk)
	case pk.ReasonCode == 0:
	case l != nil && l.refusal != nil && v5:
		pk.ReasonCode, pk.Properties.ReasonString = l.refusal.Code, l.refusal.Reason
	case l != nil && l.refusal != nil:
		pk.ReasonCode = returnCode(l.refusal.Code)
	case !v5 && pk.ReasonCode >= failure:
		pk.ReasonCode = returnCode(pk.ReasonCode)
	}
	return pk
}

// welcome completes the CONNACK of MQTT 5.
func (h *hook) welcome(l *link, pk *packets.Packet) {
	o, p := &h.server.opts, &pk.Properties
	p.MaximumPacketSize = uint32(o.MaxRecord + overhead)
	p.RetainAvailableFlag, p.RetainAvailable = true, 0
	p.SharedSubAvailableFlag, p.SharedSubAvailable = true, 0
	p.SubIDAvailableFlag, p.SubIDAvailable = true, 0
	if l.peer.Endpoint == "" {
		return
	}
	topic := o.Topics.of(usp.Address{ID: l.peer.Endpoint, Role: l.role})
	p.User = append(slices.Clone(p.User), packets.UserProperty{Key: "subscribe-topic", Val: topic})
	pk.Mods.DisallowProblemInfo = false // of no concern to a CONNACK [MQTT-3.1.2-29]
	if l.client.Properties.Props.RequestResponseInfo == 1 {
		p.ResponseInfo = topic // [R-MQTT.12]
	}
}

// handled is what the broker is given instead of a packet that has been dealt
// with: a PUBACK that it does not wait for, which it ignores.
var handled = packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Puback}}

// OnPacketRead implements mochi.Hook: everything that concerns Records and
// topics is taken over. The reader ends with ErrRejectPacket.
func (h *hook) OnPacketRead(cl *mochi.Client, pk packets.Packet) (packets.Packet, error) {
	l := linkOf(cl)
	if l == nil {
		return pk, nil // CONNECT
	}
	err := error(nil)
	switch pk.FixedHeader.Type {
	case packets.Publish, packets.Subscribe, packets.Unsubscribe, packets.Puback, packets.Pubrel:
		if !l.flow.over() {
			err = l.take(&pk)
		}
	case packets.Pubrec, packets.Pubcomp: // nothing goes out with QoS 2
	default:
		return pk, nil
	}
	if err != nil {
		return pk, packets.ErrRejectPacket
	}
	return handled, nil
}

// refuse notes what the CONNACK says and why.
func (l *link) refuse(err error) {
	code, reason := refusal(err)
	l.refusal = &code
	l.server.metrics.Rejected(reason)
	l.logRefused(err)
}

// refusal is the answer to a CONNECT that is not accepted.
func refusal(err error) (packets.Code, mtp.Reject) {
	switch {
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
