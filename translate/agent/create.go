// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"slices"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/device"
	"github.com/uspgate/uspgate/translate/model"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// create makes one row with its settings. If it fails the row is not there, or
// the error says that it is.
func (a *Agent) create(ctx context.Context, r *request, n *newRow) {
	if n.failure() != nil {
		return
	}
	if !n.remote {
		a.lock()
		defer a.unlock()
		t := a.local.begin()
		t.create(r, n)
		if n.failure() != nil {
			t.rollback()
		}
		t.commit()
		return
	}
	a.createRemote(ctx, r, n)
}

// create makes a row of the local tree.
func (t *tx) create(r *request, n *newRow) {
	mark := t.mark()
	n.path = t.add(n.table, r.from)
	for _, s := range n.settings {
		s.object = n.path
	}
	t.assign(n.path, n.settings, true)
	if n.err = t.l.checkRow(n.path); n.failure() != nil {
		t.back(mark)
		return
	}
	// What the settings changed belongs to the creation of the row.
	t.changes = slices.DeleteFunc(t.changes, func(c change) bool {
		object, _ := splitParam(c.path)
		return c.kind == changedValue && object == n.path
	})
}

// createRemote makes a row of the CPE: AddObject, then SetParameterValues, and
// DeleteObject again if that fails.
func (a *Agent) createRemote(ctx context.Context, r *request, n *newRow) {
	a.lock()
	settings := make([]model.Setting, 0, len(n.settings))
	for _, s := range n.settings {
		settings = append(settings, model.Setting{Path: s.rel, Value: s.value})
	}
	plan, err := a.view.PlanAdd(n.table, settings)
	a.unlock()
	if err != nil {
		n.err = uspError(err)
		return
	}
	resp, err := r.write(ctx, &cwmp.AddObject{ObjectName: plan.ObjectName, ParameterKey: parameterKey})
	if err != nil {
		n.err = a.addFailed(n, err)
		return
	}
	added, ok := resp.(*cwmp.AddObjectResponse)
	if !ok || added.InstanceNumber == 0 {
		n.err = invalid(usp.CodeObjectNotCreated, n.table, "the CPE gave no instance number")
		return
	}
	n.cpe = plan.ObjectName + number(int(added.InstanceNumber)) + "."
	a.lock()
	n.path, err = a.view.Added(plan, added.InstanceNumber)
	if err == nil {
		a.making.own[n.path] = true
	}
	for i, s := range n.settings {
		s.object = n.path
		if err == nil && s.err == nil && !slices.Contains(plan.Consumed, i) {
			a.plan(r, s)
		}
	}
	if err == nil { // now that the row is there, and what belongs to it with it
		a.checkKeys(n.settings, n.path)
	}
	a.unlock()
	if err != nil {
		n.err = uspError(err)
	} else if n.failure() == nil {
		n.err = a.assign(ctx, r, n.settings)
	}
	if n.failure() != nil {
		a.removeAgain(ctx, r, n)
	}
}

// addFailed turns the failure of AddObject into the error of the row.
func (a *Agent) addFailed(n *newRow, err error) *usp.Error {
	e := cpeError(err, n.table)
	if errors.Is(err, device.ErrOutcomeUnknown) {
		a.lock()
		defer a.unlock()
		a.doubt(n.table)
	} else if isFault(err) && e.Code != usp.CodeResourcesExceeded && e.Code != usp.CodeRequestDenied {
		e.Code = usp.CodeObjectNotCreated
	}
	return e
}

// removeAgain removes a row that was made and shall not be. Where that fails
// the error of the row becomes 7800 and says so.
func (a *Agent) removeAgain(ctx context.Context, r *request, n *newRow) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.host.opts.deadline(r.from))
	defer cancel()
	_, err := r.write(ctx, &cwmp.DeleteObject{ObjectName: n.cpe, ParameterKey: parameterKey})
	a.lock()
	defer a.unlock()
	if err == nil || isFault(err, cwmp.FaultInvalidParameterName) { // or it is gone already
		a.unmade(a.view.SetNames(n.cpe, nil))
		n.path, n.removed = "", true
		return
	}
	why := "not all was done"
	if e := n.failure(); e != nil {
		why = e.Text
	}
	n.err = &usp.Error{
		Code: usp.CodeOutcomeUnknown, Path: n.path,
		Text: why + "; and removing the row again failed: " + cpeError(err, "").Text + "; " + n.path + " is left",
	}
	a.doubt(n.table)
	a.emit([]change{{kind: createdRow, path: n.path, keys: a.keys(n.path)}})
}

// announce reads what the CPE put into its new rows, their keys among it, and
// tells the subscribers of them.
func (a *Agent) announce(ctx context.Context, r *request, creations []*creation) {
	var made []*newRow
	var sources []string
	a.lock()
	for _, c := range creations {
		for _, n := range c.rows {
			if n.remote && n.failure() == nil {
				made = append(made, n)
				sources = append(sources, a.view.Sources(n.path)...)
				sources = append(sources, a.countSources(n.table)...)
			}
		}
	}
	a.unlock()
	if len(made) == 0 {
		return
	}
	if err := a.read(ctx, r.call, withoutCovered(sources)).any(); err != nil {
		a.log.Debug("new rows were not read", zap.Error(err))
		a.lock()
		for _, n := range made {
			a.doubt(n.table)
		}
		a.unlock()
	}
	a.lock()
	defer a.unlock()
	for _, n := range made {
		a.view.Made(n.path)
		a.emit([]change{{kind: createdRow, path: n.path, keys: a.keys(n.path)}})
	}
	a.reconcileAttributes()
	a.changed()
}

// createAll makes all rows or none. The local tree comes first: it can be undone
// without asking.
func (a *Agent) createAll(ctx context.Context, r *request, creations []*creation) *uspmsg.Error {
	var local, remote []*newRow
	for _, c := range creations {
		for _, n := range c.rows {
			if n.remote {
				remote = append(remote, n)
			} else {
				local = append(local, n)
			}
		}
	}
	if e := creationErrors(creations); e != nil {
		return e
	}
	a.lock()
	t := a.local.begin()
	for _, n := range local {
		t.create(r, n)
	}
	a.unlock()
	made := 0
	for creationErrors(creations) == nil && made < len(remote) {
		a.createRemote(ctx, r, remote[made])
		made++
	}
	failed := creationErrors(creations) != nil
	a.lock()
	if failed {
		t.rollback()
	} else {
		t.commit()
	}
	a.unlock()
	for _, n := range slices.Backward(remote[:made]) {
		if failed && n.failure() == nil {
			a.removeAgain(ctx, r, n)
		}
	}
	return creationErrors(creations)
}
