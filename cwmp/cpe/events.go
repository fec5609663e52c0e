// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cpe

import (
	"slices"
	"strings"

	"github.com/uspgate/uspgate/cwmp"
)

// maxEvents is the length of an Inform's event list [TR-069 A.3.3.1].
const maxEvents = 64

// queue holds what a CPE still has to tell: events that the InformResponse
// delivers, and own requests with the events that only their answer delivers
// [TR-069 3.7.1.5]. It is not safe for concurrent use.
type queue struct {
	events []cwmp.Event
	out    []outgoing
}

// outgoing is one request of the CPE's own.
type outgoing struct {
	req    cwmp.Request
	events []cwmp.Event
	sent   bool // attempted in the present session
}

// isMultiple reports whether an event has one entry per command rather than
// at most one in the list: the M events and vendor events with a CommandKey.
func isMultiple(code string) bool { return strings.HasPrefix(code, "M ") }

// add queues e. A single event that is pending already is not added again;
// 0 BOOTSTRAP makes the CPE forget everything else. Beyond maxEvents the oldest
// multiple event gives way.
func (q *queue) add(e cwmp.Event) {
	if slices.ContainsFunc(q.events, func(have cwmp.Event) bool {
		return have == e || have.Code == e.Code && !isMultiple(e.Code)
	}) {
		return
	}
	if e.Code == cwmp.EventBootstrap {
		q.events, q.out = nil, nil
	}
	if len(q.events) >= maxEvents {
		i := max(0, slices.IndexFunc(q.events, func(have cwmp.Event) bool { return isMultiple(have.Code) }))
		q.events = slices.Delete(q.events, i, i+1)
	}
	q.events = append(q.events, e)
}

// send queues an own request.
func (q *queue) send(req cwmp.Request, events []cwmp.Event) bool {
	if len(q.out) >= maxOutgoing {
		return false
	}
	q.out = append(q.out, outgoing{req: req, events: slices.Clone(events)})
	return true
}

// take moves the pending events into an Inform and returns its event list,
// taken being those of them that the InformResponse delivers. What is raised
// from now on waits for the next Inform.
func (q *queue) take() (list, taken []cwmp.Event) {
	taken = q.events
	all := queue{events: slices.Clone(taken)}
	q.events = nil
	for i := range q.out {
		q.out[i].sent = false
		for _, e := range q.out[i].events {
			all.add(e)
		}
	}
	return all.events, taken
}

// restore puts back what an Inform without answer has taken, ahead of what was
// raised since; a 0 BOOTSTRAP raised since makes it forgotten.
func (q *queue) restore(taken []cwmp.Event) {
	newer := q.events
	if slices.ContainsFunc(newer, func(e cwmp.Event) bool { return e.Code == cwmp.EventBootstrap }) {
		return
	}
	q.events = taken
	for _, e := range newer {
		q.add(e)
	}
}

// failed drops what must not be reported again after a failed session.
func (q *queue) failed() {
	q.events = slices.DeleteFunc(q.events, func(e cwmp.Event) bool {
		return e.Code == cwmp.EventConnectionRequest || e.Code == eventHeartbeat
	})
}

// rebooted drops what is retried only until the next reboot.
func (q *queue) rebooted() {
	q.failed()
	q.events = slices.DeleteFunc(q.events, func(e cwmp.Event) bool {
		switch e.Code {
		case cwmp.EventBoot, cwmp.EventValueChange, cwmp.EventKicked, cwmp.EventDiagnosticsComplete,
			cwmp.EventRequestDownload, eventWakeup:
			return true
		default:
			return false
		}
	})
}

// next returns the next own request to send in this session, or nil.
func (q *queue) next() cwmp.Request {
	for i := range q.out {
		if !q.out[i].sent {
			q.out[i].sent = true
			return q.out[i].req
		}
	}
	return nil
}

// answered removes an own request with its events.
func (q *queue) answered(req cwmp.Request) {
	q.out = slices.DeleteFunc(q.out, func(o outgoing) bool { return o.req == req })
}

// Events that package cwmp does not name.
const (
	eventWakeup    = "13 WAKEUP"
	eventHeartbeat = "14 HEARTBEAT"
)

// maxOutgoing bounds the own requests that wait for a session.
const maxOutgoing = 64
