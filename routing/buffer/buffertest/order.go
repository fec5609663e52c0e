// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package buffertest

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/uspgate/uspgate/mtp"
	"github.com/uspgate/uspgate/routing/buffer"
	"github.com/uspgate/uspgate/usp"
)

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

// whole is an Item with something in every field.
func whole(l buffer.Lane, text string) buffer.Item {
	it := item(l, text)
	it.Hint = mtp.Hint{Destination: "usp/v1/agent/#1", ReplyTo: "usp/v1/controller/é"}
	it.Via, it.Trunk, it.At = "broker", "trunk to the north", time.Now().Add(-time.Minute)
	return it
}

// wantWhole compares all fields of an Item but its Seq.
func wantWhole(t *testing.T, got, want *buffer.Item) {
	t.Helper()
	if got.Lane != want.Lane || got.Hint != want.Hint || got.Via != want.Via || got.Trunk != want.Trunk ||
		!got.At.Equal(want.At) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if !slices.Equal(got.Record.Bytes(), want.Record.Bytes()) {
		t.Errorf("got Record %x, want %x", got.Record.Bytes(), want.Record.Bytes())
	}
}

func itemsAreWhole(t *testing.T, s Suite) {
	t.Helper()
	q, l := s.New(t, Limits{}), lane(1)
	want := whole(l, "x")
	mustPut(t, q, want)
	wantWhole(t, &read(t, q, l, 0, 1)[0], &want)
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

func purge(t *testing.T, s Suite) {
	t.Helper()
	q := s.New(t, Limits{})
	first := mustPut(t, q, item(lane(0), "x"))
	mustPut(t, q, item(lane(0), "x"))
	mustPut(t, q, item(lane(0), "x"))
	mustPut(t, q, item(lane(2), "stays"))
	for _, want := range []int{3, 0} {
		if got, err := q.Purge(t.Context(), lane(0)); err != nil || got != want {
			t.Errorf("Purge: got %d (%v), want %d", got, err, want)
		}
	}
	wantTexts(t, read(t, q, lane(0), 0, 10))
	wantTexts(t, read(t, q, lane(2), 0, 10), "stays")
	drops := dropped(t, q, buffer.ReasonPurged)
	one := item(lane(0), "x")
	size := int64(one.Record.Len())
	if len(drops) != 1 || drops[0].Lane != lane(0) || drops[0].Seq != first || drops[0].Records != 3 ||
		drops[0].Bytes != 3*size {
		t.Errorf("got drops %+v, want one of 3 Records and %d bytes from %d on", drops, 3*size, first)
	}
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
