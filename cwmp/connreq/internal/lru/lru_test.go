// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package lru_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/uspgate/uspgate/cwmp/connreq/internal/lru"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTheLeastRecentlyUsedGoes(t *testing.T) {
	t.Parallel()
	m := lru.New[string, int](2)
	m.Put("a", 1)
	m.Put("b", 2)
	m.Put("a", 3)
	m.Put("c", 4)
	if _, ok := m.Get("b"); ok || m.Len() != 2 {
		t.Fatalf("got b: %v and %d entries, want it gone and 2", ok, m.Len())
	}
	if v, ok := m.Get("a"); !ok || v != 3 {
		t.Fatalf("got %d, %v, want 3", v, ok)
	}
	m.Put("d", 5)
	if _, ok := m.Get("c"); ok {
		t.Fatal("got c, want the one read last kept instead")
	}
	m.Delete("a")
	m.Delete("a")
	if _, ok := m.Get("a"); ok || m.Len() != 1 {
		t.Fatalf("got a: %v and %d entries, want it deleted and 1", ok, m.Len())
	}
}
