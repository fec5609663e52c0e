// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package state_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/internal/state"
	"github.com/uspgate/uspgate/internal/store"
	"github.com/uspgate/uspgate/translate/agent"
	"github.com/uspgate/uspgate/translate/model"
)

// treeOf is the whole tree of the box with a serial number; each of the leaves is a
// parameter of it, with a value of its own.
func treeOf(serial, firmware string, leaves ...string) *agent.Tree {
	id := box
	id.SerialNumber = serial
	t := &agent.Tree{
		Identity: id, Firmware: firmware, Known: true, Current: true, Read: map[string]int64{"Device.": 1_700_000_000},
		Shown: &model.Snapshot{Nodes: []model.SnapshotNode{{Name: "Device.X.", Shape: 1}}},
	}
	for i, leaf := range leaves {
		t.Shown.Nodes = append(t.Shown.Nodes, model.SnapshotNode{
			Name: "Device.X." + leaf, Shape: 1 | 2 | 4, Type: cwmp.TypeString, Value: fmt.Sprintf("%s-%d", serial, i),
		})
	}
	return t
}

// names returns that many leaves.
func names(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("ParameterOfABox%d", i)
	}
	return all
}

func save(t tb, st *state.State, trees ...*agent.Tree) {
	t.Helper()
	for _, tree := range trees {
		if err := st.Agents().SaveTree(agent.EndpointIDFor(tree.Identity), tree); err != nil {
			t.Fatalf("got %v, want the tree of %s saved", err, tree.Identity)
		}
	}
}

func loads(t tb, st *state.State, trees ...*agent.Tree) {
	t.Helper()
	for _, tree := range trees {
		got, err := st.Agents().LoadTree(agent.EndpointIDFor(tree.Identity))
		if err != nil || !reflect.DeepEqual(got, tree) {
			t.Fatalf("got %+v, %v, want %+v", got, err, tree)
		}
	}
}

// tb is what tests and checks of properties have in common.
type tb interface {
	Helper()
	Fatalf(format string, args ...any)
}

