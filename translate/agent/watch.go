// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/model"
	"github.com/uspgate/uspgate/usp/path"
)

// How the Agent learns of what a Subscription is about: by itself, because the CPE has
// active notification on it (attributes.go), or by comparing what it reads in the
// sessions of the CPE, and at every Options.Poll, with what it knew.
const (
	changesByAgent        = "Agent"
	changesByNotification = "Notification"
	changesByInform       = "Inform"
	changesByPoll         = "Poll"
)

// compareEvery is how often at most what the CPE does not report is read in its sessions.
const compareEvery = 30 * time.Second

// maxCompared bounds how many names, or objects if there are more, are read for that.
const maxCompared = 256

// watching is when what the CPE does not report is compared.
type watching struct {
	about interest // as of at
	at    watchedTree
	rows  uint64 // counts the changes of the rows there are
	last  time.Time
	waits bool // until something else is over
	poll  *timer
}

// watchedTree tells apart what an interest depends on: the Subscriptions, what there is in
// the tree, and, where search expressions decide, its values.
type watchedTree struct {
	subs, rows, values uint64
	nodes              int
	known              bool
}

// interest is what Subscriptions are about.
type interest struct {
	own bool // something of the Agent itself
	// report are parameters of the CPE that it is to report by itself, with the table
	// that a number of entries is of.
	report map[string]countedTable
	read   map[string]bool // names and partial paths in which the Agent has to look
}

// countedTable is a table by its names in Device:2 and on the CPE; zero is none.
type countedTable struct{ path, raw string }

// interests returns what the Subscriptions are about. It is not to be changed. The lock is
// held.
func (a *Agent) interests() interest {
	w := &a.attrs.watch
	at := watchedTree{subs: a.subs.rev, rows: w.rows, known: a.disc.known}
	if a.view != nil {
		at.nodes, _ = a.view.Size()
		if slices.ContainsFunc(a.subs.list, func(s *subscription) bool { return len(s.operands) > 0 }) {
			at.values = a.view.Revision()
		}
	}
	if w.about.report == nil || at != w.at {
		w.about, w.at = a.interestOf(a.subs.list...), at
	}
	return w.about
}

// interestOf returns what some Subscriptions are about. The lock is held.
func (a *Agent) interestOf(subs ...*subscription) interest {
	in := interest{report: make(map[string]countedTable), read: make(map[string]bool)}
	for _, s := range subs {
		if s.typ != notifValueChange && s.typ != notifObjectCreation && s.typ != notifObjectDeletion {
			continue
		}
		for _, ref := range s.operands {
			if !isLocal(ref.String()) && a.disc.known && a.view != nil {
				in.values(a, ref)
			}
		}
		for _, ref := range s.refs {
			switch {
			case isLocal(ref.String()):
				in.own = true
			case !a.disc.known || a.view == nil:
			case s.typ == notifValueChange:
				in.values(a, ref)
			default:
				in.rows(a, ref)
			}
		}
	}
	return in
}

// values adds the parameters that a reference means.
func (in *interest) values(a *Agent, ref path.Path) {
	for _, found := range a.meaning(ref, tree{a}) {
		if ref.Kind() != path.Parameter {
			in.own = in.own || strings.HasPrefix(localRoot, found) || a.local.exists(found)
			// Not the Agent's own parameters: one of them is made of this.
			a.view.Walk(found, 0, func(object string, params []model.Param) bool {
				if !isLocal(object) {
					in.below(a, object, params)
				}
				return true
			})
		} else if _, ok := a.view.Param(found); ok {
			in.value(a, found)
		} else {
			in.own = true
		}
	}
}

// below adds the parameters of an object; beyond the bound, those that are left with it.
func (in *interest) below(a *Agent, object string, params []model.Param) {
	for i := range params {
		if len(in.report) >= maxAttributes {
			for _, name := range a.view.Sources(object) {
				in.read[name] = true
			}
			return
		}
		in.value(a, params[i].Path)
	}
}

// value adds a parameter.
func (in *interest) value(a *Agent, param string) {
	for _, name := range a.view.Sources(param) {
		_, there := a.view.CPEValue(name)
		switch {
		case cwmp.IsPartialPath(name), there && restless(name):
			in.read[name] = true
		case there:
			in.ask(name, countedTable{})
		}
	}
}

// rows adds the tables whose rows a reference means. The CPE tells of them by their
// number, where it has one.
func (in *interest) rows(a *Agent, ref path.Path) {
	for _, table := range a.tablesOf(ref) {
		if isLocal(table) {
			in.own = true
			continue
		}
		raw := a.view.Tables(table)
		for _, t := range raw {
			count := strings.TrimSuffix(t.Name, ".") + "NumberOfEntries"
			if v, ok := a.view.CPEValue(count); ok && !v.NoValue {
				in.ask(count, countedTable{table, t.Name})
			} else {
				in.read[t.Name] = true
			}
		}
		if len(raw) == 0 {
			for _, name := range a.view.Sources(table) {
				in.read[name] = true
			}
		}
	}
}

// ask wants the CPE to report a parameter, as far as the bound goes.
func (in *interest) ask(name string, of countedTable) {
	switch have, ok := in.report[name]; {
	case ok && of.raw == "":
	case ok || len(in.report) < maxAttributes:
		in.report[name] = of
	case have.raw == "" && of.raw != "":
		in.read[of.raw] = true
	default:
		in.read[name] = true
	}
}

