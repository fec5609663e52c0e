// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/uspgate/uspgate/usp"
)

// cacheFlush is the top bit of the class of a record that is the only one of its
// name and type, unicastReply that of a question which asks for it.
const (
	cacheFlush   = 1 << 15
	unicastReply = 1 << 15
)

// record is one record of ours.
type record struct {
	rr  dns.RR
	key string
	// owner is the name that must be ours before the record is told.
	owner string
}

func (r *record) ttl() time.Duration { return time.Duration(r.rr.Header().Ttl) * time.Second }

// zone is what we tell on one interface.
type zone struct {
	records []*record
	byName  map[string][]*record
	unique  map[string]bool // names that are probed
}

// recordKey tells records apart by name, type and data.
func recordKey(rr dns.RR) string {
	h := rr.Header()
	data := strings.TrimPrefix(rr.String(), h.String())
	if h.Rrtype != dns.TypeTXT {
		data = lower(data)
	}
	return lower(h.Name) + " " + strconv.Itoa(int(h.Rrtype)) + " " + data
}

func (z *zone) add(owner string, rr dns.RR) {
	r := &record{rr: rr, key: recordKey(rr), owner: lower(owner)}
	name := lower(rr.Header().Name)
	for _, other := range z.byName[name] {
		if other.key == r.key {
			return
		}
	}
	z.records = append(z.records, r)
	z.byName[name] = append(z.byName[name], r)
	if rr.Header().Class&cacheFlush != 0 {
		z.unique[name] = true
	}
}

func header(name string, rrtype uint16, ttl time.Duration, unique bool) dns.RR_Header {
	h := dns.RR_Header{Name: name, Rrtype: rrtype, Class: dns.ClassINET, Ttl: uint32(ttl / time.Second)}
	if unique {
		h.Class |= cacheFlush
	}
	return h
}

// newZone makes the records of services on a host with addrs.
func newZone(services []Service, host string, addrs []netip.Addr, controllers bool) *zone {
	z := &zone{byName: make(map[string][]*record), unique: make(map[string]bool)}
	own := host + "." + dns.Fqdn(Local)
	for i := range services {
		s := &services[i]
		target, at := own, addrs
		if s.Host != "" {
			target, at = dns.Fqdn(s.Host), s.Addrs
			if !strings.Contains(s.Host, ".") {
				target += dns.Fqdn(Local)
			}
		}
		z.service(s, target, controllers)
		if strings.HasSuffix(lower(target), "."+dns.Fqdn(Local)) {
			z.host(target, at)
		}
	}
	return z
}

// service adds what makes an instance known.
func (z *zone) service(s *Service, target string, controllers bool) {
	t := ServiceType{s.Role, s.Kind}
	instance := t.instance(s.EndpointID, Local)
	z.add(instance, &dns.SRV{
		Hdr: header(instance, dns.TypeSRV, hostTTL, true), Target: target, Port: s.Port,
	})
	z.add(instance, &dns.TXT{Hdr: header(instance, dns.TypeTXT, serviceTTL, true), Txt: s.txtStrings()})
	if s.Role == usp.RoleController && !controllers {
		return // found by whoever asks for the instance
	}
	z.pointer(instance, t.in(Local), instance)
	z.pointer(instance, metaQuery+dns.Fqdn(Local), t.in(Local))
	for _, sub := range s.Subtypes {
		z.pointer(instance, escapeLabel(sub)+"._sub."+t.in(Local), instance)
	}
}

func (z *zone) pointer(owner, name, target string) {
	z.add(owner, &dns.PTR{Hdr: header(name, dns.TypePTR, serviceTTL, false), Ptr: target})
}

// host adds addresses; those of loopback only if there are no others.
func (z *zone) host(name string, addrs []netip.Addr) {
	only := slices.ContainsFunc(addrs, func(a netip.Addr) bool { return !a.IsLoopback() })
	for _, a := range addrs {
		switch {
		case only && a.IsLoopback():
		case a.Is4():
			z.add(name, &dns.A{Hdr: header(name, dns.TypeA, hostTTL, true), A: a.AsSlice()})
		default:
			z.add(name, &dns.AAAA{Hdr: header(name, dns.TypeAAAA, hostTTL, true), AAAA: a.WithZone("").AsSlice()})
		}
	}
}

// lookup returns the records that a question is about.
func (z *zone) lookup(q dns.Question) []*record {
	if class := q.Qclass &^ unicastReply; class != dns.ClassINET && class != dns.ClassANY {
		return nil
	}
	named := z.byName[lower(q.Name)]
	if q.Qtype == dns.TypeANY {
		return named
	}
	var found []*record
	for _, r := range named {
		if r.rr.Header().Rrtype == q.Qtype {
			found = append(found, r)
		}
	}
	return found
}

// additional returns what whoever gets the answers will want next
// [RFC 6763 12].
func (z *zone) additional(answers []*record) []*record {
	var more []*record
	seen := make(map[*record]bool, len(answers))
	for _, r := range answers {
		seen[r] = true
	}
	follow := func(name string) []*record {
		var found []*record
		for _, r := range z.byName[lower(name)] {
			if !seen[r] {
				seen[r] = true
				found = append(found, r)
			}
		}
		return found
	}
	for next := answers; len(next) > 0; {
		var found []*record
		for _, r := range next {
			switch rr := r.rr.(type) {
			case *dns.PTR:
				if rr.Hdr.Name != metaQuery+dns.Fqdn(Local) {
					found = append(found, follow(rr.Ptr)...)
				}
			case *dns.SRV:
				found = append(found, follow(rr.Target)...)
			}
		}
		more = append(more, found...)
		next = found
	}
	return more
}
