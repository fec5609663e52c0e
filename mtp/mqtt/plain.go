// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/uspgate/uspgate/mtp"
)

// errNotRetained is the outcome of a message that was delivered and for which
// there is no room among those that are retained.
var errNotRetained = errors.New("mqtt: too much is retained")

// plain hands on messages that are no Records, from client to client. A client
// whose queue is full loses the message, whatever its QoS: nobody waits for
// anybody. Safe for concurrent use; no method blocks.
type plain struct {
	opts    *ServerOptions
	metrics *plainMetrics

	mu     sync.RWMutex
	subs   node // by filter
	kept   node // by topic
	count  int  // retained
	bytes  int  // retained
	purged time.Time

	wills wills
}

// recordTopic reports whether every PUBLISH to topic carries a Record: it has a
// reply topic in it [R-MQTT.24], or is an Endpoint's, or configured.
func (o *ServerOptions) recordTopic(topic string) bool {
	return strings.Contains(topic, replyTo) || o.Topics.covers(topic) ||
		slices.ContainsFunc(o.RecordFilters, func(f string) bool { return matches(f, topic) })
}

// carriesRecord tells a Record from a message of plain MQTT [R-MQTT.27a].
func (o *ServerOptions) carriesRecord(topic, kind string) bool {
	return !o.Plain || kind == contentType || kind == mediaType || o.recordTopic(topic)
}

// plainly reports whether messages of plain MQTT can come by a filter. Those of
// Endpoints would only fill the tree.
func (o *ServerOptions) plainly(filter string) bool {
	topic := strings.TrimSuffix(filter, "/#")
	return o.Plain && (isFilter(topic) || !o.Topics.covers(topic))
}

// allows asks for a topic or filter.
func (p *plain) allows(l *link, topic string, write bool) bool {
	if p.opts.PlainACL == nil {
		return true
	}
	ok := p.opts.PlainACL(PlainAccess{
		ClientID: l.clientID, Endpoint: l.peer.Endpoint, Identity: l.peer.Identity,
		Topic: strings.Clone(topic), Write: write,
	})
	if !ok {
		p.metrics.count(resultForbidden)
	}
	return ok
}

// deep reports that a topic or filter has too many levels.
func (o *ServerOptions) deep(topic string) bool { return strings.Count(topic, "/") >= o.MaxLevels }

// receive takes a PUBLISH of plain MQTT.
func (p *plain) receive(l *link, pk *packets.Packet) error {
	if strings.HasPrefix(pk.TopicName, "$") || p.opts.deep(pk.TopicName) || !p.allows(l, pk.TopicName, true) {
		return mtp.ErrForbidden
	}
	m := newMessage(pk.TopicName, pk.Payload, &pk.Properties, pk.FixedHeader.Qos, pk.FixedHeader.Retain)
	m.expireIn(pk.Properties.MessageExpiryInterval)
	return p.publish(l, m)
}

// receiver is a subscription that covers a message.
type receiver struct {
	link *link
	by   *subscription
}

// publish hands m on; mtp.ErrUnroutable says that nobody is subscribed.
func (p *plain) publish(from *link, m *message) error {
	kept := !m.retain || p.retain(m)
	var few [16]receiver
	list := few[:0]
	p.mu.RLock()
	p.subs.subscribers(m.topic, func(l *link, s *subscription) {
		if !s.noLocal || l != from { // [MQTT-3.8.3-3]
			list = append(list, receiver{l, s})
		}
	})
	p.mu.RUnlock()
	if len(list) > 1 {
		slices.SortFunc(list, func(a, b receiver) int { return cmp.Compare(a.link.number, b.link.number) })
	}
	for rest := list; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].link == rest[0].link {
			n++
		}
		p.deliver(m, rest[:n])
		rest = rest[n:]
	}
	switch {
	case !kept:
		p.metrics.count(resultNotRetained)
		return errNotRetained
	case len(list) == 0:
		p.metrics.count(resultNobody)
		return mtp.ErrUnroutable
	}
	return nil
}

// deliver sends m to one client, once, with the highest QoS of its
// subscriptions [MQTT-3.3.4-2].
func (p *plain) deliver(m *message, to []receiver) {
	d := &delivery{message: m}
	for _, r := range to {
		d.qos = max(d.qos, min(m.qos, r.by.qos))
		d.retain = d.retain || m.retain && r.by.asPublished // [MQTT-3.3.1-12, MQTT-3.3.1-13]
		if r.by.id > 0 {
			d.ids = append(d.ids, r.by.id)
		}
	}
	p.queue(to[0].link, d)
}

func (p *plain) queue(l *link, d *delivery) {
	if l.flow.deliver(d) {
		p.metrics.count(resultDelivered)
	} else {
		p.metrics.count(resultDropped)
	}
}

// subscribe begins to deliver by s, which does not change any more, and returns
// what is retained for it if that is wanted.
func (p *plain) subscribe(l *link, s *subscription, retained bool) (list []*delivery) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.subs.at(s.filter)
	if n.subs == nil {
		n.subs = make(map[*link]*subscription, 1)
	}
	n.subs[l] = s
	if !retained {
		return nil
	}
	now := time.Now()
	p.kept.messages(s.filter, func(m *message) {
		if m.expired(now) {
			return
		}
		d := &delivery{message: m, qos: min(m.qos, s.qos), retain: true} // [MQTT-3.3.1-9]
		if s.id > 0 {
			d.ids = []int{s.id}
		}
		list = append(list, d)
	})
	return list
}

func (p *plain) unsubscribe(l *link, filter string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.subs.change(filter, func(n *node) { delete(n.subs, l) })
}

// retain keeps m instead of the one before, or forgets that one if m is empty
// [MQTT-3.3.1-5, MQTT-3.3.1-6]; it is false if there is no room.
func (p *plain) retain(m *message) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forget(m.topic)
	if len(m.payload) == 0 {
		return true
	}
	if !p.roomFor(m) {
		p.purge()
		if !p.roomFor(m) {
			return false
		}
	}
	p.kept.at(m.topic).retained = m
	p.account(1, m.size())
	return true
}

func (p *plain) roomFor(m *message) bool {
	return p.count < p.opts.RetainedMessages && p.bytes+m.size() <= p.opts.RetainedBytes
}

func (p *plain) account(count, size int) {
	p.count += count
	p.bytes += size
	p.metrics.retain(count)
}

// forget drops what is retained of a topic; p.mu is held.
func (p *plain) forget(topic string) {
	p.kept.change(topic, func(n *node) {
		if n.retained != nil {
			p.account(-1, -n.retained.size())
			n.retained = nil
		}
	})
}

// purge drops what has expired, at most once a second; p.mu is held.
func (p *plain) purge() {
	now := time.Now()
	if now.Sub(p.purged) < time.Second {
		return
	}
	p.purged = now
	var old []string
	p.kept.all(func(m *message) {
		if m.expired(now) {
			old = append(old, m.topic)
		}
	})
	for _, topic := range old {
		p.forget(topic)
	}
}
