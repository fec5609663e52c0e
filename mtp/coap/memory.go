// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package coap

import "time"

// exchangeLifetime is how long a Message ID names one message [RFC 7252 4.8.2].
const exchangeLifetime = 247 * time.Second

// memory knows the requests of late, so that a repetition is answered as the
// first was and has no other effect [RFC 7252 4.5]. It is bounded in all and
// per peer; the oldest is forgotten first.
type memory struct {
	max, maxPeer int
	entries      map[midKey]*seen
	peers        map[way]*peerMemory
	head, tail   *seen // oldest first
}

// seen is one request.
type seen struct {
	key        midKey
	hash       uint64 // of the datagram: some peers begin with the same Message ID at each boot
	at         time.Time
	answer     []byte // datagram; nil while the outcome is open
	prev, next *seen
	younger    *seen // of the same peer
}

// peerMemory is what there is of one peer, oldest first.
type peerMemory struct {
	head, tail *seen
	count      int
}

func (m *memory) init(limit, perPeer int) {
	m.max, m.maxPeer = limit, perPeer
	m.entries, m.peers = make(map[midKey]*seen), make(map[way]*peerMemory)
}

// find returns the entry of a request and whether it has been there before.
func (m *memory) find(key midKey, hash uint64, now time.Time) (e *seen, again bool) {
	for m.head != nil && now.Sub(m.head.at) > exchangeLifetime {
		m.forget(m.head.key.way)
	}
	if e = m.entries[key]; e != nil {
		again = e.hash == hash
		if !again {
			e.hash, e.answer = hash, nil
		}
		return e, again
	}
	if p := m.peers[key.way]; p != nil && p.count >= m.maxPeer {
		m.forget(key.way)
	}
	if len(m.entries) >= m.max {
		m.forget(m.head.key.way)
	}
	e = &seen{key: key, hash: hash, at: now}
	m.add(e)
	return e, false
}

func (m *memory) add(e *seen) {
	m.entries[e.key] = e
	if e.prev = m.tail; e.prev == nil {
		m.head = e
	} else {
		e.prev.next = e
	}
	m.tail = e
	p := m.peers[e.key.way]
	if p == nil {
		p = new(peerMemory)
		m.peers[e.key.way] = p
	}
	if p.tail == nil {
		p.head = e
	} else {
		p.tail.younger = e
	}
	p.tail = e
	p.count++
}

// forget drops the oldest entry of a peer.
func (m *memory) forget(w way) {
	p := m.peers[w]
	e := p.head
	if p.head = e.younger; p.head == nil {
		p.tail = nil
	}
	if p.count--; p.count == 0 {
		delete(m.peers, w)
	}
	if e.prev == nil {
		m.head = e.next
	} else {
		e.prev.next = e.next
	}
	if e.next == nil {
		m.tail = e.prev
	} else {
		e.next.prev = e.prev
	}
	e.prev, e.next, e.younger = nil, nil, nil
	delete(m.entries, e.key)
}
