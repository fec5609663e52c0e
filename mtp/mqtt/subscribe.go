// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt

import (
	"slices"
	"strings"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/uspgate/uspgate/usp"
)

// subscribe answers a SUBSCRIBE and brings the link up.
func (l *link) subscribe(pk *packets.Packet) error {
	if code := pk.SubscribeValidate(); code != packets.CodeSuccess {
		l.violated(code)
		return code
	}
	reasons := make([]byte, len(pk.Filters))
	var kept []*delivery // retained messages, which follow the SUBACK
	for i := range pk.Filters {
		reason, more := l.grant(&pk.Filters[i])
		if reason >= failure && !l.v5 {
			reason = failure // the only one there is [MQTT-3.9.3-2 of 3.1.1]
		}
		reasons[i] = reason
		kept = append(kept, more...)
	}
	err := l.reply(&packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Suback}, ProtocolVersion: l.version,
		PacketID: pk.PacketID, ReasonCodes: reasons,
	})
	if err != nil {
		return err
	}
	subscribed := l.subscribed()
	l.flow.setReady(subscribed)
	for _, d := range kept {
		l.server.plain.queue(l, d)
	}
	if !subscribed || !l.isEndpoint() {
		return nil
	}
	return l.introduce()
}

// wantsRetained reads Retain Handling, which 3.1.1 does not have
// [MQTT-3.3.1-9, MQTT-3.3.1-10, MQTT-3.3.1-11].
func wantsRetained(s *packets.Subscription, again bool) bool {
	return s.RetainHandling == 0 || s.RetainHandling == 1 && !again
}

// isEndpoint reports whether the client is one for the router yet. A client of
// plain MQTT is none before it sends a Record.
func (l *link) isEndpoint() bool {
	return !l.server.opts.Plain || l.peer.Endpoint != "" || l.trunk
}

// unsubscribe answers an UNSUBSCRIBE. Records wait while there is no
// subscription at all.
func (l *link) unsubscribe(pk *packets.Packet) error {
	if code := pk.UnsubscribeValidate(); code != packets.CodeSuccess {
		l.violated(code)
		return code
	}
	reasons := make([]byte, len(pk.Filters))
	l.flow.setReady(false) // the writer finds a subscription for what it takes
	l.mu.Lock()
	for i := range pk.Filters {
		if !l.drop(pk.Filters[i].Filter) {
			reasons[i] = packets.CodeNoSubscriptionExisted.Code
		}
	}
	l.mu.Unlock()
	l.flow.setReady(l.subscribed())
	return l.reply(&packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Unsuback}, ProtocolVersion: l.version,
		PacketID: pk.PacketID, ReasonCodes: reasons,
	})
}

func (l *link) subscribed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.subs) > 0
}

// grant makes a subscription with a QoS of at most 1, or says what is wrong with
// a filter: an Endpoint reads its own topics [R-MQTT.40]. It returns what is
// retained for it.
func (l *link) grant(f *packets.Subscription) (reason byte, kept []*delivery) {
	o := &l.server.opts
	l.mu.Lock()
	defer l.mu.Unlock()
	isPlain := o.plainly(f.Filter)
	switch {
	case !validFilter(f.Filter):
		return packets.ErrTopicFilterInvalid.Code, nil
	case strings.EqualFold(firstLevel(f.Filter), "$share"):
		return packets.ErrSharedSubscriptionsNotSupported.Code, nil
	case strings.HasPrefix(f.Filter, "$"), !o.Topics.mayRead(f.Filter, l.owns, l.peer.Identity.Any),
		isPlain && !l.server.plain.allows(l, f.Filter, false):
		return packets.ErrNotAuthorized.Code, nil
	}
	again := l.drop(f.Filter)
	if len(l.subs) >= o.MaxSubscriptions || l.filterBytes()+len(f.Filter) > o.MaxControl || isPlain && o.deep(f.Filter) {
		return packets.ErrQuotaExceeded.Code, nil
	}
	s := &subscription{
		filter: strings.Clone(f.Filter), qos: min(f.Qos, 1), plain: isPlain,
		noLocal: f.NoLocal, asPublished: f.RetainAsPublished, id: f.Identifier,
	}
	l.subs = append(l.subs, s)
	if isPlain {
		kept = l.server.plain.subscribe(l, s, wantsRetained(f, again))
	}
	l.tells(s)
	return s.qos, kept
}

// filterBytes is how much the filters of the client take; l.mu is held.
func (l *link) filterBytes() (n int) {
	for _, s := range l.subs {
		n += len(s.filter)
	}
	return n
}

// drop takes a subscription out; l.mu is held.
func (l *link) drop(filter string) bool {
	l.way = way{}
	i := slices.IndexFunc(l.subs, func(s *subscription) bool { return s.filter == filter })
	if i < 0 {
		return false
	}
	if l.subs[i].plain {
		l.server.plain.unsubscribe(l, filter)
	}
	l.subs = slices.Delete(l.subs, i, i+1)
	return true
}

// unsubscribeAll ends what is plain when the connection has ended.
func (l *link) unsubscribeAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.subs {
		if s.plain {
			l.server.plain.unsubscribe(l, s.filter)
		}
	}
}

// owns reports whether the client may read as id. One that has not said who it
// is may claim any Endpoint ID, and does so by its subscription.
func (l *link) owns(id usp.EndpointID) bool {
	if l.trunk {
		return l.peer.Identity.Allows(id)
	}
	return l.peer.Endpoint == "" || l.peer.Endpoint == id
}

// tells learns from a subscription: a topic, a role, and who the client is if
// it has not said so; l.mu is held.
func (l *link) tells(s *subscription) {
	topic := strings.TrimSuffix(s.filter, "/#") // as 3.1.1 clients subscribe [R-MQTT.15]
	if isFilter(topic) {
		return
	}
	a, ok := l.server.opts.Topics.parse(topic)
	if !ok {
		if !s.plain || l.topic == "" || l.server.opts.recordTopic(topic) {
			l.learnTopic(topic, rankFilter)
		}
		return
	}
	if l.peer.Endpoint == "" && l.port == nil && l.peer.Identity.Method == methodNone {
		l.peer.Endpoint = usp.EndpointID(strings.Clone(string(a.ID)))
	}
	if a.ID != l.peer.Endpoint {
		return
	}
	l.learnTopic(topic, rankTemplate)
	// The Agent's topic has been offered to whoever has no role: a Controller
	// that obeys subscribes to it as well.
	if !l.v5 || a.Role != usp.RoleAgent {
		l.learnRole(a.Role, roleSubscribed)
	}
}
