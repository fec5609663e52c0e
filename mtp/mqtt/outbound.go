// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package mqtt

import (
	"slices"

	"github.com/uspgate/uspgate/mtp"
)

// firstID is where the packet ids of this package begin: those below are left
// to the broker, which counts from 1.
const firstID = 1 << 15

// sent is a QoS 1 PUBLISH that has no PUBACK yet.
type sent struct {
	id      uint16
	token   mtp.Token
	flushed bool // the writer has reported it as written
}

// flight are the unacknowledged PUBLISHes to a client, oldest first.
type flight struct {
	last uint16
	list []sent
	// early are tokens whose PUBACK overtook the report of the writer.
	early map[mtp.Token]bool
	// unsent are tokens of Records that the client is not subscribed to.
	unsent map[mtp.Token]bool
}

// add takes a packet id for t. At most 1<<14 are in use, so one is free.
func (f *flight) add(t mtp.Token) uint16 {
	for {
		f.last = firstID | (f.last + 1)
		if !slices.ContainsFunc(f.list, func(s sent) bool { return s.id == f.last }) {
			f.list = append(f.list, sent{id: f.last, token: t})
			return f.last
		}
	}
}

// acked takes the PUBLISH with that id out.
func (f *flight) acked(id uint16) (mtp.Token, bool) {
	i := slices.IndexFunc(f.list, func(s sent) bool { return s.id == id })
	if i < 0 {
		return 0, false
	}
	s := f.list[i]
	f.list = slices.Delete(f.list, i, i+1)
	if !s.flushed {
		note(&f.early, s.token)
	}
	return s.token, true
}

// written takes the report of the writer about t and returns what that means
// for the router: an outcome, or nothing yet.
func (f *flight) written(t mtp.Token) (outcome error, settled bool) {
	switch {
	case f.early[t]:
		delete(f.early, t)
		return nil, false
	case f.unsent[t]:
		delete(f.unsent, t)
		return mtp.ErrUnroutable, true
	}
	i := slices.IndexFunc(f.list, func(s sent) bool { return s.token == t })
	if i < 0 {
		return nil, true // QoS 0: delivered when flushed
	}
	f.list[i].flushed = true
	return nil, false
}

// failed takes the writer's report that t was not written. The older ones that
// were are lost with the connection; they come first.
func (f *flight) failed(t mtp.Token) (lost []mtp.Token) {
	for _, s := range f.list {
		if s.flushed {
			lost = append(lost, s.token)
		}
	}
	f.list = slices.DeleteFunc(f.list, func(s sent) bool { return s.flushed || s.token == t })
	if f.early[t] {
		delete(f.early, t)
		return lost
	}
	return append(lost, t)
}

// rest empties the flight at the end of the connection.
func (f *flight) rest() []mtp.Token {
	lost := make([]mtp.Token, len(f.list))
	for i, s := range f.list {
		lost[i] = s.token
	}
	f.list, f.early, f.unsent = nil, nil, nil
	return lost
}

func note(set *map[mtp.Token]bool, t mtp.Token) {
	if *set == nil {
		*set = map[mtp.Token]bool{}
	}
	(*set)[t] = true
}

// settler stands between the Outbox, for which a Record is done when it has
// been written, and the router, for which one with QoS 1 is done at its PUBACK.
type settler struct {
	mtp.Port // not used: an Outbox only settles

	l *link
}

// Settled implements mtp.Port.
func (s settler) Settled(t mtp.Token, err error) {
	l := s.l
	if err != nil {
		l.mu.Lock()
		lost := l.flight.failed(t)
		l.mu.Unlock()
		for _, t := range lost {
			l.port.Settled(t, err)
		}
		return
	}
	l.mu.Lock()
	outcome, settled := l.flight.written(t)
	l.mu.Unlock()
	if settled {
		l.port.Settled(t, outcome)
	}
}

// abandon settles what has no PUBACK when the connection is over.
func (l *link) abandon() {
	l.mu.Lock()
	lost := l.flight.rest()
	l.mu.Unlock()
	for _, t := range lost {
		l.port.Settled(t, mtp.ErrLinkDown)
	}
}
