// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/profile"
	"github.com/uspgate/uspgate/translate/transfer"
	"github.com/uspgate/uspgate/usp/path"
)

// Profile is what Habits say, for those who read it. The names that a CPE does not give
// are not in it: they are asked for all the same.
func (h Habits) Profile() profile.Profile {
	return profile.Profile{
		Names: h.Names, Batch: h.Batch, NextLevel: h.NextLevel, NoPartial: h.NoPartial,
	}
}

// written returns what Options.Profiles say of the CPE. The lock is held.
func (a *Agent) written() profile.Profile {
	if a.host.opts.Profiles == nil {
		return profile.Profile{}
	}
	return a.host.opts.Profiles.Of(profile.Model{
		Manufacturer: strings.TrimSpace(a.identity.Manufacturer), OUI: a.identity.Key().OUI,
		ProductClass: a.identity.Key().ProductClass, SoftwareVersion: strings.TrimSpace(a.firmware()),
	})
}

// manner is how a CPE is read.
type manner struct {
	batch    int
	noObject bool     // it gives no values by object
	ignore   []string // see profile.Profile
}

// manner returns how the CPE is read by now: by what is written of it, and what it has
// shown.
func (a *Agent) manner() manner {
	a.lock()
	defer a.unlock()
	p := a.written()
	m := manner{batch: a.fresh.batch, noObject: a.fresh.noObjects || p.NoPartial, ignore: p.Ignore}
	if p.Batch > 0 {
		m.batch = min(m.batch, p.Batch)
	}
	return m
}

// ignores reports whether a name is never asked for.
func (m *manner) ignores(name string) bool {
	return len(m.ignore) > 0 && slices.ContainsFunc(m.ignore, func(is string) bool {
		generic := path.Generic(name)
		return generic == is || cwmp.IsPartialPath(is) && strings.HasPrefix(generic, is)
	})
}

// ignoresIn reports whether something in an object is never asked for.
func (m *manner) ignoresIn(object string) bool {
	return len(m.ignore) > 0 && slices.ContainsFunc(m.ignore, func(is string) bool {
		return strings.HasPrefix(is, path.Generic(object))
	})
}

// words reports how NextLevel is written: as the CPE has taken it, else as is written of
// it. The lock is held.
func (a *Agent) words() bool {
	if a.fresh.nextLevel == "" && a.host.opts.Profiles == nil {
		return false
	}
	return cmp.Or(a.fresh.nextLevel, a.written().NextLevel) == profile.Words
}

// transferForm is how the CPE wants its transfers. The lock is held.
func (a *Agent) transferForm() (form transfer.Form, wait time.Duration, unreliable bool) {
	p := a.written()
	return transfer.Form(p.Download), p.TransferWait, p.TransferCompleteUnreliable
}
