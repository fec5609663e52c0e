// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package state_test

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/internal/state"
	"github.com/uspgate/uspgate/internal/store"
	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/translate/device"
	"github.com/uspgate/uspgate/translate/model"
	"github.com/uspgate/uspgate/usp"
)

var box = cwmp.DeviceID{Manufacturer: "Acme", OUI: "00256D", ProductClass: "Box", SerialNumber: "1"}

// sample is a State with something in it.
func sample() *agent.State {
	return &agent.State{
		Values: map[string]string{"Device.LocalAgent.Subscription.1.ID": "s"},
		Rows:   map[string][]uint32{"Device.LocalAgent.Subscription.": {1}},
		Next:   map[string]uint32{"Device.LocalAgent.Subscription.": 4}, Firmware: "1.0",
		Wakes: []agent.Wake{{At: 100, Every: 60}},
	}
}

func revision(t *testing.T, s store.Store, id usp.EndpointID) uint64 {
	t.Helper()
	b, err := s.Bucket(t.Context(), "DEV", store.BucketOptions{})
	if err != nil {
		t.Fatal(err)
	}
	e, err := b.Get(t.Context(), string(id))
	if err != nil {
		t.Fatal(err)
	}
	return e.Revision
}

// What is saved is there for the next process, in one record per device; saving the
// same again writes nothing.
func TestDevices(t *testing.T) {
	t.Parallel()
	s := &store.Memory{}
	st := openState(t, s, state.Options{})
	id, err := st.Agents().Register(box)
	if err != nil || id != agent.EndpointIDFor(box) {
		t.Fatalf("got %s, %v, want the Endpoint ID of the rule", id, err)
	}
	known := device.Known{Identity: box, ConnectionRequestURL: "http://10.0.0.7/", LoginSet: true}
	for range 2 {
		if err := errors.Join(st.Agents().Save(id, sample()), st.Devices().Save(known)); err != nil {
			t.Fatal(err)
		}
	}
	tree := &agent.Tree{
		Identity: box, Known: true, Read: map[string]int64{"Device.": 7},
		Shown: &model.Snapshot{Root: model.TR181, Nodes: []model.SnapshotNode{{Name: "Device.X", Value: "v"}}},
	}
	if err := st.Agents().SaveTree(id, tree); err != nil {
		t.Fatal(err)
	}
	rev := revision(t, s, id)
	if err := st.Agents().Save(id, sample()); err != nil {
		t.Fatal(err)
	}
	if got := revision(t, s, id); got != rev {
		t.Errorf("got revision %d after saving the same again, want %d", got, rev)
	}

	st = openState(t, s, state.Options{})
	if n := st.Devices().Len(); n != 0 {
		t.Errorf("got %d devices before they are read, want 0", n)
	}
	var kept []agent.Kept
	if err := st.Agents().Each(func(k agent.Kept) error {
		kept = append(kept, k)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	want := agent.Kept{EndpointID: id, Identity: box, Firmware: sample().Firmware, Wakes: sample().Wakes}
	if len(kept) != 1 || !reflect.DeepEqual(kept[0], want) || st.Devices().Len() != 1 {
		t.Errorf("got %+v, want %+v", kept, want)
	}
	if got, err := st.Agents().Load(id); err != nil || !reflect.DeepEqual(got, sample()) {
		t.Errorf("got %+v, %v, want the State saved", got, err)
	}
	if got, ok, err := st.Devices().Load(box); err != nil || !ok || got != known {
		t.Errorf("got %+v, %t, %v, want %+v", got, ok, err, known)
	}
	if got, err := st.Agents().LoadTree(id); err != nil || !reflect.DeepEqual(got, tree) {
		t.Errorf("got %+v, %v, want the tree saved", got, err)
	}
}

// Of two CPE whose identities are written the same the first keeps the name, for
// ever.
func TestCollision(t *testing.T) {
	t.Parallel()
	s := &store.Memory{}
	// A record under the name of the box, of another CPE.
	other := box
	other.SerialNumber = "other"
	first, err := openState(t, s, state.Options{}).Agents().Register(other)
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.Bucket(t.Context(), "DEV", store.BucketOptions{})
	if err != nil {
		t.Fatal(err)
	}
	e, err := b.Get(t.Context(), string(first))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Create(t.Context(), string(agent.EndpointIDFor(box)), e.Value, 0); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		id, err := openState(t, s, state.Options{}).Agents().Register(box)
		if err != nil || id != agent.EndpointIDs(box)[1] {
			t.Errorf("got %s, %v, want %s", id, err, agent.EndpointIDs(box)[1])
		}
	}
}

// Records of every version that ever was are read; the samples stay for ever.
func TestOldRecordsAreRead(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"v1", "v2", "v3"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			raw, err := os.ReadFile(filepath.Join("testdata", "record_"+version))
			if err != nil {
				t.Fatal(err)
			}
			s := &store.Memory{}
			b, err := s.Bucket(t.Context(), "DEV", store.BucketOptions{})
			if err != nil {
				t.Fatal(err)
			}
			id := agent.EndpointIDFor(box)
			if _, err := b.Create(t.Context(), string(id), raw, 0); err != nil {
				t.Fatal(err)
			}
			st := openState(t, s, state.Options{})
			wakes := 0
			if err := st.Agents().Each(func(k agent.Kept) error {
				wakes += len(k.Wakes)
				return nil
			}); err != nil || wakes != 1 {
				t.Errorf("got %d wakes, %v, want 1", wakes, err)
			}
			if got, err := st.Agents().Load(id); err != nil || !maps.Equal(got.Values, sample().Values) {
				t.Errorf("got %+v, %v, want the State of the sample", got, err)
			}
			k, ok, err := st.Devices().Load(box)
			if err != nil || !ok || k.ConnectionRequestURL != "http://10.0.0.7/" {
				t.Errorf("got %+v, %t, %v, want what the sample knows", k, ok, err)
			}
			k.ParameterKey = "new" // written, it is of this version
			if err := st.Devices().Save(k); err != nil {
				t.Fatal(err)
			}
			e, err := b.Get(t.Context(), string(id))
			if err != nil || e.Value[0] != 3 {
				t.Errorf("got version %d, %v after a change, want 3", e.Value[0], err)
			}
		})
	}
}

