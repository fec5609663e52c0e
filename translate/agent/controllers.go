// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"slices"
	"strings"
	"time"

	"github.com/uspgate/uspgate/translate/trust"
	"github.com/uspgate/uspgate/usp"
)

// hiddenOrigin says where a row of the Controller table comes from that is not the
// configuration's: stored with the row, and no parameter of it. It is empty for those that
// are learned while the configuration names nobody.
const (
	hiddenOrigin    = "+Origin"
	originAdded     = "added"     // by a Controller, with Add
	originUntrusted = "untrusted" // of whom nobody had heard: Options.LetUntrusted
	originGateway   = "gateway"   // the gateway Agent, for its Subscriptions: Options.Gateway
)

// configured reports whether a row of the Controller table, or an object in it, is that of
// a Controller of the configuration.
func (l *local) configured(object string) bool {
	rest, ok := strings.CutPrefix(object, controllerTable)
	if !ok {
		return false
	}
	n, _, _ := strings.Cut(rest, ".")
	if l.values[controllerTable+n+"."+hiddenOrigin] != "" {
		return false
	}
	id := usp.EndpointID(l.get(controllerTable + n + ".EndpointID"))
	return slices.ContainsFunc(l.agent.given(), func(c Controller) bool { return c.EndpointID == id })
}

// countOrigin returns how many rows come from there.
func (l *local) countOrigin(origin string) int {
	n := 0
	l.each(controllerTable, func(row string) {
		if l.values[row+hiddenOrigin] == origin && !l.configured(row) {
			n++
		}
	})
	return n
}

// stays says whether a stored row of the Controller table is still wanted.
func (l *local) stays(row string) bool {
	o := &l.agent.host.opts
	id := usp.EndpointID(strings.TrimSpace(l.get(row + "EndpointID")))
	switch l.values[row+hiddenOrigin] {
	case originAdded: // also one that has no EndpointID yet
		return !o.FixedControllers || l.agent.mayControl(id)
	case originGateway:
		return id == o.Gateway
	case originUntrusted:
		return o.LetUntrusted || l.agent.mayControl(id)
	default:
		return id != "" && l.agent.mayControl(id)
	}
}

// claimController makes a row that was there before the one of a Controller of the
// configuration: it is trusted from then on.
func (a *Agent) claimController(t *tx, row string) {
	if a.local.values[row+hiddenOrigin] == "" {
		return
	}
	if a.local.values[row+hiddenOrigin] == originUntrusted || a.local.get(row+"AssignedRole") == "" {
		t.set(row+"AssignedRole", firstRole)
	}
	t.set(row+hiddenOrigin, "")
	t.put(row+"Enable", "true")
}

// admit says whether a Controller may talk to the Agent at all: one that is in its table,
// enabled, and not banned. One that is not gets a row where the configuration names nobody,
// or lets those in whom it does not know, as untrusted (TP-469 2.9).
func (a *Agent) admit(c usp.EndpointID) *usp.Error {
	a.lock()
	defer a.unlock()
	row := a.controllerRow(c)
	switch {
	case c == a.host.opts.Gateway:
		a.admitGateway(row)
		return nil
	case row == "" && !a.anybody() && !a.host.opts.LetUntrusted:
		return denied("this Controller may not control this Agent")
	case row == "":
		if err := a.learnController(c); err != nil {
			return err
		}
		row = a.controllerRow(c)
	case !a.local.isTrue(row + "Enable"):
		return denied("this Controller is disabled")
	case a.local.isBanned(row):
		return denied("this Controller is banned")
	case !a.local.configured(row):
		a.heard[c] = time.Now()
	}
	a.inherit(row, c)
	return nil
}

// isController reports whether a Controller is in the table, and enabled there. The lock is
// held.
func (a *Agent) isController(c usp.EndpointID) bool {
	row := a.controllerRow(c)
	return row != "" && a.local.isTrue(row+"Enable")
}

// anybody reports whether the configuration names nobody who may control the Agent.
func (a *Agent) anybody() bool { return a.mayControl("") }

func denied(text string) *usp.Error { return &usp.Error{Code: usp.CodePermissionDenied, Text: text} }

