// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package state_test

import (
	"reflect"
	"testing"

	"github.com/uspgate/uspgate/internal/state"
	"github.com/uspgate/uspgate/internal/store"
	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/translate/profile"
)

// All that was learned of a model outlives the process, and what is learned later joins
// it.
func TestHabitsAreKept(t *testing.T) {
	t.Parallel()
	s := &store.Memory{}
	first := agent.Habits{Names: agent.NamesByWalk, Batch: 8, Refused: []string{"Device.A"}}
	more := agent.Habits{NextLevel: profile.Words, NoPartial: true, Unwatchable: []string{"Device.B"}}
	for _, h := range []agent.Habits{first, more} {
		if err := openState(t, s, state.Options{}).Agents().Learn(key(t, "1.0"), h); err != nil {
			t.Fatal(err)
		}
	}
	m, err := openState(t, s, state.Options{}).Agents().LoadModel(key(t, "1.0"))
	want := agent.Habits{
		Names: agent.NamesByWalk, Batch: 8, Refused: []string{"Device.A"},
		NextLevel: profile.Words, NoPartial: true, Unwatchable: []string{"Device.B"},
	}
	if err != nil || m == nil || !reflect.DeepEqual(m.Habits, want) {
		t.Fatalf("got %+v, %v, want %+v", m, err, want)
	}
	p := profile.Profile{Names: profile.NamesWalk, Batch: 8, NextLevel: profile.Words, NoPartial: true}
	if got := m.Habits.Profile(); !reflect.DeepEqual(got, p) {
		t.Errorf("got %+v, want %+v", got, p)
	}
}
