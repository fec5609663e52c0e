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
	for i := range pk.Filters {
		if reasons[i] = l.grant(&pk.Filters[i]); reasons[i] >= failure && !l.v5 {
			reasons[i] = failure // the only one there is [MQTT-3.9.3-2 of 3.1.1]
		}
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
	if !subscribed {
		return nil
	}
	return l.introduce()
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

// grant returns the granted QoS, at most 1, or what is wrong with a filter: an
// Endpoint reads its own topics [R-MQTT.40].
func (l *link) grant(s *packets.Subscription) byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case !validFilter(s.Filter):
		return packets.ErrTopicFilterInvalid.Code
	case strings.EqualFold(firstLevel(s.Filter), "$share"):
		return packets.ErrSharedSubscriptionsNotSupported.Code
	case strings.HasPrefix(s.Filter, "$"), !l.server.opts.Topics.mayRead(s.Filter, l.owns, l.peer.Identity.Any):
		return packets.ErrNotAuthorized.Code
	}
	l.drop(s.Filter)
	if len(l.subs) >= l.server.opts.MaxSubscriptions {
		return packets.ErrQuotaExceeded.Code
	}
	filter, qos := strings.Clone(s.Filter), min(s.Qos, 1)
	l.subs = append(l.subs, subscription{filter, qos})
	l.tells(filter)
	return qos
}

// drop takes a subscription out; l.mu is held.
func (l *link) drop(filter string) bool {
	l.way = way{}
	i := slices.IndexFunc(l.subs, func(s subscription) bool { return s.filter == filter })
	if i >= 0 {
		l.subs = slices.Delete(l.subs, i, i+1)
	}
	return i >= 0
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
func (l *link) tells(filter string) {
	topic := strings.TrimSuffix(filter, "/#") // as 3.1.1 clients subscribe [R-MQTT.15]
	if isFilter(topic) {
		return
	}
	a, ok := l.server.opts.Topics.parse(topic)
	if !ok {
		l.learnTopic(topic, rankFilter)
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
