// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package lru has a map that forgets what was used least recently.
package lru

import "container/list"

// Map holds at most a given number of entries. Not safe for concurrent use.
type Map[K comparable, V any] struct {
	limit   int
	order   *list.List // of *entry[K, V], the most recently used first
	entries map[K]*list.Element
}

type entry[K comparable, V any] struct {
	key   K
	value V
}

// New returns an empty Map of at most limit entries, at least one.
func New[K comparable, V any](limit int) *Map[K, V] {
	return &Map[K, V]{limit: max(limit, 1), order: list.New(), entries: map[K]*list.Element{}}
}

// Get returns the value of key, which counts as a use.
func (m *Map[K, V]) Get(key K) (value V, ok bool) {
	e, ok := m.entries[key]
	if !ok {
		return value, false
	}
	m.order.MoveToFront(e)
	return e.Value.(*entry[K, V]).value, true
}

// Put sets the value of key; where there is no room for a new one the entry used
// least recently goes.
func (m *Map[K, V]) Put(key K, value V) {
	if e, ok := m.entries[key]; ok {
		e.Value.(*entry[K, V]).value = value
		m.order.MoveToFront(e)
		return
	}
	if len(m.entries) >= m.limit {
		last := m.order.Back()
		delete(m.entries, last.Value.(*entry[K, V]).key)
		m.order.Remove(last)
	}
	m.entries[key] = m.order.PushFront(&entry[K, V]{key: key, value: value})
}

// Delete removes key.
func (m *Map[K, V]) Delete(key K) {
	if e, ok := m.entries[key]; ok {
		m.order.Remove(e)
		delete(m.entries, key)
	}
}

// Len is the number of entries.
func (m *Map[K, V]) Len() int { return len(m.entries) }
