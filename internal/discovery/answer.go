// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"net/netip"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/zap"
)

// take deals with one packet.
func (s *side) take(p packet) {
	if p.msg.Response {
		s.contest(p, time.Now())
		return
	}
	s.answer(p, time.Now())
}

// answer deals with a query.
func (s *side) answer(p packet, now time.Time) {
	known := s.known(p)
	for key, w := range s.waiting { // known answers may come in further packets [RFC 6762 7.2]
		if w.from == p.from && known[key] {
			delete(s.waiting, key)
		}
	}
	var unicast []*record
	legacy := p.from.Port() != mdnsPort
	for _, q := range p.msg.Question[:min(len(p.msg.Question), maxQuestions)] {
		for _, r := range s.zone.lookup(q) {
			switch {
			case !s.live[r.owner] || known[r.key]:
			case legacy:
				unicast = append(unicast, r)
			case q.Qclass&unicastReply != 0 && now.Sub(s.sent[r.key]) < r.ttl()/4: // [RFC 6762 5.4]
				unicast = append(unicast, r)
			default:
				s.later(r, p, now)
			}
		}
	}
	s.reply(p, unicast, legacy, now)
	s.flush(now)
}

// known are the records that the asker has, with at least half of their life
// before them [RFC 6762 7.1].
func (s *side) known(p packet) map[string]bool {
	known := make(map[string]bool)
	for _, rr := range p.msg.Answer[:min(len(p.msg.Answer), maxRecords)] {
		key := recordKey(rr)
		for _, r := range s.zone.byName[lower(rr.Header().Name)] {
			if r.key == key && rr.Header().Ttl >= r.rr.Header().Ttl/2 {
				known[key] = true
			}
		}
	}
	return known
}

// later has r multicast: at once if nobody else can answer, a random moment later
// if others may, and after the rest of the known answers has come [RFC 6762 6,
// 7.2].
func (s *side) later(r *record, p packet, now time.Time) {
	w := pending{rec: r, due: now, from: p.from, once: onceEvery}
	switch {
	case p.msg.Truncated:
		w.due = now.Add(random(400*time.Millisecond, 500*time.Millisecond))
	case len(p.msg.Ns) > 0: // a probe for a name of ours
		w.once = probeEvery
	case r.rr.Header().Class&cacheFlush == 0:
		w.due = now.Add(random(20*time.Millisecond, 120*time.Millisecond))
	}
	if other, ok := s.waiting[r.key]; ok && other.due.Before(w.due) {
		return
	}
	s.waiting[r.key] = w
}

// flush multicasts what is due, unless it has been a moment ago: that bounds what
// a flood of questions causes [RFC 6762 6].
func (s *side) flush(now time.Time) {
	var due []*record
	for key, w := range s.waiting {
		if w.due.After(now) {
			continue
		}
		delete(s.waiting, key)
		if now.Sub(s.sent[key]) >= w.once {
			due = append(due, w.rec)
		}
	}
	s.tell(due, now)
}

// reply answers one asker only.
func (s *side) reply(p packet, records []*record, legacy bool, now time.Time) {
	if len(records) == 0 {
		return
	}
	if !s.limiter.AllowN(now, 1) {
		s.a.metrics.packet(packetDropped)
		return
	}
	answers := make([]dns.RR, len(records))
	for i, r := range records {
		answers[i] = r.rr
	}
	extra := s.extra(records)
	if legacy {
		answers, extra = simple(answers), simple(extra)
	}
	msg := split(answers, extra)[0] // more does not fit into one answer
	if legacy {
		msg.Id = p.msg.Id
		msg.Question = p.msg.Question[:min(len(p.msg.Question), 1)]
	}
	s.send(msg, p.from)
}

// simple makes records fit for resolvers that know nothing of Multicast DNS
// [RFC 6762 6.7].
func simple(records []dns.RR) []dns.RR {
	out := make([]dns.RR, len(records))
	for i, rr := range records {
		out[i] = withTTL(rr, min(legacyTTL, time.Duration(rr.Header().Ttl)*time.Second))
		out[i].Header().Class &^= cacheFlush
	}
	return out
}

// contest looks for claims on names of ours [RFC 6762 9]. What this host says
// itself, over another interface for example, is none.
func (s *side) contest(p packet, now time.Time) {
	if p.from.Port() != mdnsPort || s.own(p.from.Addr()) {
		return
	}
	for _, section := range [][]dns.RR{p.msg.Answer, p.msg.Extra} {
		for _, rr := range section[:min(len(section), maxRecords)] {
			if s.conflicts(rr) {
				s.lose(lower(rr.Header().Name), p.from, now)
				return // names have changed: the rest of the packet is of before
			}
		}
	}
}

// conflicts reports whether rr says something else of a name of ours.
func (s *side) conflicts(rr dns.RR) bool {
	h := rr.Header()
	name := lower(h.Name)
	if !s.zone.unique[name] || h.Ttl == 0 || h.Class&^cacheFlush != dns.ClassINET {
		return false
	}
	if _, resting := s.resting[name]; resting {
		return false
	}
	key, typed := recordKey(rr), false
	for _, r := range s.zone.byName[name] {
		if r.key == key {
			return false
		}
		typed = typed || r.rr.Header().Rrtype == h.Rrtype
	}
	return typed
}

// lose defends a name once, and gives it up when that does not help or it has
// not been ours yet: a host gets another one, an instance rests.
func (s *side) lose(name string, to netip.AddrPort, now time.Time) {
	s.a.metrics.conflict()
	last, before := s.defended[name]
	if s.live[name] && (!before || now.Sub(last) > defendFor) {
		s.defended[name] = now
		s.tell(s.zone.byName[name], now)
		return
	}
	delete(s.defended, name)
	s.a.opts.Log.Warn("a name on the network is somebody else's",
		zap.String("name", name), zap.Stringer("remote", to.Addr()))
	host := false
	for _, r := range s.zone.byName[name] {
		t := r.rr.Header().Rrtype
		host = host || t == dns.TypeA || t == dns.TypeAAAA
	}
	delete(s.live, name)
	if host && same(name, s.hostName()) {
		s.suffix++
		s.rebuild()
		return
	}
	s.resting[name] = now.Add(restFor)
	if s.phase == phaseSteady {
		return
	}
	s.begin(now)
}

// hostName is that of this host as it is now.
func (s *side) hostName() string {
	return lower(s.hostLabel() + "." + dns.Fqdn(Local))
}
