// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt

import (
	"strings"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// way is how Records of one sender reach one Endpoint: the next one mostly goes
// the same way.
type way struct {
	from, to usp.EndpointID
	dest     string // as asked for by the router
	topic    string // "": not known
	response string
	qos      byte
}

func (w *way) leads(e *entry) bool {
	return w.topic != "" && w.from == e.from && w.to == e.to && w.dest == e.dest
}

// cloned keeps no Record alive.
func (w way) cloned() way {
	w.from = usp.EndpointID(strings.Clone(string(w.from)))
	w.to = usp.EndpointID(strings.Clone(string(w.to)))
	w.dest, w.topic = strings.Clone(w.dest), strings.Clone(w.topic)
	return w
}

// address implements carrier. Every PUBLISH has a reply topic [R-MQTT.22]: the
// topic on which we receive for the sender.
func (l *link) address(e *entry) (publish, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.way.leads(e) && !l.find(e) {
		return publish{}, mtp.ErrUnroutable // it has unsubscribed this moment
	}
	p := publish{v5: l.v5, qos: l.way.qos, topic: l.way.topic, payload: e.data}
	if l.v5 {
		p.response = l.way.response
	}
	return p, nil
}

// find looks for a topic that the client is subscribed to: the one asked for,
// the client's own, that of the template, or any at all, for nothing but
// Records comes to it.
func (l *link) find(e *entry) bool {
	topics := &l.server.opts.Topics
	response := topics.of(usp.Address{ID: e.from, Role: l.role.Opposite()})
	l.way = way{from: e.from, to: e.to, dest: e.dest, response: response}
	found := e.dest != "" && l.follow(e.dest) ||
		l.topic != "" && l.follow(l.topic) ||
		l.follow(topics.of(usp.Address{ID: e.to, Role: l.role}))
	for i := 0; !found && i < len(l.subs); i++ {
		found = l.follow(sample(l.subs[i].filter))
	}
	l.way = l.way.cloned()
	return found
}

// follow tries a topic. A 3.1.1 client has the reply topic in it if it has
// subscribed to TOPIC/# [R-MQTT.15, R-MQTT.24]; one that has not still gets the
// Record.
func (l *link) follow(topic string) bool {
	if !l.v5 {
		joined := joinReply(topic, l.way.response)
		if qos, ok := l.covered(joined); ok {
			l.way.topic, l.way.qos = joined, qos
			return true
		}
	}
	qos, ok := l.covered(topic)
	if ok {
		l.way.topic, l.way.qos = topic, qos
	}
	return ok
}

// covered returns the QoS with which the client is subscribed to topic.
func (l *link) covered(topic string) (qos byte, ok bool) {
	for i := range l.subs {
		if s := l.subs[i]; matches(s.filter, topic) {
			qos, ok = max(qos, s.qos), true
		}
	}
	return qos, ok
}
