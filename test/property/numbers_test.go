// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package property_test

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// unheard is added to the number of a row that the Agent has not shown yet.
const unheard = 1000

// has is the tree that the CPE has, with the numbers that the Agent gives to rows.
func (b *box) has() tree {
	out := tree{}
	for path, v := range b.shape.inCPE(b.CPE) {
		table, n, rest := b.mappedRow(path)
		if n != 0 {
			to, ok := b.numbers[n]
			if !ok {
				to = n + unheard
			}
			path = table + strconv.Itoa(to) + rest
		}
		out[path] = v
	}
	return out
}

// mappedRow cuts a path in a row of shape.mapped; n is 0 for others.
func (b *box) mappedRow(path string) (table string, n int, rest string) {
	after, ok := strings.CutPrefix(path, b.shape.mapped)
	if b.shape.mapped == "" || !ok {
		return "", 0, ""
	}
	dot := strings.IndexByte(after, '.')
	n, err := strconv.Atoi(after[:max(dot, 0)])
	if err != nil {
		return "", 0, ""
	}
	return b.shape.mapped, n, after[dot:]
}

// learn takes the numbers of rows from what the Agent shows.
func (b *box) learn(shown tree) {
	if b.shape.mapped == "" {
		return
	}
	b.numbers = make(map[int]int)
	for path, v := range shown {
		_, n, rest := b.mappedRow(path)
		if cpe, ok := strings.CutPrefix(v, "cpe-"); n != 0 && rest == ".Alias" && ok {
			if of, err := strconv.Atoi(cpe); err == nil {
				b.numbers[of] = n
			}
		}
	}
}

// pair finds the rows that an answer says were made: they are in the order in which the
// CPE has made them, and where it has more than that they are those that look like them.
func (b *box) pair(answered tree) {
	if b.shape.mapped == "" {
		return
	}
	have := b.shape.inCPE(b.CPE)
	known := slices.Collect(maps.Values(b.numbers))
	made := slices.DeleteFunc(b.rowsIn(answered), func(n int) bool { return slices.Contains(known, n) })
	news := slices.DeleteFunc(b.rowsIn(have), func(n int) bool { _, ok := b.numbers[n]; return ok })
	alike := func(n, of int) bool {
		prefix := b.shape.mapped + strconv.Itoa(of) + "."
		for path, v := range have {
			if leaf, ok := strings.CutPrefix(path, prefix); ok && answered[b.shape.mapped+strconv.Itoa(n)+"."+leaf] != v {
				return false
			}
		}
		return true
	}
	for i, n := range made {
		at := 0
		if len(made)-i != len(news) {
			at = slices.IndexFunc(news, func(of int) bool { return alike(n, of) })
		}
		if at < 0 || at >= len(news) {
			return
		}
		b.numbers[news[at]] = n
		news = slices.Delete(news, at, at+1)
	}
}

// rowsIn lists the numbers of the rows of shape.mapped that a tree has.
func (b *box) rowsIn(t tree) []int {
	rows := make(map[int]bool)
	for path := range t {
		if _, n, _ := b.mappedRow(path); n != 0 {
			rows[n] = true
		}
	}
	return slices.Sorted(maps.Keys(rows))
}
