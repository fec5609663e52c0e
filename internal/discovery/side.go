// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/zap"
	"golang.org/x/time/rate"
)

// phase is how far new names are.
type phase uint8

const (
	phaseSteady phase = iota
	phaseProbing
	phaseAnnouncing
)

// pending is an answer that waits for its time.
type pending struct {
	rec  *record
	due  time.Time
	from netip.AddrPort // who asked, and may tell that it knows
	once time.Duration  // not more often than that
}

// side is the Advertiser on one socket; one goroutine runs it.
type side struct {
	a       *Advertiser
	conn    PacketConn
	own     func(netip.Addr) bool // addresses of this host
	limiter *rate.Limiter

	services []Service
	changed  <-chan struct{}
	addrs    []netip.Addr
	suffix   int // of the host name, after conflicts
	zone     *zone

	live     map[string]bool      // names that are ours
	resting  map[string]time.Time // names that are somebody else's, until then
	defended map[string]time.Time
	sent     map[string]time.Time // by key of the record
	waiting  map[string]pending

	phase phase
	next  time.Time // of the phase
	step  int
}

func newSide(a *Advertiser, conn PacketConn, own func(netip.Addr) bool) *side {
	return &side{
		a: a, conn: conn, own: own, limiter: rate.NewLimiter(rate.Limit(a.opts.AnswerRate), a.opts.AnswerRate),
		zone: newZone(nil, "", nil, false),
		live: make(map[string]bool), resting: make(map[string]time.Time), defended: make(map[string]time.Time),
		sent: make(map[string]time.Time), waiting: make(map[string]pending),
	}
}

// run decides until ctx ends.
func (s *side) run(ctx context.Context, packets <-chan packet) {
	s.reload()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		timer.Reset(time.Until(s.wake()))
		select {
		case <-ctx.Done():
			s.farewell(s.told())
			return
		case <-s.changed:
			s.reload()
		case p := <-packets:
			s.take(p)
		case <-timer.C:
			s.tick(time.Now())
		}
	}
}

// reload takes the services over.
func (s *side) reload() {
	s.services, s.changed = s.a.current()
	s.rebuild()
}

// rebuild makes the records anew, says farewell to those that are gone and
// begins to probe names that are new.
func (s *side) rebuild() {
	old := s.told()
	s.addrs = s.conn.Addrs()
	s.zone = newZone(s.services, s.hostLabel(), s.addrs, s.a.opts.Controllers)
	kept := make(map[string]bool, len(s.zone.records))
	for _, r := range s.zone.records {
		kept[r.key] = true
	}
	var gone []*record
	for _, r := range old {
		if !kept[r.key] {
			gone = append(gone, r)
			delete(s.sent, r.key)
		}
	}
	s.farewell(gone)
	clear(s.waiting)
	for name := range s.live {
		if !s.zone.unique[name] {
			delete(s.live, name)
		}
	}
	s.begin(time.Now())
}

// hostLabel is the first label of this host's name; after a conflict it has a
// number.
func (s *side) hostLabel() string {
	if s.suffix == 0 {
		return s.a.opts.Host
	}
	return s.a.opts.Host + "-" + strconv.Itoa(s.suffix+1)
}

// begin starts a phase for the names that are not ours yet; without any, what
// may have changed behind the others is announced.
func (s *side) begin(now time.Time) {
	s.step, s.phase = 0, phaseAnnouncing
	s.next = now
	if len(s.candidates(now)) > 0 {
		s.phase = phaseProbing
		s.next = now.Add(random(0, probeEvery))
	}
}

// candidates are the names to be probed.
func (s *side) candidates(now time.Time) []string {
	var names []string
	for name := range s.zone.unique {
		if !s.live[name] && !now.Before(s.resting[name]) {
			names = append(names, name)
		}
	}
	return names
}

// told are the records that the network may know.
func (s *side) told() []*record {
	var told []*record
	for _, r := range s.zone.records {
		if s.live[r.owner] {
			told = append(told, r)
		}
	}
	return told
}

