// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model_test

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/model"
)

// listed makes the answer to GetParameterNames: names with a "!" at the end are writable.
func listed(names ...string) []cwmp.ParameterInfo {
	infos := make([]cwmp.ParameterInfo, 0, len(names))
	for _, n := range names {
		name, writable := strings.CutSuffix(n, "!")
		infos = append(infos, cwmp.ParameterInfo{Name: name, Writable: writable})
	}
	return infos
}

// vendor is a CPE with a table of its vendor, of which row 1 cannot be deleted.
func vendor(tb testing.TB, root model.Root) (v *model.View, shown, cpe string) {
	tb.Helper()
	v = model.NewView(mustLoad(tb), root, nil)
	cpe = root.Prefix() + "X_ACME_T."
	v.SetNames("", listed(root.Prefix(), cpe+"!", cpe+"1.", cpe+"1.Name!", cpe+"1.Stats.", cpe+"1.Stats.Count",
		cpe+"1.Sub.!", cpe+"1.Sub.1.!", cpe+"1.Sub.1.Value!"))
	shown = "Device.X_ACME_T."
	if root == model.TR098 {
		shown = model.Passthrough + "X_ACME_T."
	}
	return v, shown, cpe
}

var bothRoots = []model.Root{model.TR181, model.TR098}

// A new row has what the other rows have, objects and tables in them too.
func TestNewRowHasTheObjectsOfItsSisters(t *testing.T) {
	t.Parallel()
	for _, root := range bothRoots {
		for _, sisters := range []string{"there", "gone"} {
			v, shown, cpe := vendor(t, root)
			if sisters == "gone" {
				v.SetNames(cpe+"1.", nil)
			}
			plan, err := v.PlanAdd(shown, nil)
			if err != nil {
				t.Fatalf("%s, sisters %s: %v", root, sisters, err)
			}
			row, err := v.Added(plan, 2)
			if err != nil {
				t.Fatalf("%s, sisters %s: %v", root, sisters, err)
			}
			for _, p := range []string{"Name", "Stats.Count"} {
				if _, ok := v.Param(row + p); !ok {
					t.Errorf("%s, sisters %s: got no %s in the new row, want it", root, sisters, p)
				}
			}
			if o, ok := v.Object(row + "Sub."); !ok || !o.Multi || !o.Add || len(v.Instances(row+"Sub.")) != 0 {
				t.Errorf("%s, sisters %s: got %+v, %t, want an empty table that takes rows", root, sisters, o, ok)
			}
			if p, err := v.PlanAdd(row+"Sub.", nil); err != nil || p.ObjectName != cpe+"2.Sub." {
				t.Errorf("%s, sisters %s: got %+v, %v, want an Add to the table in the new row", root, sisters, p, err)
			}
			// It turns out to have no Stats.
			v.SetValues([]string{cpe + "2."}, []cwmp.ParameterValue{{Name: cpe + "2.Name", Value: "x"}})
			if _, ok := v.Object(row + "Stats."); ok {
				t.Errorf("%s, sisters %s: got an object that the CPE has not shown, want none", root, sisters)
			}
		}
	}
}

// What was supported stays so when the last row that had it goes, until there is another
// software version.
func TestSupportedOnlyGrows(t *testing.T) {
	t.Parallel()
	for _, root := range bothRoots {
		v, shown, cpe := vendor(t, root)
		row := shown + "{i}."
		v.SetNames(cpe+"1.", nil)
		after := v.Supported()
		for _, p := range [...][2]string{{row, "Name"}, {row + "Stats.", "Count"}, {row + "Sub.{i}.", "Value"}} {
			o := after.Object(p[0])
			if o == nil || !o.Seen {
				t.Fatalf("%s: got %+v of %s, want it as seen", root, o, p[0])
			}
			if _, ok := o.Param(p[1]); !ok {
				t.Errorf("%s: got no %s in %s, want it", root, p[1], p[0])
			}
		}
		if v.Supported() != after {
			t.Errorf("%s: got another supported data model of the same View", root)
		}
		if now := v.Shown().Object(row); now == nil || now.Seen || v.Shown().Object(row+"Stats.") != nil {
			t.Errorf("%s: got %+v shown now, want an empty table", root, now)
		}
		v.Forget()
		v.SetNames("", listed(root.Prefix(), cpe+"!"))
		if v.Supported().Object(row+"Stats.") != nil {
			t.Errorf("%s: got what the software version before had", root)
		}
	}
}

// A table whose only rows have to stay takes others, which may go (TP-469 1.25).
func TestRowsToComeMayGo(t *testing.T) {
	t.Parallel()
	v, shown, _ := vendor(t, model.TR181)
	if o := v.Supported().Object(shown + "{i}."); !o.Add || !o.Delete {
		t.Errorf("got %+v, want rows to be added and deleted", o)
	}
	if _, err := v.PlanDelete(shown + "1."); err == nil {
		t.Error("got row 1 to be deleted, want an error")
	}
}

