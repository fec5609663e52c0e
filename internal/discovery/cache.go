// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/uspgate/uspgate/usp"
)

// goodbyeIn is how long a record lives after its farewell [RFC 6762 10.1].
const goodbyeIn = time.Second

// fact is when something was heard and for how long it is true.
type fact struct {
	at  time.Time
	ttl time.Duration
}

func (f fact) until() time.Time         { return f.at.Add(f.ttl) }
func (f fact) valid(now time.Time) bool { return f.ttl > 0 && now.Before(f.until()) }

// instance is what is known of one Endpoint.
type instance struct {
	t    ServiceType
	id   usp.EndpointID
	name string // as it was heard

	ptr, srv, txt fact
	target        string // lower
	port          uint16
	props         properties

	resolved bool // enough is known to connect
	reported *Endpoint
	tries    int       // of questions since something was heard
	ask      time.Time // when to ask for what is missing or gets old
}

// cache is what a browser remembers. It is for one goroutine.
type cache struct {
	domain  string
	types   []ServiceType
	max     int
	minTTL  time.Duration // of what is heard by unicast, which nobody repeats
	emit    func(Event)
	entries map[string]*instance           // by lower name
	hosts   map[string]map[netip.Addr]fact // of targets, by lower name
}

func newCache(o *BrowseOptions) *cache {
	return &cache{
		domain: o.Domain, types: o.Services, max: o.MaxEntries, emit: o.Events,
		entries: make(map[string]*instance), hosts: make(map[string]map[netip.Addr]fact),
	}
}

// learn takes records over, at most maxRecords of them: first who is there, then
// where, so that their order does not matter.
func (c *cache) learn(records []dns.RR, now time.Time) {
	records = records[:min(len(records), maxRecords)]
	for _, rr := range records {
		if ptr, ok := rr.(*dns.PTR); ok {
			c.pointer(ptr, now)
		}
	}
	for _, rr := range records {
		switch rr := rr.(type) {
		case *dns.SRV:
			c.service(rr, now)
		case *dns.TXT:
			if e := c.entries[lower(rr.Hdr.Name)]; e != nil {
				e.txt, e.props = c.fact(rr, now), parseTXT(rr.Txt)
				e.heard(now)
			}
		}
	}
	for _, rr := range records {
		switch rr := rr.(type) {
		case *dns.A:
			c.addr(rr, rr.A, now)
		case *dns.AAAA:
			c.addr(rr, rr.AAAA, now)
		}
	}
	c.review(now)
}

// fact is how long rr is true.
func (c *cache) fact(rr dns.RR, now time.Time) fact {
	ttl := time.Duration(rr.Header().Ttl) * time.Second
	if ttl == 0 {
		return fact{now, goodbyeIn}
	}
	return fact{now, min(max(ttl, c.minTTL), maxTTL)}
}

// pointer takes an instance of a wanted service.
func (c *cache) pointer(rr *dns.PTR, now time.Time) {
	for _, t := range c.types {
		if !same(rr.Hdr.Name, t.in(c.domain)) {
			continue
		}
		name := lower(rr.Ptr)
		e := c.entries[name]
		if e == nil {
			id, err := t.endpointOf(rr.Ptr, c.domain)
			if err != nil || len(c.entries) >= c.max || rr.Hdr.Ttl == 0 {
				return
			}
			e = &instance{t: t, id: id, name: rr.Ptr, ask: now.Add(random(20*time.Millisecond, 120*time.Millisecond))}
			c.entries[name] = e
			e.ptr = c.fact(rr, now)
			return
		}
		e.ptr = c.fact(rr, now)
		e.heard(now)
		return
	}
}

// service takes where an instance is.
func (c *cache) service(rr *dns.SRV, now time.Time) {
	e := c.entries[lower(rr.Hdr.Name)]
	if e == nil {
		return
	}
	e.srv, e.target, e.port = c.fact(rr, now), lower(rr.Target), rr.Port
	if c.hosts[e.target] == nil && len(c.hosts) < c.max {
		c.hosts[e.target] = make(map[netip.Addr]fact)
	}
	e.heard(now)
}

// maxAddrs bounds the addresses of one host.
const maxAddrs = 16

// addr takes an address of a target.
func (c *cache) addr(rr dns.RR, ip []byte, now time.Time) {
	h := rr.Header()
	addrs := c.hosts[lower(h.Name)]
	a, ok := netip.AddrFromSlice(ip)
	if addrs == nil || !ok {
		return
	}
	a = a.Unmap()
	if h.Class&cacheFlush != 0 { // what was heard before this packet is old [RFC 6762 10.2]
		for other, f := range addrs {
			if now.Sub(f.at) > time.Second && other.Is4() == a.Is4() {
				addrs[other] = fact{now, goodbyeIn}
			}
		}
	}
	if _, known := addrs[a]; known || len(addrs) < maxAddrs {
		addrs[a] = c.fact(rr, now)
	}
}

