// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"cmp"
	"maps"
	"slices"
	"unique"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/usp"
)

// membership is which Defaults an Agent has, and what follows from it. Its lock guards
// it.
type membership struct {
	of *standing
	// newborn: the Agent was made and its CPE has not come yet.
	newborn bool
	// unshown: nobody was told of the Agent, as it was not known who is to be.
	unshown bool
	version string // the SoftwareVersion that counts
	tags    []string
	given   map[string][]string // of State.Given
	// giving: a Seed is given just now.
	giving bool
}

// standing is what follows the configuration. It is shared and does not change.
type standing struct {
	fits        []*defaults
	controllers []Controller
	roles       []Role
}

// cohorts is what a Host knows of Defaults. It does not change.
type cohorts struct {
	list []defaults
	all  standing // of an Agent in no cohort
	// byVersion: who has which Controllers and Roles depends on the SoftwareVersion, byTag
	// that something does on tags.
	byVersion, byTag bool
}

func newCohorts(o *Options) (*cohorts, error) {
	list, err := o.readyDefaults()
	if err != nil {
		return nil, err
	}
	c := &cohorts{list: list, all: standing{controllers: o.Controllers, roles: o.Roles}}
	for i := range list {
		c.byVersion = c.byVersion || list[i].byVersion
		c.byTag = c.byTag || len(list[i].Select.Tag) > 0
	}
	return c, nil
}

// standing returns what the configuration has for a CPE.
func (c *cohorts) standing(id cwmp.DeviceID, version string, tags []string) *standing {
	if len(c.list) == 0 {
		return &c.all
	}
	s := &standing{controllers: c.all.controllers, roles: slices.Clip(c.all.roles)}
	for i := range c.list {
		d := &c.list[i]
		if !d.match.Match(id, version, tags...) {
			continue
		}
		s.fits = append(s.fits, d)
		s.roles = append(s.roles, d.Roles...)
		if len(d.Controllers) > 0 {
			s.controllers = c.pick(d.Controllers)
		}
	}
	return s
}

// pick returns Controllers of the Host with what Defaults say of them.
func (c *cohorts) pick(list []DefaultController) []Controller {
	var picked []Controller
	for _, want := range list {
		for _, have := range c.all.controllers {
			if have.EndpointID != want.EndpointID {
				continue
			}
			have.Role = cmp.Or(want.Role, have.Role)
			have.ProvisioningCode = cmp.Or(want.ProvisioningCode, have.ProvisioningCode)
			have.PeriodicNotifInterval = cmp.Or(want.PeriodicNotifInterval, have.PeriodicNotifInterval)
			picked = append(picked, have)
		}
	}
	return picked
}

// nobody is what an Agent has while it is not known of which cohort it is.
func nobody() *standing { return &standing{} }

// tagsOf asks for the tags of a CPE, if they count. It may block.
func (h *Host) tagsOf(id cwmp.DeviceID) []string {
	if !h.cohorts.byTag || h.opts.Tags == nil {
		return nil
	}
	return h.opts.Tags(id)
}

// join makes the membership of an Agent that is taken into memory. The lock is held.
func (a *Agent) join(s *State, tags []string) {
	c := a.host.cohorts
	m := &a.member
	m.tags, m.newborn = tags, s == nil || s.Newborn
	if s != nil {
		m.version, m.given = s.Firmware, maps.Clone(s.Given)
	}
	if a.undecided() {
		m.of = nobody()
		return
	}
	m.of = c.standing(a.identity, m.version, tags)
}

// given are the Controllers that the configuration gives this Agent, none where it names
// none at all. The lock is held.
func (a *Agent) given() []Controller { return a.member.of.controllers }

// roles are the Roles that it gives this Agent. The lock is held.
func (a *Agent) roles() []Role { return a.member.of.roles }

// mayControl reports whether the configuration lets c control this Agent: it gives it c,
// or names nobody. The lock is held.
func (a *Agent) mayControl(c usp.EndpointID) bool {
	return len(a.host.opts.Controllers) == 0 || has(a.given(), c)
}

func has(list []Controller, c usp.EndpointID) bool {
	return slices.ContainsFunc(list, func(have Controller) bool { return have.EndpointID == c })
}