// Under a table without rows there is what Device:2 says, as long as no row was seen;
// then the CPE knows better.
func TestProfileOfTablesWithoutRows(t *testing.T) {
	t.Parallel()
	const table, row = "Device.NAT.PortMapping.", "Device.NAT.PortMapping.{i}."
	empty := model.NewView(mustLoad(t), model.TR181, nil)
	empty.SetNames("", listed("Device.", "Device.NAT.", table+"!"))
	profile := empty.Supported().Object(row)
	if _, ok := profile.Param("ExternalPort"); !ok || profile.Seen || !profile.Add || len(profile.Keys) < 2 {
		t.Fatalf("got %+v, want what Device:2 says", profile)
	}
	full := model.NewView(mustLoad(t), model.TR181, nil)
	full.SetNames("", listed("Device.", "Device.NAT.", table+"!", table+"1.!", table+"1.Enable", table+"1.X_ACME!"))
	// It does not count where rows were seen, whoever has seen them; what was said stays.
	seen := full.Supported().Union(empty.Supported()).Object(row)
	if _, ok := seen.Param("ExternalPort"); ok || seen != full.Supported().Object(row) {
		t.Errorf("got %+v, want what the CPE has shown alone", seen)
	}
	both := empty.Supported().Union(full.Supported()).Object(row)
	enable, _ := both.Param("Enable")
	if _, ok := both.Param("ExternalPort"); !ok || !both.Seen || enable.Access != model.ReadOnly {
		t.Errorf("got %+v, want what was said before, and of Enable what the CPE says", both)
	}
	// A sister that knows it has the parameters of a new row before the CPE has shown one.
	empty.Extend(full.Supported())
	plan, err := empty.PlanAdd(table, nil)
	if err != nil {
		t.Fatal(err)
	}
	made, err := empty.Added(plan, 1)
	if err != nil {
		t.Fatal(err)
	}
	if p, ok := empty.Param(made + "X_ACME"); !ok || !p.Writable {
		t.Errorf("got %+v, %t, want the parameter that a sister has shown", p, ok)
	}
}

// What nobody has said of a parameter is not held against who has.
func TestAccessThatWasSaidCounts(t *testing.T) {
	t.Parallel()
	const table = "Device.X_ACME_T."
	v := model.NewView(mustLoad(t), model.TR181, nil)
	v.SetNames("", listed("Device.", table, table+"1.", table+"1.A"))
	v.SetValues([]string{table}, []cwmp.ParameterValue{
		{Name: table + "1.A", Value: "x"}, {Name: table + "2.A", Value: "y"},
	})
	o := v.Supported().Object(table + "{i}.")
	if p, _ := o.Param("A"); p.Access != model.ReadOnly || o.Delete {
		t.Errorf("got %+v, want what the CPE has said of row 1", o)
	}
}

// Tables of a TR-098 CPE that have no rows are read where it may have put some.
func TestSourcesOfEmptyTables(t *testing.T) {
	t.Parallel()
	const device = "InternetGatewayDevice.WANDevice.1.WANConnectionDevice."
	const wan, mappings = device + "1.WANPPPConnection.", device + "1.WANPPPConnection.1.PortMapping."
	above := []string{
		"InternetGatewayDevice.", "InternetGatewayDevice.WANDevice.", "InternetGatewayDevice.WANDevice.1.",
		device, device + "1.", wan,
	}
	for _, c := range []struct {
		more []string
		want string
	}{
		{nil, wan},
		{[]string{wan + "1.", mappings}, mappings},
		{[]string{wan + "1.", mappings, mappings + "4.", mappings + "4.ExternalPort"}, mappings},
	} {
		v := model.NewView(mustLoad(t), model.TR098, nil)
		v.SetNames("", listed(append(slices.Clone(above), c.more...)...))
		if got := v.Sources("Device.NAT.PortMapping."); !slices.Equal(got, []string{c.want}) {
			t.Errorf("with %q: got %q, want %q", c.more, got, c.want)
		}
	}
}

func packedSupported(tb testing.TB, s *model.Supported) []byte {
	tb.Helper()
	b, err := s.AppendBinary(nil)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// The supported data model of every captured CPE is the same after it was bytes, and has
// all of itself.
func TestDumpsSupported(t *testing.T) {
	t.Parallel()
	for _, d := range dumps(t) {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			s := d.view(t).Supported()
			got, err := model.ParseSupported(packedSupported(t, s))
			if err != nil || !reflect.DeepEqual(got, s) {
				t.Fatalf("got %v, or another one, want the same", err)
			}
			if s.Union(got) != s || len(s.Lacks(got)) != 0 {
				t.Error("got more in the union with itself")
			}
			var none *model.Supported
			if none.Union(s) != s || len(none.Lacks(s)) != len(s.Objects) {
				t.Error("got something else in the union with nothing")
			}
		})
	}
}

// FuzzParseSupported: what is read is written as the same bytes, and a union has all of
// both.
func FuzzParseSupported(f *testing.F) {
	v, _, _ := vendor(f, model.TR181)
	one := packedSupported(f, v.Supported())
	f.Add(one, []byte{})
	f.Add(one[:len(one)/2], one)
	f.Add([]byte("\x00\x07Device.\x07\x01\x01\x05Alias\x01\x05Alias\x00\x0e"), one)
	f.Fuzz(func(t *testing.T, a, b []byte) {
		x, err := model.ParseSupported(a)
		if err != nil {
			return
		}
		again, err := model.ParseSupported(packedSupported(t, x))
		if err != nil || !bytes.Equal(packedSupported(t, again), packedSupported(t, x)) {
			t.Fatalf("got %v, or other bytes, want the same", err)
		}
		y, err := model.ParseSupported(b)
		if err != nil {
			return
		}
		both := x.Union(y)
		if both.Union(x) != both || len(both.Lacks(x)) != 0 {
			t.Error("got a union that has not all of the first")
		}
		for _, o := range x.Objects {
			have := both.Object(o.Path)
			for _, p := range o.Params {
				if _, ok := have.Param(p.Name); !ok {
					t.Errorf("got no %s%s in the union", o.Path, p.Name)
				}
			}
		}
	})
}
