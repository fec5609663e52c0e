// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package state_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/internal/inventory"
	"github.com/uspgate/uspgate/internal/state"
	"github.com/uspgate/uspgate/internal/store"
	"github.com/uspgate/uspgate/translate/device"
	"github.com/uspgate/uspgate/usp"
)

var listed = &inventory.Device{
	ID: box, ACS: inventory.Login{Username: "u", Password: "p"},
	ConnectionRequest:    inventory.Login{Username: "cu", Password: "cp"},
	ConnectionRequestURL: "http://10.0.0.7/", Tags: []string{"a"},
}

func listOf(t *testing.T, v *state.Inventory, id cwmp.DeviceID) *state.Listed {
	t.Helper()
	l, err := v.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// What is imported is there for the next process; what a file does not say stays, the
// same again changes nothing, and a dry run never does.
func TestImport(t *testing.T) {
	t.Parallel()
	s := &store.Memory{}
	v := openState(t, s, state.Options{}).Inventory()
	imported := func(d *inventory.Device, dry bool, want state.Change) {
		t.Helper()
		if got, err := v.Import(t.Context(), d, dry); err != nil || got != want {
			t.Errorf("import of %+v, dry %t: got %v, %v, want %v", d, dry, got, err, want)
		}
	}
	imported(listed, true, state.Added)
	if got := listOf(t, v, box); got != nil || v.Len() != 0 {
		t.Errorf("after a dry run: got %+v, %d entries, want none", got, v.Len())
	}
	imported(listed, false, state.Added)
	imported(listed, false, state.Unchanged)
	imported(&inventory.Device{ID: box.Key()}, false, state.Unchanged)
	imported(&inventory.Device{ID: box, Tags: []string{"b"}}, true, state.Changed)
	imported(&inventory.Device{ID: box, ACS: inventory.Login{Username: "u", Password: "p2"}}, false, state.Changed)

	again := openState(t, s, state.Options{})
	v = again.Inventory()
	lower := box
	lower.OUI = strings.ToLower(box.OUI)
	got := listOf(t, v, lower)
	if got == nil || got.Since.IsZero() {
		t.Fatalf("got %+v, want the entry, and since when", got)
	}
	want := state.Listed{
		ID: box, ACS: inventory.Login{Username: "u", Password: "p2"}, From: state.Imported, Since: got.Since,
		ConnectionRequest: listed.ConnectionRequest, ConnectionRequestURL: listed.ConnectionRequestURL,
		Tags: listed.Tags, Imported: true,
	}
	if !reflect.DeepEqual(*got, want) || v.Len() != 1 || !slices.Equal(v.Names(), []string{box.String()}) ||
		!v.Has(lower) || v.Has(cwmp.DeviceID{SerialNumber: "1"}) {
		t.Errorf("got %+v, %d entries, want %+v", *got, v.Len(), want)
	}
	if seen, err := again.Look(t.Context(), box); seen != nil || err != nil || again.Devices().Len() != 0 {
		t.Errorf("got %+v, %v, want a CPE that has not come", seen, err)
	}
}

// A login is learned once, until it is forgotten or one is imported.
func TestLearn(t *testing.T) {
	t.Parallel()
	s := &store.Memory{}
	v := openState(t, s, state.Options{Inventory: state.InventoryOptions{MaxLearned: 1}}).Inventory()
	first, second := inventory.Login{Username: "a", Password: "1"}, inventory.Login{Username: "b", Password: "2"}
	other := cwmp.DeviceID{OUI: "00256D", SerialNumber: strings.Repeat("long/", 100)}
	learn := func(id cwmp.DeviceID, l inventory.Login, want error) {
		t.Helper()
		if err := v.Learn(t.Context(), id, l); !errors.Is(err, want) {
			t.Errorf("learning %v of %.20s: got %v, want %v", l, id, err, want)
		}
	}
	forget := func(id cwmp.DeviceID, want bool) {
		t.Helper()
		if got, err := v.Forget(t.Context(), id); err != nil || got != want {
			t.Errorf("forgetting: got %t, %v, want %t", got, err, want)
		}
	}
	learn(box, first, nil)
	learn(other, first, state.ErrInventoryFull)
	forget(other, false)
	forget(box, true)
	if got := listOf(t, v, box); got != nil {
		t.Errorf("got %+v, want nothing left", got)
	}
	learn(other, first, nil)
	if got := listOf(t, v, other); got == nil || got.ACS != first || got.From != state.Learned || got.ID != other {
		t.Errorf("got %+v, want what was learned", got)
	}
	forget(other, true)

	if _, err := v.Import(t.Context(), &inventory.Device{ID: box}, false); err != nil {
		t.Fatal(err)
	}
	learn(box, first, nil)
	learn(box, second, state.ErrHasLogin)
	if _, err := v.Import(t.Context(), &inventory.Device{ID: box, ACS: second}, false); err != nil {
		t.Fatal(err)
	}
	if got := listOf(t, v, box); got.ACS != second || got.From != state.Imported {
		t.Errorf("got %+v, want the one that was imported", got)
	}
	forget(box, true)
	if got := listOf(t, v, box); got == nil || got.From != "" || got.ACS != (inventory.Login{}) || !got.Imported {
		t.Errorf("got %+v, want a CPE that is expected", got)
	}
	if ok, err := v.Remove(t.Context(), box); !ok || err != nil || v.Len() != 0 {
		t.Errorf("got %t, %v, %d left, want it removed", ok, err, v.Len())
	}
	if ok, err := v.Remove(t.Context(), box); ok || err != nil {
		t.Errorf("again: got %t, %v, want false", ok, err)
	}
}

// Of two that use a CPE's name for the first time, one has it.
func TestLearnTwoAtOnce(t *testing.T) {
	t.Parallel()
	v := openState(t, &store.Memory{}, state.Options{}).Inventory()
	var all sync.WaitGroup
	got := make([]error, 8)
	for i := range got {
		all.Go(func() {
			got[i] = v.Learn(t.Context(), box, inventory.Login{Username: fmt.Sprint(i), Password: "x"})
		})
	}
	all.Wait()
	learned := 0
	for _, err := range got {
		if err == nil {
			learned++
		} else if !errors.Is(err, state.ErrHasLogin) {
			t.Errorf("got %v, want ErrHasLogin", err)
		}
	}
	if learned != 1 || v.Len() != 1 {
		t.Errorf("got %d learned, %d entries, want one", learned, v.Len())
	}
}

// The inventory is bounded, and one record that can not be read costs no other.
func TestInventoryBounds(t *testing.T) {
	t.Parallel()
	s := &store.Memory{}
	b, err := s.Bucket(t.Context(), "INVENTORY", store.BucketOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for key, value := range map[string]string{"A-1": "\x02{}", "A-2": "\x01{", "A-3": ""} {
		if _, err := b.Put(t.Context(), key, []byte(value)); err != nil {
			t.Fatal(err)
		}
	}
	v := openState(t, s, state.Options{Inventory: state.InventoryOptions{MaxDevices: 4}}).Inventory()
	if _, err := v.Import(t.Context(), listed, false); err != nil {
		t.Fatal(err)
	}
	more := &inventory.Device{ID: cwmp.DeviceID{OUI: "A", SerialNumber: "9"}}
	if _, err := v.Import(t.Context(), more, false); !errors.Is(err, state.ErrInventoryFull) {
		t.Errorf("one too many: got %v, want ErrInventoryFull", err)
	}
	if _, err := v.Get(t.Context(), cwmp.DeviceID{OUI: "A", SerialNumber: "1"}); !errors.Is(err, state.ErrNewer) {
		t.Errorf("a newer one: got %v, want ErrNewer", err)
	}
	if id := (cwmp.DeviceID{OUI: "A", SerialNumber: "2"}); !v.Has(id) {
		t.Error("a damaged one: got that there is none, want that its login is not known")
	} else if _, err := v.Get(t.Context(), id); !state.Unreadable(err) {
		t.Errorf("a damaged one: got %v, want that it is", err)
	}
	n := 0
	if err := v.Each(t.Context(), func(*state.Listed) error { n++; return nil }); err != nil || n != 1 {
		t.Errorf("got %d, %v, want the one that can be read", n, err)
	}
	more.ID.SerialNumber = "2" // damaged
	if ok, err := v.Remove(t.Context(), box); !ok || err != nil {
		t.Fatal(err)
	}
	if _, err := v.Import(t.Context(), more, false); err != nil || listOf(t, v, more.ID) == nil {
		t.Errorf("a damaged one: got %v, want it replaced", err)
	}
}

// Whatever a record is, an entry that is read is that of the CPE which was asked for,
// and one that is not is replaced.
func FuzzInventory(f *testing.F) {
	for _, value := range []string{
		"", "\x01{}", "\x02{}", "\x01" + `{"oui":"00256D","class":"Box","serial":"1","user":"u","since":-1}`,
	} {
		f.Add([]byte(value))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		s := &store.Memory{}
		b, err := s.Bucket(t.Context(), "INVENTORY", store.BucketOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Put(t.Context(), box.String(), value); err != nil {
			return // larger than a record may be
		}
		v := openState(t, s, state.Options{}).Inventory()
		l, err := v.Get(t.Context(), box)
		if err == nil && (l == nil || l.ID.Key() != box.Key()) {
			t.Errorf("got %+v, want that of the CPE or an error", l)
		}
		if errors.Is(err, state.ErrNewer) {
			return
		}
		if _, err := v.Import(t.Context(), listed, false); err != nil || listOf(t, v, box).ACS != listed.ACS {
			t.Errorf("got %v, want it taken in", err)
		}
	})
}

// A CPE that has come is found by its identity and its Endpoint ID.
func TestLook(t *testing.T) {
	t.Parallel()
	st := openState(t, &store.Memory{}, state.Options{})
	known := device.Known{Identity: box, ConnectionRequestURL: "http://10.0.0.7/"}
	if err := st.Devices().Save(known); err != nil {
		t.Fatal(err)
	}
	got, err := st.Look(t.Context(), box.Key())
	if err != nil || got == nil || !reflect.DeepEqual(got.Known, known) || got.Identity != box {
		t.Fatalf("got %+v, %v, want what is known", got, err)
	}
	some := sample()
	const table = "Device.LocalAgent.Request."
	some.Rows[table] = []uint32{9, 3}
	some.Values[table+"3.Command"], some.Values[table+"9.Status"] = "Device.Reboot()", "Active"
	if err := st.Agents().Save(got.EndpointID, some); err != nil {
		t.Fatal(err)
	}
	if by, err := st.LookUp(t.Context(), got.EndpointID); err != nil || by.Firmware != "1.0" || by.Identity != box ||
		!slices.Equal(by.Commands, []state.Command{{Command: "Device.Reboot()"}, {Status: "Active"}}) {
		t.Errorf("got %+v, %v, want the same with its firmware", by, err)
	}
	if none, err := st.LookUp(t.Context(), "os::none"); none != nil || err != nil {
		t.Errorf("got %+v, %v, want none", none, err)
	}
	n := 0
	if err := st.EachSeen(t.Context(), func(id usp.EndpointID, d cwmp.DeviceID) error {
		n++
		if id != got.EndpointID || d != box {
			t.Errorf("got %s, %+v, want the one that is there", id, d)
		}
		return nil
	}); err != nil || n != 1 {
		t.Errorf("got %d, %v, want one", n, err)
	}
}
