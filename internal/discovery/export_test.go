// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"net"
	"net/netip"
	"time"

	"github.com/miekg/dns"
)

// sink is a PacketConn that keeps what is written.
type sink struct{ Sent [][]byte }

func (s *sink) ReadFrom([]byte) (int, netip.AddrPort, error) {
	return 0, netip.AddrPort{}, net.ErrClosed
}
func (s *sink) Addrs() []netip.Addr { return []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, 1})} }
func (s *sink) Close() error        { return nil }

func (s *sink) WriteTo(p []byte, _ netip.AddrPort) error {
	s.Sent = append(s.Sent, append([]byte(nil), p...))
	return nil
}

// Handle has an Advertiser whose names are its own take packets from one host in
// one moment, and returns what it sends for them then and within a minute.
func Handle(o Options, packets [][]byte, from netip.AddrPort) ([][]byte, error) {
	a, err := New(o)
	if err != nil {
		return nil, err
	}
	out := &sink{}
	s := newSide(a, out, func(netip.Addr) bool { return false })
	now := time.Now()
	s.reload()
	for name := range s.zone.unique {
		s.live[name] = true
	}
	s.phase = phaseSteady
	for _, b := range packets {
		if msg, err := parse(b); err == nil {
			s.take(packet{msg, from})
		}
	}
	s.flush(now.Add(time.Minute))
	return out.Sent, nil
}

// Learn has a browser take packets and returns what it reports, how much it
// remembers, and the questions it has a minute later.
func Learn(o BrowseOptions, packets [][]byte) (events []Event, entries, hosts int, questions []*dns.Msg) {
	o.Events = func(e Event) { events = append(events, e) }
	if err := o.setDefaults(); err != nil {
		return nil, 0, 0, nil
	}
	c := newCache(&o)
	for _, b := range packets {
		if msg, err := parse(b); err == nil {
			c.learn(append(msg.Answer, msg.Extra...), time.Now())
		}
	}
	entries, hosts = len(c.entries), len(c.hosts)
	later := time.Now().Add(time.Minute)
	c.review(later)
	var ask []dns.Question
	for _, e := range c.entries {
		ask = append(ask, c.due(e, later)...)
	}
	return events, entries, hosts, queries(ask, c.known(later))
}

// The names, for their fuzz target.
var (
	EscapeLabel = escapeLabel
	Unescape    = unescape
)
