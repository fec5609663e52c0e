// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"time"

	"github.com/uspgate/uspgate/usp/path"
)

// MaxFreshnessRules bounds Options.FreshnessRules: each path of a request is compared with
// all of them.
const MaxFreshnessRules = 64

// FreshnessRule says how old the values of a part of the data model may be that answer a
// read without asking the CPE. Of several that cover a path the one with the longest Path
// counts; where none does, Options.Freshness.
type FreshnessRule struct {
	// Path is an object of Device:2, with all that is in it, or a parameter. Instance
	// numbers are {i} or *: Device.WiFi.SSID.{i}.Stats.
	Path string
	// MaxAge is how old a value may be; 0: it is live, each read asks the CPE for it.
	MaxAge time.Duration
	// Cached: no read asks the CPE for it. What Informs have brought, and what was read
	// with other things, answers, however old.
	Cached bool
	// StaleAnswer: where the CPE was asked and could not be reached in time, the answer of
	// a Get or GetInstances is what is known, however old; otherwise it is 7003, as it
	// always is for requests that write and for bulk data. Not with a MaxAge of 0.
	StaleAnswer bool
}

// Check returns what is wrong with r, nil if nothing is.
func (r *FreshnessRule) Check() error {
	_, err := r.generic()
	switch {
	case err != nil:
		return err
	case r.MaxAge < 0:
		return fmt.Errorf("agent: freshness of %s: less than 0", r.Path)
	case r.StaleAnswer && r.MaxAge == 0 && !r.Cached:
		return fmt.Errorf("agent: freshness of %s: what is live is never answered from what was known before", r.Path)
	}
	return nil
}

// generic returns Path with {i} for instance numbers.
func (r *FreshnessRule) generic() (string, error) {
	text := strings.ReplaceAll(r.Path, ".*.", ".{i}.")
	p, err := path.ParseSupported(text)
	switch {
	case err != nil:
		return "", fmt.Errorf("agent: freshness: %w", err)
	case !strings.HasPrefix(text, "Device."):
		return "", fmt.Errorf("agent: freshness of %s: want a path that begins with Device", r.Path)
	case p.Kind() == path.Command || p.Kind() == path.Event:
		return "", fmt.Errorf("agent: freshness of %s: a command or event has no value", r.Path)
	case p.Supported() != text:
		return "", fmt.Errorf("agent: freshness of %s: an instance number is another one at each CPE: write {i}", r.Path)
	}
	return text, nil
}

// freshness is the policy of a Host: rules by their generic path, the longest first.
type freshness struct {
	seed      maphash.Seed // of ledger.said
	otherwise FreshnessRule
	rules     []FreshnessRule
}

func newFreshness(o *Options) (freshness, error) {
	f := freshness{seed: maphash.MakeSeed(), otherwise: FreshnessRule{MaxAge: o.Freshness}}
	if n := len(o.FreshnessRules); n > MaxFreshnessRules {
		return f, fmt.Errorf("agent: %d freshness rules, %d at most", n, MaxFreshnessRules)
	}
	for _, r := range o.FreshnessRules {
		if err := r.Check(); err != nil {
			return f, err
		}
		generic, err := r.generic()
		if err != nil {
			return f, err
		}
		r.Path = generic
		if slices.ContainsFunc(f.rules, func(have FreshnessRule) bool { return have.Path == generic }) {
			return f, fmt.Errorf("agent: freshness of %s is there twice", generic)
		}
		f.rules = append(f.rules, r)
	}
	slices.SortFunc(f.rules, func(x, y FreshnessRule) int { return cmp.Compare(len(y.Path), len(x.Path)) })
	return f, nil
}

// of returns the rule for a generic path.
func (f *freshness) of(generic string) *FreshnessRule {
	for i := range f.rules {
		r := &f.rules[i]
		if r.Path == generic || strings.HasSuffix(r.Path, ".") && strings.HasPrefix(generic, r.Path) {
			return r
		}
	}
	return &f.otherwise
}

