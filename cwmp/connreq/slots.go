// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package connreq

import (
	"context"
	"net/netip"
	"sync"
)

// slots bounds how many requests are on their way at a time: overall, and to each
// network. Safe for concurrent use.
type slots struct {
	all chan struct{}
	per int

	mu   sync.Mutex
	nets map[netip.Prefix]*network
}

type network struct {
	taken chan struct{}
	users int // who hold or wait for a slot
}

func newSlots(all, per int) *slots {
	return &slots{all: make(chan struct{}, all), per: per, nets: map[netip.Prefix]*network{}}
}

// acquire waits for a slot and returns what gives it back; nil if ctx ended first.
func (s *slots) acquire(ctx context.Context, p netip.Prefix) (release func()) {
	s.mu.Lock()
	n := s.nets[p]
	if n == nil {
		n = &network{taken: make(chan struct{}, s.per)}
		s.nets[p] = n
	}
	n.users++
	s.mu.Unlock()
	leave := func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if n.users--; n.users == 0 {
			delete(s.nets, p)
		}
	}
	select {
	case n.taken <- struct{}{}:
	case <-ctx.Done():
		leave()
		return nil
	}
	select { // only now, so that one network that is slow does not take them all
	case s.all <- struct{}{}:
	case <-ctx.Done():
		<-n.taken
		leave()
		return nil
	}
	return func() {
		<-s.all
		<-n.taken
		leave()
	}
}

// networkOf is the network of a CPE: 24 bits of an IPv4 address, 48 of an IPv6 one.
// All of which none is known count as one.
func networkOf(c *CPE) netip.Prefix {
	a := c.Source.Unmap().WithZone("")
	if !a.IsValid() {
		if u, err := parseURL(c.URL); err == nil {
			a, _ = netip.ParseAddr(u.Hostname())
			a = a.Unmap().WithZone("")
		}
	}
	bits := 24
	if a.Is6() {
		bits = 48
	}
	p, _ := a.Prefix(bits) // the zero Prefix for none
	return p
}
