// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/model"
)

// again takes a View through its Snapshot and the JSON of its InstanceMap.
func again(t *testing.T, v *model.View) *model.View {
	t.Helper()
	raw, err := json.Marshal(v.InstanceMap())
	if err != nil {
		t.Fatal(err)
	}
	inst := model.NewInstanceMap()
	if err := json.Unmarshal(raw, inst); err != nil {
		t.Fatal(err)
	}
	return model.Restore(mustLoad(t), v.Snapshot(), inst)
}

// same wants two Views to show the same.
func same(t *testing.T, got, want *model.View) {
	t.Helper()
	objects, params := everything(want)
	gotObjects, gotParams := everything(got)
	if !reflect.DeepEqual(gotObjects, objects) || !reflect.DeepEqual(gotParams, params) {
		t.Errorf("got %d objects and %d parameters, want %d and %d, the same ones",
			len(gotObjects), len(gotParams), len(objects), len(params))
	}
	if !reflect.DeepEqual(got.Shown(), want.Shown()) {
		t.Error("got another supported data model")
	}
	if s := want.Snapshot(); !reflect.DeepEqual(got.Snapshot(), s) {
		t.Error("got another Snapshot of the restored View")
	}
	have, _ := got.Size()
	if n, _ := want.Size(); have != n {
		t.Errorf("got %d nodes, want %d", have, n)
	}
}

func TestDumpsSnapshot(t *testing.T) {
	t.Parallel()
	for _, d := range dumps(t) {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			v := d.view(t)
			r := again(t, v)
			same(t, r, v)
			was, wasRestored := v.Revision(), r.Revision()
			want, got := v.Observe(d.vals), r.Observe(d.vals) // a name may be in a dump twice
			if !reflect.DeepEqual(got, want) || r.Revision()-wasRestored != v.Revision()-was {
				t.Errorf("got %+v and %d changes for values that are known, want %+v and %d",
					got, r.Revision()-wasRestored, want, v.Revision()-was)
			}
		})
	}
}

func TestSnapshot(t *testing.T) {
	t.Parallel()
	const igd = "InternetGatewayDevice."
	v := model.NewView(mustLoad(t), model.TR098, nil)
	rev := v.Revision()
	changed := func(what string, want bool) {
		t.Helper()
		if got := v.Revision() != rev; got != want {
			t.Errorf("%s: got a change of revision %t, want %t", what, got, want)
		}
		rev = v.Revision()
	}
	infos := []cwmp.ParameterInfo{
		{Name: igd},
		{Name: igd + "DeviceInfo."},
		{Name: igd + "DeviceInfo.SoftwareVersion"},
		{Name: igd + "DeviceInfo.ProvisioningCode", Writable: true},
		{Name: igd + "LANDevice."},
		{Name: igd + "LANDevice.1."},
		{Name: igd + "LANDevice.1.Hosts."},
		{Name: igd + "LANDevice.1.Hosts.Host."},
		{Name: igd + "LANDevice.1.Hosts.Host.7."},
		{Name: igd + "LANDevice.1.Hosts.Host.7.MACAddress"},
		{Name: igd + "LANDevice.1.Hosts.Host.7.Active"},
		{Name: igd + "X_ACME.", Writable: true},
		{Name: igd + "X_ACME.Passphrase", Writable: true},
	}
	v.SetNames("", infos)
	changed("names", true)
	v.SetNames("", infos)
	changed("the same names", false)
	vals := []cwmp.ParameterValue{
		{Name: igd + "DeviceInfo.SoftwareVersion", Value: "1"},
		{Name: igd + "LANDevice.1.Hosts.Host.7.MACAddress", Value: "00:00:00:00:00:01"},
		{Name: igd + "LANDevice.1.Hosts.Host.7.Active", Value: "true", Type: cwmp.TypeBoolean},
		{Name: igd + "X_ACME.Passphrase", Value: "secret"},
	}
	v.Observe(vals)
	changed("values", true)
	v.Observe(vals)
	changed("the same values", false)
	same(t, again(t, v), v)
	for _, n := range v.Snapshot().Nodes {
		if n.Value == "secret" {
			t.Errorf("got the secret of %s in a Snapshot", n.Name)
		}
	}
	r := again(t, v)
	d := r.Observe([]cwmp.ParameterValue{{Name: igd + "DeviceInfo.SoftwareVersion", Value: "2"}})
	if len(d.Changed) != 1 || d.Changed[0].Path != "Device.DeviceInfo.SoftwareVersion" || d.Changed[0].Value != "2" {
		t.Errorf("got %+v from the restored View, want the change of SoftwareVersion", d)
	}
	r.SetNames(igd+"LANDevice.1.Hosts.Host.7.", nil)
	if r.Revision() == 0 || len(r.Instances("Device.Hosts.Host.")) != 0 {
		t.Errorf("got hosts %v, want none", r.Instances("Device.Hosts.Host."))
	}
}

// A row that was just made may still get its Alias, also after a Snapshot.
func TestSnapshotKeepsFreshRows(t *testing.T) {
	t.Parallel()
	v := model.NewView(mustLoad(t), model.TR181, nil)
	v.SetNames("", []cwmp.ParameterInfo{
		{Name: "Device."},
		{Name: "Device.NAT."},
		{Name: "Device.NAT.PortMapping.", Writable: true},
		{Name: "Device.NAT.PortMappingNumberOfEntries"},
	})
	plan, err := v.PlanAdd("Device.NAT.PortMapping.", nil)
	if err != nil {
		t.Fatal(err)
	}
	row, err := v.Added(plan, 4)
	if err != nil || row != "Device.NAT.PortMapping.4." {
		t.Fatalf("got %s, %v, want row 4", row, err)
	}
	v.SetNames(row, []cwmp.ParameterInfo{{Name: row, Writable: true}, {Name: row + "Enable", Writable: true}})
	if !v.Settled() {
		t.Fatal("got changes that wait after SetNames")
	}
	r := again(t, v)
	same(t, r, v)
	if _, errs := r.PlanSet([]model.Setting{{Path: row + "Alias", Value: "mine"}}); len(errs) > 0 {
		t.Errorf("got %v, want the Alias taken", errs)
	}
	if p, _ := r.Param(row + "Alias"); p.Value != "mine" {
		t.Errorf("got Alias %q, want mine", p.Value)
	}
}
