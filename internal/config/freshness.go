// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"strings"
	"time"

	"github.com/uspgate/uspgate/translate/agent"
)

// Freshness is how old a value may be: a Duration, live, which is 0, or Cached.
type Freshness time.Duration

// Cached is a Freshness: however old.
const Cached Freshness = -1

// UnmarshalText reads a duration with its unit, live or cached.
func (f *Freshness) UnmarshalText(b []byte) error {
	switch string(b) {
	case "live":
		*f = 0
	case "cached":
		*f = Cached
	default:
		var d Duration
		if err := d.UnmarshalText(b); err != nil {
			return fmt.Errorf("%q is no freshness, write live, cached or for example 30s", b)
		}
		*f = Freshness(d)
	}
	return nil
}

// MarshalText is the inverse of UnmarshalText.
func (f Freshness) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// String returns what UnmarshalText reads.
func (f Freshness) String() string {
	switch f {
	case 0:
		return "live"
	case Cached:
		return "cached"
	default:
		return Duration(f).String()
	}
}

// MaxAge is f as a time; that of Cached is 0.
func (f Freshness) MaxAge() time.Duration { return max(time.Duration(f), 0) }

// FreshnessRow is the freshness of a part of the data model.
type FreshnessRow struct {
	Path      string    `yaml:"path" doc:"an object of Device:2 with all that is in it, or a parameter, with {i} or * for instance numbers; of several that cover a path the longest counts"`
	Freshness Freshness `yaml:"freshness" doc:"live, cached, or how old a value may be"`
	Stale     string    `yaml:"stale" doc:"error or answer; empty: as translate.stale, and error for what is live"`
}

const (
	staleError  = "error"
	staleAnswer = "answer"
)

// rule is r as package agent has it; otherwise is translate.stale.
func (r *FreshnessRow) rule(otherwise string) agent.FreshnessRule {
	answer := r.Stale == staleAnswer || r.Stale == "" && otherwise == staleAnswer && r.Freshness != 0
	return agent.FreshnessRule{
		Path: r.Path, MaxAge: r.Freshness.MaxAge(), Cached: r.Freshness == Cached, StaleAnswer: answer,
	}
}

// FreshnessRules returns the policy of t beside MaxAge of its Freshness.
func (t *Translate) FreshnessRules() []agent.FreshnessRule {
	rules := make([]agent.FreshnessRule, 0, len(t.FreshnessOf)+1)
	whole := FreshnessRow{Path: "Device.", Freshness: t.Freshness}
	for i := range t.FreshnessOf {
		rules = append(rules, t.FreshnessOf[i].rule(t.Stale))
		if t.FreshnessOf[i].Path == whole.Path {
			whole.Path = "" // it is there
		}
	}
	if r := whole.rule(t.Stale); whole.Path != "" && (r.Cached || r.StaleAnswer) {
		rules = append(rules, r)
	}
	return rules
}

// freshness checks translate.freshness_of and stale.
func (d *decoder) freshness(t *Translate) {
	d.oneOf("translate.stale", t.Stale, staleError, staleAnswer)
	const at = "translate.freshness_of"
	if n := len(t.FreshnessOf); n >= agent.MaxFreshnessRules {
		d.invalid(at, fmt.Sprintf("%d entries, %d at most", n, agent.MaxFreshnessRules-1), "write a path that covers several")
	}
	seen := make(map[string]bool)
	for i := range t.FreshnessOf {
		r, at := &t.FreshnessOf[i], fmt.Sprintf("%s[%d]", at, i)
		if r.Stale != "" {
			d.oneOf(at+".stale", r.Stale, staleError, staleAnswer)
		}
		if r.Stale == staleAnswer && r.Freshness == 0 {
			d.invalid(at+".stale", "what is live is never answered from what was known before",
				"remove it, or give the path a freshness such as 30s")
			continue
		}
		rule := r.rule(t.Stale)
		if err := rule.Check(); err != nil {
			d.invalid(at+".path", strings.TrimPrefix(err.Error(), "agent: "), "write for example Device.WiFi.SSID.{i}.Stats.")
			continue
		}
		generic := strings.ReplaceAll(r.Path, ".*.", ".{i}.")
		if seen[generic] {
			d.invalid(at+".path", generic+" has a freshness already", "remove one of the two")
		}
		seen[generic] = true
	}
}
