// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model_test

import (
	"fmt"
	"testing"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/model"
)

// synthetic is a TR-098 CPE with some 3,000 parameters: 8 SSIDs, 64 hosts, 64
// port mappings and vendor parameters.
func synthetic() ([]cwmp.ParameterInfo, []cwmp.ParameterValue) {
	var infos []cwmp.ParameterInfo
	var vals []cwmp.ParameterValue
	add := func(value string, typ cwmp.Type, format string, args ...any) {
		name := "InternetGatewayDevice." + fmt.Sprintf(format, args...)
		infos = append(infos, cwmp.ParameterInfo{Name: name, Writable: true})
		vals = append(vals, cwmp.ParameterValue{Name: name, Value: value, Type: typ})
	}
	for i := 1; i <= 8; i++ {
		for _, leaf := range []string{
			"Enable", "SSID", "Status", "BSSID", "BeaconType", "WPAAuthenticationMode", "Standard",
			"IEEE11iAuthenticationMode", "IEEE11iEncryptionModes", "KeyPassphrase", "TotalBytesSent",
		} {
			add("1", cwmp.TypeString, "LANDevice.1.WLANConfiguration.%d.%s", i, leaf)
		}
		add("6", cwmp.TypeUnsignedInt, "LANDevice.1.WLANConfiguration.%d.Channel", i)
	}
	for i := 1; i <= 64; i++ {
		add(fmt.Sprintf("02:00:5E:00:00:%02X", i), cwmp.TypeString, "LANDevice.1.Hosts.Host.%d.MACAddress", i)
		for _, leaf := range []string{"IPAddress", "HostName", "Active", "InterfaceType", "LeaseTimeRemaining"} {
			add("1", cwmp.TypeString, "LANDevice.1.Hosts.Host.%d.%s", i, leaf)
		}
		for _, leaf := range []string{"PortMappingEnabled", "ExternalPort", "InternalPort", "InternalClient"} {
			add("1", cwmp.TypeString, "WANDevice.1.WANConnectionDevice.1.WANIPConnection.1.PortMapping.%d.%s", i, leaf)
		}
	}
	add("IP_Routed", cwmp.TypeString, "WANDevice.1.WANConnectionDevice.1.WANIPConnection.1.ConnectionType")
	for i := len(vals); i < 3000; i++ {
		add("vendor", cwmp.TypeString, "X_ACME.Table%d.%d.Param%d", i%7, 1+i%50, i)
	}
	return infos, vals
}

func BenchmarkBuildView(b *testing.B) {
	r := mustLoad(b)
	infos, vals := synthetic()
	b.ReportAllocs()
	for b.Loop() {
		v := model.NewView(r, model.TR098, nil)
		v.SetNames("", infos)
		v.SetValues([]string{"InternetGatewayDevice."}, vals)
	}
}

func BenchmarkApplyOneValue(b *testing.B) {
	v := model.NewView(mustLoad(b), model.TR098, nil)
	infos, vals := synthetic()
	v.SetNames("", infos)
	v.SetValues([]string{"InternetGatewayDevice."}, vals)
	one := []cwmp.ParameterValue{{Name: "InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.SSID"}}
	under := []string{one[0].Name}
	names := [2]string{"one", "two"}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		one[0].Value = names[i%2]
		if d := v.SetValues(under, one); len(d.Changed) != 1 {
			b.Fatalf("got %+v, want one change", d)
		}
	}
}

func BenchmarkWalk(b *testing.B) {
	v := model.NewView(mustLoad(b), model.TR098, nil)
	infos, vals := synthetic()
	v.SetNames("", infos)
	v.SetValues([]string{"InternetGatewayDevice."}, vals)
	b.ReportAllocs()
	for b.Loop() {
		v.Walk("Device.", 0, func(string, []model.Param) bool { return true })
	}
}

// BenchmarkLargestDump loads the largest captured device.
func BenchmarkLargestDump(b *testing.B) {
	r := mustLoad(b)
	largest := dump{}
	for _, d := range dumps(b) {
		if len(d.infos) > len(largest.infos) {
			largest = d
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		v := model.NewView(r, largest.root, nil)
		v.SetNames("", largest.infos)
		v.SetValues([]string{largest.root.Prefix()}, largest.vals)
	}
}
