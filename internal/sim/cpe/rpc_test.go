// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cpe_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/internal/sim/cpe"
)

const (
	igd  = "InternetGatewayDevice."
	ppp  = igd + "WANDevice.1.WANConnectionDevice.1.WANPPPConnection.1."
	pm   = ppp + "PortMapping."
	wlan = igd + "LANDevice.1.WLANConfiguration.1."
	ms   = igd + "ManagementServer."
)

func pv(name, value string, typ cwmp.Type) cwmp.ParameterValue {
	return cwmp.ParameterValue{Name: name, Value: value, Type: typ}
}

func TestGetParameterNames(t *testing.T) {
	t.Parallel()
	c := offline(t, builtin(t, "tr098-dsl"))
	for _, tc := range []struct {
		path      string
		nextLevel bool
		want      []string // exactly, "+" before writable ones; nil: only the fault
		fault     int
	}{
		{"", true, []string{igd}, 0},
		{pm, true, []string{"+" + pm + "1."}, 0},
		{wlan + "SSID", false, []string{"+" + wlan + "SSID"}, 0},
		{igd + "DeviceInfo.MemoryStatus.", true, []string{
			igd + "DeviceInfo.MemoryStatus.Total", igd + "DeviceInfo.MemoryStatus.Free",
		}, 0},
		{igd + "DeviceInfo.MemoryStatus.", false, []string{
			igd + "DeviceInfo.MemoryStatus.", igd + "DeviceInfo.MemoryStatus.Total", igd + "DeviceInfo.MemoryStatus.Free",
		}, 0},
		{igd + "WANDevice.1.WANConnectionDevice.1.WANIPConnection.", true, []string{}, 0},
		{wlan + "SSID", true, nil, cwmp.FaultInvalidArguments},
		{wlan + "SSID.", false, nil, cwmp.FaultInvalidParameterName},
		{strings.TrimSuffix(wlan, "."), false, nil, cwmp.FaultInvalidParameterName},
		{igd + "Nothing.", false, nil, cwmp.FaultInvalidParameterName},
		{"Device.", true, nil, cwmp.FaultInvalidParameterName},
	} {
		t.Run(fmt.Sprintf("%s %t", tc.path, tc.nextLevel), func(t *testing.T) {
			t.Parallel()
			resp := c.Answer(&cwmp.GetParameterNames{Path: tc.path, NextLevel: tc.nextLevel})
			if got := faultOf(resp); got != tc.fault {
				t.Fatalf("got fault %d, want %d", got, tc.fault)
			}
			var got []string
			if r, ok := resp.(*cwmp.GetParameterNamesResponse); ok {
				for _, p := range r.Params {
					got = append(got, map[bool]string{true: "+"}[p.Writable]+p.Name)
				}
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
	all := answer[*cwmp.GetParameterNamesResponse](t, c, &cwmp.GetParameterNames{}).Params
	root := answer[*cwmp.GetParameterNamesResponse](t, c, &cwmp.GetParameterNames{Path: igd}).Params
	if len(all) != len(root) || all[0].Name != igd {
		t.Errorf("whole tree: got %d names for the empty path and %d for the root", len(all), len(root))
	}
}

func TestGetParameterValues(t *testing.T) {
	t.Parallel()
	c := offline(t, builtin(t, "tr098-dsl"))
	for _, tc := range []struct {
		names []string
		want  []string
		fault int
	}{
		{[]string{wlan + "SSID", wlan + "Enable"}, []string{wlan + "SSID=Home-7", wlan + "Enable=1"}, 0},
		{[]string{igd + "DeviceInfo.ProcessStatus."}, []string{
			igd + "DeviceInfo.ProcessStatus.CPUUsage=7", igd + "DeviceInfo.ProcessStatus.ProcessNumberOfEntries=0",
		}, 0},
		{[]string{ppp + "Password", wlan + "KeyPassphrase"}, []string{ppp + "Password=", wlan + "KeyPassphrase="}, 0},
		{[]string{igd + "WANDevice.1.WANConnectionDevice.1.WANIPConnection."}, nil, 0},
		{[]string{wlan + "SSID", wlan + "Nothing"}, nil, cwmp.FaultInvalidParameterName},
		{[]string{wlan + "SSID."}, nil, cwmp.FaultInvalidParameterName},
		{[]string{strings.TrimSuffix(wlan, ".")}, nil, cwmp.FaultInvalidParameterName},
		{nil, nil, cwmp.FaultInvalidArguments},
	} {
		resp := c.Answer(&cwmp.GetParameterValues{Names: tc.names})
		if got := faultOf(resp); got != tc.fault {
			t.Errorf("%q: got fault %d, want %d", tc.names, got, tc.fault)
		}
		var got []string
		if r, ok := resp.(*cwmp.GetParameterValuesResponse); ok {
			for _, p := range r.Params {
				got = append(got, p.Name+"="+p.Value)
			}
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%q: got %q, want %q", tc.names, got, tc.want)
		}
	}
	if v, _ := c.Value(ppp + "Password"); v != "pppoe-7" {
		t.Errorf("Value of a password: got %q, want the true one", v)
	}
}

func TestSetParameterValues(t *testing.T) {
	t.Parallel()
	good := pv(wlan+"SSID", "new", cwmp.TypeString)
	for _, tc := range []struct {
		name   string
		params []cwmp.ParameterValue
		fault  int
		inner  []int
	}{
		{"good", []cwmp.ParameterValue{good}, 0, nil},
		{"without type", []cwmp.ParameterValue{good, pv(wlan+"Channel", "3", cwmp.TypeUnknown)}, 0, nil},
		{"unknown", []cwmp.ParameterValue{good, pv(wlan+"No", "1", cwmp.TypeString)}, 9003, []int{9005}},
		{"object", []cwmp.ParameterValue{good, pv(wlan, "1", cwmp.TypeString)}, 9003, []int{9005}},
		{"type", []cwmp.ParameterValue{good, pv(wlan+"Channel", "3", cwmp.TypeString)}, 9003, []int{9006}},
		{"lexical", []cwmp.ParameterValue{good, pv(wlan+"Enable", "yes", cwmp.TypeBoolean)}, 9003, []int{9007}},
		{"range", []cwmp.ParameterValue{good, pv(wlan+"Channel", "14", cwmp.TypeUnsignedInt)}, 9003, []int{9007}},
		{"enumeration", []cwmp.ParameterValue{good, pv(wlan+"BeaconType", "11x", cwmp.TypeString)}, 9003, []int{9007}},
		{"length", []cwmp.ParameterValue{good, pv(wlan+"KeyPassphrase", "short", cwmp.TypeString)}, 9003, []int{9007}},
		{
			"list",
			[]cwmp.ParameterValue{good, pv(wlan+"WPS.ConfigMethodsEnabled", "Label,NFC", cwmp.TypeString)},
			9003,
			[]int{9007},
		},
		{"read-only", []cwmp.ParameterValue{good, pv(wlan+"BSSID", "x", cwmp.TypeString)}, 9003, []int{9008}},
		{"several", []cwmp.ParameterValue{
			pv(wlan+"No", "1", cwmp.TypeString), good, pv(wlan+"BSSID", "x", cwmp.TypeString),
		}, 9003, []int{9005, 9008}},
		{"twice", []cwmp.ParameterValue{good, good}, 9003, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := offline(t, builtin(t, "tr098-dsl"))
			resp := c.Answer(&cwmp.SetParameterValues{Params: tc.params, ParameterKey: "key"})
			if got := faultOf(resp); got != tc.fault {
				t.Fatalf("got fault %d, want %d", got, tc.fault)
			}
			var inner []int
			if f, ok := resp.(*cwmp.Fault); ok {
				for _, p := range f.Params {
					inner = append(inner, p.Code)
				}
			}
			if !slices.Equal(inner, tc.inner) {
				t.Errorf("SetParameterValuesFault: got %d, want %d", inner, tc.inner)
			}
			ssid, _ := c.Value(wlan + "SSID")
			key, _ := c.Value(ms + "ParameterKey")
			applied := tc.fault == 0
			if (ssid == "new") != applied || (key == "key") != applied {
				t.Errorf("after it: SSID %q, ParameterKey %q, want applied %t", ssid, key, applied)
			}
		})
	}
}

// A boolean keeps the style of the device, whatever the ACS writes.
func TestBooleanStyle(t *testing.T) {
	t.Parallel()
	for model, tc := range map[string]struct{ name, on, off string }{
		"tr098-dsl":  {wlan + "Enable", "1", "0"},
		"tr181-wifi": {"Device.WiFi.SSID.1.Enable", "true", "false"},
	} {
		c := offline(t, builtin(t, model))
		for _, v := range []string{"false", "true", "0", "1"} {
			p := []cwmp.ParameterValue{pv(tc.name, v, cwmp.TypeBoolean)}
			answer[*cwmp.SetParameterValuesResponse](t, c, &cwmp.SetParameterValues{Params: p})
			want := tc.off
			if v == "true" || v == "1" {
				want = tc.on
			}
			if got, _ := c.Value(tc.name); got != want {
				t.Errorf("%s set to %s: got %s, want %s", model, v, got, want)
			}
		}
	}
}

func TestAttributes(t *testing.T) {
	t.Parallel()
	set := func(name string, n int) cwmp.SetAttribute {
		return cwmp.SetAttribute{Name: name, NotificationChange: true, Notification: n}
	}
	version := igd + "DeviceInfo.SoftwareVersion"
	for _, tc := range []struct {
		name  string
		set   []cwmp.SetAttribute
		fault int
	}{
		{"active", []cwmp.SetAttribute{set(wlan+"SSID", 2)}, 0},
		{"partial path", []cwmp.SetAttribute{set(wlan+"WEPKey.", 1), set(wlan+"SSID", 2)}, 0},
		{"counter", []cwmp.SetAttribute{set(wlan+"SSID", 2), set(igd+"DeviceInfo.UpTime", 2)}, 9009},
		{"counter, passive", []cwmp.SetAttribute{set(wlan+"SSID", 2), set(igd+"DeviceInfo.UpTime", 1)}, 0},
		{"statistics", []cwmp.SetAttribute{set(wlan+"SSID", 2), set(wlan+"TotalBytesSent", 2)}, 9009},
		{"forced off", []cwmp.SetAttribute{set(wlan+"SSID", 2), set(version, 0)}, 9009},
		{"forced on", []cwmp.SetAttribute{set(wlan+"SSID", 2), set(version, 2)}, 0},
		{"lightweight", []cwmp.SetAttribute{set(wlan+"SSID", 2), set(wlan+"Channel", 3)}, 9003},
		{"unknown", []cwmp.SetAttribute{set(wlan+"SSID", 2), set(wlan+"No", 1)}, 9005},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := offline(t, builtin(t, "tr098-dsl"))
			if got := faultOf(c.Answer(&cwmp.SetParameterAttributes{Params: tc.set})); got != tc.fault {
				t.Errorf("got fault %d, want %d", got, tc.fault)
			}
			got := answer[*cwmp.GetParameterAttributesResponse](t, c, &cwmp.GetParameterAttributes{
				Names: []string{wlan + "SSID", version},
			}).Params
			if want := tc.fault == 0; (got[0].Notification == 2) != want || got[1].Notification != 2 {
				t.Errorf("attributes: got %+v, want applied %t", got, want)
			}
		})
	}
	c := offline(t, builtin(t, "tr098-dsl"))
	access := []cwmp.SetAttribute{{
		Name: wlan + "SSID", AccessListChange: true, AccessList: []string{"Subscriber"}, Notification: 2,
	}}
	answer[*cwmp.SetParameterAttributesResponse](t, c, &cwmp.SetParameterAttributes{Params: access})
	ask := &cwmp.GetParameterAttributes{Names: []string{wlan + "SSID"}}
	got := answer[*cwmp.GetParameterAttributesResponse](t, c, ask).Params
	if len(got) != 1 || got[0].Notification != 0 || !slices.Equal(got[0].AccessList, []string{"Subscriber"}) {
		t.Errorf("attributes: got %+v, want only the access list changed", got)
	}
	if resp := c.Answer(&cwmp.GetParameterAttributes{Names: []string{wlan + "No"}}); faultOf(resp) != 9005 {
		t.Errorf("unknown name: got %v, want 9005", resp)
	}
}

func TestObjects(t *testing.T) {
	t.Parallel()
	c := offline(t, builtin(t, "tr098-dsl"))
	add := answer[*cwmp.AddObjectResponse](t, c, &cwmp.AddObject{ObjectName: pm, ParameterKey: "k1"})
	if add.InstanceNumber != 2 || add.Status != 0 {
		t.Errorf("AddObject: got %+v, want instance 2", add)
	}
	for name, want := range map[string]string{
		pm + "2.PortMappingEnabled": "0", pm + "2.PortMappingProtocol": "TCP", ppp + "PortMappingNumberOfEntries": "2",
		ms + "ParameterKey": "k1",
	} {
		if got, _ := c.Value(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	answer[*cwmp.DeleteObjectResponse](t, c, &cwmp.DeleteObject{ObjectName: pm + "2.", ParameterKey: "k2"})
	if got, _ := c.Value(ppp + "PortMappingNumberOfEntries"); got != "1" {
		t.Errorf("PortMappingNumberOfEntries: got %s, want 1", got)
	}
	if got := answer[*cwmp.AddObjectResponse](t, c, &cwmp.AddObject{ObjectName: pm}).InstanceNumber; got != 3 {
		t.Errorf("instance after a delete: got %d, want 3: a number is not given twice", got)
	}
	// A table within a new row has rows of its own.
	conns := igd + "WANDevice.1.WANConnectionDevice.1.WANIPConnection."
	row := answer[*cwmp.AddObjectResponse](t, c, &cwmp.AddObject{ObjectName: conns}).InstanceNumber
	conn := conns + strconv.Itoa(int(row)) + "."
	answer[*cwmp.AddObjectResponse](t, c, &cwmp.AddObject{ObjectName: conn + "PortMapping."})
	if got, _ := c.Value(conn + "PortMappingNumberOfEntries"); got != "1" {
		t.Errorf("nested PortMappingNumberOfEntries: got %q, want 1", got)
	}
	long := strings.Repeat("k", 33)
	for _, tc := range []struct {
		req   cwmp.Request
		fault int
	}{
		{&cwmp.AddObject{ObjectName: igd + "Nothing."}, 9005},
		{&cwmp.AddObject{ObjectName: igd + "DeviceInfo."}, 9005},
		{&cwmp.AddObject{ObjectName: strings.TrimSuffix(pm, ".")}, 9005},
		{&cwmp.AddObject{ObjectName: pm + "1."}, 9005},
		{&cwmp.AddObject{ObjectName: igd + "LANDevice.1.WLANConfiguration."}, 9008},
		{&cwmp.AddObject{ObjectName: pm, ParameterKey: long}, 9003},
		{&cwmp.DeleteObject{ObjectName: pm + "2."}, 9005},
		{&cwmp.DeleteObject{ObjectName: pm}, 9005},
		{&cwmp.DeleteObject{ObjectName: pm + "1"}, 9005},
		{&cwmp.DeleteObject{ObjectName: wlan}, 9008},
		{&cwmp.DeleteObject{ObjectName: pm + "1.", ParameterKey: long}, 9003},
	} {
		if got := faultOf(c.Answer(tc.req)); got != tc.fault {
			t.Errorf("%+v: got fault %d, want %d", tc.req, got, tc.fault)
		}
	}
}

// A row that nobody gave an Alias has one of its own.
func TestNewRowsHaveAnAlias(t *testing.T) {
	t.Parallel()
	c := offline(t, builtin(t, "tr181-wifi"))
	const table = "Device.NAT.PortMapping."
	seen := make(map[string]bool)
	for range 3 {
		n := answer[*cwmp.AddObjectResponse](t, c, &cwmp.AddObject{ObjectName: table}).InstanceNumber
		got, _ := c.Value(table + strconv.Itoa(int(n)) + ".Alias")
		if want := "cpe-" + strconv.Itoa(int(n)); got != want || seen[got] {
			t.Errorf("got Alias %q, want %q", got, want)
		}
		seen[got] = true
	}
}

func TestMaxRows(t *testing.T) {
	t.Parallel()
	c, err := cpe.New(cpe.Options{ACS: "http://127.0.0.1:1/", Model: builtin(t, "tr098-dsl"), MaxRows: 3})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		answer[*cwmp.AddObjectResponse](t, c, &cwmp.AddObject{ObjectName: pm})
	}
	if got := faultOf(c.Answer(&cwmp.AddObject{ObjectName: pm})); got != cwmp.FaultResourcesExceeded {
		t.Errorf("fourth row: got fault %d, want 9004", got)
	}
}

func TestOtherMethods(t *testing.T) {
	t.Parallel()
	c := offline(t, builtin(t, "tr098-dsl"))
	methods := answer[*cwmp.GetRPCMethodsResponse](t, c, &cwmp.GetRPCMethods{}).Methods
	if len(methods) != 20 || !slices.Contains(methods, "FactoryReset") {
		t.Errorf("methods: got %q", methods)
	}
	for _, tc := range []struct {
		req   cwmp.Request
		fault int
	}{
		{&cwmp.Unknown{Name: "X_00D09E_Dance"}, 9000},
		{&cwmp.Reboot{CommandKey: strings.Repeat("k", 33)}, 9003},
		{&cwmp.Download{FileType: "1 Firmware Upgrade Image", URL: "ftp://files.example.net/a"}, 9013},
		{&cwmp.Download{FileType: "1 Firmware Upgrade Image", URL: "http://u:p@files.example.net/a"}, 9003},
		{&cwmp.Download{URL: "http://files.example.net/a"}, 9003},
	} {
		if got := faultOf(c.Answer(tc.req)); got != tc.fault {
			t.Errorf("%+v: got fault %d, want %d", tc.req, got, tc.fault)
		}
	}
	config := &cwmp.Download{FileType: "3 Vendor Configuration File", URL: "http://files.example.net/a"}
	for range 16 {
		answer[*cwmp.DownloadResponse](t, c, config)
	}
	if got := faultOf(c.Answer(config)); got != 9004 {
		t.Errorf("17th transfer: got fault %d, want 9004", got)
	}
}

// Counting parameters come from the clock.
func TestLiveValues(t *testing.T) {
	t.Parallel()
	c := offline(t, builtin(t, "tr098-dsl"))
	now, _ := c.Value(igd + "Time.CurrentLocalTime")
	at, err := time.Parse(time.RFC3339, now)
	if err != nil || time.Since(at) > time.Minute {
		t.Errorf("CurrentLocalTime: got %q", now)
	}
	if up, _ := c.Value(igd + "DeviceInfo.UpTime"); up != "0" {
		t.Errorf("UpTime: got %s, want 0", up)
	}
}

// FuzzLoad: what loads can be browsed completely.
func FuzzLoad(f *testing.F) {
	f.Add("path,writable,value,type\nDevice.,0,,object\nDevice.T.,1,,object\nDevice.T.{i}.A,1,x,xsd:string\n" +
		"Device.T.1.,1,,object\n")
	f.Add("path,writable,value,type,rule\nDevice.,0,,object,\nDevice.A,1,3,xsd:int,1:5\n")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := cpe.Load("fuzz", strings.NewReader(text))
		if err != nil {
			return
		}
		c, err := cpe.New(cpe.Options{ACS: "http://127.0.0.1:1/", Model: m})
		if err != nil { // DeviceInfo is a parameter, or the like
			return
		}
		names := answer[*cwmp.GetParameterNamesResponse](t, c, &cwmp.GetParameterNames{}).Params
		for _, n := range names {
			if cwmp.IsPartialPath(n.Name) {
				c.Answer(&cwmp.AddObject{ObjectName: n.Name})
				continue
			}
			answer[*cwmp.GetParameterValuesResponse](t, c, &cwmp.GetParameterValues{Names: []string{n.Name}})
		}
		if len(names) <= m.Params() {
			t.Errorf("names: got %d, want more than the %d parameters", len(names), m.Params())
		}
	})
}
