// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/model"
)

// roomy is more than any Outline of the tests has.
var roomy = model.OutlineBounds{Entries: 1 << 14, Bytes: 1 << 20}

// tb is what tests and checks of properties have in common.
type tb interface {
	Helper()
	Fatalf(format string, args ...any)
}

// stored returns an Outline that has been bytes.
func stored(t tb, o *model.Outline) *model.Outline {
	t.Helper()
	b, err := o.AppendBinary(nil)
	if err != nil {
		t.Fatalf("got %v, want it encoded", err)
	}
	got, err := model.ParseOutline(b)
	if err != nil || got.Len() != o.Len() || got.Sum(got.Len()) != o.Sum(o.Len()) || got.Bytes() != o.Bytes() {
		t.Fatalf("got an Outline of %d entries, %v, want %d, the same", got.Len(), err, o.Len())
	}
	return got
}

// packs wants a Snapshot to be the same after it has been packed against an Outline,
// which has been stored and has grown by another one meanwhile.
func packs(t tb, o *model.Outline, s *model.Snapshot, names []string, other *model.Snapshot) {
	t.Helper()
	b, news := o.Pack(s, names)
	if grown, full := o.Grow(s, roomy); !full && news != (grown != o) {
		t.Fatalf("got news %t, want %t", news, grown != o)
	}
	later, _ := stored(t, o).Grow(other, roomy)
	if later.Sum(o.Len()) != o.Sum(o.Len()) {
		t.Fatalf("got another sum of the first %d entries, want it to stay", o.Len())
	}
	got, gotNames, err := later.Unpack(b, o.Len())
	if err != nil {
		t.Fatalf("got %v, want it unpacked", err)
	}
	if !reflect.DeepEqual(got, s) || !slices.Equal(gotNames, names) {
		t.Fatalf("got %+v and %q, want %+v and %q", got, gotNames, s, names)
	}
}

// drawSnapshot draws one of a few names, of which several CPE have the same.
func drawSnapshot(t *rapid.T, label string) *model.Snapshot {
	segment := rapid.OneOf(
		rapid.SampledFrom([]string{"A", "Bb", "Stats", "X_1", "é", "", "{i}", "0", "007", "4294967296"}),
		rapid.Map(rapid.Uint32Range(1, 4), func(n uint32) string { return fmt.Sprint(n) }),
	)
	node := rapid.Custom(func(t *rapid.T) model.SnapshotNode {
		return model.SnapshotNode{
			Name: "Device." + strings.Join(rapid.SliceOfN(segment, 1, 4).Draw(t, "segments"), "."),
			// The five bits of a shape.
			Shape: model.SnapshotShape(rapid.Uint8Range(0, 31).Draw(t, "shape")),
			Type:  cwmp.Type(rapid.Uint8Range(0, uint8(cwmp.TypeHexBinary)).Draw(t, "type")),
			Value: rapid.OneOf(rapid.Just(""), rapid.String()).Draw(t, "value"),
		}
	})
	return &model.Snapshot{
		Root: model.Root(rapid.Uint8Range(0, 1).Draw(t, label+" root")), Words: rapid.Int().Draw(t, label+" words"),
		Nodes: rapid.SliceOf(node).Draw(t, label), Fresh: drawStrings(t, label+" fresh"),
	}
}

// drawStrings returns nil for none.
func drawStrings(t *rapid.T, label string) []string {
	all := rapid.SliceOf(rapid.String()).Draw(t, label)
	if len(all) == 0 {
		return nil
	}
	return all
}

// Whatever a Snapshot has, it is the same after it was packed, against whatever the
// Outline has.
func TestPackLosesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var o *model.Outline
		for range rapid.IntRange(0, 3).Draw(t, "sisters") {
			o, _ = o.Grow(drawSnapshot(t, "sister"), model.OutlineBounds{
				Entries: rapid.IntRange(0, 20).Draw(t, "entries"), Bytes: rapid.IntRange(0, 200).Draw(t, "bytes"),
			})
		}
		packs(t, o, drawSnapshot(t, "s"), drawStrings(t, "names"), drawSnapshot(t, "other"))
	})
}

func TestDumpsPack(t *testing.T) {
	t.Parallel()
	all := dumps(t)
	for i, d := range all {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			s, other := d.view(t).Snapshot(), all[(i+1)%len(all)].view(t).Snapshot()
			names := []string{d.infos[0].Name, d.infos[len(d.infos)/2].Name, "Device.Foreign.1."}
			own, full := (*model.Outline)(nil).Grow(s, roomy)
			if again, _ := own.Grow(s, roomy); full || again != own {
				t.Errorf("got it full %t and grown again %t, want neither", full, again != own)
			}
			foreign, _ := (*model.Outline)(nil).Grow(other, roomy)
			for _, o := range []*model.Outline{nil, own, foreign} {
				packs(t, o, s, names, other)
			}
			whole, _ := (*model.Outline)(nil).Pack(s, nil)
			shared, _ := own.Pack(s, nil)
			t.Logf("%d nodes: %d bytes with the names, %d without", len(s.Nodes), len(whole), len(shared))
		})
	}
}