// below calls g for each rule about a part of an object.
func (f *freshness) below(generic string, g func(r *FreshnessRule)) {
	for i := range f.rules {
		if r := &f.rules[i]; len(r.Path) > len(generic) && strings.HasPrefix(r.Path, generic) {
			g(r)
		}
	}
}

// parts reports whether parts of the data model have rules of their own.
func (f *freshness) parts() bool { return len(f.rules) > 0 }

// demand is a name of the CPE that has to be read for a path.
//
// Deviation stale_answer: a native Agent has its values at hand. Where the policy wants
// that of a CPE which cannot be reached, a Get is answered with what was known before.
type demand struct {
	name string
	// spare: without it the answer is what is known.
	spare bool
}

// demands returns what has to be read for a path: its sources, and those of the parts of
// it that must be fresher than the whole, where they are too old. What was read since then
// is fresh whatever a rule says; the zero time is for a read now. The lock is held.
func (a *Agent) demands(p path.Path, then time.Time) []demand {
	f := &a.host.freshness
	if !f.parts() {
		return a.stale(nil, a.sources(p), &f.otherwise, then)
	}
	generic := p.Supported()
	list := a.stale(nil, a.sources(p), f.of(generic), then)
	if k := p.Kind(); k == path.Object || k == path.Instance {
		f.below(generic, func(r *FreshnessRule) {
			part, err := path.Parse(p.String() + strings.ReplaceAll(r.Path[len(generic):], "{i}", "*"))
			if err == nil && a.mayExist(part) { // it may be too long, and then there is no such thing
				list = a.stale(list, a.sources(part), r, then)
			}
		})
	}
	return list
}

// stale appends those of the sources that a rule wants read. The lock is held.
func (a *Agent) stale(list []demand, sources []string, rule *FreshnessRule, then time.Time) []demand {
	if rule.Cached {
		return list
	}
	since := then
	if rule.MaxAge > 0 {
		oldest := time.Now().Add(1 - rule.MaxAge)
		if since.IsZero() || oldest.Before(since) {
			since = oldest
		}
	}
	for _, s := range sources {
		if a.fresh.refused[s] || !since.IsZero() && a.isFresh(s, since) {
			continue
		}
		list = append(list, demand{s, rule.StaleAnswer})
	}
	return list
}

// isFresh reports whether the CPE has given a name, or an object that it is in, since
// then: when it was read, or in an Inform. The lock is held.
func (a *Agent) isFresh(name string, since time.Time) bool {
	if a.fresh.isFresh(name, since) {
		return true
	}
	if a.fresh.informed.Before(since) {
		return false
	}
	return a.wasTold(name)
}

// maxSaid bounds how many names of an Inform count as read with it.
const maxSaid = 1024

// noteInform notes that the CPE has given now what the last Inform says. The lock is held.
func (a *Agent) noteInform() {
	f := &a.fresh
	f.informed, f.said = time.Now(), f.said[:0]
	for i := range a.told[:min(len(a.told), maxSaid)] {
		f.said = append(f.said, maphash.String(a.host.freshness.seed, a.told[i].Name))
	}
}

// wasTold reports whether the last Inform had a name.
func (a *Agent) wasTold(name string) bool {
	return slices.Contains(a.fresh.said, maphash.String(a.host.freshness.seed, name))
}

// readAt returns when a parameter was last read: the oldest of its sources. It is the zero
// time for one that is not from the CPE, or of which that is not known any more. The lock
// is held.
func (a *Agent) readAt(param string) time.Time {
	var oldest time.Time
	for i, s := range a.view.Sources(param) {
		at := a.fresh.when(s)
		if at.Before(a.fresh.informed) && a.wasTold(s) {
			at = a.fresh.informed
		}
		if i == 0 || at.Before(oldest) {
			oldest = at
		}
	}
	return oldest
}
