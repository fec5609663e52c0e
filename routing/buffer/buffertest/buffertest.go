// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

// Package buffertest is the behaviour suite that every buffer.Queue passes.
package buffertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing/buffer"
	"github.com/uspgate/uspgate/usp"
)

// Limits bound the Queue that Suite.New makes, per Lane and in total.
type Limits struct {
	Records, TotalRecords int
	Bytes, TotalBytes     int64
	MaxAge                time.Duration
	Overflow              buffer.Overflow
}

// Suite says how to make the Queues under test.
type Suite struct {
	// New makes an empty Queue; limits that are zero are as large as the tests
	// need, which is 10,000 Records and 64 MiB. It registers its own clean-up.
	New func(t *testing.T, l Limits) buffer.Queue
	// Reopen, if set, ends q as a restart of the process does and opens what it
	// left behind.
	Reopen func(t *testing.T, q buffer.Queue) buffer.Queue
}

// Run runs the suite.
func Run(t *testing.T, s Suite) {
	t.Helper()
	for _, tc := range []struct {
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
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tc.f(t, s)
		})
	}
	t.Run("Reopen", func(t *testing.T) {
		t.Parallel()
		if s.Reopen == nil {
			t.Skip("this Queue does not outlive the process")
		}
		reopen(t, s)
	})
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

func firstInFirstOut(t *testing.T, s Suite) {
	t.Helper()
	q, l := s.New(t, Limits{}), lane(0)
	wantTexts(t, read(t, q, l, 0, 10))
	var last uint64
	for _, x := range []string{"1", "2", "3"} {
		seq := mustPut(t, q, item(l, x))
		if seq <= last {
			t.Fatalf("got Seq %d after %d, want a greater one", seq, last)
		}
		last = seq
	}
	items := read(t, q, l, 0, 10)
	wantTexts(t, items, "1", "2", "3")
	if items[2].Seq != last {
		t.Errorf("got Seq %d, want %d as Put has said", items[2].Seq, last)
	}
	remove(t, q, l, items[1].Seq)
	wantTexts(t, read(t, q, l, 0, 10), "3")
	remove(t, q, l, last)
	wantTexts(t, read(t, q, l, 0, 10))
	if got := q.Depth(l); got != (buffer.Depth{}) {
		t.Errorf("got depth %+v of an empty Lane, want none", got)
	}
	if seq := mustPut(t, q, item(l, "4")); seq <= last {
		t.Errorf("got Seq %d, want one never used before", seq)
	}
}

func itemsAreWhole(t *testing.T, s Suite) {
	t.Helper()
	q, l := s.New(t, Limits{}), lane(1)
	want := item(l, "x")
	want.Hint, want.Via, want.At = mtp.Hint{Destination: "usp/v1/agent/#1"}, "broker", time.Now().Add(-time.Minute)
	mustPut(t, q, want)
	got := read(t, q, l, 0, 1)[0]
	if got.Lane != want.Lane || got.Hint != want.Hint || got.Via != want.Via || !got.At.Equal(want.At) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if !slices.Equal(got.Record.Bytes(), want.Record.Bytes()) {
		t.Errorf("got Record %x, want %x", got.Record.Bytes(), want.Record.Bytes())
	}
	d := q.Depth(l)
	if d.Records != 1 || d.Bytes != int64(want.Record.Len()) || !d.Oldest.Equal(want.At) {
		t.Errorf("got depth %+v, want 1 Record of %d bytes from %v", d, want.Record.Len(), want.At)
	}
}

func readAhead(t *testing.T, s Suite) {
	t.Helper()
	q, l := s.New(t, Limits{}), lane(0)
	for i := range 10 {
		mustPut(t, q, item(l, strconv.Itoa(i)))
	}
	first := read(t, q, l, 0, 3)
	wantTexts(t, first, "0", "1", "2")
	second := read(t, q, l, first[2].Seq, 3)
	wantTexts(t, second, "3", "4", "5")
	remove(t, q, l, first[0].Seq) // behind the reader
	wantTexts(t, read(t, q, l, second[2].Seq, 100), "6", "7", "8", "9")
	size := int64(first[0].Record.Len())
	for bytes, want := range map[int64]int{1: 1, size: 1, 2*size + 1: 2} {
		items, err := q.Read(t.Context(), l, first[0].Seq, 100, bytes)
		if err != nil || len(items) != want {
			t.Errorf("within %d bytes: got %d Items (%v), want %d", bytes, len(items), err, want)
		}
	}
}

func whatIsNotRemovedStays(t *testing.T, s Suite) {
	t.Helper()
	q, l := s.New(t, Limits{}), lane(0)
	for _, x := range []string{"1", "2", "3"} {
		mustPut(t, q, item(l, x))
	}
	items := read(t, q, l, 0, 3)
	remove(t, q, l, items[0].Seq)
	wantTexts(t, read(t, q, l, 0, 3), "2", "3")
	remove(t, q, l, items[0].Seq) // again is no error
	wantTexts(t, read(t, q, l, 0, 3), "2", "3")
}

