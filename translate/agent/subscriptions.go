// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"slices"
	"strings"
	"time"

	"github.com/uspgate/uspgate/translate/device"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
)

// subscription is an enabled row of the Subscription table, ready for matching.
type subscription struct {
	row       string
	id        string
	recipient usp.EndpointID
	typ       string
	refs      []path.Path
	operands  []path.Path // what decides what the references mean
	retry     bool
	expire    time.Duration // of a retried Notify; 0 is never
	action    string        // TriggerAction
	// members are what the references with expressions meant last: a row that
	// is gone cannot be searched any more.
	members map[string]bool
}

// subscriptions is what follows from the Subscription table.
type subscriptions struct {
	list     []*subscription // in the order of the rows
	rev      uint64          // counts the changes of the list
	ttl      map[string]*timer
	periodic map[string]*periodic
	triggers triggers
}

func (s *subscriptions) init() {
	s.ttl = make(map[string]*timer)
	s.periodic = make(map[string]*periodic)
	s.triggers = make(triggers)
}

// localChanged brings what follows from the local tree up to date. The lock is
// held.
func (a *Agent) localChanged(changes []change) {
	relevant := func(c change) bool {
		return strings.HasPrefix(c.path, subscriptionTable) || strings.HasPrefix(c.path, controllerTable)
	}
	of := func(roots ...string) bool {
		return slices.ContainsFunc(changes, func(c change) bool {
			return slices.ContainsFunc(roots, func(root string) bool { return strings.HasPrefix(c.path, root) })
		})
	}
	access := of(controllerTable, credentialTable, certificateTable) && a.demand()
	if of(thresholdTable) {
		a.saving.by = device.Rest{}
		a.armThresholds()
	}
	if slices.ContainsFunc(changes, relevant) {
		access = a.grant() || access
		a.saving.by = device.Rest{}
		a.loadSubscriptions()
		a.reconcileAttributes()
		a.tellMounts()
	} else if slices.ContainsFunc(changes, func(c change) bool { return strings.HasPrefix(c.path, bulkRoot) }) {
		a.armBulkData()
	}
	if access {
		a.tellAccess()
	}
	a.changed()
}

// loadSubscriptions makes the list of enabled subscriptions, and the timers
// that belong to it. The lock is held.
func (a *Agent) loadSubscriptions() {
	a.subs.list = a.subs.list[:0:0]
	a.subs.rev++
	for _, tm := range a.subs.ttl {
		a.stop(tm)
	}
	clear(a.subs.ttl)
	a.local.each(subscriptionTable, func(row string) {
		a.armTimeToLive(row)
		if s := a.loadSubscription(row); s != nil {
			a.subs.list = append(a.subs.list, s)
		}
	})
	a.subs.remember(a)
	a.armPeriodic()
	a.armPoll()
	a.armBulkData()
	a.dropOrphans()
}

func (a *Agent) loadSubscription(row string) *subscription {
	l := a.local
	to := l.get(row + "Recipient")
	if !l.isTrue(row+"Enable") || to == "" || !l.isTrue(to+".Enable") {
		return nil
	}
	s := &subscription{
		row: row, id: l.get(row + "ID"), typ: l.get(row + "NotifType"), recipient: a.controllerOf(to),
		retry: l.isTrue(row + "NotifRetry"), expire: l.seconds(row + "NotifExpiration"),
		action: l.get(row + "TriggerAction"),
	}
	for _, ref := range references(l.get(row + "ReferenceList")) {
		if p, err := path.Parse(ref); err == nil {
			s.refs, s.operands = append(s.refs, p), append(s.operands, p.Operands()...)
		}
	}
	return s
}

// armTimeToLive removes the row when its time is over.
func (a *Agent) armTimeToLive(row string) {
	ttl := a.local.seconds(row + "TimeToLive")
	if ttl == 0 {
		return
	}
	made, err := time.Parse(time.RFC3339, a.local.get(row+"CreationDate"))
	if err != nil {
		return
	}
	a.subs.ttl[row] = a.after(time.Until(made.Add(ttl)), func() {
		if a.subs.ttl[row] == nil || !a.local.exists(row) {
			return
		}
		t := a.local.begin()
		t.remove(row)
		t.commit()
	})
}

// remember notes what the references with expressions mean now.
func (s *subscriptions) remember(a *Agent) {
	for _, sub := range s.list {
		sub.members = nil
		for _, ref := range sub.refs {
			if sub.typ != notifObjectDeletion || !hasExpression(ref) {
				continue
			}
			rows, err := path.Resolve(ref, a.treeOf(sub.recipient), a.host.opts.Paths)
			if err != nil {
				continue
			}
			if sub.members == nil {
				sub.members = make(map[string]bool, len(rows))
			}
			for _, row := range rows {
				sub.members[row] = true
			}
		}
	}
}

// hasExpression reports whether a path needs more than comparing names.
func hasExpression(p path.Path) bool { return strings.ContainsAny(p.String(), "[+#") }

// wants reports whether the subscription is about target: a parameter, command
// or event path, or the row that was made or removed.
func (s *subscription) wants(a *Agent, target string) bool {
	return slices.ContainsFunc(s.refs, func(ref path.Path) bool {
		switch s.typ {
		case notifObjectCreation:
			return s.means(a, ref, tableOf(target)) || ref.String() != tableOf(target) && wild(ref, target, false)
		case notifObjectDeletion:
			return s.members[target] || ref.String() == tableOf(target) || wild(ref, target, false)
		default:
			return s.meansBelow(a, ref, target)
		}
	})
}

// wild compares names, * standing for any instance; with below an object also
// matches what is in it.
func wild(ref path.Path, target string, below bool) bool {
	if hasExpression(ref) {
		return false
	}
	p := ref.String()
	for p != "" && target != "" {
		want, restWanted, more := strings.Cut(p, ".")
		have, rest, deeper := strings.Cut(target, ".")
		if !more || !deeper {
			return p == target
		}
		if want != have && (want != "*" || !isInstance(have)) {
			return false
		}
		p, target = restWanted, rest
	}
	return p == "" && (target == "" || below)
}

// means reports whether ref means exactly target now.
func (s *subscription) means(a *Agent, ref path.Path, target string) bool {
	if !hasExpression(ref) {
		return wild(ref, target, false)
	}
	return slices.Contains(a.meaning(ref, a.treeOf(s.recipient)), target)
}

// meansBelow reports whether ref means target, or an object that it is in.
func (s *subscription) meansBelow(a *Agent, ref path.Path, target string) bool {
	if !hasExpression(ref) {
		return wild(ref, target, strings.HasSuffix(ref.String(), "."))
	}
	return slices.ContainsFunc(a.meaning(ref, a.treeOf(s.recipient)), func(m string) bool {
		return m == target || strings.HasSuffix(m, ".") && strings.HasPrefix(target, m)
	})
}

// meaning resolves a reference in a tree; what cannot be resolved means nothing.
func (a *Agent) meaning(ref path.Path, t path.Tree) []string {
	found, err := path.Resolve(ref, t, a.host.opts.Paths)
	if err != nil {
		return nil
	}
	return found
}