// wake is when something is due next.
func (s *side) wake() time.Time {
	at := time.Now().Add(lookEvery)
	earlier := func(t time.Time) {
		if t.Before(at) {
			at = t
		}
	}
	if s.phase != phaseSteady {
		earlier(s.next)
	}
	for _, p := range s.waiting {
		earlier(p.due)
	}
	for _, t := range s.resting {
		earlier(t)
	}
	return at
}

// tick does what is due.
func (s *side) tick(now time.Time) {
	if !slices.Equal(s.addrs, s.conn.Addrs()) {
		s.rebuild()
	}
	rested := false
	for name, until := range s.resting {
		if !now.Before(until) {
			delete(s.resting, name)
			rested = true
		}
	}
	switch {
	case rested:
		s.begin(now)
	case s.phase == phaseProbing && !now.Before(s.next):
		s.probe(now)
	case s.phase == phaseAnnouncing && !now.Before(s.next):
		s.announce(now)
	}
	s.flush(now)
}

// probe asks whether anybody else has the names [RFC 6762 8.1].
func (s *side) probe(now time.Time) {
	names := s.candidates(now)
	if s.step++; s.step > probes {
		for _, name := range names {
			s.live[name] = true
		}
		s.phase, s.step = phaseAnnouncing, 0
		s.announce(now)
		return
	}
	s.next = now.Add(probeEvery)
	msg := new(dns.Msg)
	size := 0
	for _, name := range names {
		records := s.zone.byName[name]
		n := len(name) + 6
		for _, r := range records {
			n += dns.Len(r.rr)
		}
		if size+n > maxSend && size > 0 {
			s.multicast(msg)
			msg, size = new(dns.Msg), 0
		}
		size += n
		msg.Question = append(msg.Question, dns.Question{
			Name: name, Qtype: dns.TypeANY, Qclass: dns.ClassINET | unicastReply,
		})
		for _, r := range records {
			rr := dns.Copy(r.rr)
			rr.Header().Class &^= cacheFlush // [RFC 6762 10.2]
			msg.Ns = append(msg.Ns, rr)
		}
	}
	if size > 0 {
		s.multicast(msg)
	}
}

// announce tells everything unasked [RFC 6762 8.3].
func (s *side) announce(now time.Time) {
	if s.step++; s.step >= announcements {
		s.phase = phaseSteady
	}
	s.next = now.Add(announceEvery)
	s.tell(s.told(), now)
}

// tell multicasts records.
func (s *side) tell(records []*record, now time.Time) {
	if len(records) == 0 {
		return
	}
	answers := make([]dns.RR, len(records))
	for i, r := range records {
		answers[i] = r.rr
		s.sent[r.key] = now
	}
	for _, msg := range split(answers, s.extra(records)) {
		s.multicast(msg)
	}
}

// extra are the additional records that are ours.
func (s *side) extra(records []*record) []dns.RR {
	var extra []dns.RR
	for _, r := range s.zone.additional(records) {
		if s.live[r.owner] {
			extra = append(extra, r.rr)
		}
	}
	return extra
}

// farewell has everybody forget records [RFC 6762 10.1].
func (s *side) farewell(records []*record) {
	if len(records) == 0 {
		return
	}
	answers := make([]dns.RR, len(records))
	for i, r := range records {
		answers[i] = withTTL(r.rr, 0)
	}
	for _, msg := range split(answers, nil) {
		s.multicast(msg)
	}
}

func (s *side) multicast(msg *dns.Msg) { s.send(msg, netip.AddrPort{}) }

func (s *side) send(msg *dns.Msg, to netip.AddrPort) {
	if err := transmit(s.conn, s.a.metrics, msg, to); err != nil {
		s.a.opts.Log.Debug("a packet was not sent", zap.Error(err)) // it is counted, and asked for again
	}
}

// random is a duration between low and high.
func random(low, high time.Duration) time.Duration { return low + rand.N(high-low+1) }
