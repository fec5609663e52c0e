// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cohort

import (
	"cmp"
	"slices"
	"strings"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/profile"
)

// Match reports whether a CPE is meant. The SoftwareVersion is that of its last Inform,
// empty while it is not known; tags are those of the inventory. Who asks often makes a
// Matcher of the Selector.
func (s *Selector) Match(id cwmp.DeviceID, softwareVersion string, tags ...string) bool {
	return NewMatcher(s).Match(id, softwareVersion, tags...)
}

// Matcher is a Selector made ready. It does not change; safe for concurrent use.
type Matcher struct {
	manufacturer, oui, productClass, softwareVersion, serial, tag anyOf
	from, to                                                      string
	percent                                                       Percent
	seed                                                          string
}

// NewMatcher makes a Selector ready, which it does not keep.
func NewMatcher(s *Selector) *Matcher {
	return &Matcher{
		manufacturer: ready(s.Manufacturer), oui: ready(s.OUI), productClass: ready(s.ProductClass),
		softwareVersion: ready(s.SoftwareVersion), serial: ready(s.Serial), tag: ready(s.Tag),
		from: s.SerialFrom, to: s.SerialTo, percent: s.Percent, seed: s.Seed,
	}
}

// Match is that of Selector.
func (m *Matcher) Match(id cwmp.DeviceID, softwareVersion string, tags ...string) bool {
	id = cwmp.DeviceID{
		Manufacturer: strings.TrimSpace(id.Manufacturer), OUI: id.Key().OUI,
		ProductClass: id.Key().ProductClass, SerialNumber: id.Key().SerialNumber,
	}
	return m.oui.fit(id.OUI) && m.productClass.fit(id.ProductClass) && m.manufacturer.fit(id.Manufacturer) &&
		m.softwareVersion.fit(softwareVersion) && m.serial.fit(id.SerialNumber) && m.inRange(id.SerialNumber) &&
		(len(m.tag) == 0 || slices.ContainsFunc(tags, m.tag.fit)) && m.inShare(id)
}

func (m *Matcher) inRange(serial string) bool {
	return (m.from == "" || compareSerials(m.from, serial) <= 0) && (m.to == "" || compareSerials(serial, m.to) <= 0)
}

func (m *Matcher) inShare(id cwmp.DeviceID) bool {
	return m.percent <= 0 || m.percent >= hundred || Place(id, m.seed) < int(m.percent)
}

// compareSerials has the order of Selector.SerialFrom.
func compareSerials(a, b string) int {
	a, b = strings.ToUpper(strings.TrimSpace(a)), strings.ToUpper(strings.TrimSpace(b))
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}

// anyOf are patterns of which one has to fit; none fit anything.
type anyOf []profile.Pattern

func ready(p Patterns) anyOf {
	var list anyOf
	for _, text := range p {
		list = append(list, profile.NewPattern(text))
	}
	return list
}

func (l anyOf) fit(s string) bool {
	return len(l) == 0 || slices.ContainsFunc(l, func(p profile.Pattern) bool { return p.Fits(s) })
}
