// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package routing

import (
	"errors"
	"slices"
	"sync/atomic"

	"github.com/uspgate/uspgate/usp"
)

// Rule lets Records through or refuses them, by their two ends. Of the rules
// that mean a Record the first decides; one that none means is let through. To
// allow only what is named, make the last rule one that denies "*" to "*".
type Rule struct {
	// From and To are Endpoint IDs in which * stands for any characters; empty:
	// anyone.
	From, To string
	// Role is that of To; From has the other. RoleUnknown: either. A rule for
	// Records to Agents does not touch their answers.
	Role usp.Role
	// Deny refuses with ErrForbidden what the rule means; else it is let through.
	Deny bool
}

// like reports whether the pattern means id.
func like(id usp.EndpointID, pattern string) bool { return pattern == "" || id.Like(pattern) }

// concerns reports whether the rule may mean Records to a.
func (u *Rule) concerns(a usp.Address) bool {
	return (u.Role == usp.RoleUnknown || a.Role == usp.RoleUnknown || u.Role == a.Role) && like(a.ID, u.To)
}

// ruleList are all rules. What concerns one address is worked out once, when it
// becomes known, and shared with all addresses that the same rules concern: a
// Record costs a look at those rules only.
type ruleList struct {
	all  []Rule
	sets atomic.Pointer[[]*ruleSet]
}

// ruleSet are the rules that concern an address, in order.
type ruleSet struct {
	rules []Rule
	index []int // of these in ruleList.all
}

// maxRuleSets is how many different sets are shared; beyond it an address has
// one of its own.
const maxRuleSets = 64

// decide returns the rule that means a Record from an Endpoint, nil if none.
func (s *ruleSet) decide(from usp.EndpointID) *Rule {
	if s == nil {
		return nil
	}
	for i := range s.rules {
		if like(from, s.rules[i].From) {
			return &s.rules[i]
		}
	}
	return nil
}

// set returns what concerns a, nil if nothing does.
func (l *ruleList) set(a usp.Address) *ruleSet {
	var index []int
	for i := range l.all {
		if l.all[i].concerns(a) {
			index = append(index, i)
			if l.all[i].From == "" || l.all[i].From == "*" {
				break // nothing behind it is ever reached
			}
		}
	}
	if len(index) == 0 {
		return nil
	}
	for {
		known := l.sets.Load()
		for _, s := range *known {
			if slices.Equal(s.index, index) {
				return s
			}
		}
		s := &ruleSet{index: index}
		for _, i := range index {
			s.rules = append(s.rules, l.all[i])
		}
		if len(*known) >= maxRuleSets {
			return s
		}
		more := append(slices.Clone(*known), s)
		if l.sets.CompareAndSwap(known, &more) {
			return s
		}
	}
}

// Rules returns the rules in the order in which they are tried.
func (r *Router) Rules() []Rule { return slices.Clone(r.rules.Load().all) }

// SetRules replaces the rules. They hold for Records that are accepted from now
// on, not for those that wait.
func (r *Router) SetRules(rules []Rule) error {
	for i := range rules {
		if rules[i].Role > usp.RoleController {
			return errors.New("routing: a rule with an unknown role")
		}
	}
	list := &ruleList{all: slices.Clone(rules)}
	list.sets.Store(&[]*ruleSet{})
	r.routesMu.Lock()
	defer r.routesMu.Unlock()
	r.rules.Store(list)
	r.table.each(func(e *endpoint) { e.rules.Store(list.set(e.addr)) })
	return nil
}
