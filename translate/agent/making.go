// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent

import "slices"

// making is an Add under way. Its rows are told of when they are there for good,
// but a read of others may see them before, and others make rows of the same
// tables meanwhile: which is which is known at the end.
type making struct {
	tables map[string]int
	own    map[string]bool // rows that the Add has made
	seen   []change        // rows of the tables that have appeared
}

func (m *making) init() {
	m.tables = make(map[string]int)
	m.own = make(map[string]bool)
}

// appeared reports whether a row that has appeared is to be told of later.
func (m *making) appeared(row string) bool {
	if m.tables[tableOf(row)] == 0 {
		return false
	}
	m.seen = append(m.seen, change{kind: createdRow, path: row})
	return true
}

// vanished reports whether a row that is gone was never told of.
func (m *making) vanished(row string) bool {
	before := len(m.seen)
	m.seen = slices.DeleteFunc(m.seen, func(c change) bool { return c.path == row })
	return len(m.seen) < before || m.own[row]
}

// makeQuietly keeps the rows that are being made from being told of (see
// making), and ends it.
func (a *Agent) makeQuietly(creations []*creation, n int) {
	a.lock()
	defer a.unlock()
	m := &a.making
	for _, c := range creations {
		for _, row := range c.rows {
			if m.tables[row.table] += n; m.tables[row.table] <= 0 {
				delete(m.tables, row.table)
			}
		}
	}
	if len(m.tables) > 0 {
		return
	}
	others := slices.DeleteFunc(m.seen, func(c change) bool { return m.own[c.path] || !a.exists(c.path) })
	for i := range others {
		others[i].keys = a.keys(others[i].path)
	}
	m.seen = nil
	clear(m.own)
	a.emit(others)
}
