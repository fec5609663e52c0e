// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt

import (
	"strings"
	"sync"

	"github.com/uspgate/uspgate/usp"
)

// counterpart is what has been learned of an Endpoint on the broker.
type counterpart struct {
	topic string   // where it wants what is no answer; "": that of the template
	role  usp.Role // or unknown
}

// counterparts are remembered across connections, the latest of them. Safe for
// concurrent use.
type counterparts struct {
	max int // negative: none

	mu sync.Mutex
	m  map[usp.EndpointID]counterpart
}

func (c *counterparts) get(id usp.EndpointID) counterpart {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.m[id]
}

// learn notes what is not empty, and reports whether that is new. Of too many
// any other is forgotten.
func (c *counterparts) learn(id usp.EndpointID, topic string, role usp.Role) bool {
	if c.max < 0 {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	have, known := c.m[id]
	now := have
	if topic != "" && topic != have.topic {
		now.topic = strings.Clone(topic)
	}
	if role != usp.RoleUnknown {
		now.role = role
	}
	if now == have {
		return false
	}
	if !known {
		if c.m == nil {
			c.m = make(map[usp.EndpointID]counterpart)
		}
		for other := range c.m {
			if len(c.m) < c.max {
				break
			}
			delete(c.m, other)
		}
		id = usp.EndpointID(strings.Clone(string(id)))
	}
	c.m[id] = now
	return true
}

// ownTopics are the topics on which the represented receive.
func (o *ClientOptions) ownTopics() Topics {
	if o.Prefix == "" {
		return o.Topics
	}
	prefix := strings.TrimSuffix(o.Prefix, "/")
	return Topics{Agent: prefix + "/agent/" + placeholder, Controller: prefix + "/controller/" + placeholder}
}

// filterOf is what a topic of our own is subscribed to by: 3.1.1 counterparts
// publish below it [R-MQTT.15, R-MQTT.24].
func (o *ClientOptions) filterOf(topic string) string {
	if o.Version == Version311 || o.Below {
		return topic + "/#"
	}
	return topic
}

// presenceOf is the topic on which id says that it is there.
func (o *ClientOptions) presenceOf(id string) string {
	return strings.Replace(o.Presence, placeholder, id, 1)
}

// rolesOf finds out who is what when from speaks to to; ok is false if from is
// represented as both and nothing tells.
func (l *clientLink) rolesOf(from usp.EndpointID, to counterpart) (own usp.Role, ok bool) {
	if own = l.client.opts.Role; own != usp.RoleUnknown {
		return own, true
	}
	switch agent, controller := l.client.represented.roles(from); {
	case agent && controller:
		return to.role.Opposite(), to.role != usp.RoleUnknown
	case controller:
		return usp.RoleController, true
	case agent:
		return usp.RoleAgent, true
	case to.role != usp.RoleUnknown:
		return to.role.Opposite(), true
	default:
		return usp.RoleAgent, true
	}
}

// find decides how Records like e go: to where the router wants, to where the
// counterpart does, or to its topic by the template; the answer comes to the
// own topic of from.
func (l *clientLink) find(e *entry) (way, bool) {
	o := &l.client.opts
	to := l.client.counterparts.get(e.to)
	own, ok := l.rolesOf(e.from, to)
	if !ok {
		return way{}, false
	}
	w := way{from: e.from, to: e.to, dest: e.dest, topic: e.dest, response: l.own, qos: l.maxQoS}
	if o.Shared {
		w.response = l.client.own.of(usp.Address{ID: e.from, Role: own})
	}
	if w.topic == "" {
		w.topic = to.topic
	}
	if w.topic == "" {
		w.topic = o.Topics.of(usp.Address{ID: e.to, Role: own.Opposite()})
	}
	if !l.v5 {
		w.topic = joinReply(w.topic, w.response) // [R-MQTT.24]
	}
	return w.cloned(), true
}

// wayKey is what Records have in common that go the same way.
type wayKey struct {
	from, to usp.EndpointID
	dest     string
}

// maxWays bounds what a connection remembers of ways.
const maxWays = 1024

// ways are the ways of Records that the writer has found lately.
type ways struct {
	last way
	m    map[wayKey]way
	seen uint64 // the version of what they were found by
}

// get returns the way of e as found by version.
func (w *ways) get(e *entry, version uint64) (way, bool) {
	if w.seen != version {
		*w = ways{seen: version}
	}
	if w.last.leads(e) {
		return w.last, true
	}
	found, ok := w.m[wayKey{e.from, e.to, e.dest}]
	if ok {
		w.last = found
	}
	return found, ok
}

func (w *ways) put(found way) {
	if w.m == nil || len(w.m) >= maxWays {
		w.m = make(map[wayKey]way)
	}
	w.last, w.m[wayKey{found.from, found.to, found.dest}] = found, found
}

// address implements carrier.
func (l *clientLink) address(e *entry) (publish, error) {
	w, ok := l.ways.get(e, l.client.version.Load())
	if !ok {
		if w, ok = l.find(e); !ok {
			return publish{}, errNoRole
		}
		l.ways.put(w)
	}
	p := publish{v5: l.v5, qos: w.qos, topic: w.topic, payload: e.data}
	if l.v5 {
		p.response = w.response
	}
	return p, nil
}