// heard sets when to ask again.
func (e *instance) heard(now time.Time) {
	e.tries = 0
	e.again(now)
}

// complete reports whether SRV and TXT are there.
func (e *instance) complete(now time.Time) bool { return e.srv.valid(now) && e.txt.valid(now) }

// again sets the next time to ask: a second after the last question and twice as
// long each time while something is missing, else at 80, 85, 90 and 95 % of the
// shortest life [RFC 6762 5.2].
func (e *instance) again(now time.Time) {
	if !e.resolved || !e.complete(now) {
		e.ask = now.Add(min(time.Second<<min(e.tries, 10), time.Minute))
		if e.tries == 0 {
			e.ask = now.Add(100 * time.Millisecond)
		}
		return
	}
	oldest := e.ptr
	for _, f := range []fact{e.srv, e.txt} {
		if f.until().Before(oldest.until()) {
			oldest = f
		}
	}
	if e.tries > 3 {
		e.ask = oldest.until().Add(time.Hour) // it has gone by then
		return
	}
	e.ask = oldest.at.Add(oldest.ttl * time.Duration(80+5*e.tries) / 100)
	if e.ask.Before(now) {
		e.ask = now.Add(time.Second)
	}
}

// review reports what came, changed and went, and forgets what is over.
func (c *cache) review(now time.Time) {
	used := make(map[string]bool, len(c.hosts))
	for name, e := range c.entries {
		if !e.ptr.valid(now) || e.reported != nil && !e.srv.valid(now) {
			c.lose(name, e)
			continue
		}
		used[e.target] = true
		found, ok := c.endpoint(e, now)
		if ok != e.resolved {
			e.resolved = ok
			e.again(now)
		}
		if ok && (e.reported == nil || !e.reported.equal(&found)) {
			e.reported = &found
			c.emit(Event{Endpoint: found})
		}
	}
	for name, addrs := range c.hosts {
		for a, f := range addrs {
			if !f.valid(now) {
				delete(addrs, a)
			}
		}
		if !used[name] {
			delete(c.hosts, name)
		}
	}
}

// lose forgets an instance.
func (c *cache) lose(name string, e *instance) {
	delete(c.entries, name)
	if e.reported != nil {
		c.emit(Event{Lost: true, Endpoint: *e.reported})
	}
}

// endpoint is what is known of e, if that is enough to connect.
func (c *cache) endpoint(e *instance, now time.Time) (Endpoint, bool) {
	if !e.complete(now) || e.port == 0 {
		return Endpoint{}, false
	}
	found := Endpoint{
		EndpointID: e.id, Role: e.t.Role, Kind: e.t.Kind,
		Name: e.props.name, Path: e.props.path, Encrypt: e.props.encrypt, Host: e.target, Port: e.port,
	}
	for a, f := range c.hosts[e.target] {
		if f.valid(now) && !a.IsLinkLocalUnicast() || f.valid(now) && a.Is4() {
			found.Addrs = append(found.Addrs, a)
		}
	}
	slices.SortFunc(found.Addrs, netip.Addr.Compare)
	if len(found.Addrs) == 0 && isLocal(e.target) {
		return Endpoint{}, false
	}
	found.URL = found.address()
	return found, true
}

func isLocal(name string) bool { return strings.HasSuffix(name, "."+dns.Fqdn(Local)) }

// due returns the questions that e has now.
func (c *cache) due(e *instance, now time.Time) []dns.Question {
	if now.Before(e.ask) {
		return nil
	}
	e.tries++
	e.again(now)
	ask := []dns.Question{question(e.name, dns.TypeSRV), question(e.name, dns.TypeTXT)}
	if e.srv.valid(now) && isLocal(e.target) {
		ask = append(ask, question(e.target, dns.TypeA), question(e.target, dns.TypeAAAA))
	}
	return ask
}

// wake is when the first thing expires or is to be asked.
func (c *cache) wake(now time.Time) time.Time {
	at := now.Add(time.Hour)
	earlier := func(t time.Time) {
		if t.Before(at) {
			at = t
		}
	}
	for _, e := range c.entries {
		if c.minTTL == 0 {
			earlier(e.ask)
		}
		earlier(e.ptr.until())
		if e.srv.ttl > 0 && e.srv.valid(now) {
			earlier(e.srv.until())
		}
	}
	for _, addrs := range c.hosts {
		for _, f := range addrs {
			earlier(f.until())
		}
	}
	return at
}

func question(name string, t uint16) dns.Question {
	return dns.Question{Name: name, Qtype: t, Qclass: dns.ClassINET}
}
