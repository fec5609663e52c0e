// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt

import (
	"errors"
	"slices"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
	"go.uber.org/zap"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// hook is where the broker asks what USP wants.
type hook struct {
	mochi.HookBase

	server *Server
}

// ID implements mochi.Hook.
func (*hook) ID() string { return "usp" }

// Provides implements mochi.Hook; a method that is not listed is not called.
func (*hook) Provides(b byte) bool {
	return slices.Contains([]byte{
		mochi.OnConnect, mochi.OnConnectAuthenticate, mochi.OnACLCheck, mochi.OnSessionEstablished,
		mochi.OnPacketEncode, mochi.OnPacketRead, mochi.OnSubscribed, mochi.OnUnsubscribed, mochi.OnPublish,
		mochi.OnDisconnect,
	}, b)
}

func linkOf(cl *mochi.Client) *link {
	if c, ok := cl.Net.Conn.(*conn); ok {
		return c.link
	}
	return nil
}

// OnConnect implements mochi.Hook.
func (h *hook) OnConnect(cl *mochi.Client, _ packets.Packet) error {
	c, ok := cl.Net.Conn.(*conn)
	if !ok {
		return errors.New("mqtt: foreign connection")
	}
	c.link = newLink(h.server, cl, c)
	return nil
}

// OnConnectAuthenticate implements mochi.Hook: who is it, and may it be?
func (h *hook) OnConnectAuthenticate(cl *mochi.Client, pk packets.Packet) bool {
	l := linkOf(cl)
	if err := l.identify(&pk); err != nil {
		h.server.metrics.Rejected(mtp.RejectAuth)
		l.logRefused(err)
		return false
	}
	h.server.mu.Lock()
	h.server.links[l] = struct{}{}
	h.server.mu.Unlock()
	return true
}

// OnACLCheck implements mochi.Hook. Writing is checked in OnPublish, which
// knows what is in the PUBLISH [R-MQTT.40].
func (h *hook) OnACLCheck(cl *mochi.Client, topic string, write bool) bool {
	l := linkOf(cl)
	if write || l == nil {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return h.server.opts.Topics.mayRead(topic, l.peer.Endpoint)
}

// OnPacketEncode implements mochi.Hook: the CONNACK tells the topic to
// subscribe to [R-MQTT.15, R-MQTT.21].
func (h *hook) OnPacketEncode(cl *mochi.Client, pk packets.Packet) packets.Packet {
	l := linkOf(cl)
	if pk.FixedHeader.Type != packets.Connack || pk.ReasonCode != 0 || l == nil || !l.v5() || l.peer.Endpoint == "" {
		return pk
	}
	topic := h.server.opts.Topics.of(usp.Address{ID: l.peer.Endpoint, Role: l.role})
	pk.Properties.User = append(slices.Clone(pk.Properties.User), packets.UserProperty{Key: "subscribe-topic", Val: topic})
	if cl.Properties.Props.RequestResponseInfo == 1 {
		pk.Properties.ResponseInfo = topic // [R-MQTT.12]
	}
	return pk
}

// OnSessionEstablished implements mochi.Hook: a client that resumes its session
// need not subscribe again.
func (h *hook) OnSessionEstablished(cl *mochi.Client, _ packets.Packet) {
	l := linkOf(cl)
	for filter, s := range cl.State.Subscriptions.GetAll() {
		l.subscribed(filter, s.Qos)
	}
	if cl.State.Subscriptions.Len() > 0 {
		h.up(l)
	}
}

// OnSubscribed implements mochi.Hook.
func (h *hook) OnSubscribed(cl *mochi.Client, pk packets.Packet, reasons []byte) {
	l := linkOf(cl)
	if l == nil {
		return
	}
	granted := false
	for i, f := range pk.Filters {
		if i < len(reasons) && reasons[i] <= packets.CodeGrantedQos2.Code {
			l.subscribed(f.Filter, reasons[i])
			granted = true
		}
	}
	if granted {
		h.up(l)
	}
}

// OnUnsubscribed implements mochi.Hook.
func (h *hook) OnUnsubscribed(cl *mochi.Client, pk packets.Packet) {
	if l := linkOf(cl); l != nil {
		for _, f := range pk.Filters {
			l.unsubscribed(f.Filter)
		}
	}
}

// up introduces the link, and ends it if the router refuses.
func (h *hook) up(l *link) bool {
	err := l.up()
	if err != nil && !errors.Is(err, mtp.ErrLinkDown) {
		l.logRefused(err)
		if l.v5() {
			_ = h.server.broker.DisconnectClient(l.client, packets.ErrNotAuthorized) // it ends either way
		}
		l.client.Stop(err)
	}
	return err == nil
}

// OnPacketRead implements mochi.Hook: PUBACKs of ours settle.
func (*hook) OnPacketRead(cl *mochi.Client, pk packets.Packet) (packets.Packet, error) {
	if pk.FixedHeader.Type == packets.Puback {
		if l := linkOf(cl); l != nil {
			l.puback(pk.PacketID)
		}
	}
	return pk, nil
}

// OnPublish implements mochi.Hook: a PUBLISH with a Record is taken over.
func (h *hook) OnPublish(cl *mochi.Client, pk packets.Packet) (packets.Packet, error) {
	l := linkOf(cl)
	if l == nil {
		return pk, nil
	}
	base, reply, hasReply := splitReply(pk.TopicName)
	addressed, templated := h.server.opts.Topics.parse(base)
	// Agents in the field have any topic: where nothing but Records is allowed,
	// every PUBLISH is taken for one.
	isRecord := !h.server.opts.AllowPlain || templated || hasReply || pk.Properties.ContentType == contentType ||
		pk.Properties.ContentType == "application/vnd.bbf.usp.msg" // [R-MQTT.27a]
	if !isRecord {
		return pk, nil
	}
	if pk.Properties.ResponseTopic != "" {
		reply = pk.Properties.ResponseTopic
	}
	l.receive(&pk, reply, addressed.Role.Opposite())
	return pk, packets.ErrRejectPacket // the broker forgets it and acknowledges nothing
}

// receive hands a Record to the router. It runs on the connection's reader.
func (l *link) receive(pk *packets.Packet, reply string, role usp.Role) {
	t := qos0
	l.mu.Lock()
	if pk.FixedHeader.Qos > 0 {
		t = l.in.add(pk.PacketID, pk.FixedHeader.Qos)
		if len(l.in.list) > l.server.opts.MaxInflight {
			l.mu.Unlock()
			l.client.Stop(packets.ErrReceiveMaximum) // [MQTT-3.3.4-7]
			return
		}
	}
	l.learnRole(role)
	if reply != "" {
		l.learnTopic(reply, rankReplyTo)
	}
	l.mu.Unlock()
	rec, err := usp.NewRecord(pk.Payload)
	if err == nil && rec.Len() > l.server.opts.MaxRecord {
		err = mtp.ErrTooLarge
	}
	if err == nil {
		err = l.up()
	}
	if err != nil {
		l.server.opts.Log.Debug("PUBLISH refused", zap.Error(err), zap.String("client_id", l.client.ID))
		l.Ack(t, err)
		return
	}
	if rec.Header().Type == usp.RecordMQTTConnect {
		l.connected(&rec)
	}
	l.port.Accept(rec, mtp.Hint{ReplyTo: reply}, t)
}

// connected learns from a Connect Record [R-MTP.6].
func (l *link) connected(rec *usp.Record) {
	l.mu.Lock()
	l.learnRole(usp.RoleAgent)
	if topic := usp.ConnectTopic(rec); topic != "" && !isFilter(topic) {
		l.learnTopic(topic, rankConnected)
	}
	l.mu.Unlock()
}

// OnDisconnect implements mochi.Hook.
func (h *hook) OnDisconnect(cl *mochi.Client, err error, _ bool) {
	l := linkOf(cl)
	if l == nil {
		return
	}
	h.server.mu.Lock()
	delete(h.server.links, l)
	h.server.mu.Unlock()
	if cause := cl.StopCause(); cause != nil {
		err = cause
	}
	l.down(err)
}