// A record of a newer version is refused and stays as it is; one that is damaged is
// refused. The other devices are not kept from starting.
func TestRecordsThatAreRefused(t *testing.T) {
	t.Parallel()
	for name, raw := range map[string][]byte{
		"newer": {99, 1, 2, 3}, "empty": {}, "zero": {0}, "head too long": {2, 200, 1}, "head is none": {2, 2, '{', '}'},
		"no body": append([]byte{2, 10}, `{"id":"x"}`...), "old and cut": []byte(`{"v":1,"id"`),
		"known too long": append([]byte{3, 10}, `{"id":"x"}9{}`...),
		"known is none":  append([]byte{3, 10}, "{\"id\":\"x\"}\x02[]"...),
		"no known":       append([]byte{3, 10}, `{"id":"x"}`...),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &store.Memory{}
			b, err := s.Bucket(t.Context(), "DEV", store.BucketOptions{})
			if err != nil {
				t.Fatal(err)
			}
			id := agent.EndpointIDFor(box)
			if _, err := b.Create(t.Context(), string(id), raw, 0); err != nil {
				t.Fatal(err)
			}
			st := openState(t, s, state.Options{})
			if err := st.Agents().Each(func(agent.Kept) error { return nil }); err != nil {
				t.Errorf("got %v from Each, want the others", err)
			}
			_, loadErr := st.Agents().Load(id)
			_, _, knownErr := st.Devices().Load(box)
			saveErr, saveKnownErr := st.Agents().Save(id, sample()), st.Devices().Save(device.Known{Identity: box})
			for _, err := range []error{loadErr, knownErr, saveErr, saveKnownErr} {
				if err == nil || errors.Is(err, state.ErrNewer) != (name == "newer") {
					t.Errorf("got %v, want it refused", err)
				}
			}
			if e, err := b.Get(t.Context(), string(id)); err != nil || !bytes.Equal(e.Value, raw) {
				t.Errorf("got %v, %v, want the record as it was", e.Value, err)
			}
		})
	}
}
