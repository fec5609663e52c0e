// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"slices"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
)

// setCases plans a decision table: what the line with the value asks for.
func (pl *planner) setCases(c *cell, value string, same bool) *usp.Error {
	line := slices.IndexFunc(c.rec.cases, func(cr caseRule) bool {
		return cr.value == value && len(cr.set) > 0 &&
			(!same || cr.when.eval(pl.v.raw, c.row.base[0], c.row.key) == isTrue)
	})
	if line < 0 {
		if same {
			return nil
		}
		return fail(usp.CodeInvalidValue, "not one of the values that the device has")
	}
	var nodes []*node
	var raws []string
	for i := range c.rec.cases[line].set {
		s := &c.rec.cases[line].set[i]
		for _, n := range s.path.find(pl.v.raw, c.row.base[0], nil) {
			if !n.writable() {
				continue
			}
			raw := s.value
			if same && n.is(flagKnown) {
				raw = n.value
			}
			nodes, raws = append(nodes, n), append(raws, pl.v.keepSpelling(n, raw, c))
		}
	}
	if len(nodes) == 0 {
		return fail(usp.CodeNonWriteable, "the device does not let it be written")
	}
	if got, known := pl.decided(c, nodes, raws); !same && known && got != value {
		return fail(usp.CodeInvalidValue, "the device would have "+got)
	}
	for i, n := range nodes {
		if err := pl.put(n, raws[i], path.TypeString); err != nil {
			return err
		}
	}
	return nil
}

// decided is what a decision table would say if nodes had those values, beside
// what is planned: what cannot be written may stand against it.
func (pl *planner) decided(c *cell, nodes []*node, raws []string) (value string, known bool) {
	for n, i := range pl.at {
		nodes, raws = append(nodes, n), append(raws, pl.out[i].Value)
	}
	before := make([]node, len(nodes))
	for i, n := range nodes {
		before[i] = *n
	}
	for i, n := range nodes {
		n.value, n.flags = raws[i], n.flags|flagKnown
	}
	value, known = pl.v.decide(c)
	for i, n := range nodes {
		n.value, n.flags = before[i].value, before[i].flags
	}
	return value, known
}
