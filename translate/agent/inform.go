// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"maps"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/model"
)

// Inform implements device.Observer: the CPE has opened a session. It takes
// what the Inform says, tells the subscribers, and starts in the background
// what the session is to be used for.
//
// What it does without any event of note, quiet has to know of, too.
func (a *Agent) Inform(in *cwmp.Inform) {
	a.lock()
	defer a.unlock()
	a.learnRoot(in)
	a.inSession = true
	boot := a.bootFrom(in)
	a.settle()
	a.transfersInform(in)
	a.jobsInform(in)
	if a.view != nil {
		for _, table := range a.recounted(in) {
			a.unsure[table] = true
			a.changed()
		}
		a.observe(in)
	}
	switch {
	case boot != nil:
		a.fresh.forget()
		a.attrs.forget(in.HasEvent(cwmp.EventBootstrap))
		a.changed()
		a.discover()
	case !a.disc.known || a.disc.due:
		a.discover()
	case len(a.unsure) > 0:
		a.readBack()
		a.compare(in)
	default:
		a.reconcileAttributes()
		a.compare(in)
	}
	if boot != nil {
		a.emitBooted(boot)
		// Told at once, before the CPE is read, which may take long [R-NOT.0a]:
		// BootParameters are as last known, with what the Inform said.
		a.emitBoot(boot)
	}
	a.emitVendorEvents(in)
	if boot != nil || !a.seen { // [R-NOT.6a], TP-469 1.101
		a.seen = true
		a.onBoardAll()
	}
}

// observe takes the values of an Inform. Before the first discovery is over
// nothing is told of what it finds, since it is news to the Agent alone; but what
// the CPE itself reports as changed is told, where its old value is not known or
// differs [R-NOT.0]. Of the parameters that every Inform has, some may not have
// changed.
func (a *Agent) observe(in *cwmp.Inform) {
	news := make(map[string]bool) // of the CPE's names
	for i := range in.Params {
		if v, ok := a.view.CPEValue(in.Params[i].Name); !ok || v.NoValue {
			news[in.Params[i].Name] = true
		}
	}
	a.told = cloneValues(in.Params)
	a.noteInform()
	d := a.view.Observe(a.told)
	if !a.disc.quiet || !in.HasEvent(cwmp.EventValueChange) {
		a.publishFound(d)
		return
	}
	changes := a.reported(news)
	for i := range d.Changed {
		changes = append(changes, change{kind: changedValue, path: d.Changed[i].Path, value: d.Changed[i].Value})
	}
	a.host.metrics.deviateBy(deviationCoalesced, a.emit(changes))
}

// calm is quiet as far as that can be told without the tree. The lock is held.
func (a *Agent) calm() bool {
	return a.view != nil && a.seen && a.disc.known && !a.disc.due && len(a.unsure) == 0 &&
		a.transfers.table.Len() == 0 && !a.hasJobs()
}

// quiet reports that an Inform without any event of note would start nothing. The lock is
// held.
func (a *Agent) quiet() bool {
	if !a.calm() {
		return false
	}
	on, off, tables := a.unattuned()
	return len(on)+len(off)+len(tables) == 0 && len(a.unreported()) == 0
}

// unmoved reports that the last Inform, if it came again, would be no news. The lock is
// held.
func (a *Agent) unmoved() bool {
	if len(a.told) == 0 {
		return false
	}
	for i := range a.told { // what was read since may be something else
		v, ok := a.view.CPEValue(a.told[i].Name)
		if !ok || v.NoValue || v.Value != a.told[i].Value {
			return false
		}
	}
	return true
}

// reported returns the values that ValueChange Subscriptions are about and that
// come from the CPE's names given.
func (a *Agent) reported(names map[string]bool) []change {
	var changes []change
	seen := make(map[string]bool)
	for _, s := range a.subs.list {
		if s.typ != notifValueChange {
			continue
		}
		for _, ref := range s.refs {
			for _, p := range a.parametersOf(ref) {
				of := func(name string) bool { return names[name] }
				if isLocal(p) || seen[p] || !slices.ContainsFunc(a.view.Sources(p), of) {
					continue
				}
				seen[p] = true
				if v, ok := a.value(p); ok {
					changes = append(changes, change{kind: changedValue, path: p, value: v})
				}
			}
		}
	}
	return changes
}

// learnRoot makes the view at the first Inform that shows the root, and anew
// when the CPE has come back with the other one.
func (a *Agent) learnRoot(in *cwmp.Inform) {
	for i := range in.Params {
		root, ok := model.RootOf(in.Params[i].Name)
		if !ok {
			continue
		}
		if a.view != nil && a.view.Root() == root {
			return
		}
		if a.view != nil {
			a.log.Warn("the CPE has changed its data model", zap.Stringer("root", root))
			a.inst = model.NewInstanceMap()
			a.disc.known, a.disc.quiet = false, true
			a.changed()
		}
		a.view = model.NewView(a.host.opts.Rules, root, a.inst)
		return
	}
}

// cutRoot splits a CPE name after its root.
func cutRoot(name string) (root, rest string, ok bool) {
	r, ok := model.RootOf(name)
	if !ok {
		return "", "", false
	}
	return r.Prefix(), strings.TrimPrefix(name, r.Prefix()), true
}

// cloneValues copies values out of the memory of their envelope.
func cloneValues(vals []cwmp.ParameterValue) []cwmp.ParameterValue {
	out := slices.Clone(vals)
	for i := range out {
		out[i].Name, out[i].Value = strings.Clone(out[i].Name), strings.Clone(out[i].Value)
	}
	return out
}

// SessionEnded implements device.Observer.
func (a *Agent) SessionEnded(cause error) {
	a.lock()
	a.inSession = false
	a.transfersSeen(cause)
	a.keepTreeSoon()
	a.unlock()
	if cause != nil {
		a.log.Debug("CWMP session ended early", zap.Error(cause))
	}
}

// doubt notes objects that a write of unknown outcome may have changed. They are
// read in the session that has replaced the broken one, if it is there already,
// otherwise in the next one, and their subscribers hear of what it finds. Until
// then nothing counts as fresh: a write may have changed more than its objects,
// so whoever asks reads. The lock is held.
func (a *Agent) doubt(objects ...string) {
	a.fresh.forget()
	for _, o := range objects {
		a.unsure[o] = true
	}
	a.changed()
	if a.inSession && a.view != nil {
		a.readBack()
	}
}

// readBack reads the objects in doubt in the session that is open. The lock is
// held.
func (a *Agent) readBack() {
	objects := slices.Sorted(maps.Keys(a.unsure))
	var names []string
	for _, o := range objects {
		from := a.view.Sources(o)
		for _, t := range a.view.Tables(o) {
			from = append(from, t.Name)
		}
		if len(from) == 0 { // a table without rows whose source is known by its rows alone
			a.disc.due = true
		}
		names = append(append(names, from...), a.countSources(o)...)
	}
	names = withoutCovered(names)
	for _, o := range objects {
		a.reading[o] = true
	}
	clear(a.unsure)
	dev := a.dev
	release := dev.Hold()
	ok := a.host.spawn(func(ctx context.Context) {
		defer release()
		err := a.read(ctx, a.patient(dev), names).any()
		a.lock()
		defer a.unlock()
		for _, o := range objects {
			delete(a.reading, o)
			if err != nil {
				a.unsure[o] = true
			}
		}
		a.changed()
		if err != nil {
			a.log.Info("reading back after a write of unknown outcome failed; the next session tries again", zap.Error(err))
		}
	})
	if !ok {
		release()
	}
}
