// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
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
	set     map[string]bool // names that have Notification=2 because of us
	refused map[string]bool // names for which the CPE does not want it [9009]
	running bool
}

// maxAttributes bounds how many parameters of one CPE are watched actively.
const maxAttributes = 128

func (t *attributes) init() {
	t.set = make(map[string]bool)
	t.refused = make(map[string]bool)
}

// forget is for a CPE that has booted; after a factory reset it has lost its
// attributes.
func (t *attributes) forget(reset bool) {
	clear(t.refused)
	if reset {
		clear(t.set)
	}
}

// reconcileAttributes starts the RPCs that are needed, if any. The lock is
// held.
func (a *Agent) reconcileAttributes() {
	if a.attrs.running || !a.disc.known {
		return
	}
	on, off := a.unattuned()
	if len(on)+len(off) == 0 {
		return
	}
	slices.Sort(on)
	slices.Sort(off)
	dev := a.dev
	release := dev.Hold()
	a.attrs.running = a.host.spawn(func(ctx context.Context) {
		defer release()
		call := a.patient(dev)
		ok := a.setAttributes(ctx, call, on, 2) && a.setAttributes(ctx, call, off, 0)
		a.lock()
		defer a.unlock()
		a.attrs.running = false
		if ok { // a Subscription may have come meanwhile
			a.reconcileAttributes()
		}
	})
	if !a.attrs.running {
		release()
	}
}

// unattuned returns the CPE's names that are to have active notification, and those that
// are not to have it any more. The lock is held.
func (a *Agent) unattuned() (on, off []string) {
	want := a.watched()
	for name := range want {
		if !a.attrs.set[name] && !a.attrs.refused[name] {
			on = append(on, name)
		}
	}
	for name := range a.attrs.set {
		if !want[name] {
			off = append(off, name)
		}
	}
	return on, off
}

// watched returns the CPE's names of what ValueChange Subscriptions are about.
func (a *Agent) watched() map[string]bool {
	want := make(map[string]bool)
	for _, s := range a.subs.list {
		if s.typ != notifValueChange {
			continue
		}
		for _, ref := range s.refs {
			if isLocal(ref.String()) {
				continue
			}
			params := a.parametersOf(ref)
			for _, p := range params[:min(len(params), maxAttributes)] {
				for _, name := range a.view.Sources(p) {
					if !cwmp.IsPartialPath(name) && !restless(name) && len(want) < maxAttributes {
						want[name] = true
					}
				}
			}
		}
	}
	return want
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
	if err != nil && len(names) > 1 {
		for _, name := range names {
			if !a.setAttributeBatch(ctx, call, []string{name}, notification) {
				return false
			}
		}
		return true
	}
	a.lock()
	defer a.unlock()
	a.changed()
	for _, name := range names {
		switch {
		case notification == 0:
			delete(a.attrs.set, name)
		case err != nil:
			a.attrs.refused[name] = true
		default:
			a.attrs.set[name] = true
		}
	}
	return true
}
