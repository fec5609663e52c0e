// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"fmt"
	"strings"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/device"
	"github.com/uspgate/uspgate/usp/path"
)

// rester is a Device that knows by what its Informs are told that need not wake its
// Observer, and what they have said meanwhile. *device.Device is one.
type rester interface {
	Rest(deaf uint64) device.Rest
	Told() []cwmp.ParameterValue
	ToldKept() error
}

// sleepsBy is by what the Agent would sleep, were it to fall asleep now. The lock is held.
func (a *Agent) sleepsBy() device.Rest {
	unmoved := len(a.told) == 0 && a.revision() == a.saving.risen
	switch {
	case !a.calm():
		return device.Rest{}
	case unmoved && a.view.Folded() > 0: // what follows was so before
		return a.saving.by
	case !a.quiet():
		return device.Rest{}
	case unmoved:
		return a.saving.by
	}
	if d, ok := a.dev.(rester); ok && a.unmoved() {
		return d.Rest(a.deaf())
	}
	return device.Rest{}
}

// lasting is what of it is stored: not which Inform was the last one, as that changes
// while the Agent sleeps. After a restart of the gateway the Agent has to tell Controllers
// that on-boarding is not over, when its CPE comes [R-NOT.6a]. The lock is held.
func (a *Agent) lasting(r device.Rest) device.Rest {
	r.Whole = 0
	a.local.each(controllerTable, func(row string) {
		if a.local.isTrue(row+"Enable") && !a.local.isTrue(row+"OnBoardingComplete") {
			r = device.Rest{}
		}
	})
	return r
}

// compose makes ready to sleep: by what the Agent would do so is to be stored.
func (a *Agent) compose() {
	a.lock()
	defer a.unlock()
	if r := a.lasting(a.sleepsBy()); a.idle() && r != a.saving.rest {
		a.saving.rest, a.saving.dirty = r, true
	}
}

// deaf says of the parameters of the last Inform whose values can wait until the Agent is
// awake: bit i for the i-th. The lock is held.
func (a *Agent) deaf() (bits uint64) {
	heard, all := a.listened()
	if all {
		return 0
	}
	for i := range a.told[:min(len(a.told), 64)] {
		if name := a.told[i].Name; !heard[name] && !alwaysHeard(name) {
			bits |= 1 << i
		}
	}
	return bits
}

// listened returns the CPE's names about whose values a Controller wants to be told; all:
// there may be others. The lock is held.
func (a *Agent) listened() (names map[string]bool, all bool) {
	var refs []path.Path
	for _, s := range a.subs.list {
		if s.typ == notifValueChange {
			refs = append(refs, s.refs...)
		}
	}
	for _, th := range a.thresholds {
		refs = append(refs, th.path)
	}
	names = make(map[string]bool)
	for _, ref := range refs {
		if ref.Kind() != path.Parameter || ref.IsSearch() {
			return nil, true
		}
		for _, name := range a.view.Sources(ref.String()) {
			names[name], all = true, all || cwmp.IsPartialPath(name)
		}
	}
	return names, all
}

// alwaysHeard reports a parameter whose value the Agent itself has to know of at once:
// which data model and firmware there is, whether the CPE has been configured by another,
// which rows it has.
func alwaysHeard(name string) bool {
	_, leaf, _ := cutRoot(name)
	switch leaf {
	case "DeviceInfo.SoftwareVersion", "DeviceInfo.HardwareVersion", "DeviceSummary", "RootDataModelVersion",
		"ManagementServer.ParameterKey":
		return true
	default:
		return strings.HasSuffix(name, "NumberOfEntries")
	}
}

// hear takes what Informs have said while the Agent, of which s is stored, slept by what
// by says: nobody has wanted to be told of it. The lock is held.
func (a *Agent) hear(by device.Rest, s *State) {
	a.saving.by = by
	if s != nil && !a.saving.dirty {
		a.saving.rest = s.Rest
	}
	if d, ok := a.dev.(rester); ok && a.view != nil {
		if told := d.Told(); len(told) > 0 {
			a.view.Observe(told)
			a.saving.told, a.saving.by.Whole = true, 0
		}
	}
	a.saving.risen = a.revision()
}

// toldKept lets go of what hear has taken, once the tree is saved.
func (a *Agent) toldKept() error {
	a.lock()
	d, ok := a.dev.(rester)
	due := ok && a.saving.told
	a.saving.told = false
	a.unlock()
	if !due {
		return nil
	}
	if err := d.ToldKept(); err != nil {
		a.lock()
		defer a.unlock()
		a.saving.told = true
		return fmt.Errorf("agent: device of %s: %w", a.id, err)
	}
	return nil
}
