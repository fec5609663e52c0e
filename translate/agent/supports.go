// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"slices"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/translate/model"
)

// Supports is what all CPE of one model have shown to support until now, and under tables
// of which none has shown a row what Device:2 says. It only grows. It is plain data that
// nobody changes.
type Supports struct {
	// Rules is the model.Rules.Sum it was made with: other Rules show something else, and
	// begin anew.
	Rules uint64
	// Grown counts how often there was something new.
	Grown uint64
	// Objects is the supported data model, without the Agent's own part.
	Objects *model.Supported
	// Commands are those that CPE have something for, as generic paths, sorted.
	Commands []string
}

// maxSupports is how many Supports a Model has: those of this gateway, and of the one
// before or after it while nodes are replaced.
const maxSupports = 2

// supportsWith returns what was shown with some Rules, nil if nothing was.
func (m *Model) supportsWith(rules uint64) *Supports {
	for _, s := range m.Supports {
		if s.Rules == rules {
			return s
		}
	}
	return nil
}

// Grow returns list with what more has and list has not: list itself if that is nothing,
// or too much, which full reports. The one that has grown is the first.
func (b SupportsBounds) Grow(list []*Supports, more *Supports) (grown []*Supports, full bool) {
	if more == nil {
		return list, false
	}
	next, rest := more, list
	if i := slices.IndexFunc(list, func(s *Supports) bool { return s.Rules == more.Rules }); i >= 0 {
		old := list[i]
		objects, commands := old.Objects.Union(more.Objects), mergeSorted(old.Commands, more.Commands)
		if objects == old.Objects && len(commands) == len(old.Commands) {
			return list, false
		}
		next = &Supports{Rules: old.Rules, Grown: old.Grown, Objects: objects, Commands: commands}
		rest = slices.Delete(slices.Clone(list), i, i+1)
	}
	if elements, bytes := next.Objects.Size(); elements > b.Elements || bytes > b.Bytes {
		return list, true
	}
	next = &Supports{Rules: next.Rules, Grown: next.Grown + 1, Objects: next.Objects, Commands: next.Commands}
	return append([]*Supports{next}, rest[:min(len(rest), maxSupports-1)]...), false
}

// SupportsBounds are what Supports may grow to.
type SupportsBounds struct {
	Elements int // objects and parameters
	Bytes    int // of memory, about
}

// mergeSorted returns what is in one of two sorted lists: the first itself, if that has all.
func mergeSorted(have, more []string) []string {
	all := have
	for _, s := range more {
		if at, ok := slices.BinarySearch(all, s); !ok {
			all = slices.Insert(slices.Clip(all), at, s)
		}
	}
	return all
}

// commandsIn returns the generic paths of the offers that are there, sorted; offersIn is the
// way back.
func (s *schema) commandsIn(o offers) []string {
	var list []string
	for i := range o {
		if o[i] {
			list = append(list, s.offers[i].object+s.offers[i].name)
		}
	}
	slices.Sort(list)
	return list
}

func (s *schema) offersIn(commands []string) offers {
	o := make(offers, len(s.offers))
	for i, c := range s.offers {
		_, o[i] = slices.BinarySearch(commands, c.object+c.name)
	}
	return o
}

// or returns what is in one of two; either may be nil.
func (o offers) or(other offers) offers {
	if len(o) == 0 {
		return other
	}
	all := slices.Clone(o)
	for i := range other {
		all[i] = all[i] || other[i]
	}
	return all
}

// sisters is what is known of the other CPE of the model.
type sisters struct {
	offers offers
	grown  uint64 // Supports.Grown of what was known last
	// updated: the CPE has another software version than the one whose names are known.
	updated bool
	// lacks are the objects that the CPE has not, of those that its model has; at most
	// maxLacks of them. They were looked for in that state of the View.
	lacks  []string
	of     *model.Supported
	shapes uint64
}

// maxLacks bounds the objects in State.Lacks.
const maxLacks = 64

// update is for a CPE that has another software version: what was shown until now does not
// count any more once its names are read. The lock is held.
func (s *sisters) update() { *s = sisters{updated: true} }

// began is called before the names of the CPE are taken. The lock is held.
func (a *Agent) began() {
	if a.sisters.updated && a.view != nil {
		a.view.Forget()
	}
	a.sisters.updated = false
}

// meetSisters takes in what other CPE of the model have shown. It blocks as the Keeper
// does, and must not be called with the lock held.
func (a *Agent) meetSisters() {
	if m := a.model(); m != nil {
		s := m.shown(a.host.opts.Rules, a.host.schema)
		a.lock()
		defer a.unlock()
		a.extend(m, s)
	}
}

// extend is meetSisters for a model that is at hand. The lock is held.
func (a *Agent) extend(m *Model, s shownModel) {
	if key, ok := ModelKeyOf(a.identity, a.firmware()); a.view == nil || a.sisters.updated || !ok || key != m.Key ||
		m.Sample != nil && m.Sample.Root != a.view.Root() {
		return
	}
	a.view.Extend(s.supported)
	a.sisters.offers = s.offers.or(a.sisters.offers)
	if own := m.supportsWith(a.host.opts.Rules.Sum()); own != nil && own.Grown > a.sisters.grown {
		a.sisters.grown = own.Grown
		a.changed()
	}
}

// supports returns what the CPE and its sisters have shown, to be learned. The lock is held.
func (a *Agent) supports() *Supports {
	s := a.shownOfCPE()
	return &Supports{
		Rules: a.host.opts.Rules.Sum(), Objects: s.supported, Commands: a.host.schema.commandsIn(s.offers),
	}
}

// compareWithSisters notes what the CPE lacks of what its model has, and counts it if it
// turns out to. The lock is held.
func (a *Agent) compareWithSisters() {
	if a.view == nil || !a.disc.known || a.sisters.updated {
		return
	}
	all, shapes := a.view.Supported(), a.view.Shapes()
	if a.sisters.of == all && a.sisters.shapes == shapes {
		return
	}
	a.sisters.of, a.sisters.shapes = all, shapes
	lacks := a.view.Shown().Lacks(all)
	lacks = slices.Clip(lacks[:min(len(lacks), maxLacks)])
	if slices.Equal(lacks, a.sisters.lacks) {
		return
	}
	if len(lacks) > len(a.sisters.lacks) {
		a.host.metrics.lacking.Inc()
		a.log.Debug("a CPE lacks objects of its model", zap.Strings("objects", lacks))
	}
	a.sisters.lacks = lacks
	a.changed()
}
