// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt

import (
	"errors"
	"strings"

	"github.com/uspgate/uspgate/usp"
)

// placeholder stands for the Endpoint ID in a topic template.
const placeholder = "{endpoint_id}"

// replyTo precedes the reply topic in a topic of MQTT 3.1.1 [R-MQTT.24].
const replyTo = "/reply-to="

// Topics are the templates of the topics to which Endpoints are subscribed;
// each holds {endpoint_id} once. USP fixes none.
type Topics struct {
	Agent      string
	Controller string
}

// DefaultTopics are usp/v1/agent/{endpoint_id} and usp/v1/controller/{endpoint_id}.
func DefaultTopics() Topics {
	return Topics{Agent: "usp/v1/agent/" + placeholder, Controller: "usp/v1/controller/" + placeholder}
}

func (t Topics) check() error {
	for _, s := range []string{t.Agent, t.Controller} {
		if strings.Count(s, placeholder) != 1 || strings.ContainsAny(s, "+#\x00") {
			return errors.New("mqtt: topic template " + s + ": want " + placeholder + " once and no wildcard")
		}
	}
	if t.Agent == t.Controller {
		return errors.New("mqtt: Agents and Controllers have the same topic template")
	}
	return nil
}

// of returns the topic of a. An Endpoint of unknown role is taken for an Agent:
// those need no configured topic [R-MQTT.15].
func (t Topics) of(a usp.Address) string {
	template := t.Agent
	if a.Role == usp.RoleController {
		template = t.Controller
	}
	return strings.Replace(template, placeholder, string(a.ID), 1)
}

// parse finds out whose topic it is; a suffix such as /reply-to= is ignored.
func (t Topics) parse(topic string) (usp.Address, bool) {
	base, _, _ := splitReply(topic)
	if id, ok := extract(t.Agent, base); ok {
		return usp.Address{ID: id, Role: usp.RoleAgent}, true
	}
	if id, ok := extract(t.Controller, base); ok {
		return usp.Address{ID: id, Role: usp.RoleController}, true
	}
	return usp.Address{}, false
}

func extract(template, topic string) (usp.EndpointID, bool) {
	prefix, suffix, _ := strings.Cut(template, placeholder)
	rest, ok := strings.CutPrefix(topic, prefix)
	if !ok {
		return "", false
	}
	rest, ok = strings.CutSuffix(rest, suffix)
	return usp.EndpointID(rest), ok && rest != "" && !strings.Contains(rest, "/")
}

// mayRead reports whether the Endpoint own may subscribe to filter: it must not
// reach the topics of others. An empty own is one that is not known yet.
func (t Topics) mayRead(filter string, own usp.EndpointID) bool {
	return readable(t.Agent, filter, own) && readable(t.Controller, filter, own)
}

// readable walks template and filter level by level.
func readable(template, filter string, own usp.EndpointID) bool {
	levels := strings.Split(filter, "/")
	for i, want := range strings.Split(template, "/") {
		switch {
		case i == len(levels):
			return true // shorter than any topic of the template
		case levels[i] == "#":
			return false
		case strings.Contains(want, placeholder):
			return own == "" && levels[i] != "+" ||
				levels[i] == strings.Replace(want, placeholder, string(own), 1)
		case levels[i] != "+" && levels[i] != want:
			return true
		}
	}
	return true
}

// splitReply separates the reply topic of a 3.1.1 PUBLISH, which follows the
// last /reply-to= with every / written %2F [R-MQTT.25].
func splitReply(topic string) (base, reply string, ok bool) {
	i := strings.LastIndex(topic, replyTo)
	if i < 0 {
		return topic, "", false
	}
	return topic[:i], strings.ReplaceAll(topic[i+len(replyTo):], "%2F", "/"), true
}

// joinReply is the inverse of splitReply [R-MQTT.24].
func joinReply(topic, reply string) string {
	return topic + replyTo + strings.ReplaceAll(reply, "/", "%2F")
}

// matches reports whether filter covers topic [MQTT-4.7].
func matches(filter, topic string) bool {
	for {
		f, filterRest, filterMore := strings.Cut(filter, "/")
		if f == "#" {
			return true
		}
		level, topicRest, topicMore := strings.Cut(topic, "/")
		if f != "+" && f != level {
			return false
		}
		switch {
		case !filterMore && !topicMore:
			return true
		case !topicMore:
			return filterRest == "#" // a/# covers a
		case !filterMore:
			return false
		}
		filter, topic = filterRest, topicRest
	}
}

// isFilter reports whether a subscription names more than one topic.
func isFilter(filter string) bool { return strings.ContainsAny(filter, "+#") }
