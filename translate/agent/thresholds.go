// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"math/big"
	"slices"

	"github.com/uspgate/uspgate/translate/trust"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
)

// threshold is an enabled row of the Threshold table.
type threshold struct {
	row       string
	by        usp.EndpointID
	path      path.Path
	op, value string
	// last is the last value of each parameter that it is about.
	last map[string]string
}

// armThresholds makes the list of enabled Thresholds. What they are about is compared from
// the values that are known now: when new ones are learned, in Informs, reads and writes,
// not by asking the CPE. The lock is held.
func (a *Agent) armThresholds() {
	a.thresholds = nil
	a.local.each(thresholdTable, func(row string) {
		p, err := a.local.thresholdPath(row)
		if err != nil || !a.local.isTrue(row+"Enable") {
			return
		}
		th := &threshold{
			row: row, by: a.controllerOf(a.local.get(row + "Controller")), path: p,
			op: a.local.get(row + "ThresholdOperator"), value: a.local.get(row + "ThresholdValue"),
			last: make(map[string]string),
		}
		for _, name := range a.meaning(p, a.treeOf(th.by)) {
			if v, ok := a.value(name); ok && len(th.last) < maxWatched {
				th.last[name] = v
			}
		}
		a.thresholds = append(a.thresholds, th)
	})
}

// crossThresholds looks at values that have changed. The lock is held.
func (a *Agent) crossThresholds(changes []change) {
	if len(a.thresholds) == 0 {
		return
	}
	for i := range changes {
		c := &changes[i]
		if c.kind != changedValue {
			continue
		}
		for _, th := range slices.Clone(a.thresholds) { // a Single one goes
			if th.about(a, c.path) {
				a.crossThreshold(th, c.path, c.value)
			}
		}
	}
}

// about reports whether a parameter is among those that are compared.
func (th *threshold) about(a *Agent, param string) bool {
	if hasExpression(th.path) {
		return slices.Contains(a.meaning(th.path, a.treeOf(th.by)), param)
	}
	return wild(th.path, param, false)
}

func (a *Agent) crossThreshold(th *threshold, param, value string) {
	was, known := th.last[param]
	if !known && len(th.last) >= maxWatched {
		return
	}
	th.last[param] = value
	if !known || !th.crossed(was, value) || !a.may(th.by, trust.ReadParam, param) {
		return
	}
	told := make(map[usp.EndpointID]bool)
	for _, s := range slices.Clone(a.subs.list) {
		if s.typ != notifEvent || told[s.recipient] || !a.may(s.recipient, trust.ReadParam, param) {
			continue
		}
		told[s.recipient] = true
		a.emitEvent(th.row, "Triggered!", map[string]string{"ParamPath": param, "ParamValue": value}, s.recipient, nil)
	}
	if a.local.get(th.row+"OperatingMode") == "Single" {
		t := a.local.begin()
		t.set(th.row+"Enable", "false")
		t.commit()
	}
}

// crossed reports whether a value has come to the threshold.
func (th *threshold) crossed(was, is string) bool {
	switch th.op {
	case equals:
		return was != th.value && is == th.value
	case equalsNot:
		return was == th.value && is != th.value
	}
	from, ok := parseNumber(was)
	to, also := parseNumber(is)
	at, too := parseNumber(th.value)
	if !ok || !also || !too {
		return false
	}
	up, down := from.Cmp(at) < 0 && to.Cmp(at) >= 0, from.Cmp(at) > 0 && to.Cmp(at) <= 0
	return up && th.op != fallsTo || down && th.op != risesTo
}

// parseNumber reads an integer or a decimal, without exponents: what a peer sends is not to
// become large.
func parseNumber(v string) (*big.Rat, bool) {
	if len(v) > 64 || !path.Valid(path.TypeDecimal, v) {
		return nil, false
	}
	return new(big.Rat).SetString(v)
}

func isDecimal(v string) bool {
	_, ok := parseNumber(v)
	return ok
}