func bucket(tb testing.TB, s store.Store, name string) store.Bucket {
	tb.Helper()
	b, err := s.Bucket(tb.Context(), name, store.BucketOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// entries returns what a Bucket has.
func entries(tb testing.TB, s store.Store, name string) []store.Entry {
	tb.Helper()
	var all []store.Entry
	if err := bucket(tb, s, name).Each(tb.Context(), "", func(e store.Entry) error {
		all = append(all, e)
		return nil
	}); err != nil {
		tb.Fatal(err)
	}
	return all
}

// Whatever a tree has, it is loaded as it was saved, by another process too, whatever
// its sisters have.
func TestTreesAreKept(t *testing.T) {
	t.Parallel()
	word := rapid.SampledFrom([]string{"", "A", "a ", "\x00"})
	node := rapid.Custom(func(t *rapid.T) model.SnapshotNode {
		return model.SnapshotNode{
			Name: "Device." + rapid.SampledFrom([]string{"A", "A.1", "A.2.B", "A.12.B.", "{", "C.D", ""}).Draw(t, "name"),
			// The five bits of a shape.
			Shape: model.SnapshotShape(rapid.Uint8Range(0, 31).Draw(t, "shape")),
			Type:  cwmp.Type(rapid.Uint8Range(0, 9).Draw(t, "type")), Value: rapid.String().Draw(t, "value"),
		}
	})
	tree := rapid.Custom(func(t *rapid.T) *agent.Tree {
		drawn := &agent.Tree{
			Identity: cwmp.DeviceID{
				Manufacturer: word.Draw(t, "manufacturer"), OUI: word.Draw(t, "OUI"), ProductClass: word.Draw(t, "class"),
				SerialNumber: rapid.StringMatching("[0-9]{1,9}").Draw(t, "serial"),
			},
			Firmware: word.Draw(t, "firmware"), Known: rapid.Bool().Draw(t, "known"), Current: rapid.Bool().Draw(t, "current"),
			Read: rapid.MapOf(rapid.String(), rapid.Int64()).Draw(t, "read"),
		}
		if rapid.Bool().Draw(t, "shown") {
			drawn.Shown = &model.Snapshot{Nodes: rapid.SliceOf(node).Draw(t, "nodes"), Words: rapid.Int().Draw(t, "words")}
		}
		if names := rapid.SliceOf(rapid.String()).Draw(t, "refused"); len(names) > 0 {
			drawn.Refused = names
		}
		return drawn
	})
	rapid.Check(t, func(rt *rapid.T) {
		s := &store.Memory{}
		st := openState(t, s, state.Options{})
		trees := rapid.SliceOfNDistinct(tree, 1, 4, func(t *agent.Tree) string {
			return string(agent.EndpointIDFor(t.Identity))
		}).Draw(rt, "trees")
		save(rt, st, trees...)
		loads(rt, st, trees...)
		loads(rt, openState(t, s, state.Options{}), trees...)
	})
}

// A tree has no name that its model has: only what is its own.
func TestTreesShareTheirModel(t *testing.T) {
	t.Parallel()
	s := &store.Memory{}
	st := openState(t, s, state.Options{})
	of := func(serial, firmware string) *agent.Tree { return treeOf(serial, firmware, names(300)...) }
	alone, first, second := of("0", ""), of("1", "1.0"), of("2", "1.0")
	extra := treeOf("3", "1.0", append(names(300), "Extra")...)
	save(t, st, alone, first, second, extra)
	loads(t, st, alone, first, second, extra)
	if n := len(entries(t, s, "MODEL")); n != 1 {
		t.Errorf("got %d models, want 1", n)
	}
	size := func(tree *agent.Tree) int {
		e, err := bucket(t, s, "TREE").Get(t.Context(), string(agent.EndpointIDFor(tree.Identity)))
		if err != nil {
			t.Fatal(err)
		}
		return len(e.Value)
	}
	for _, tree := range []*agent.Tree{first, second, extra} {
		if 2*size(tree) > size(alone) {
			t.Errorf("got %d bytes for %s, want half of %d at most", size(tree), tree.Identity, size(alone))
		}
	}
}

// With another firmware a CPE is of another model; the one it had stays as it was.
func TestFirmwareIsAnotherModel(t *testing.T) {
	t.Parallel()
	s := &store.Memory{}
	st := openState(t, s, state.Options{})
	old, sister, updated := treeOf("1", "1.0", "A", "B"), treeOf("2", "1.0", "A", "B"), treeOf("1", "2.0", "B", "C")
	save(t, st, old, sister, updated)
	loads(t, st, updated, sister)
	for firmware, want := range map[string]int{"1.0": 3, "2.0": 3, "3.0": 0} {
		key, _ := agent.ModelKeyOf(box, firmware)
		m, err := st.Agents().LoadModel(key)
		if err != nil || (m == nil) != (want == 0) || m != nil && m.Outline.Len() != want {
			t.Errorf("%s: got %+v, %v, want %d entries", firmware, m, err, want)
		}
	}
}

// What was not read as a whole since the CPE has its firmware teaches nothing.
func TestOldTreesTeachNothing(t *testing.T) {
	t.Parallel()
	s := &store.Memory{}
	st := openState(t, s, state.Options{})
	tree := treeOf("1", "1.0", "A")
	tree.Current = false
	save(t, st, tree)
	loads(t, st, tree)
	if n := len(entries(t, s, "MODEL")); n != 0 {
		t.Errorf("got %d models, want none", n)
	}
}

// Trees of every version that ever was are read; the samples stay for ever.
func TestOldTreesAreRead(t *testing.T) {
	t.Parallel()
	want := treeOf("1", "1.0")
	want.Current = false
	want.Refused = []string{"Device.DeviceInfo.ProvisioningCode"}
	want.Shown = &model.Snapshot{Nodes: []model.SnapshotNode{
		{Name: "Device.DeviceInfo.", Shape: 1},
		{Name: "Device.DeviceInfo.ProvisioningCode", Shape: 3},
		{Name: "Device.DeviceInfo.SoftwareVersion", Shape: 5, Type: cwmp.TypeString, Value: "1.0"},
		{Name: "Device.WiFi.", Shape: 1},
		{Name: "Device.WiFi.SSID.", Shape: 3},
		{Name: "Device.WiFi.SSID.1.", Shape: 3},
		{Name: "Device.WiFi.SSID.1.SSID", Shape: 7, Type: cwmp.TypeString, Value: "home"},
		{Name: "Device.WiFi.SSID.4.", Shape: 3},
		{Name: "Device.WiFi.SSID.4.SSID", Shape: 7, Type: cwmp.TypeString, Value: "guests"},
	}}
	key, _ := agent.ModelKeyOf(box, "1.0")
	for _, version := range []string{"v1", "v2"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			s := &store.Memory{}
			for bucketName, files := range map[string]map[string]string{
				"TREE": {string(agent.EndpointIDFor(box)): "tree_" + version}, "MODEL": {modelName: "model_v1"},
			} {
				for name, file := range files {
					raw, err := os.ReadFile(filepath.Join("testdata", file))
					if err != nil {
						t.Fatal(err)
					}
					if _, err := bucket(t, s, bucketName).Put(t.Context(), name, raw); err != nil {
						t.Fatal(err)
					}
				}
			}
			st := openState(t, s, state.Options{})
			tree := *want
			tree.Current = version != "v1"
			loads(t, st, &tree)
			m, err := st.Agents().LoadModel(key)
			if err != nil || m == nil || m.Outline.Len() != 7 || m.Habits.Batch != 8 || len(m.Sample.Nodes) != 9 {
				t.Errorf("got %+v, %v, want the model of the sample", m, err)
			}
			save(t, st, &tree)
			e, err := bucket(t, s, "TREE").Get(t.Context(), string(agent.EndpointIDFor(box)))
			if err != nil || e.Value[0] != 2 {
				t.Errorf("got version %d, %v after a save, want 2", e.Value[0], err)
			}
			loads(t, st, &tree)
		})
	}
}

// modelName is the key of the model of the box with firmware 1.0.
const modelName = "a33fd328f812fdf5a1f8501885047ff5"

// A tree that is damaged, by a bit at any place, or of a newer version is refused.
func TestTreesThatAreRefused(t *testing.T) {
	t.Parallel()
	s := &store.Memory{}
	st := openState(t, s, state.Options{})
	tree := treeOf("1", "1.0", "A", "B")
	save(t, st, tree)
	id := agent.EndpointIDFor(tree.Identity)
	e, err := bucket(t, s, "TREE").Get(t.Context(), string(id))
	if err != nil {
		t.Fatal(err)
	}
	refused := func(raw []byte, want error) {
		t.Helper()
		if _, err := bucket(t, s, "TREE").Put(t.Context(), string(id), raw); err != nil {
			t.Fatal(err)
		}
		if got, err := st.Agents().LoadTree(id); got != nil || err == nil || errors.Is(err, state.ErrNewer) != (want != nil) {
			t.Errorf("%x: got %+v, %v, want it refused, %v", raw, got, err, want)
		}
	}
	for i := range e.Value {
		raw := bytes.Clone(e.Value)
		raw[i] ^= 0x40
		if i == 0 {
			refused(raw, state.ErrNewer)
		} else {
			refused(raw, nil)
		}
		refused(e.Value[:i], nil)
	}
	refused([]byte{0}, nil)
	save(t, st, tree)
	loads(t, st, tree)
}
