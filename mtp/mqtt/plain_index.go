// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt

import "strings"

// node is a level of a tree of topics or filters.
type node struct {
	children map[string]*node
	subs     map[*link]*subscription // of the filter that ends here
	retained *message                // of the topic that ends here
}

// at returns the node of a topic or filter, made if necessary.
func (n *node) at(topic string) *node {
	for more := true; more; {
		var level string
		level, topic, more = strings.Cut(topic, "/")
		next := n.children[level]
		if next == nil {
			if n.children == nil {
				n.children = make(map[string]*node)
			}
			next = new(node)
			n.children[strings.Clone(level)] = next
		}
		n = next
	}
	return n
}

// change has f change the node of a topic or filter, if there is one, and drops
// what is empty then.
func (n *node) change(topic string, f func(*node)) {
	level, rest, more := strings.Cut(topic, "/")
	next := n.children[level]
	if next == nil {
		return
	}
	if more {
		next.change(rest, f)
	} else {
		f(next)
	}
	if len(next.children) == 0 && len(next.subs) == 0 && next.retained == nil {
		delete(n.children, level)
	}
}

// subscribers calls f with every subscription that covers topic [MQTT-4.7].
func (n *node) subscribers(topic string, f func(*link, *subscription)) {
	n.covering(topic, !strings.HasPrefix(topic, "$"), f)
}

// covering walks on below n; wild says whether wildcards count: those of the
// first level do not cover topics with $ [MQTT-4.7.2-1].
func (n *node) covering(topic string, wild bool, f func(*link, *subscription)) {
	level, rest, more := strings.Cut(topic, "/")
	follow := func(next *node) {
		if next == nil {
			return
		}
		if more {
			next.covering(rest, true, f)
			return
		}
		next.each(f)
		next.children["#"].each(f) // a/# covers a
	}
	follow(n.children[level])
	if wild {
		follow(n.children["+"])
		n.children["#"].each(f)
	}
}

func (n *node) each(f func(*link, *subscription)) {
	if n == nil {
		return
	}
	for l, s := range n.subs {
		f(l, s)
	}
}

// messages calls f with everything retained that filter covers.
func (n *node) messages(filter string, f func(*message)) {
	level, rest, more := strings.Cut(filter, "/")
	visit := func(next *node) {
		switch {
		case more:
			next.messages(rest, f)
			if rest == "#" && next.retained != nil {
				f(next.retained) // a/# covers a
			}
		case next.retained != nil:
			f(next.retained)
		}
	}
	switch level {
	case "#":
		for _, next := range n.children {
			next.all(f)
		}
	case "+":
		for _, next := range n.children {
			visit(next)
		}
	default:
		if next := n.children[level]; next != nil {
			visit(next)
		}
	}
}

func (n *node) all(f func(*message)) {
	if n.retained != nil {
		f(n.retained)
	}
	for _, next := range n.children {
		next.all(f)
	}
}
