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
		if err := checkTemplate(s); err != nil {
			return err
		}
	}
	if t.Agent == t.Controller {
		return errors.New("mqtt: Agents and Controllers have the same topic template")
	}
	return nil
}

func checkTemplate(s string) error {
	if strings.Count(s, placeholder) != 1 || strings.ContainsAny(s, "+#\x00") {
		return errors.New("mqtt: topic template " + s + ": want " + placeholder + " once and no wildcard")
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

// covers reports whether topic is an Endpoint's, or below one.
func (t Topics) covers(topic string) bool {
	return covers(t.Agent, topic) || covers(t.Controller, topic)
}

// covers walks template and topic level by level.
func covers(template, topic string) bool {
	for more := true; more; {
		var want, level string
		want, template, more = strings.Cut(template, "/")
		var topicMore bool
		level, topic, topicMore = strings.Cut(topic, "/")
		if strings.Contains(want, placeholder) {
			if _, ok := extract(want, level); !ok {
				return false
			}
		} else if want != level {
			return false
		}
		if more && !topicMore {
			return false
		}
	}
	return true
}

// mayRead reports whether an Endpoint may subscribe to filter: it must not reach
// the topics of others, nor what is below them, unless it may read all. owns
// says which Endpoint IDs are its own.
func (t Topics) mayRead(filter string, owns func(usp.EndpointID) bool, all bool) bool {
	return readable(t.Agent, filter, owns, all) && readable(t.Controller, filter, owns, all)
}

// readable walks template and filter level by level.
func readable(template, filter string, owns func(usp.EndpointID) bool, all bool) bool {
	allowed := true // what has been matched so far
	for {
		want, templateRest, templateMore := strings.Cut(template, "/")
		level, filterRest, filterMore := strings.Cut(filter, "/")
		switch {
		case level == "#":
			return all || allowed && !strings.Contains(template, placeholder)
		case strings.Contains(want, placeholder):
			if level == "+" {
				allowed = all
			} else if id, ok := extract(want, level); ok {
				allowed = owns(id)
			} else {
				return true // no topic of the template has this level
			}
		case level != "+" && level != want:
			return true
		}
		if !templateMore {
			return allowed
		}
		if !filterMore {
			return true // shorter than any topic of the template
		}
		template, filter = templateRest, filterRest
	}
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

// replyTopic is where the sender of a PUBLISH wants the answer: the Response
// Topic [R-MQTT.23], or what follows /reply-to= [R-MQTT.25]; nothing can be
// published to a wildcard [MQTT-3.3.2-14].
func replyTopic(topic, response string) string {
	if response == "" {
		_, response, _ = splitReply(topic)
	}
	if isFilter(response) {
		return ""
	}
	return response
}

// joinReply is the inverse of splitReply [R-MQTT.24].
func joinReply(topic, reply string) string {
	return topic + replyTo + strings.ReplaceAll(reply, "/", "%2F")
}

// matches reports whether filter covers topic [MQTT-4.7].
func matches(filter, topic string) bool {
	if filter == topic {
		return true
	}
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

// validFilter reports whether wildcards stand alone in their level, and # in
// the last one [MQTT-4.7.1-1, MQTT-4.7.1-2].
func validFilter(filter string) bool {
	if filter == "" || strings.ContainsRune(filter, 0) {
		return false
	}
	for more := true; more; {
		var level string
		level, filter, more = strings.Cut(filter, "/")
		if isFilter(level) && level != "+" && (level != "#" || more) {
			return false
		}
	}
	return true
}

func firstLevel(filter string) string {
	level, _, _ := strings.Cut(filter, "/")
	return level
}

// sample returns a topic that filter covers.
func sample(filter string) string {
	levels := strings.Split(filter, "/")
	if last := len(levels) - 1; levels[last] == "#" && last > 0 {
		levels = levels[:last]
	}
	for i, level := range levels {
		if level == "+" || level == "#" {
			levels[i] = "usp"
		}
	}
	return strings.Join(levels, "/")
}