// tablesOf returns the tables whose rows a reference means.
func (a *Agent) tablesOf(ref path.Path) []string {
	text := strings.TrimSuffix(ref.String(), "*.")
	if !strings.ContainsAny(text, "[+#*") {
		return []string{tableFor(text)}
	}
	p, err := path.Parse(text)
	if err != nil {
		return nil
	}
	var tables []string
	for _, found := range a.meaning(p, tree{a}) {
		tables = append(tables, tableFor(found))
	}
	slices.Sort(tables)
	return slices.Compact(tables)
}

// tableFor returns the table of a row, and of a table itself.
func tableFor(object string) string {
	if _, last := splitParam(strings.TrimSuffix(object, ".")); isInstance(last) {
		return tableOf(object)
	}
	return object
}

// unreported returns the names in which the Agent has to look itself to see what
// Subscriptions are about. What the CPE was not asked yet to report is not among them: it
// will be, and read then. The lock is held.
func (a *Agent) unreported() []string {
	if len(a.subs.list) == 0 {
		return nil
	}
	return a.unreportedOf(a.interests())
}

func (a *Agent) unreportedOf(in interest) []string {
	names := slices.Collect(maps.Keys(in.read))
	for name, t := range in.report {
		switch {
		case !a.attrs.refused[name] && !a.attrs.full[name]:
		case t.raw != "":
			names = append(names, t.raw)
		default:
			names = append(names, name)
		}
	}
	names = withoutCovered(slices.DeleteFunc(names, func(n string) bool { return a.fresh.refused[n] }))
	if len(names) > maxCompared {
		for i, n := range names {
			if !cwmp.IsPartialPath(n) {
				names[i], _ = splitParam(n)
			}
		}
		names = withoutCovered(names)
	}
	return names[:min(len(names), maxCompared)]
}

// changesBy says how the Agent learns of what a Subscription is about.
func (a *Agent) changesBy(row string) string {
	s := a.loadSubscription(row)
	if s == nil {
		return ""
	}
	in := a.interestOf(s)
	var ways []string
	if in.own {
		ways = append(ways, changesByAgent)
	}
	if slices.ContainsFunc(slices.Collect(maps.Keys(in.report)), func(n string) bool { return a.attrs.set[n] }) {
		ways = append(ways, changesByNotification)
	}
	if len(a.unreportedOf(in)) > 0 {
		ways = append(ways, changesByInform)
		if a.host.opts.Poll > 0 {
			ways = append(ways, changesByPoll)
		}
	}
	return strings.Join(ways, ",")
}

// recounted returns the tables, of those that Subscriptions are about, of which an Inform
// says that their number of entries has changed, or shows another one than there are rows.
// It is to be asked before the Inform is taken in.
func (a *Agent) recounted(in *cwmp.Inform) []string {
	var tables []string
	for i := range in.Params {
		p := &in.Params[i]
		if !strings.HasSuffix(p.Name, "NumberOfEntries") || len(a.subs.list) == 0 {
			continue
		}
		t := a.interests().report[p.Name]
		was, _ := a.view.CPEValue(p.Name)
		if t.raw != "" && (was.Value != p.Value || in.HasEvent(cwmp.EventValueChange)) {
			tables = append(tables, t.path)
		}
	}
	return tables
}

// compare reads in the session of an Inform what Subscriptions are about and the CPE does
// not report. A session that only a Connection Request has opened is for who asked for it.
// The lock is held.
func (a *Agent) compare(in *cwmp.Inform) {
	own := slices.ContainsFunc(in.Events, func(e cwmp.Event) bool { return e.Code != cwmp.EventConnectionRequest })
	if !own || time.Since(a.attrs.watch.last) < compareEvery {
		return
	}
	a.look()
}

// look does, waking the CPE if it sleeps. The lock is held.
func (a *Agent) look() {
	if a.attrs.watch.waits = a.attrs.running; a.attrs.running || !a.disc.known || a.disc.running {
		return
	}
	names := a.unreported()
	if len(names) == 0 {
		return
	}
	a.attend(func(ctx context.Context, call caller) bool {
		if err := a.read(ctx, call, names).any(); err != nil {
			a.log.Debug("what Subscriptions are about was not compared", zap.Error(err))
			return false
		}
		a.lock()
		defer a.unlock()
		a.attrs.watch.last = time.Now()
		return true
	})
}

// armPoll sees to it that there is a timer while there is something to compare. The lock
// is held.
func (a *Agent) armPoll() {
	interval := a.host.opts.Poll
	if interval <= 0 {
		return
	}
	due := len(a.unreported()) > 0
	switch {
	case !due:
		a.stop(a.attrs.watch.poll)
		a.attrs.watch.poll = nil
		delete(a.local.values, subscriptionTable+hiddenPhase)
	case a.attrs.watch.poll == nil:
		a.attrs.watch.poll = a.after(a.untilDue(subscriptionTable, interval, ""), func() {
			a.attrs.watch.poll = nil
			a.look()
			a.armPoll()
		})
		a.attrs.watch.poll.every = interval
	}
}
