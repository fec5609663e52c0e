// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/model"
)

// FuzzLoad checks that no rule file ends the process, and that one is refused
// with its name or makes Rules that show a CPE soundly.
func FuzzLoad(f *testing.F) {
	f.Add(vendorRules)
	f.Add("maps: &a [*a]")
	f.Add("a: &a {b: *a}")
	f.Add("objects: {Device.A.{i}.: {keys: [[Alias]], params: {Alias: string wo}}}")
	f.Add(wirelessRules)
	f.Fuzz(func(t *testing.T, text string) {
		r, err := model.CompileOne("x.yaml", text)
		if err != nil {
			if !errors.Is(err, model.ErrRules) || !strings.Contains(err.Error(), "x.yaml") {
				t.Errorf("%v does not name the file", err)
			}
			return
		}
		sound(t, fuzzView(r, model.TR098, "LANDevice.1.WLANConfiguration.1.SSID", "x,y"))
		sound(t, fuzzView(r, model.TR181, "LANDevice.1.WLANConfiguration.1.SSID", "x,y"))
	})
}

// wirelessRules has a bit of everything that rules can say.
const wirelessRules = `
root: InternetGatewayDevice
hide: [ManagementServer., "*.Stats.Reset"]
secrets: [Key]
objects:
  Device.R.{i}.: {access: add delete, keys: [[B]], params: {Alias: string wo, B: string, C: int rw, N: string list}}
  Device.R.{i}.T.{i}.: {params: {X: boolean rw, Y: string rw, Z: string}}
  Device.: {params: {RNumberOfEntries: unsignedInt}}
maps:
  - to: Device.
    params: {}
  - to: Device.R.{i}.
    from: LANDevice.{i}.WLANConfiguration.{i}.
    group: [{param: Band}, {key: five, when: {Channel: {min: 32}}}, {key: two}]
    params:
      B: {key: true}
      C: [{from: Channel, enum: {Auto: "0", "*": pass}}, {const: "1"}]
      N: {list: [{value: a}, {value: b, when: {SSID: {present: true}}}]}
    sub:
      T.{i}.:
        when: {SSID: {not: [""]}}
        params:
          X: {from: [SSID, <Channel>.X], agg: any}
          Y: {cases: [{value: a, when: {SSID: x}}, {value: b, set: {SSID: z}}]}
          Z: {ref: "Device.R.{i}.", at: /LANDevice.{i}.}
`

func fuzzView(r *model.Rules, root model.Root, name, value string) *model.View {
	v := model.NewView(r, root, nil)
	p := root.Prefix()
	v.SetNames("", []cwmp.ParameterInfo{
		{Name: p + "LANDevice.1.WLANConfiguration.1.Channel", Writable: true},
		{Name: p + "LANDevice.1.WLANConfiguration.2."},
		{Name: p + name, Writable: true},
	})
	v.SetValues([]string{p}, []cwmp.ParameterValue{
		{Name: p + name, Value: value},
		{Name: name, Value: value, Type: cwmp.TypeBoolean},
	})
	return v
}

// sound checks what holds for every view.
func sound(t *testing.T, v *model.View) {
	t.Helper()
	sup := v.Supported()
	seen := map[string]bool{}
	_, params := everything(v)
	for _, p := range params {
		if seen[p.Path] {
			t.Errorf("%q twice", p.Path)
		}
		seen[p.Path] = true
		checkParam(t, v, sup, p)
		vals, _ := v.PlanSet([]model.Setting{{Path: p.Path, Value: p.Value}})
		for _, pv := range vals {
			if !strings.HasPrefix(pv.Name, v.Root().Prefix()) {
				t.Errorf("%q writes %q, which is not a name of the CPE", p.Path, pv.Name)
			}
		}
		for _, s := range v.Sources(p.Path) {
			if !strings.HasPrefix(s, v.Root().Prefix()) {
				t.Errorf("%q is read from %q, which is not a name of the CPE", p.Path, s)
			}
		}
		v.Explain(p.Path)
	}
}

// FuzzNames gives a view weird names and values.
func FuzzNames(f *testing.F) {
	r := mustLoad(f)
	for _, name := range []string{
		"", ".", "..", "A", "A.", "A.B", "1.2.3", "LANDevice.1.WLANConfiguration.3.Standard",
		"LANDevice.1.WLANConfiguration.3.BeaconType", "LANDevice.0.X", "LANDevice.4294967296.Hosts.Host.1.MACAddress",
		"LANDevice.01.Hosts.Host.1.MACAddress", "LANDevice.1", "LANDevice.1.WLANConfiguration.1.Channel.X",
		"WANDevice.1.WANConnectionDevice.1.WANIPConnection.1.DNSServers", "Time.LocalTimeZone", "X_USPGATE_IGD.A",
		"LANDevice.1.Hosts.Host.1.Alias", "Alias", "LANDevice.1.Alias.1.Alias", "a b.c\x00d.\xff",
	} {
		f.Add(name, "1,2,,3")
	}
	f.Fuzz(func(t *testing.T, name, value string) {
		for _, root := range []model.Root{model.TR098, model.TR181} {
			v := fuzzView(r, root, name, value)
			sound(t, v)
			v.SetValues([]string{root.Prefix()}, nil)
			v.SetNames("", nil)
			if rows := v.Instances("Device.WiFi.SSID."); rows != nil {
				t.Errorf("rows %v of a CPE that has nothing any more", rows)
			}
		}
	})
}
