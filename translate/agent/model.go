// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/model"
	"github.com/uspgate/uspgate/translate/profile"
	"github.com/uspgate/uspgate/usp/path"
)

// ModelKey says which CPE are of one model: those with the same data model and the same
// limits. The words are as the CPE has them, without space around them.
type ModelKey struct {
	Manufacturer    string `json:"manufacturer,omitempty"`
	OUI             string `json:"oui"` // in upper case
	ProductClass    string `json:"class,omitempty"`
	SoftwareVersion string `json:"version"`
}

// maxModelWord bounds each word of a ModelKey in bytes; TR-069 has 64 at most.
const maxModelWord = 256

// ModelKeyOf returns the model of a CPE; ok is false if it can not be told, or its words
// are none of a CPE: too long, or not UTF-8.
func ModelKeyOf(id cwmp.DeviceID, firmware string) (k ModelKey, ok bool) {
	d := id.Key()
	k = ModelKey{
		Manufacturer: strings.TrimSpace(id.Manufacturer), OUI: d.OUI, ProductClass: d.ProductClass,
		SoftwareVersion: strings.TrimSpace(firmware),
	}
	for _, word := range []string{k.Manufacturer, k.OUI, k.ProductClass, k.SoftwareVersion} {
		if len(word) > maxModelWord || !utf8.ValidString(word) {
			return k, false
		}
	}
	return k, k.OUI != "" && k.SoftwareVersion != ""
}

// Model is what is known of all CPE of one model. It is shared by their Agents and
// never changed, but for what it computes once.
type Model struct {
	Key ModelKey
	// Outline is what their trees are packed against; nil is an empty one.
	Outline *model.Outline
	// Sample is a CPE of the model without its values, nil if none was seen yet.
	Sample *model.Snapshot
	// Habits are what was learned by trying.
	Habits Habits
	// Supports are what its CPE have shown, by the Rules it was made with; a few at most.
	Supports []*Supports

	once      sync.Once
	supported *model.Supported
	offers    offers
}

// shown is what the CPE of the model support: what was kept of that with these Rules, else
// what the Sample supports; nothing if there is neither. It is computed at the first call;
// r and s have to be the same in all of them.
func (m *Model) shown(r *model.Rules, s *schema) shownModel {
	m.once.Do(func() {
		if kept := m.supportsWith(r.Sum()); kept != nil {
			m.supported, m.offers = kept.Objects, s.offersIn(kept.Commands)
		} else if m.Sample != nil {
			v := model.Restore(r, m.Sample, nil)
			m.supported, m.offers = v.Supported(), s.offered(v)
		}
	})
	return shownModel{m.supported, m.offers}
}

// Habits are what the gateway has learned of a model by a request that failed, so that
// it need not fail with every CPE. They are hints: what they say is tried first, and
// where it does not hold everything else is tried as for a CPE that is not known.
type Habits struct {
	// Names is how the CPE gives its names; empty if nothing is known.
	Names NamesBy `json:"names,omitempty"`
	// Batch is how many names the CPE takes at once; 0 if no limit is known.
	Batch int `json:"batch,omitempty"`
	// NextLevel is how that argument has to be written; empty if nothing is known
	// [quirk 49]. NoPartial: the CPE gives no values by object [quirk 54].
	NextLevel profile.Literal `json:"next_level,omitempty"`
	NoPartial bool            `json:"no_partial,omitempty"`
	// Refused are names, with {i}, that CPE announce and do not give [quirk 51],
	// Unwatchable those for which they do not take active notification. They are asked
	// for apart from others. Sorted, at most MaxRefused of each.
	Refused     []string `json:"refused,omitempty"`
	Unwatchable []string `json:"unwatchable,omitempty"`
}

// MaxRefused bounds the names in Habits.
const MaxRefused = 256

// NamesBy is a way to read all names of a CPE.
type NamesBy = profile.Names

// The ways, in the order in which they are tried.
const (
	NamesByRoot  = profile.NamesRoot
	NamesByEmpty = profile.NamesEmpty
	NamesByWalk  = profile.NamesWalk
)

// Merge returns h with what more says: its ways, the smaller batch, the refused names of
// both. H and more stay as they are.
func (h Habits) Merge(more Habits) Habits {
	if more.Names != "" {
		h.Names = more.Names
	}
	if more.Batch > 0 && (h.Batch == 0 || more.Batch < h.Batch) {
		h.Batch = more.Batch
	}
	h.NextLevel, h.NoPartial = cmp.Or(more.NextLevel, h.NextLevel), h.NoPartial || more.NoPartial
	h.Refused = mergeNames(h.Refused, more.Refused)
	h.Unwatchable = mergeNames(h.Unwatchable, more.Unwatchable)
	return h
}

// mergeNames returns what is in one of two lists, the first of which is sorted, as far
// as there is room.
func mergeNames(have, more []string) []string {
	all := slices.Clone(have)
	for _, name := range more {
		if at, ok := slices.BinarySearch(all, name); !ok && len(all) < MaxRefused {
			all = slices.Insert(all, at, name)
		}
	}
	return all
}

// Equal reports whether both say the same.
func (h Habits) Equal(other Habits) bool {
	return h.Names == other.Names && h.Batch == other.Batch && h.NextLevel == other.NextLevel &&
		h.NoPartial == other.NoPartial &&
		slices.Equal(h.Refused, other.Refused) && slices.Equal(h.Unwatchable, other.Unwatchable)
}

// apart puts those names last that are, with {i}, in a sorted list, and returns how
// many they are: each is asked for alone, so that the others need not be asked for
// again.
func apart(names, list []string) (sorted []string, alone int) {
	if len(list) == 0 {
		return names, 0
	}
	doubtful := func(name string) bool {
		_, ok := slices.BinarySearch(list, path.Generic(name))
		return ok
	}
	sorted = slices.DeleteFunc(slices.Clone(names), doubtful)
	for _, name := range names {
		if doubtful(name) {
			sorted = append(sorted, name)
			alone++
		}
	}
	return sorted, alone
}
