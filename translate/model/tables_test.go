// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model_test

import (
	"slices"
	"testing"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/model"
)

func named(names ...string) []cwmp.ParameterInfo {
	var out []cwmp.ParameterInfo
	for _, n := range names {
		out = append(out, cwmp.ParameterInfo{Name: n, Writable: true})
	}
	return out
}

// The tables of a CPE are known without rows, and all of those whose rows are in one
// table of Device:2.
func TestTables(t *testing.T) {
	t.Parallel()
	rules, err := model.Load("")
	if err != nil {
		t.Fatal(err)
	}
	const wan = "InternetGatewayDevice.WANDevice.1.WANConnectionDevice.1."
	const lan = "InternetGatewayDevice.LANDevice.1."
	for _, c := range []struct {
		name  string
		root  model.Root
		names []string
		table string
		want  []model.CPETable
	}{
		{
			"of the same name", model.TR181,
			[]string{"Device.", "Device.NAT.", "Device.NAT.PortMapping.", "Device.NAT.PortMapping.3."},
			"Device.NAT.PortMapping.",
			[]model.CPETable{{"Device.NAT.PortMapping.", 1}},
		},
		{"not there", model.TR181, []string{"Device.", "Device.NAT."}, "Device.NAT.PortMapping.", nil},
		{
			"several, one with rows", model.TR098,
			[]string{
				"InternetGatewayDevice.", wan, wan + "WANPPPConnection.1.PortMapping.", wan + "WANPPPConnection.2.PortMapping.",
				wan + "WANPPPConnection.2.PortMapping.1.", wan + "WANPPPConnection.2.PortMapping.4.",
			},
			"Device.NAT.PortMapping.",
			[]model.CPETable{{wan + "WANPPPConnection.1.PortMapping.", 0}, {wan + "WANPPPConnection.2.PortMapping.", 2}},
		},
		{
			"nobody can add rows", model.TR098,
			[]string{"InternetGatewayDevice.", lan, lan + "Hosts.", lan + "Hosts.Host."},
			"Device.Hosts.Host.",
			[]model.CPETable{{lan + "Hosts.Host.", 0}},
		},
		{
			"passed through", model.TR098,
			[]string{"InternetGatewayDevice.", "InternetGatewayDevice.X_V.T.1."},
			"Device.X_USPGATE_IGD.X_V.T.",
			[]model.CPETable{{"InternetGatewayDevice.X_V.T.", 1}},
		},
		{"an object", model.TR098, []string{"InternetGatewayDevice.", lan}, "Device.DeviceInfo.", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			v := model.NewView(rules, c.root, nil)
			v.SetNames("", named(c.names...))
			if got := v.Tables(c.table); !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}
