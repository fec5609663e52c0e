// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// maxRemembered bounds the rows that one table of an InstanceMap remembers,
// those that are gone included; the ones numbered first are forgotten first.
const maxRemembered = 4096

// InstanceMap remembers which Device:2 instance number each row of the CPE was
// given. Numbers are never changed, and never given to another row, also not
// after the row is gone [R-ARC.8]; what the CPE identifies by its content, such
// as a host by its MAC address, gets its old number when it comes back. It
// belongs to one CPE, outlives the View, and is stored as JSON. Not safe for
// concurrent use.
type InstanceMap struct {
	tables  map[string]*numbers
	aliases map[string]string
	rev     uint64
}

// numbers are those of one instantiated table.
type numbers struct {
	Next uint32            `json:"next"`
	Rows map[string]uint32 `json:"rows"`
}

// NewInstanceMap returns an empty map.
func NewInstanceMap() *InstanceMap {
	return &InstanceMap{tables: map[string]*numbers{}, aliases: map[string]string{}}
}

// Revision grows with every change worth storing.
func (m *InstanceMap) Revision() uint64 { return m.rev }

// storedMap is the JSON form.
type storedMap struct {
	Tables  map[string]*numbers `json:"tables"`
	Aliases map[string]string   `json:"aliases,omitempty"`
}

// MarshalJSON writes the whole map.
func (m *InstanceMap) MarshalJSON() ([]byte, error) {
	b, err := json.Marshal(storedMap{Tables: m.tables, Aliases: m.aliases})
	if err != nil {
		return nil, fmt.Errorf("model: instance map: %w", err)
	}
	return b, nil
}

// UnmarshalJSON replaces the map by one that MarshalJSON wrote. It refuses one
// in which two rows share a number, and is then unchanged.
func (m *InstanceMap) UnmarshalJSON(b []byte) error {
	var s storedMap
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("model: instance map: %w", err)
	}
	for table, n := range s.Tables {
		if n == nil || n.Rows == nil {
			return fmt.Errorf("model: instance map: %s has no rows", table)
		}
		used := make(map[uint32]string, len(n.Rows))
		for key, num := range n.Rows {
			if other, dup := used[num]; dup || num == 0 || num >= n.Next {
				return fmt.Errorf("model: instance map: %s: number %d of %q (%q)", table, num, key, other)
			}
			used[num] = key
		}
	}
	*m = *NewInstanceMap()
	maps.Copy(m.tables, s.Tables)
	maps.Copy(m.aliases, s.Aliases)
	return nil
}

// number returns that of the row with the key, a new one if it has none.
func (m *InstanceMap) number(table, key string) uint32 {
	n := m.tables[table]
	if n == nil {
		n = &numbers{Next: 1, Rows: map[string]uint32{}}
		m.tables[strings.Clone(table)] = n
	}
	if num, ok := n.Rows[key]; ok {
		return num
	}
	num := n.Next
	n.Next++
	n.Rows[strings.Clone(key)] = num
	if len(n.Rows) > maxRemembered {
		n.forgetOldest()
	}
	m.rev++
	return num
}

// forgetOldest makes room; the number itself stays used.
func (n *numbers) forgetOldest() {
	oldest, key := n.Next, ""
	for k, num := range n.Rows {
		if num < oldest {
			oldest, key = num, k
		}
	}
	delete(n.Rows, key)
}

// retire forgets the rows made of the CPE's objects for which gone is true: a
// new object of the same name is another row.
func (m *InstanceMap) retire(gone func(source string) bool) {
	for _, n := range m.tables {
		for key := range n.Rows {
			source, _, _ := strings.Cut(key, "#")
			if strings.HasSuffix(source, ".") && gone(source) {
				delete(n.Rows, key)
				m.rev++
			}
		}
	}
}

// alias returns the Alias of a row that the CPE keeps none for.
func (m *InstanceMap) alias(row string, num uint32) string {
	if a, ok := m.aliases[row]; ok {
		return a
	}
	return fmt.Sprintf("cpe-%d", num)
}

func (m *InstanceMap) setAlias(row, alias string) {
	m.aliases[strings.Clone(row)] = strings.Clone(alias)
	m.rev++
}

// dropRows forgets the aliases of rows that are gone, and of what was in them.
func (m *InstanceMap) dropRows(rows []string) {
	if len(m.aliases) == 0 {
		return
	}
	for _, row := range slices.Sorted(maps.Keys(m.aliases)) {
		if slices.ContainsFunc(rows, func(r string) bool { return strings.HasPrefix(row, r) }) {
			delete(m.aliases, row)
			m.rev++
		}
	}
}
