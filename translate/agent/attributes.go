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
	"github.com/uspgate/uspgate/usp/path"
)

// attributes keeps the CPE's active notification in step with the ValueChange
// Subscriptions, so that it reports a change by itself [TR-069 A.3.2.4]. It is
// help, not a need: changes are also seen at every Inform and read, so what a
// CPE refuses is left at that.
type attributes struct {
	// set are names that have Notification=2 because of us; false: perhaps not any
	// more, as the CPE has booted since.
	set     map[string]bool
	refused map[string]bool // names for which the CPE does not want it [9009]
	// full are names for which it had no room [9004]: until there is some.
	full map[string]bool
	// rows are tables whose rows were compared since their number is reported.
	rows    map[string]bool
	running bool // something is done about them, or about watch
	watch   watching
}

// maxAttributes bounds how many parameters of one CPE are watched actively.
const maxAttributes = 128

func (t *attributes) init() {
	t.set = make(map[string]bool)
	t.refused = make(map[string]bool)
	t.full = make(map[string]bool)
	t.rows = make(map[string]bool)
}

// forget is for a CPE that has booted: it should have kept its attributes, and some do
// not. After a factory reset it has none.
func (t *attributes) forget(reset bool) {
	clear(t.refused)
	clear(t.full)
	clear(t.rows)
	for name := range t.set {
		t.set[name] = false
	}
	if reset {
		clear(t.set)
	}
}

