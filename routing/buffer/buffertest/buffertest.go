// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package buffertest is the behaviour suite that every buffer.Queue passes.
package buffertest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/uspgate/uspgate/routing/buffer"
	"github.com/uspgate/uspgate/usp"
)

// Limits bound the Queue that Suite.New makes, per Lane and in total.
type Limits struct {
	Records, TotalRecords int
	Bytes, TotalBytes     int64
	MaxAge                time.Duration
	Overflow              buffer.Overflow
	// Metrics gets the metrics of the Queue, also when it is opened again.
	Metrics prometheus.Registerer
}

// Suite says how to make the Queues under test.
type Suite struct {
	// New makes an empty Queue; limits that are zero are as large as the tests
	// need, which is 1,000 Records per Lane, 10,000 in total, and 4 and 64 MiB. It
	// registers its own clean-up.
	New func(t *testing.T, l Limits) buffer.Queue
	// Reopen and Crash are of a Queue that outlives the process, others have
	// neither. Reopen ends q as a process does that is asked to, and opens what it
	// left behind, with the same Limits. Crash opens what is left of q when its
	// process is killed at this moment: q may be in use, and is not closed.
	Reopen, Crash func(t *testing.T, q buffer.Queue) buffer.Queue
	// Forgetful is a Queue that, opened again, may have Records that it has dropped
	// from behind others of their Lane.
	Forgetful bool
	// Damages are ways in which the store may lose or alter it, which waits in q,
	// and nothing else, by their names. Each returns q, or what is opened in its
	// place.
	Damages map[string]func(t *testing.T, q buffer.Queue, it buffer.Item) buffer.Queue
	// Second is of a buffer.Owned: it opens the store of q once more, as another
	// node does. The suite acquires what it uses.
	Second func(t *testing.T, q buffer.Queue) buffer.Owned
}

// Run runs the suite.
func Run(t *testing.T, s Suite) {
	t.Helper()
	tests := []struct {
		name string
		f    func(*testing.T, Suite)
	}{
		{"FirstInFirstOut", firstInFirstOut},
		{"ItemsAreWhole", itemsAreWhole},
		{"ReadAhead", readAhead},
		{"WhatIsNotRemovedStays", whatIsNotRemovedStays},
		{"LanesAreApart", lanesAreApart},
		{"LimitPerLane", limitPerLane},
		{"LimitInTotal", limitInTotal},
		{"LimitOfAge", limitOfAge},
		{"ExpiryEndsASession", expiryEndsASession},
		{"DropOldestSparesSessions", dropOldestSparesSessions},
		{"Purge", purge},
		{"PutsWhileReading", putsWhileReading},
		{"ContextEnds", contextEnds},
		{"Model", model},
		{"Restart", restart},
		{"Damage", damage},
		{"Owned", owned},
	}
	if s.Second != nil {
		s = acquiring(s)
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tc.f(t, s)
		})
	}
}

// lane returns one of any number of Lanes, with what durable stores have to
// encode in it.
func lane(n int) buffer.Lane {
	l := buffer.Lane{To: usp.Address{ID: usp.EndpointID(fmt.Sprintf("ops::012345-a.b%%2A-%d", n)), Role: usp.RoleAgent}}
	if n%2 == 1 {
		l.From = "self::controller.x"
	}
	return l
}

func item(l buffer.Lane, text string) buffer.Item {
	return buffer.Item{
		Lane: l, Record: usp.NewNoSession("self::controller.x", l.To.ID, "", []byte(text)), At: time.Now(),
	}
}

func text(it *buffer.Item) string { return string(it.Record.Header().Payload) }

// outcome is what Put gave.
type outcome struct {
	seq uint64
	err error
}

// put puts and waits, at most ten seconds; it fails if settled comes twice.
func put(t *testing.T, q buffer.Queue, it buffer.Item) outcome {
	t.Helper()
	got := make(chan outcome, 2)
	q.Put(it, func(seq uint64, err error) { got <- outcome{seq, err} })
	select {
	case o := <-got:
		if len(got) > 0 {
			t.Fatal("settled twice")
		}
		return o
	case <-time.After(10 * time.Second):
		t.Fatal("Put was not settled within 10 s")
		return outcome{}
	}
}

func mustPut(t *testing.T, q buffer.Queue, it buffer.Item) uint64 {
	t.Helper()
	o := put(t, q, it)
	if o.err != nil {
		t.Fatalf("Put: %v", o.err)
	}
	return o.seq
}

func read(t *testing.T, q buffer.Queue, l buffer.Lane, after uint64, n int) []buffer.Item {
	t.Helper()
	items, err := q.Read(t.Context(), l, after, n, 1<<30)
	if err != nil {
		t.Fatalf("Read: %v", err)
	}
	return items
}

// dropped lists the Drops of q for one reason.
func dropped(t *testing.T, q buffer.Queue, why buffer.Reason) []buffer.Drop {
	t.Helper()
	l, ok := q.(buffer.Lister)
	if !ok {
		t.Fatalf("%T does not list what it drops", q)
	}
	return slices.DeleteFunc(l.Dropped(), func(d buffer.Drop) bool { return d.Reason != why })
}

func wantTexts(t *testing.T, items []buffer.Item, want ...string) {
	t.Helper()
	got := make([]string, 0, len(items))
	for i := range items {
		got = append(got, text(&items[i]))
	}
	if !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
}

func remove(t *testing.T, q buffer.Queue, l buffer.Lane, upTo uint64) {
	t.Helper()
	if err := q.Remove(t.Context(), l, upTo); err != nil {
		t.Fatalf("Remove: %v", err)
	}
}