// settle is called for each Inform, when its SoftwareVersion is known and before anybody
// is told of anything. The Agent gets what its cohorts have for it if it is new, and loses
// and gets what follows the configuration if it is of others with that firmware. The lock
// is held.
func (a *Agent) settle() {
	m, c := &a.member, a.host.cohorts
	if !m.newborn && (m.version == a.boot.firmware || len(c.list) == 0) {
		return
	}
	a.changed()
	if len(c.list) == 0 {
		m.newborn = false
		return
	}
	before := m.of
	m.version = a.boot.firmware
	m.of = c.standing(a.identity, m.version, m.tags)
	t := a.local.begin()
	a.restoreTrust(t)
	for _, old := range before.controllers {
		row := a.controllerRow(old.EndpointID)
		if row != "" && a.local.values[row+hiddenOrigin] == "" && !has(m.of.controllers, old.EndpointID) {
			t.remove(row)
		}
	}
	for i := range m.of.controllers {
		a.restoreController(t, &m.of.controllers[i])
	}
	t.commit()
	t = a.local.begin()
	a.giveDefaults(t)
	m.newborn = false
	t.commit()
	for i := range m.of.controllers {
		if id := m.of.controllers[i].EndpointID; m.unshown || !has(before.controllers, id) {
			a.post(usp.NewWebSocketConnect(a.id, id))
		}
	}
	m.unshown = false
}

// introduce tells of the Agent whom ShownTo has left out, now if it is known who that is.
func (a *Agent) introduce() {
	a.lock()
	defer a.unlock()
	m := &a.member
	m.unshown = a.undecided()
	for i := range m.of.controllers {
		a.post(usp.NewWebSocketConnect(a.id, m.of.controllers[i].EndpointID))
	}
}

// undecided reports that it is not known yet who controls the Agent. The lock is held.
func (a *Agent) undecided() bool { return a.member.newborn && a.host.cohorts.byVersion }

// ShownTo returns the Controllers that are to be told of an Agent, by Connect Records
// [R-MTP.6]: those that the configuration gives it. Where that depends on a
// SoftwareVersion that is not known yet it is nobody: the Agent sends its Connect Records
// itself once it is, and to each Controller that it is given later. It may block as
// Options.Tags does.
func (h *Host) ShownTo(id usp.EndpointID) []usp.EndpointID {
	r := &h.registry
	r.mu.Lock()
	e := r.byID[id]
	var of *standing
	switch {
	case e == nil:
		r.mu.Unlock()
		return nil
	case len(h.cohorts.list) == 0:
		of = &h.cohorts.all
	case e.agent != nil:
		of = e.agent.toldOf()
	case h.cohorts.byVersion && e.firmware == "":
		e.unshown, of = true, nobody()
	}
	identity, firmware := e.identity, e.firmware
	r.mu.Unlock()
	if of == nil {
		of = h.cohorts.standing(identity, firmware, h.tagsOf(identity))
	}
	ids := make([]usp.EndpointID, len(of.controllers))
	for i := range of.controllers {
		ids[i] = of.controllers[i].EndpointID
	}
	return ids
}

// toldOf is the part of ShownTo for an Agent in memory.
func (a *Agent) toldOf() *standing {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.member.unshown = a.undecided()
	return a.member.of
}

// noteFirmware keeps the SoftwareVersion of an Agent that sleeps, if it counts;
// registry.mu is held.
func (h *Host) noteFirmware(e *entry, version string) {
	if h.cohorts.byVersion {
		e.firmware = unique.Make(version).Value()
	}
}

// DefaultsStatus is what an Agent has of Defaults.
type DefaultsStatus struct {
	Name string
	Fits bool // they are for its CPE
	// Given of Of Seeds were given in the form that they have now.
	Given, Of int
}

// DefaultsOf returns those Defaults that are for a CPE, or of which its Agent was given
// something: given is that of its State.
func (h *Host) DefaultsOf(id cwmp.DeviceID, version string, tags []string, given map[string][]string) []DefaultsStatus {
	var list []DefaultsStatus
	for i := range h.cohorts.list {
		d := &h.cohorts.list[i]
		s := DefaultsStatus{Name: d.Name, Fits: d.match.Match(id, version, tags...), Of: len(d.marks)}
		for _, mark := range d.marks {
			if slices.Contains(given[d.Name], mark) {
				s.Given++
			}
		}
		if s.Fits || s.Given > 0 {
			list = append(list, s)
		}
	}
	return list
}
