// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package device_test

import (
	"bytes"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uspgate/uspgate/translate/device"
	"github.com/uspgate/uspgate/translate/device/journaltest"
)

func TestMemoryJournal(t *testing.T) {
	t.Parallel()
	journaltest.Run(t, func(*testing.T) device.Journal {
		return device.NewMemoryJournal(device.MemoryOptions{MaxPerDevice: journaltest.PerDevice})
	})
}

func TestMemoryJournalForgetsWhatIsOld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j := device.NewMemoryJournal(device.MemoryOptions{})
		answered, open := device.Key{To: "a", MsgID: "1"}, device.Key{To: "a", MsgID: "2"}
		for _, k := range []device.Key{answered, open} {
			if _, err := j.Begin(k); err != nil {
				t.Fatal(err)
			}
		}
		<-time.After(time.Hour) // while it is executed: that does not count
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
		state(answered, device.StateAnswered)
		<-time.After(time.Second)
		state(answered, device.StateNew)
		state(open, device.StateQueued)
	})
}

func TestMemoryJournalBytes(t *testing.T) {
	t.Parallel()
	j := device.NewMemoryJournal(device.MemoryOptions{MaxBytes: 1000})
	key := func(n int) device.Key { return device.Key{To: strconv.Itoa(n)} }
	for n := range 4 {
		if _, err := j.Begin(key(n)); err != nil {
			t.Fatal(err)
		}
		if err := j.Answer(key(n), bytes.Repeat([]byte("x"), 400)); err != nil {
			t.Fatal(err)
		}
	}
	for n, want := range []device.State{device.StateNew, device.StateNew, device.StateAnswered, device.StateAnswered} {
		if e, err := j.Begin(key(n)); err != nil || e.State != want {
			t.Fatalf("entry %d: got state %d, %v, want %d", n, e.State, err, want)
		}
	}
}
