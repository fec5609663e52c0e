// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/translate/device"
)

// flushAfter is how long a change that nobody waits for may be unsaved, so that
// those which come together are saved together.
const flushAfter = 250 * time.Millisecond

// plantAfter is how long a tree may be unsaved in which nothing has changed but values
// that came by themselves, in Informs, and of which nobody was told: to save it costs
// more than many a session. Who is killed before that has the older values, and finds the
// newer ones in the next Inform.
const plantAfter = time.Minute

// retrySave is the pause after a save that failed.
const retrySave = 5 * time.Second

// saving is what of an Agent is not with the Keeper. The lock of the Agent guards
// its fields but the mutexes, which are taken before that lock and held over the
// calls of the Keeper.
type saving struct {
	state, tree sync.Mutex

	dirty   bool // the State has changed since it was saved
	heard   bool // somebody has heard of something that is in the tree: it is to be saved with the State
	storing int  // calls of the Keeper that are under way
	flush   *timer
	plant   *timer
	// instances and planted are the revisions of the instance map and of the tree
	// that are saved.
	instances uint64
	planted   treeRevision
	// rest is what the State says that the Agent sleeps by, by what it has slept by until
	// the tree had the revision risen; told: the tree has values that the Device keeps.
	rest, by device.Rest
	risen    treeRevision
	told     bool
}

// treeRevision tells trees apart.
type treeRevision struct {
	view  uint64
	fresh uint64
	known bool
}

// changed notes that the State is worth saving, and sees to it that this is done.
// The lock is held.
func (a *Agent) changed() { a.changedFor(flushAfter) }

func (a *Agent) changedFor(wait time.Duration) {
	a.saving.dirty, a.saving.rest = true, device.Rest{}
	a.flushIn(wait)
}

// tellOnce sees to it that what somebody hears of is known after a restart, and not told
// again. The lock is held.
func (a *Agent) tellOnce() {
	a.saving.heard = true
	a.flushIn(flushAfter)
}

// flushIn has Commit called. The lock is held.
func (a *Agent) flushIn(wait time.Duration) {
	if a.host.opts.Keeper == nil || a.saving.flush != nil {
		return
	}
	// Not one of the Agent's own timers: an Agent with something to save is awake.
	a.saving.flush = a.host.after(wait, func() {
		a.host.spawn(func(context.Context) {
			if err := a.Commit(); err != nil {
				a.log.Warn("the state of a Virtual Agent is not saved; it is tried again", zap.Error(err))
			}
		})
	})
}

// Commit implements device.Observer: what the Agent has to remember is durable
// when it returns nil. It must not be called with the lock held.
func (a *Agent) Commit() error {
	if a.host.opts.Keeper == nil {
		return nil
	}
	if err := a.keepState(); err != nil {
		return err
	}
	a.lock()
	heard := a.saving.heard
	a.unlock()
	if !heard {
		return nil
	}
	return a.keepShown()
}

// keepState saves the State, if it has changed.
func (a *Agent) keepState() error {
	a.saving.state.Lock()
	defer a.saving.state.Unlock()
	s := a.unsaved()
	if s == nil {
		return nil
	}
	err := a.host.opts.Keeper.Save(a.id, s)
	a.lock()
	defer a.unlock()
	a.saving.storing--
	if err != nil {
		a.host.metrics.unsaved.Inc()
		a.changedFor(retrySave)
		return fmt.Errorf("agent: %s: %w", a.id, err)
	}
	return nil
}

// unsaved returns the State if it is to be saved.
func (a *Agent) unsaved() *State {
	a.lock()
	defer a.unlock()
	a.host.timers.stop(a.saving.flush)
	a.saving.flush = nil
	rev := a.inst.Revision()
	if !a.saving.dirty && rev == a.saving.instances {
		return nil
	}
	a.saving.dirty, a.saving.instances = false, rev
	a.saving.storing++
	return a.state()
}

// revision is that of the tree. The lock is held.
func (a *Agent) revision() treeRevision {
	r := treeRevision{fresh: a.fresh.rev, known: a.disc.known}
	if a.view != nil {
		r.view = a.view.Revision()
	}
	return r
}

// keepTree saves the tree, if it has changed, and the State before it.
func (a *Agent) keepTree() error {
	if a.host.opts.Keeper == nil {
		return nil
	}
	if err := a.keepState(); err != nil {
		return err
	}
	return a.keepShown()
}

// keepShown saves the tree, if it has changed. The State has been saved.
func (a *Agent) keepShown() error {
	a.saving.tree.Lock()
	defer a.saving.tree.Unlock()
	a.lock()
	a.host.timers.stop(a.saving.plant)
	a.saving.plant = nil
	rev := a.revision()
	a.saving.heard = false
	var t *Tree
	if rev != a.saving.planted {
		t = a.tree()
	}
	if t == nil {
		a.unlock()
		return a.toldKept()
	}
	a.saving.storing++
	a.unlock()
	err := a.host.opts.Keeper.SaveTree(a.id, t)
	a.lock()
	a.saving.storing--
	if err != nil {
		a.host.metrics.unsaved.Inc()
		a.saving.heard = true
		a.unlock()
		return fmt.Errorf("agent: tree of %s: %w", a.id, err)
	}
	a.saving.planted = rev
	a.unlock()
	if t.Supports != nil {
		a.meetSisters() // who share now what this CPE had alone
		a.lock()
		a.compareWithSisters()
		a.unlock()
	}
	return a.toldKept()
}

// keepTreeSoon saves the tree in the background, if it has changed: after plantAfter if
// nothing has been read. The lock is held.
func (a *Agent) keepTreeSoon() {
	rev := a.revision()
	if a.host.opts.Keeper == nil || rev == a.saving.planted {
		return
	}
	save := func(context.Context) {
		if err := a.keepTree(); err != nil { // it can be read anew
			a.log.Info("what is known of a CPE is not saved", zap.Error(err))
		}
	}
	switch rev.view = a.saving.planted.view; {
	case rev != a.saving.planted:
		a.host.spawn(save)
	case a.saving.plant == nil:
		// Not one of the Agent's own timers, as it does not sleep before.
		a.saving.plant = a.host.after(plantAfter, func() { a.host.spawn(save) })
	}
}
