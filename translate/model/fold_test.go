// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model_test

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/model"
)

// filled is a View of a CPE with some 900 parameters.
func filled(r *model.Rules) *model.View {
	v := model.NewView(r, model.TR098, nil)
	infos, vals := synthetic()
	infos, vals = infos[:900], vals[:900]
	v.SetNames("", infos)
	v.SetValues([]string{"InternetGatewayDevice."}, vals)
	return v
}

// folded is the same, folded.
func folded(tb testing.TB, r *model.Rules) *model.View {
	tb.Helper()
	v := filled(r)
	if v.Rested() || !v.Rested() {
		tb.Fatal("got a View rested that has just been used, or not rested after that")
	}
	if !v.Fold(nil) || v.Folded() == 0 || !v.Rested() {
		tb.Fatal("got a View that is not folded, or was used for it")
	}
	return v
}

// foldUses are what can be asked of a View whose trees are folded.
func foldUses() map[string]func(v *model.View) any {
	const ssid, wlan = "Device.WiFi.SSID.1.SSID", "InternetGatewayDevice.LANDevice.1.WLANConfiguration.1."
	type two struct{ a, b any }
	both := func(a, b any) any { return two{a, b} }
	return map[string]func(v *model.View) any{
		"CPEValue":  func(v *model.View) any { p, ok := v.CPEValue(wlan + "SSID"); return both(p, ok) },
		"Object":    func(v *model.View) any { o, ok := v.Object("Device.NAT.PortMapping."); return both(o, ok) },
		"Instances": func(v *model.View) any { return v.Instances("Device.Hosts.Host.") },
		"Param":     func(v *model.View) any { p, ok := v.Param(ssid); return both(p, ok) },
		"Walk":      func(v *model.View) any { objects, params := everything(v); return both(objects, params) },
		"Supported": func(v *model.View) any { return v.Supported().Objects },
		"Shown":     func(v *model.View) any { return v.Shown() },
		"Forget":    func(v *model.View) any { v.Forget(); return v.Supported().Objects },
		"Extend":    func(v *model.View) any { v.Extend(&model.Supported{}); return v.Supported().Objects },
		"Sources":   func(v *model.View) any { return v.Sources("Device.WiFi.") },
		"Tables":    func(v *model.View) any { return v.Tables("Device.NAT.PortMapping.") },
		"Known":     func(v *model.View) any { return v.Known(wlan + "SSID") },
		"Explain":   func(v *model.View) any { return v.Explain(ssid) },
		"Snapshot":  func(v *model.View) any { return v.Snapshot() },
		"PlanSet": func(v *model.View) any {
			vals, errs := v.PlanSet([]model.Setting{{Path: ssid, Value: "new"}})
			return both(vals, errs)
		},
		"PlanAdd": func(v *model.View) any { p, err := v.PlanAdd("Device.NAT.PortMapping.", nil); return both(p, err) },
		"Added": func(v *model.View) any {
			p, err := v.Added(model.AddPlan{
				Table:      "Device.NAT.PortMapping.",
				ObjectName: "InternetGatewayDevice.WANDevice.1.WANConnectionDevice.1.WANIPConnection.1.PortMapping.",
			}, 77)
			return both(p, err)
		},
		"PlanDelete": func(v *model.View) any {
			names, err := v.PlanDelete("Device.NAT.PortMapping.1.")
			return both(names, err)
		},
		"SetNames": func(v *model.View) any { return v.SetNames(wlan, []cwmp.ParameterInfo{{Name: wlan + "SSID"}}) },
		"SetValues": func(v *model.View) any {
			return v.SetValues([]string{wlan + "SSID"}, []cwmp.ParameterValue{{Name: wlan + "SSID", Value: "other"}})
		},
		"Observe": func(v *model.View) any {
			return v.Observe([]cwmp.ParameterValue{{Name: wlan + "SSID", Value: "seen"}})
		},
	}
}

// Whatever is asked of a folded View is answered as if it were not.
func TestFolded(t *testing.T) {
	t.Parallel()
	uses, r := foldUses(), mustLoad(t)
	// These do not look at the trees.
	others := []string{"Root", "InstanceMap", "Size", "Revision", "Settled", "Made", "Shapes", "Rested", "Fold", "Folded"}
	of := reflect.TypeFor[*model.View]()
	for i := range of.NumMethod() {
		if name := of.Method(i).Name; uses[name] == nil && !slices.Contains(others, name) {
			t.Errorf("View.%s is not tried on a folded View", name)
		}
	}
	for name, use := range uses {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v, want := folded(t, r), filled(r)
			rev := v.Revision()
			if rev != want.Revision() {
				t.Errorf("got revision %d, want %d as before", rev, want.Revision())
			}
			if got, want := use(v), use(want); !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
			if v.Folded() != 0 {
				t.Error("got the View folded after it was used")
			}
			if v.Revision()-rev != want.Revision()-rev {
				t.Errorf("got revision %d, want %d", v.Revision(), want.Revision())
			}
			same(t, v, want)
		})
	}
}

// A folded View shares with the Outline of its model what that has, and is unpacked with
// what that was then.
func TestFoldedAgainstAnOutline(t *testing.T) {
	t.Parallel()
	r := mustLoad(t)
	v, want := filled(r), filled(r)
	o, _ := (*model.Outline)(nil).Grow(v.Snapshot(), model.OutlineBounds{Entries: 1 << 20, Bytes: 1 << 24})
	v.Fold(o)
	alone := folded(t, r).Folded()
	if n := v.Folded(); n == 0 || n > alone/2 {
		t.Errorf("got %d bytes, want less than half of the %d without an Outline", n, alone)
	}
	same(t, v, want)
}

// The order of a Snapshot is that of its View, and does not matter.
func TestRestoreInAnyOrder(t *testing.T) {
	t.Parallel()
	r := mustLoad(t)
	want := filled(r)
	s := want.Snapshot()
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(s.Nodes), func(i, j int) { s.Nodes[i], s.Nodes[j] = s.Nodes[j], s.Nodes[i] })
	same(t, model.Restore(r, s, nil), want)
	for i := range s.Nodes {
		s.Nodes[i].Name = "" // it keeps no string of it, and takes any
	}
	if have, _ := model.Restore(r, s, nil).Size(); have != 0 {
		t.Errorf("got %d nodes without names, want none", have)
	}
}

// BenchmarkFold is what it costs to use a View again that was folded.
func BenchmarkFold(b *testing.B) {
	v := filled(mustLoad(b))
	o, _ := (*model.Outline)(nil).Grow(v.Snapshot(), model.OutlineBounds{Entries: 1 << 20, Bytes: 1 << 24})
	b.ReportAllocs()
	for b.Loop() {
		v.Fold(o)
		v.Instances("Device.Hosts.Host.")
	}
	v.Fold(o)
	b.ReportMetric(float64(v.Folded()), "B/folded")
}
