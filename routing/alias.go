// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/uspgate/uspgate/routing/buffer"
	"github.com/uspgate/uspgate/usp"
)

// Alias is another ID of an Endpoint. Records to it go where those to the
// Endpoint go, unchanged and in order with them; Records from it are taken from
// whoever may speak for the Endpoint.
type Alias struct {
	Alias    usp.EndpointID
	Endpoint usp.EndpointID
}

// aliases are those in force. An address is in the table under each of its IDs,
// so that a Record to an alias costs no look-up more.
type aliases struct {
	list []Alias
	of   map[usp.EndpointID]usp.EndpointID   // Endpoint, by alias
	all  map[usp.EndpointID][]usp.EndpointID // aliases, by Endpoint
}

// canon is the Endpoint ID for which id stands: itself, unless it is an alias.
func (r *Router) canon(id usp.EndpointID) usp.EndpointID {
	if a := r.aliases.Load(); a != nil {
		if own, ok := a.of[id]; ok {
			return own
		}
	}
	return id
}

// same reports whether two IDs stand for one Endpoint.
func (r *Router) same(a, b usp.EndpointID) bool {
	return a == b || r.aliases.Load() != nil && r.canon(a) == r.canon(b)
}

// Aliases returns the aliases in force.
func (r *Router) Aliases() []Alias {
	if a := r.aliases.Load(); a != nil {
		return slices.Clone(a.list)
	}
	return nil
}

// SetAliases replaces the aliases. An ID that has a Link of its own, or for
// which something waits, does not become an alias: then, as for a list that
// contradicts itself, there is an error and nothing changes. What is on its way
// to an alias that goes still arrives at its Endpoint.
func (r *Router) SetAliases(list []Alias) error {
	now, err := newAliases(list)
	if err != nil {
		return err
	}
	r.routesMu.Lock()
	defer r.routesMu.Unlock()
	before := r.aliases.Load()
	if now != nil {
		for alias := range now.of {
			if before != nil && before.of[alias] != "" {
				continue
			}
			if err := r.vacate(alias); err != nil {
				return err
			}
		}
	}
	r.aliases.Store(now)
	if before != nil {
		for alias := range before.of {
			r.table.unname(alias)
		}
	}
	if now != nil {
		for _, id := range now.of {
			for _, role := range everyRole {
				if e := r.table.get(usp.Address{ID: id, Role: role}); e != nil {
					r.nameAliases(e)
				}
			}
		}
	}
	return nil
}

var everyRole = [...]usp.Role{usp.RoleUnknown, usp.RoleAgent, usp.RoleController}

func newAliases(list []Alias) (*aliases, error) {
	if len(list) == 0 {
		return nil, nil //nolint:nilnil // none is the usual case
	}
	a := &aliases{
		list: slices.Clone(list),
		of:   make(map[usp.EndpointID]usp.EndpointID), all: make(map[usp.EndpointID][]usp.EndpointID),
	}
	for _, l := range list {
		switch {
		case l.Alias == "" || l.Endpoint == "" || l.Alias == l.Endpoint:
			return nil, errors.New("routing: an alias has to name two Endpoint IDs")
		case a.of[l.Alias] != "":
			return nil, fmt.Errorf("routing: alias %q is listed twice", l.Alias)
		}
		a.of[l.Alias] = l.Endpoint
		a.all[l.Endpoint] = append(a.all[l.Endpoint], l.Alias)
	}
	for _, l := range list {
		if a.of[l.Endpoint] != "" {
			return nil, fmt.Errorf("routing: %q is an alias, and has alias %q", l.Endpoint, l.Alias)
		}
	}
	return a, nil
}

// vacate forgets what the table has under an ID that is to be an alias.
func (r *Router) vacate(id usp.EndpointID) error {
	for _, role := range everyRole {
		e := r.table.get(usp.Address{ID: id, Role: role})
		if e == nil {
			continue
		}
		if !e.leave(true) {
			return fmt.Errorf("routing: %s can not be an alias: it has a Link, or Records wait for it", e.addr)
		}
		r.table.remove(e)
	}
	return nil
}

// nameAliases enters e under its aliases.
func (r *Router) nameAliases(e *endpoint) {
	a := r.aliases.Load()
	if a == nil {
		return
	}
	for _, alias := range a.all[e.addr.ID] {
		r.table.name(usp.Address{ID: alias, Role: e.addr.Role}, e)
	}
	if e.gone.Load() {
		r.table.remove(e) // it went meanwhile
	}
}

// name enters e under another address.
func (t *table) name(a usp.Address, e *endpoint) {
	s := t.part(a.ID)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.m == nil {
		s.m = make(map[usp.Address]*endpoint)
	}
	s.m[a] = e
}

// unname takes out what stands under an alias.
func (t *table) unname(alias usp.EndpointID) {
	s := t.part(alias)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, role := range everyRole {
		a := usp.Address{ID: alias, Role: role}
		if e := s.m[a]; e != nil && e.addr != a {
			delete(s.m, a)
		}
	}
}

// adopt moves what waits for an alias, from before it was one, behind what
// waits for its Endpoint. The Router is not in use yet.
func (r *Router) adopt(from buffer.Lane) error {
	to := buffer.Lane{To: usp.Address{ID: r.canon(from.To.ID), Role: from.To.Role}, From: r.canon(from.From)}
	for {
		items, err := r.o.Buffer.Read(r.ctx, from, 0, r.o.DrainRecords, r.o.DrainBytes)
		if err != nil || len(items) == 0 {
			return err
		}
		done := make(chan error, len(items))
		for _, item := range items {
			item.Lane = to
			r.o.Buffer.Put(item, func(_ uint64, err error) { done <- err })
		}
		for range items {
			err = errors.Join(err, <-done)
		}
		if err != nil {
			return err
		}
		if err := r.o.Buffer.Remove(r.ctx, from, items[len(items)-1].Seq); err != nil {
			return err
		}
	}
}

func cloneID(id usp.EndpointID) usp.EndpointID { return usp.EndpointID(strings.Clone(string(id))) }
