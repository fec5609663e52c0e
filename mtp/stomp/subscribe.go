// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package stomp

import (
	"slices"
	"strings"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// subscribe takes a SUBSCRIBE and brings the link up [R-STOMP.12, R-STOMP.34].
func (l *link) subscribe(f *frame, receipt string) error {
	id, err := f.kept(hdrID)
	if err != nil {
		return err
	}
	destination, err := f.kept(hdrDestination)
	if err != nil {
		return err
	}
	switch {
	case !f.has(hdrID) || destination == "":
		return violation("SUBSCRIBE without id or destination")
	case f.has(hdrAck) && !f.is(hdrAck, "auto"):
		return violation("ack is auto in USP") // [R-STOMP.13, R-STOMP.26]
	}
	if err := l.grant(id, destination); err != nil {
		return err
	}
	if err := l.confirm(f, receipt); err != nil {
		return err
	}
	l.flow.setReady(true)
	return l.introduce()
}

// grant keeps a subscription. An Endpoint takes its own destination, or one that
// is no Endpoint's by the templates: it is its own by configuration, and nothing
// but Records for it will come there.
func (l *link) grant(id, destination string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	a, templated := l.opts.Destinations.parse(destination)
	switch {
	case templated && !l.owns(a.ID):
		return &refusedError{"the destination of another Endpoint", mtp.ErrForbidden}
	case slices.ContainsFunc(l.subs, func(s subscription) bool { return s.id == id }):
		return violation("the id of another subscription")
	case len(l.subs) >= l.server.opts.MaxSubscriptions:
		return violation("too many subscriptions")
	}
	l.subs = append(l.subs, subscription{id, destination})
	l.way.head = l.way.head[:0]
	if templated {
		l.tells(a)
	}
	return nil
}

// owns reports whether the client may read as id. One that has not said who it
// is may claim any Endpoint ID, and does so by its subscription.
func (l *link) owns(id usp.EndpointID) bool {
	if l.trunk {
		return l.peer.Identity.Allows(id)
	}
	return l.peer.Endpoint == "" && l.peer.Identity.Allows(id) || l.peer.Endpoint == id
}

// tells learns from a subscription: a role, and who the client is if it has not
// said so; l.mu is held.
func (l *link) tells(a usp.Address) {
	offered := l.peer.Endpoint != "" // the Agent's destination, to whoever has no role
	if !offered && l.port == nil && l.peer.Identity.Method == methodNone && !l.trunk {
		l.peer.Endpoint = usp.EndpointID(strings.Clone(string(a.ID)))
	}
	if a.ID != l.peer.Endpoint {
		return
	}
	// A Controller that obeys subscribes to what was offered as well.
	if !offered || a.Role != usp.RoleAgent {
		l.learnRole(a.Role, roleSubscribed)
	}
}

// unsubscribe takes an UNSUBSCRIBE [R-STOMP.28]. Records wait while there is no
// subscription at all.
func (l *link) unsubscribe(f *frame, receipt string) error {
	if !f.has(hdrID) {
		return violation("UNSUBSCRIBE without id")
	}
	id := f.text(hdrID)
	l.flow.setReady(false) // the writer finds a subscription for what it takes
	l.mu.Lock()
	l.subs = slices.DeleteFunc(l.subs, func(s subscription) bool { return s.id == id })
	l.way.head = l.way.head[:0]
	left := len(l.subs)
	l.mu.Unlock()
	l.flow.setReady(left > 0)
	return l.confirm(f, receipt)
}

// confirm writes the RECEIPT of a frame without a Record, at once.
func (l *link) confirm(f *frame, receipt string) error {
	if !f.has(hdrReceipt) {
		return nil
	}
	return l.conn.send(appendReceipt(nil, receipt), nil)
}
