// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/uspgate/uspgate/usp"
)

// tx is a series of changes to the local tree that is kept or undone as a
// whole. Subscribers hear of it when it is kept. The lock may be given back
// between its steps: what others change meanwhile stays changed.
type tx struct {
	l       *local
	undo    []func()
	changes []change
}

// change is one thing that happened to the data model, wherever.
type change struct {
	kind  changeKind
	path  string
	value string            // of a changed parameter
	keys  map[string]string // of a created row
}

type changeKind uint8

const (
	changedValue changeKind = iota
	createdRow
	deletedRow
)

func (l *local) begin() *tx { return &tx{l: l} }

// set stores a value.
func (t *tx) set(param, value string) {
	old, had := t.l.values[param]
	before := t.l.get(param)
	t.l.forgetRoles(param)
	t.l.values[param] = value
	t.undo = append(t.undo, func() {
		if object, _ := splitParam(param); !t.l.rowsExist(object) {
			return
		}
		if had {
			t.l.values[param] = old
		} else {
			delete(t.l.values, param)
		}
	})
	object, leaf := splitParam(param)
	if o := t.l.object(object); before != value && o != nil && o.columns[leaf] != nil && !o.columns[leaf].still {
		t.changes = append(t.changes, change{kind: changedValue, path: param, value: value})
	}
}

// add makes a row with its automatic columns.
func (t *tx) add(table string, by usp.EndpointID) string {
	l := t.l
	l.next[table]++
	l.agent.saving.dirty = true // the number is used, whatever becomes of the row
	n := l.next[table]
	l.rows[table] = append(l.rows[table], n)
	row := table + strconv.FormatUint(uint64(n), 10) + "."
	l.forgetRoles(row)
	t.undo = append(t.undo, func() { l.drop(row) })
	o := l.object(row)
	if o != nil && o.columns["Alias"] != nil {
		l.values[row+"Alias"] = "cpe-" + strconv.FormatUint(uint64(n), 10)
	}
	if o != nil && o.added != nil {
		o.added(t, row, by)
	}
	// The changes of a new row are its creation.
	t.changes = slices.DeleteFunc(t.changes, func(c change) bool { return strings.HasPrefix(c.path, row) })
	t.changes = append(t.changes, change{kind: createdRow, path: row})
	t.counted(table)
	return row
}

// remove takes a row out, with everything below it.
func (t *tx) remove(row string) {
	l := t.l
	l.forgetRoles(row)
	switch tableOf(row) {
	case roleTable:
		t.unassign(row)
	case controllerTable:
		t.disown(row)
	case certificateTable:
		t.forgetCertificate(row)
	case challengeTable:
		t.forgetChallenge(row)
	}
	for _, below := range l.below(row) {
		t.changes = append(t.changes, change{kind: deletedRow, path: below})
	}
	table := tableOf(row)
	rows := make(map[string][]uint32)
	values := make(map[string]string)
	for name, list := range l.rows {
		if name == table || strings.HasPrefix(name, row) {
			rows[name] = slices.Clone(list)
		}
	}
	for name, v := range l.values {
		if strings.HasPrefix(name, row) {
			values[name] = v
		}
	}
	l.drop(row)
	t.undo = append(t.undo, func() {
		for name, list := range rows {
			all := slices.Concat(l.rows[name], list)
			slices.Sort(all)
			l.rows[name] = slices.Compact(all)
		}
		maps.Copy(l.values, values)
	})
	t.counted(table)
}

// counted notes that the number of entries of a table has changed.
func (t *tx) counted(table string) {
	object, name := splitParam(strings.TrimSuffix(table, "."))
	if p := object + name + "NumberOfEntries"; t.l.object(object) != nil {
		if v, ok := t.l.value(p); ok {
			t.changes = append(t.changes, change{kind: changedValue, path: p, value: v})
		}
	}
}

// mark notes how far the transaction is, for back.
func (t *tx) mark() [2]int { return [2]int{len(t.undo), len(t.changes)} }

// back undoes what was done since mark, last first.
func (t *tx) back(mark [2]int) {
	if len(t.undo) > mark[0] {
		t.l.agent.saving.dirty = true // it may have been saved as it was
		t.l.roles, t.l.parting = nil, nil
	}
	for _, f := range slices.Backward(t.undo[mark[0]:]) {
		f()
	}
	t.undo, t.changes = t.undo[:mark[0]], t.changes[:mark[1]]
}

// rollback undoes everything.
func (t *tx) rollback() { t.back([2]int{}) }

// commit keeps everything and tells the subscribers.
func (t *tx) commit() {
	if len(t.undo) == 0 {
		return
	}
	a, changes := t.l.agent, t.changes
	t.undo, t.changes = nil, nil
	for i := range changes {
		if changes[i].kind == createdRow {
			changes[i].keys = t.l.keys(changes[i].path)
		}
	}
	a.emit(changes)
	a.localChanged(changes)
	if t.l.parting != nil {
		a.part()
	}
}

// below returns a row and the rows under it that are there, deepest first.
func (l *local) below(row string) []string {
	var rows []string
	for table, list := range l.rows {
		if strings.HasPrefix(table, row) {
			for _, n := range list {
				rows = append(rows, table+strconv.FormatUint(uint64(n), 10)+".")
			}
		}
	}
	slices.Sort(rows)
	slices.Reverse(rows)
	return append(rows, row)
}

// drop removes a row and everything below it.
func (l *local) drop(row string) {
	table := tableOf(row)
	n, _ := parseUint(strings.TrimSuffix(strings.TrimPrefix(row, table), "."))
	l.rows[table] = slices.DeleteFunc(l.rows[table], func(have uint32) bool { return uint64(have) == n })
	for name := range l.rows {
		if strings.HasPrefix(name, row) {
			delete(l.rows, name)
		}
	}
	for name := range l.values {
		if strings.HasPrefix(name, row) {
			delete(l.values, name)
		}
	}
}
