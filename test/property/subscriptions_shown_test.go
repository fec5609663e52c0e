// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package property_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/uspgate/uspgate/cwmp"
)

// shown is what was shown of a CPE: rows and values by their paths in Device:2.
type shown struct {
	rows   map[string]bool
	values tree
}

func (s shown) clone() shown { return shown{maps.Clone(s.rows), maps.Clone(s.values)} }

// name is what a Controller calls a parameter, or a row, of the CPE; "" for one that the
// test is not about. Rows are numbered as they are first seen.
func (o *oracle) name(raw string) (row, param string, c *column) {
	for _, t := range o.shape.tables {
		rest, ok := strings.CutPrefix(raw, t.raw)
		if !ok || rest == "" {
			continue
		}
		row, leaf := t.path, rest
		if !t.single {
			number, tail, _ := strings.Cut(rest, ".")
			if _, err := strconv.Atoi(number); err != nil {
				return "", "", nil
			}
			row, leaf = fmt.Sprintf("%s%d.", t.path, o.number(t, t.raw+number+".")), tail
		}
		for i := range t.columns {
			if t.columns[i].raw == leaf {
				return row, row + t.columns[i].name, &t.columns[i]
			}
		}
		return row, "", nil
	}
	return "", "", nil
}

// number is that of a row in Device:2: of a TR-098 CPE they are given one after the other.
func (o *oracle) number(t *table, raw string) int {
	if t.path == t.raw {
		_, n := split(raw)
		return n
	}
	if o.numbers[raw] == 0 {
		o.last[t.path]++
		o.numbers[raw] = o.last[t.path]
	}
	return o.numbers[raw]
}

// take takes values of the CPE, sorted as rows are numbered.
func (s *shown) take(o *oracle, vals []cwmp.ParameterValue) {
	sorted := slices.Clone(vals)
	slices.SortStableFunc(sorted, func(a, b cwmp.ParameterValue) int { return byNumbers(a.Name, b.Name) })
	for _, v := range sorted {
		row, param, c := o.name(v.Name)
		if c == nil {
			continue
		}
		s.row(o, row)
		s.values[param] = c.word(v.Value)
	}
}

func (s *shown) row(o *oracle, row string) {
	for _, t := range o.shape.tables {
		if !t.single && strings.HasPrefix(row, t.path) {
			s.rows[row] = true
		}
	}
}

// keep leaves, of the rows below a partial path of the CPE, those only that were named.
func (s *shown) keep(o *oracle, under string, named map[string]bool) {
	for _, t := range o.shape.tables {
		if t.single {
			continue
		}
		for raw, row := range o.rawRows(t, s) {
			if strings.HasPrefix(raw, under) && !named[raw] {
				s.drop(row)
				delete(o.numbers, raw)
			}
		}
	}
}

func (s *shown) drop(row string) {
	delete(s.rows, row)
	maps.DeleteFunc(s.values, func(p, _ string) bool { return strings.HasPrefix(p, row) })
}

// rawRows are the rows of a table by the CPE's names.
func (o *oracle) rawRows(t *table, s *shown) map[string]string {
	out := make(map[string]string)
	if t.path == t.raw {
		for row := range s.rows {
			if strings.HasPrefix(row, t.path) {
				out[row] = row
			}
		}
		return out
	}
	for raw, n := range o.numbers {
		if row := fmt.Sprintf("%s%d.", t.path, n); s.rows[row] && strings.HasPrefix(raw, t.raw) {
			out[raw] = row
		}
	}
	return out
}

// rowsIn are the rows that names are in.
func (o *oracle) rowsIn(names []string) map[string]bool {
	out := make(map[string]bool)
	for _, n := range names {
		for _, t := range o.shape.tables {
			if rest, ok := strings.CutPrefix(n, t.raw); ok && !t.single {
				if number, _, ok := strings.Cut(rest, "."); ok {
					out[t.raw+number+"."] = true
				}
			}
		}
	}
	return out
}

func byNumbers(a, b string) int {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(as), len(bs)) {
		x, errX := strconv.Atoi(as[i])
		y, errY := strconv.Atoi(bs[i])
		if errX == nil && errY == nil && x != y {
			return x - y
		}
		if as[i] != bs[i] {
			return strings.Compare(as[i], bs[i])
		}
	}
	return len(as) - len(bs)
}