func lanesAreApart(t *testing.T, s Suite) {
	t.Helper()
	q := s.New(t, Limits{})
	agent := lane(0)
	controller, pair := agent, agent
	controller.To.Role = usp.RoleController
	pair.From = "self::controller.x"
	all := []buffer.Lane{agent, controller, pair, lane(2), lane(3)}
	for i, l := range all {
		mustPut(t, q, item(l, strconv.Itoa(i)))
	}
	if got := q.Lanes(); len(got) != len(all) {
		t.Fatalf("got %d Lanes, want %d: %v", len(got), len(all), got)
	}
	for i, l := range all {
		if !slices.Contains(q.Lanes(), l) {
			t.Errorf("Lane %+v is not listed", l)
		}
		items := read(t, q, l, 0, 10)
		wantTexts(t, items, strconv.Itoa(i))
		remove(t, q, l, items[0].Seq)
	}
	if got := q.Lanes(); len(got) != 0 {
		t.Errorf("got %v, want no Lane left", got)
	}
}

func wantFull(t *testing.T, q buffer.Queue, it buffer.Item) {
	t.Helper()
	if o := put(t, q, it); !errors.Is(o.err, buffer.ErrFull) {
		t.Fatalf("got %v, want ErrFull", o.err)
	}
}

func limitPerLane(t *testing.T, s Suite) {
	t.Helper()
	l := lane(0)
	q := s.New(t, Limits{Records: 2})
	mustPut(t, q, item(l, "1"))
	mustPut(t, q, item(l, "2"))
	wantFull(t, q, item(l, "3"))
	mustPut(t, q, item(lane(2), "another Lane"))
	remove(t, q, l, read(t, q, l, 0, 1)[0].Seq)
	mustPut(t, q, item(l, "4"))
	wantTexts(t, read(t, q, l, 0, 10), "2", "4")

	one := item(l, "x")
	size := int64(one.Record.Len())
	q = s.New(t, Limits{Bytes: 2 * size})
	mustPut(t, q, one)
	mustPut(t, q, one)
	wantFull(t, q, one)
	wantFull(t, q, item(lane(2), string(make([]byte, 2*size))))
}

func limitInTotal(t *testing.T, s Suite) {
	t.Helper()
	q := s.New(t, Limits{TotalRecords: 2})
	mustPut(t, q, item(lane(0), "1"))
	mustPut(t, q, item(lane(2), "2"))
	wantFull(t, q, item(lane(4), "3"))
	if _, err := q.Purge(t.Context(), lane(0)); err != nil {
		t.Fatal(err)
	}
	mustPut(t, q, item(lane(4), "3"))

	one := item(lane(0), "x")
	q = s.New(t, Limits{TotalBytes: int64(one.Record.Len())})
	mustPut(t, q, one)
	wantFull(t, q, item(lane(2), "x"))
}

func limitOfAge(t *testing.T, s Suite) {
	t.Helper()
	q, l := s.New(t, Limits{MaxAge: time.Hour}), lane(0)
	old := item(l, "old")
	old.At = time.Now().Add(-2 * time.Hour)
	mustPut(t, q, old)
	mustPut(t, q, item(l, "young"))
	wantTexts(t, read(t, q, l, 0, 10), "young")
}

func purge(t *testing.T, s Suite) {
	t.Helper()
	q := s.New(t, Limits{})
	for range 3 {
		mustPut(t, q, item(lane(0), "x"))
	}
	mustPut(t, q, item(lane(2), "stays"))
	for _, want := range []int{3, 0} {
		if got, err := q.Purge(t.Context(), lane(0)); err != nil || got != want {
			t.Errorf("Purge: got %d (%v), want %d", got, err, want)
		}
	}
	wantTexts(t, read(t, q, lane(0), 0, 10))
	wantTexts(t, read(t, q, lane(2), 0, 10), "stays")
}

func contextEnds(t *testing.T, s Suite) {
	t.Helper()
	q := s.New(t, Limits{})
	mustPut(t, q, item(lane(0), "x"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := q.Read(ctx, lane(0), 0, 1, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("Read: got %v, want Canceled", err)
	}
	if err := q.Remove(ctx, lane(0), 1); !errors.Is(err, context.Canceled) {
		t.Errorf("Remove: got %v, want Canceled", err)
	}
}

func reopen(t *testing.T, s Suite) {
	t.Helper()
	q := s.New(t, Limits{})
	for _, x := range []string{"1", "2", "3"} {
		mustPut(t, q, item(lane(1), x))
	}
	items := read(t, q, lane(1), 0, 10)
	remove(t, q, lane(1), items[0].Seq)
	q = s.Reopen(t, q)
	if got := q.Lanes(); !slices.Equal(got, []buffer.Lane{lane(1)}) {
		t.Fatalf("got Lanes %v, want the one with Records", got)
	}
	if got := q.Depth(lane(1)).Records; got != 2 {
		t.Errorf("got depth %d, want 2", got)
	}
	again := read(t, q, lane(1), 0, 10)
	wantTexts(t, again, "2", "3")
	if again[0].Seq != items[1].Seq {
		t.Errorf("got Seq %d, want %d as before", again[0].Seq, items[1].Seq)
	}
	if seq := mustPut(t, q, item(lane(1), "4")); seq <= items[2].Seq {
		t.Errorf("got Seq %d, want one greater than %d", seq, items[2].Seq)
	}
}
