// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model_test

import (
	"testing"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/model"
)

// engineRules uses what rules can say and the embedded ones do not.
const engineRules = `
root: InternetGatewayDevice
drop: [Dropped]
secrets: [Key]
objects:
  Device.Sum.:
    params: {Sum: unsignedInt rw, All: boolean rw, Any: boolean rw, Join: string list rw}
  Device.Row.{i}.:
    params: {Alias: string wo, Ref: string list rw, Mode: string rw, Rate: unsignedInt rw}
maps:
  - to: Device.Sum.
    params:
      Sum: {from: /T.*.Count, agg: sum}
      All: {from: /T.*.On, agg: all}
      Any: {from: /T.*.On, agg: any}
      Join: {from: /T.*.Name, agg: join}
  - to: Device.Row.{i}.
    from: T.{i}.
    number: source
    same: [Mode]
    params:
      Ref: {from: Ref, path: "Device.Row.{i}."}
      Rate: {from: Rate, scale: /1000}
  # A later mapping of the same objects replaces a parameter.
  - to: Device.Row.{i}.
    from: T.{i}.
    params:
      Mode: {from: Mode, enum: {"1": on, "0": off}}
`

func engineView(t *testing.T) *model.View {
	t.Helper()
	r, err := model.CompileOne("engine.yaml", engineRules)
	if err != nil {
		t.Fatal(err)
	}
	v := model.NewView(r, model.TR098, nil)
	const p = "InternetGatewayDevice."
	v.Observe([]cwmp.ParameterValue{
		{Name: p + "T.3.Count", Value: "1", Type: cwmp.TypeUnsignedInt},
		{Name: p + "T.3.On", Value: "1", Type: cwmp.TypeBoolean},
		{Name: p + "T.3.Name", Value: "three", Type: cwmp.TypeString},
		{Name: p + "T.3.Mode", Value: "1", Type: cwmp.TypeBoolean},
		{Name: p + "T.3.Rate", Value: "1500", Type: cwmp.TypeString},
		{Name: p + "T.3.Ref", Value: p + "T.7., T.9", Type: cwmp.TypeString},
		{Name: p + "T.7.Count", Value: " 41 ", Type: cwmp.TypeUnsignedInt},
		{Name: p + "T.7.On", Value: "false", Type: cwmp.TypeBoolean},
		{Name: p + "T.7.Name", Value: "", Type: cwmp.TypeString},
		{Name: p + "T.7.Key", Value: "hidden", Type: cwmp.TypeString},
		{Name: p + "Dropped", Value: "x", Type: cwmp.TypeString},
	})
	return v
}

func TestRecipesRead(t *testing.T) {
	t.Parallel()
	v := engineView(t)
	for p, want := range map[string]string{
		"Device.Sum.Sum":    "42",
		"Device.Sum.All":    "false",
		"Device.Sum.Any":    "true",
		"Device.Sum.Join":   "three",
		"Device.Row.3.Mode": "on",
		"Device.Row.3.Rate": "2",
		"Device.Row.3.Ref":  "Device.Row.7",
	} {
		if got, ok := v.Param(p); !ok || got.Value != want {
			t.Errorf("%s: got %+v %t, want %q", p, got, ok, want)
		}
	}
}

func TestRecipesWrite(t *testing.T) {
	t.Parallel()
	v := engineView(t)
	for _, tc := range []struct{ path, value, want string }{
		{"Device.Sum.Any", "false", `InternetGatewayDevice.T.3.On = "0" boolean
InternetGatewayDevice.T.7.On = "false" boolean
`},
		{"Device.Row.3.Mode", "off", "InternetGatewayDevice.T.3.Mode = \"0\" boolean\n"},
		{"Device.Row.3.Mode", "dim", "error 0: 7012 not one of the values that the device has (Device.Row.3.Mode)\n"},
		{"Device.Row.3.Rate", "3", "InternetGatewayDevice.T.3.Rate = \"3000\" string\n"},
		{"Device.Row.3.Ref", "Device.Row.3", "InternetGatewayDevice.T.3.Ref = \"InternetGatewayDevice.T.3\" string\n"},
		{
			"Device.Row.3.Ref", "Device.Row.4",
			"error 0: 7012 refers to nothing that the device can refer to (Device.Row.3.Ref)\n",
		},
		{"Device.Sum.Sum", "1", "error 0: 7013 read-only (Device.Sum.Sum)\n"},
		{"Device.Row.", "1", "error 0: 7026 not a parameter (Device.Row.)\n"},
		{"Device.Row.3", "1", "error 0: 7026 an object, not a parameter (Device.Row.3)\n"},
	} {
		if got := planned(v.PlanSet([]model.Setting{{Path: tc.path, Value: tc.value}})); got != tc.want {
			t.Errorf("%s = %s: got %s, want %s", tc.path, tc.value, got, tc.want)
		}
	}
}

// TestCPEValue reads what the CPE itself says, hidden or not, but no secret.
func TestCPEValue(t *testing.T) {
	t.Parallel()
	v := engineView(t)
	for name, want := range map[string]string{"Dropped": "x", "T.3.Mode": "1", "T.7.Key": ""} {
		if got, ok := v.CPEValue("InternetGatewayDevice." + name); !ok || got.Value != want || got.NoValue {
			t.Errorf("%s: got %+v %t, want %q", name, got, ok, want)
		}
	}
	for _, name := range []string{"InternetGatewayDevice.T.", "InternetGatewayDevice.T.9.On", "Device.T.3.On"} {
		if got, ok := v.CPEValue(name); ok {
			t.Errorf("%s: got %+v, want none", name, got)
		}
	}
	if v.InstanceMap() == nil {
		t.Error("no InstanceMap")
	}
}

// TestChangesAreSeenOnce checks that a change of several sources of one
// parameter is one change, and that a value read for the first time is none.
func TestChangesAreSeenOnce(t *testing.T) {
	t.Parallel()
	v := engineView(t)
	d := v.Observe([]cwmp.ParameterValue{
		{Name: "InternetGatewayDevice.T.3.Count", Value: "2"},
		{Name: "InternetGatewayDevice.T.7.Count", Value: "2"},
		{Name: "InternetGatewayDevice.T.7.Rate", Value: "1"},
	})
	if got, want := delta(d), "~ Device.Sum.Sum = 4\n"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if d := v.Observe([]cwmp.ParameterValue{{Name: "InternetGatewayDevice.T.3.On", Value: "true"}}); !d.Empty() {
		t.Errorf("got %s, want that another spelling changes nothing", delta(d))
	}
}
