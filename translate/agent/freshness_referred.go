// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/uspgate/uspgate/translate/trust"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
)

// visits is a Tree that notes whose values were looked at: the references that were
// followed, and what search expressions compare. Past limit nothing more is noted.
type visits struct {
	path.Tree
	params map[string]bool
	limit  int
	more   bool // were looked at than noted
}

// Value implements path.Tree.
func (v *visits) Value(param string) (string, bool) {
	if len(v.params) < v.limit {
		v.params[param] = true
	} else if !v.params[param] {
		v.more = true
	}
	return v.Tree.Value(param)
}

// maxHops bounds how often a query is resolved because what it has led to was stale: more
// references than that do not follow each other.
const maxHops = 8

// resolveReferred reads what the queries were resolved by and have led to where that is
// older than the policy for it allows, and resolves them again: what is behind a reference
// is found by following it. What was read since began counts as fresh. The error is that
// of resolveAll.
func (a *Agent) resolveReferred(ctx context.Context, r *request, queries []query, began time.Time) *usp.Error {
	var before [][]demand
	for range maxHops {
		wanted := make([][]demand, len(queries))
		a.lock()
		for i := range queries {
			q := &queries[i]
			switch {
			case q.visits == nil || q.err != nil || !a.disc.known:
			case q.visits.more && q.path.HasReference():
				q.err = invalid(usp.CodeResourcesExceeded, "", "it looks at more than "+number(q.visits.limit)+" parameters")
			default:
				wanted[i] = a.visited(r.from, q, began)
			}
		}
		a.unlock()
		some := slices.ContainsFunc(wanted, func(list []demand) bool { return len(list) > 0 })
		if !some || slices.EqualFunc(wanted, before, slices.Equal) { // it is not to be had
			return nil
		}
		before = wanted
		for i, err := range a.readDemands(ctx, r.call, wanted, !r.handler.write) {
			if err != nil {
				queries[i].err = cpeError(err, "")
			}
		}
		if err := a.resolveAll(r, queries); err != nil {
			return err
		}
	}
	return nil
}

// visited returns what has to be read for what a query was resolved by and has led to, as
// far as who asks may see it. The lock is held.
func (a *Agent) visited(by usp.EndpointID, q *query, began time.Time) []demand {
	var list []demand
	whole := a.host.freshness.of(q.path.Supported())
	for _, param := range slices.Sorted(maps.Keys(q.visits.params)) {
		if !isLocal(param) && a.may(by, trust.ReadParam, param) {
			list = a.stale(list, a.view.Sources(param), a.host.freshness.of(path.Generic(param)), began)
		}
	}
	if !q.path.HasReference() {
		if len(list) > maxBatch || q.visits.more { // of many rows: rather the whole table
			list = a.stale(nil, a.sources(q.path), &FreshnessRule{StaleAnswer: whole.StaleAnswer}, began)
		}
		return list
	}
	for _, found := range q.found {
		if p, err := path.Parse(found); err == nil && !isLocal(found) && len(list) <= a.host.opts.Paths {
			list = append(list, a.demands(p, began)...)
		}
	}
	return list
}
