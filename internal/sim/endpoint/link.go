// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"errors"
	"sync"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/usp"
)

// Link is a Node's end of one mtp.Link. Safe for concurrent use.
type Link struct {
	node *Node
	link mtp.Link
	peer mtp.Peer

	mu      sync.Mutex
	refused *outgoing // found the carrier full, is the next to go
	waiting []outgoing
	out     map[mtp.Token]func(error) // given to the Link, not settled
	last    mtp.Token
	pumping bool
	roomed  uint64 // counts Settled, to see one that came during Enqueue
	isDown  bool
}

type outgoing struct {
	rec     usp.Record
	hint    mtp.Hint
	settled func(error)
}

// Peer returns what the carrier said of the other side.
func (l *Link) Peer() mtp.Peer { return l.peer }

// ConnectRecord makes the Connect Record of the Link's MTP; false if it has
// none.
func (l *Link) ConnectRecord(from, to usp.EndpointID) (usp.Record, bool) {
	c, ok := l.link.(mtp.Connector)
	if !ok {
		return usp.Record{}, false
	}
	return c.ConnectRecord(from, to), true
}

// Close asks the carrier to end the connection.
func (l *Link) Close(cause error) { l.link.Close(cause) }

// Send queues rec. settled, if not nil, is called once with the outcome: nil
// when the Record has been delivered, mtp.ErrLinkDown, mtp.ErrFull when too
// many wait already, or what the carrier said. Send does not block and may
// call settled before it returns.
func (l *Link) Send(rec usp.Record, hint mtp.Hint, settled func(error)) {
	if settled == nil {
		settled = func(error) {}
	}
	l.mu.Lock()
	switch {
	case l.isDown:
		l.mu.Unlock()
		settled(mtp.ErrLinkDown)
		return
	case len(l.waiting) >= l.node.opts.Backlog:
		l.mu.Unlock()
		settled(mtp.ErrFull)
		return
	}
	l.waiting = append(l.waiting, outgoing{rec: rec, hint: hint, settled: settled})
	l.mu.Unlock()
	l.pump()
}

// pump gives the carrier what waits, in order, until its queue is full. No
// lock is held during Enqueue, for the carrier may call Settled inside.
func (l *Link) pump() {
	l.mu.Lock()
	if l.pumping {
		l.mu.Unlock()
		return
	}
	l.pumping = true
	for !l.isDown {
		next, ok := l.next()
		if !ok {
			break
		}
		l.last++
		t, seen := l.last, l.roomed
		l.out[t] = next.settled
		l.mu.Unlock()
		err := l.link.Enqueue(next.rec, next.hint, t)
		l.mu.Lock()
		if err == nil {
			continue
		}
		delete(l.out, t)
		if errors.Is(err, mtp.ErrFull) && !l.isDown {
			l.refused = &next
			if l.roomed == seen {
				break // Settled will call pump
			}
			continue
		}
		l.mu.Unlock()
		next.settled(err)
		l.mu.Lock()
	}
	l.pumping = false
	l.mu.Unlock()
}

// next takes what is to be sent next; the caller holds mu.
func (l *Link) next() (outgoing, bool) {
	if o := l.refused; o != nil {
		l.refused = nil
		return *o, true
	}
	if len(l.waiting) == 0 {
		return outgoing{}, false
	}
	o := l.waiting[0]
	l.waiting = l.waiting[1:]
	return o, true
}

func (l *Link) settled(t mtp.Token, err error) {
	l.mu.Lock()
	f := l.out[t]
	delete(l.out, t)
	l.roomed++
	l.mu.Unlock()
	if f != nil {
		f(err)
	}
	l.pump()
}

// end fails what still waits.
func (l *Link) end() {
	l.mu.Lock()
	l.isDown = true
	for o, ok := l.next(); ok; o, ok = l.next() {
		l.mu.Unlock()
		o.settled(mtp.ErrLinkDown)
		l.mu.Lock()
	}
	l.mu.Unlock()
}