// kept returns the names that are set.
func (t *attributes) kept() []string {
	var names []string
	for name, sure := range t.set {
		if sure {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// has reports that it is of no use to ask for a name, because it is set or refused.
func (t *attributes) has(name string) bool { return t.set[name] || t.refused[name] || t.full[name] }

// prune forgets what the CPE has no more.
func (t *attributes) prune(known func(name string) bool) {
	for _, names := range []map[string]bool{t.set, t.refused, t.full} {
		maps.DeleteFunc(names, func(name string, _ bool) bool { return !known(name) })
	}
}

// reconcileAttributes starts the RPCs that are needed, if any. The lock is
// held.
func (a *Agent) reconcileAttributes() {
	a.armPoll()
	if a.attrs.running || !a.disc.known {
		return
	}
	a.attrs.prune(func(name string) bool {
		_, ok := a.view.CPEValue(name)
		return ok
	})
	on, off, tables := a.unattuned()
	if len(on)+len(off)+len(tables) == 0 {
		return
	}
	a.attend(func(ctx context.Context, call caller) bool { return a.tune(ctx, call, on, off, tables) })
}

// attend runs f in the background, in a session that is held, and what waits after it. F
// reports whether the CPE was there. The lock is held.
func (a *Agent) attend(f func(ctx context.Context, call caller) bool) {
	dev := a.dev
	release := dev.Hold()
	a.attrs.running = a.host.spawn(func(ctx context.Context) {
		defer release()
		ok := f(ctx, a.patient(dev))
		a.lock()
		defer a.unlock()
		a.attrs.running = false
		if !ok {
			return
		}
		a.reconcileAttributes() // a Subscription may have come meanwhile
		if a.attrs.watch.waits {
			a.look()
		}
	})
	if !a.attrs.running {
		release()
	}
}

// tune sets the attributes, and reports whether the CPE was there. What happened before it
// was told to report it, it does not: that is read, and the tables, too.
func (a *Agent) tune(ctx context.Context, call caller, on, off, tables []string) bool {
	// In this order: there may be no room before.
	if !a.setAttributes(ctx, call, off, 0) || !a.setAttributes(ctx, call, on, 2) {
		return false
	}
	failed := a.read(ctx, call, withoutCovered(slices.Concat(on, tables)))
	a.lock()
	defer a.unlock()
	for _, err := range failed {
		if isFault(err) {
			continue
		}
		for _, name := range on { // again, with the reading
			if a.attrs.set[name] {
				a.attrs.set[name] = false
			}
		}
		return false
	}
	for _, t := range tables {
		a.attrs.rows[t] = true
	}
	a.changed()
	return true
}

// unattuned returns the CPE's names that are to have active notification, those that are
// not to have it any more, and tables whose rows are to be compared. The lock is held.
func (a *Agent) unattuned() (on, off, tables []string) {
	want := a.interests().report
	counted := make(map[string]bool)
	for name, t := range want {
		if !a.attrs.has(name) {
			on = append(on, name)
		}
		if counted[t.raw] = true; t.raw != "" && !a.attrs.rows[t.raw] {
			tables = append(tables, t.raw)
		}
	}
	for name := range a.attrs.set {
		if _, ok := want[name]; !ok {
			off = append(off, name)
		}
	}
	for t := range a.attrs.rows {
		if !counted[t] {
			delete(a.attrs.rows, t)
		}
	}
	slices.Sort(on)
	slices.Sort(off)
	slices.Sort(tables)
	return on, off, tables
}

// parametersOf returns the parameters that a path means: itself, or what is in
// the objects.
func (a *Agent) parametersOf(ref path.Path) []string {
	found := a.meaning(ref, tree{a})
	if ref.Kind() == path.Parameter {
		return found
	}
	var params []string
	for _, object := range found {
		for _, f := range a.walk(object, 0) {
			for i := range f.params {
				params = append(params, f.params[i].Path)
			}
		}
	}
	return params
}

// restless reports whether a parameter changes all the time: active
// notification on it would be a storm [quirk 76].
func restless(name string) bool {
	if strings.Contains(name, ".Stats.") || strings.HasSuffix(name, "UpTime") || strings.HasSuffix(name, "Uptime") {
		return true
	}
	for _, part := range []string{
		"Bytes", "Packets", "Errors", "Discard", "Counter", "CurrentLocalTime", "LeaseTimeRemaining",
	} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

// setAttributes sets Notification of the names, one by one where the CPE does
// not take them together. It reports whether the CPE was there.
func (a *Agent) setAttributes(ctx context.Context, call caller, names []string, notification int) bool {
	a.lock()
	hints := a.fresh.hints
	a.unlock()
	names, alone := apart(names, hints.Unwatchable)
	for len(names) > 0 {
		n := max(1, min(maxBatch, len(names)-alone))
		if !a.setAttributeBatch(ctx, call, names[:n], notification) {
			return false
		}
		names = names[n:]
	}
	a.teachUnwatchable(hints)
	return true
}

// teachUnwatchable keeps for the other CPE of the model which names need not be tried
// with others.
func (a *Agent) teachUnwatchable(known Habits) {
	key, ok := a.modelKey()
	a.lock()
	var found Habits
	for name := range a.attrs.refused {
		found.Unwatchable = append(found.Unwatchable, path.Generic(name))
	}
	a.unlock()
	slices.Sort(found.Unwatchable)
	if ok && a.host.opts.Keeper != nil && !known.Merge(found).Equal(known) {
		a.learn(key, found)
	}
}

// setAttributeBatch sets it for some names, in halves where the CPE does not take all of
// them: it may be one of them that it refuses, or their number.
func (a *Agent) setAttributeBatch(ctx context.Context, call caller, names []string, notification int) bool {
	rpc := &cwmp.SetParameterAttributes{}
	for _, name := range names {
		rpc.Params = append(rpc.Params, cwmp.SetAttribute{Name: name, NotificationChange: true, Notification: notification})
	}
	_, err := call(ctx, rpc)
	if err != nil && !isFault(err) {
		a.log.Debug("active notification was not set", zap.Error(err))
		return false
	}
	if n := len(names); err != nil && n > 1 {
		return a.setAttributeBatch(ctx, call, names[:n/2], notification) &&
			(a.noRoom(notification, names[n/2:]) || a.setAttributeBatch(ctx, call, names[n/2:], notification))
	}
	a.lock()
	defer a.unlock()
	a.changed()
	for _, name := range names {
		switch {
		case notification == 0:
			delete(a.attrs.set, name)
			clear(a.attrs.full)
		case isFault(err, cwmp.FaultResourcesExceeded):
			a.attrs.full[name] = true
		case err != nil:
			a.attrs.refused[name] = true
		default:
			a.attrs.set[name] = true
		}
	}
	return true
}

// noRoom reports that the CPE has just said of a single name that it has no room for more,
// and takes note that this is so for the names, too.
func (a *Agent) noRoom(notification int, names []string) bool {
	a.lock()
	defer a.unlock()
	if notification == 0 || len(a.attrs.full) == 0 {
		return false
	}
	for _, name := range names {
		a.attrs.full[name] = true
	}
	return true
}
