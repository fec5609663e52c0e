// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package state_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/uspgate/uspgate/internal/state"
	"github.com/uspgate/uspgate/internal/store"
	"github.com/uspgate/uspgate/translate/device"
	"github.com/uspgate/uspgate/translate/device/journaltest"
)

func openState(t *testing.T, s store.Store, o state.Options) *state.State {
	t.Helper()
	st, err := state.Open(t.Context(), s, o)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

var journalOptions = state.Options{Journal: state.JournalOptions{MaxPerDevice: journaltest.PerDevice}}

func TestJournal(t *testing.T) {
	t.Parallel()
	journaltest.Run(t, func(t *testing.T) device.Journal {
		t.Helper()
		return openState(t, &store.Memory{}, journalOptions).Journal()
	})
}

func TestJournalRestart(t *testing.T) {
	t.Parallel()
	journaltest.RunRestart(t, func(t *testing.T) (device.Journal, func() device.Journal) {
		t.Helper()
		s := &store.Memory{}
		open := func() device.Journal { return openState(t, s, journalOptions).Journal() }
		return open(), open
	})
}

// An answer is kept for an hour, over a restart too; what is not answered, for ever.
func TestJournalForgetsWhatIsOld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &store.Memory{}
		j := openState(t, s, state.Options{}).Journal()
		answered, open := device.Key{To: "a", MsgID: "1"}, device.Key{To: "a", MsgID: "2"}
		for _, k := range []device.Key{answered, open} {
			if _, err := j.Begin(k); err != nil {
				t.Fatal(err)
			}
		}
		if err := j.Answer(answered, nil); err != nil {
			t.Fatal(err)
		}
		state := func(k device.Key, want device.State) {
			t.Helper()
			if e, err := j.Begin(k); err != nil || e.State != want {
				t.Fatalf("got state %d, %v, want %d", e.State, err, want)
			}
		}
		<-time.After(time.Hour - time.Second)
		j = openState(t, s, journalOptions).Journal()
		state(answered, device.StateAnswered)
		<-time.After(2 * time.Second)
		state(answered, device.StateNew)
		state(open, device.StateQueued)
	})
}

func TestJournalBoundsAll(t *testing.T) {
	t.Parallel()
	j := openState(t, &store.Memory{}, state.Options{Journal: state.JournalOptions{MaxEntries: 2}}).Journal()
	key := func(to string) device.Key { return device.Key{To: to} }
	begin := func(to string, want device.State) {
		t.Helper()
		if e, err := j.Begin(key(to)); err != nil || e.State != want {
			t.Fatalf("%s: got state %d, %v, want %d", to, e.State, err, want)
		}
	}
	begin("a", device.StateNew)
	begin("b", device.StateNew)
	if _, err := j.Begin(key("c")); err == nil {
		t.Fatal("got room for a third entry, want none")
	}
	if err := j.Answer(key("a"), nil); err != nil {
		t.Fatal(err)
	}
	begin("c", device.StateNew)
	begin("b", device.StateQueued)
}