// learnController gives a Controller its row. Where there are as many as may be, one that was silent
// longest makes room. The lock is held.
func (a *Agent) learnController(c usp.EndpointID) *usp.Error {
	origin := ""
	if !a.anybody() {
		origin = originUntrusted
	}
	t := a.local.begin()
	if a.local.countOrigin(origin) >= a.host.opts.LearnedControllers {
		idle := a.idleController(origin)
		if idle == "" {
			return &usp.Error{Code: usp.CodeResourcesExceeded, Text: "too many Controllers"}
		}
		t.remove(a.controllerRow(idle))
	}
	row := t.add(controllerTable, "")
	t.set(row+"EndpointID", string(c))
	if origin != "" {
		t.set(row+hiddenOrigin, origin)
		t.set(row+"AssignedRole", a.local.get(trustRoot+"UntrustedRole"))
		t.set(row+"OnBoardingComplete", "true") // the Agent does not go to strangers
	}
	t.commit()
	a.heard[c] = time.Now()
	return nil
}

// idleController returns the learned Controller that was heard of longest ago
// among those that have left nothing behind and wait for nothing; "" for none.
// The lock is held.
func (a *Agent) idleController(origin string) usp.EndpointID {
	busy := make(map[usp.EndpointID]bool)
	for key := range a.lanes.inFlight {
		busy[key.from] = true
	}
	for _, own := range belongings() {
		a.local.each(own.table, func(row string) { busy[a.controllerOf(a.local.get(row+own.column))] = true })
	}
	a.local.each(requestTable, func(row string) { busy[usp.EndpointID(a.local.get(row+"Originator"))] = true })
	var idle usp.EndpointID
	a.local.each(controllerTable, func(row string) {
		id := usp.EndpointID(a.local.get(row + "EndpointID"))
		if busy[id] || len(a.local.rows[row+"BootParameter."]) > 0 ||
			a.local.values[row+hiddenOrigin] != origin || a.local.configured(row) {
			return
		}
		if idle == "" || a.heard[id].Before(a.heard[idle]) {
			idle = id
		}
	})
	return idle
}

// belonging is a table whose rows belong to a Controller, and the column that refers to it.
type belonging struct{ table, column string }

func belongings() []belonging {
	return []belonging{{subscriptionTable, "Recipient"}, {profileTable, "Controller"}, {thresholdTable, "Controller"}}
}

// disown removes what belongs to a Controller whose row is going to be removed (TP-469
// 1.78). Until the transaction is committed it may hear what it could, so that it is told.
func (t *tx) disown(row string) {
	l := t.l
	id := usp.EndpointID(l.get(row + "EndpointID"))
	if l.parting == nil {
		l.parting = make(map[usp.EndpointID]*trust.Roles)
	}
	l.parting[id] = l.rolesOf(id)
	ref := strings.TrimSuffix(row, ".")
	for _, own := range belongings() {
		for _, other := range rowsOf(l, own.table) {
			if l.get(other+own.column) == ref {
				t.remove(other)
			}
		}
	}
}

// part forgets those whose rows have been removed: what waits for their response, and the
// commands of theirs that the CPE has not been told. The lock is held.
func (a *Agent) part() {
	gone := a.local.parting
	a.local.parting = nil
	for id := range gone {
		if a.controllerRow(id) != "" {
			continue
		}
		a.dropContext(id)
		delete(a.versions, id)
		delete(a.heard, id)
		for key, p := range a.notes.pending {
			if key.from == id {
				delete(a.notes.pending, key)
				a.stop(p.timer)
			}
		}
		for _, row := range rowsOf(a.local, requestTable) {
			if usp.EndpointID(a.local.get(row+"Originator")) == id && a.waitsHere(row) {
				a.closeRequest(row, nil, invalid(usp.CodeCommandCanceled, "", "the Controller is gone"))
			}
		}
	}
}

// waitsHere reports whether a command waits for its time, and the CPE knows nothing of it.
func (a *Agent) waitsHere(row string) bool {
	due := a.local.values[row+hiddenActivate]
	return strings.HasSuffix(a.local.get(row+"Command"), "ScheduleTimer()") || due != "" && due != onTheWire
}