// The Sample of a CPE has none of its values but those that decide which rows there
// are, and supports the same.
func TestDumpsSample(t *testing.T) {
	t.Parallel()
	for _, d := range dumps(t) {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			v := d.view(t)
			s := v.Snapshot().Sample()
			values := 0
			for i := range s.Nodes {
				values += len(s.Nodes[i].Value)
			}
			got := model.Restore(mustLoad(t), s, nil).Supported()
			if !reflect.DeepEqual(got.Objects, v.Supported().Objects) {
				t.Error("got another supported data model")
			}
			t.Logf("%d bytes of values in %d nodes", values, len(s.Nodes))
		})
	}
}

// An Outline grows up to its bounds, and at its end only. What a CPE says that another
// one did not takes over; where they contradict each other, the first is right.
func TestOutlineGrows(t *testing.T) {
	t.Parallel()
	const listed, writable, known, guess = 1, 2, 4, 8
	node := func(name string, shape model.SnapshotShape, typ cwmp.Type) *model.Snapshot {
		return &model.Snapshot{Nodes: []model.SnapshotNode{{Name: name, Shape: shape, Type: typ}}}
	}
	var o *model.Outline
	for _, step := range []struct {
		what string
		s    *model.Snapshot
		b    model.OutlineBounds
		more int
		full bool
	}{
		{"the first name", node("Device.A.3.B", 0, cwmp.TypeUnknown), roomy, 1, false},
		{"another row", node("Device.A.7.B", 0, cwmp.TypeUnknown), roomy, 0, false},
		{"a guess", node("Device.C", listed|guess, cwmp.TypeInt), roomy, 0, false},
		{"now typed", node("Device.A.1.B", known, cwmp.TypeInt), roomy, 1, false},
		{"now listed", node("Device.A.1.B", listed|writable, cwmp.TypeUnknown), roomy, 1, false},
		{"contradicts", node("Device.A.1.B", listed|known, cwmp.TypeString), roomy, 0, false},
		{"no name", node("Device.{i}.B", listed, cwmp.TypeString), roomy, 0, false},
		{"too many", node("Device.D", 0, 0), model.OutlineBounds{Entries: 3, Bytes: 100}, 0, true},
		{"too long", node("Device.D", 0, 0), model.OutlineBounds{Entries: 9, Bytes: len("Device.A.{i}.B") + 7}, 0, true},
		{"just not", node("Device.D", 0, 0), model.OutlineBounds{Entries: 4, Bytes: len("Device.A.{i}.B") + 8}, 1, false},
	} {
		n, sum := o.Len(), o.Sum(o.Len())
		grown, full := o.Grow(step.s, step.b)
		if grown.Len() != n+step.more || full != step.full || o.Len() != n || grown.Sum(n) != sum {
			t.Errorf("%s: got %d entries more, full %t, want %d, %t, and the others as they were",
				step.what, grown.Len()-n, full, step.more, step.full)
		}
		o = grown
	}
}

// Bytes that are no Outline, or no packed Snapshot, are refused; what is taken is
// stable.
func FuzzUnpack(f *testing.F) {
	s := &model.Snapshot{Root: model.TR098, Words: -3, Fresh: []string{"Device.X.1."}, Nodes: []model.SnapshotNode{
		{Name: "InternetGatewayDevice.A.", Shape: 1},
		{Name: "InternetGatewayDevice.A.1.B", Shape: 5, Type: cwmp.TypeString, Value: "v"},
		{Name: "InternetGatewayDevice.A.2.B", Shape: 7, Type: cwmp.TypeInt, Value: "4"},
	}}
	var o *model.Outline
	for range 2 {
		outline, err := o.AppendBinary(nil)
		if err != nil {
			f.Fatal(err)
		}
		b, _ := o.Pack(s, []string{"InternetGatewayDevice.", "{"})
		f.Add(outline, b)
		o, _ = o.Grow(s, roomy)
	}
	f.Fuzz(func(t *testing.T, outline, b []byte) {
		o, err := model.ParseOutline(outline)
		if err != nil || len(b) > 1<<12 { // a long name many times takes time
			return
		}
		if again, err := o.AppendBinary(nil); err != nil || len(again) > len(outline) {
			t.Fatalf("got %d bytes, %v, want no more than %d", len(again), err, len(outline))
		}
		s, names, err := o.Unpack(b, o.Len())
		if err != nil {
			return
		}
		packs(t, o, s, names, s)
	})
}
