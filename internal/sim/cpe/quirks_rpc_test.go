// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cpe_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/internal/sim/cpe"
)

// with is a CPE with the quirk that is asked without a session.
func with(t *testing.T, quirk string) *cpe.CPE {
	t.Helper()
	o := cpe.Options{ACS: "http://127.0.0.1:1/", Model: builtin(t, "tr098-dsl"), Serial: "7"}
	quirks(t, quirk)(&o)
	c, err := cpe.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// names lists what GetParameterNames gives.
func names(t *testing.T, c *cpe.CPE, path string, next bool) []string {
	t.Helper()
	resp := answer[*cwmp.GetParameterNamesResponse](t, c, &cwmp.GetParameterNames{Path: path, NextLevel: next})
	out := make([]string, 0, len(resp.Params))
	for _, p := range resp.Params {
		out = append(out, p.Name)
	}
	return out
}

func wantFault(t *testing.T, c *cpe.CPE, code int, req cwmp.Request) {
	t.Helper()
	if got := faultOf(c.Answer(req)); got != code {
		t.Errorf("%+v: got fault %d, want %d", req, got, code)
	}
}

func TestQuirk48NoRootNames(t *testing.T) {
	t.Parallel()
	c := with(t, "no-root-names")
	wantFault(t, c, 9005, &cwmp.GetParameterNames{NextLevel: true})
	wantFault(t, c, 9005, &cwmp.GetParameterNames{})
	wantFault(t, c, 0, &cwmp.GetParameterNames{Path: igd, NextLevel: true})
}

// NextLevel comes as 1 from the ACS of these tests.
func TestQuirk49NextLevel(t *testing.T) {
	t.Parallel()
	for quirk, want := range map[string]int{"next-level-words": 9003, "next-level-digits": 0} {
		b := quirky(t, quirk)
		if got := faultOf(b.call(&cwmp.GetParameterNames{Path: igd, NextLevel: true})); got != want {
			t.Errorf("%s: got fault %d, want %d", quirk, got, want)
		}
	}
}

func TestQuirk50NextLevel(t *testing.T) {
	t.Parallel()
	const info = igd + "DeviceInfo."
	if got := names(t, with(t, "next-level-all"), igd, true); len(got) < 300 {
		t.Errorf("next-level-all: got %d names, want the whole tree", len(got))
	}
	if got := names(t, with(t, "next-level-self"), info, true); got[0] != info || !slices.Contains(got, info+"ModelName") {
		t.Errorf("next-level-self: got %q, want the object as well", got)
	}
	c := with(t, "next-level-empty")
	if got := names(t, c, info, true); len(got) != 0 {
		t.Errorf("next-level-empty: got %q, want nothing", got)
	}
	if got := names(t, c, info, false); len(got) < 10 {
		t.Errorf("next-level-empty: got %q without NextLevel, want all", got)
	}
}

func TestQuirk51GhostNames(t *testing.T) {
	t.Parallel()
	const name = igd + "DeviceInfo.X_SIM_Ghost"
	c := with(t, "ghost-names")
	for path, next := range map[string]bool{igd + "DeviceInfo.": true, igd: false, "": false} {
		if !slices.Contains(names(t, c, path, next), name) {
			t.Errorf("names of %q: got no %s", path, name)
		}
	}
	wantFault(t, c, 9005, &cwmp.GetParameterValues{Names: []string{igd + "DeviceInfo.ModelName", name}})
	wantFault(t, c, 0, &cwmp.GetParameterValues{Names: []string{igd + "DeviceInfo."}})
}

func TestQuirk52HugeTree(t *testing.T) {
	t.Parallel()
	if got := names(t, with(t, "huge-tree"), "", false); len(got) < 10_000 {
		t.Errorf("got %d names, want 10,000 and more", len(got))
	}
}

func TestQuirk53FewNames(t *testing.T) {
	t.Parallel()
	of := func(n int) *cwmp.GetParameterValues {
		m := &cwmp.GetParameterValues{}
		for range n {
			m.Names = append(m.Names, igd+"DeviceInfo.ModelName")
		}
		return m
	}
	c := with(t, "few-names")
	wantFault(t, c, 0, of(8))
	wantFault(t, c, 9004, of(9))
	b := quirky(t, "few-names-cut")
	b.acs.queue(of(9))
	b.cpe.Raise(cwmp.Event{Code: cwmp.EventPeriodic})
	b.inform()
	if s := b.ended(); s.Err == nil {
		t.Error("few-names-cut: got no failure for 9 names")
	}
}

func TestQuirk54NoPartialValues(t *testing.T) {
	t.Parallel()
	c := with(t, "no-partial-values")
	wantFault(t, c, 9005, &cwmp.GetParameterValues{Names: []string{igd + "DeviceInfo."}})
	wantFault(t, c, 0, &cwmp.GetParameterValues{Names: []string{igd + "DeviceInfo.ModelName"}})
}

func TestQuirk55NeverWritable(t *testing.T) {
	t.Parallel()
	c := with(t, "never-writable")
	for _, p := range answer[*cwmp.GetParameterNamesResponse](t, c, &cwmp.GetParameterNames{}).Params {
		if p.Writable {
			t.Fatalf("got %s writable", p.Name)
		}
	}
	wantFault(t, c, 0, set(wlan+"SSID", "x", cwmp.TypeString))
}

func TestQuirk57NoParameterKey(t *testing.T) {
	t.Parallel()
	c := with(t, "no-parameter-key")
	m := set(wlan+"SSID", "x", cwmp.TypeString)
	m.ParameterKey = "key"
	wantFault(t, c, 0, m)
	if got, _ := c.Value(ms + "ParameterKey"); got != "" {
		t.Errorf("got ParameterKey %q, want none", got)
	}
}

func TestQuirk58ShiftingNames(t *testing.T) {
	t.Parallel()
	b := quirky(t, "shifting-names")
	for boot := 1; boot < 3; boot++ {
		now, before := igd+"DeviceInfo.X_SIM_Boot"+strconv.Itoa(boot), igd+"DeviceInfo.X_SIM_Boot"+strconv.Itoa(boot-1)
		if got := names(t, b.cpe, igd+"DeviceInfo.", true); !slices.Contains(got, now) || slices.Contains(got, before) {
			t.Errorf("boot %d: got %q", boot, got)
		}
		b.call(&cwmp.Reboot{})
		b.booted()
	}
}

func TestQuirk60Booleans(t *testing.T) {
	t.Parallel()
	for quirk, refused := range map[string]string{"boolean-digits": "true", "boolean-words": "1"} {
		c := with(t, quirk)
		wantFault(t, c, 9003, set(wlan+"Enable", refused, cwmp.TypeBoolean))
		wantFault(t, c, 0, set(wlan+"Enable", map[string]string{"true": "1", "1": "true"}[refused], cwmp.TypeBoolean))
	}
	read := &cwmp.GetParameterValues{Names: []string{wlan}}
	writes(t, "boolean-words", `"xsd:boolean">true<`, `"xsd:boolean">[01]<`, read)
	writes(t, "boolean-digits", `"xsd:boolean">1<`, `"xsd:boolean">[tf]`, read)
}

func TestQuirk61WholeSeconds(t *testing.T) {
	t.Parallel()
	c := with(t, "whole-seconds")
	const name = ms + "PeriodicInformTime"
	wantFault(t, c, 9003, set(name, "2026-01-01T00:00:00.000Z", cwmp.TypeDateTime))
	wantFault(t, c, 0, set(name, "2026-01-01T00:00:00Z", cwmp.TypeDateTime))
}

func TestQuirk64MisspeltNames(t *testing.T) {
	t.Parallel()
	if got, _ := with(t, "misspelt-names").Value(igd + "X_GponInterafceConfig.Status"); got != "Disconneting" {
		t.Errorf("got %q", got)
	}
}

func TestQuirk65VendorObjects(t *testing.T) {
	t.Parallel()
	wantFault(t, with(t, "vendor-objects"), 0, set(igd+"OperatorProfile.AC.Level", "8", cwmp.TypeUnsignedInt))
}

func TestQuirk66Rows(t *testing.T) {
	t.Parallel()
	c := with(t, "instance-gaps")
	if got := answer[*cwmp.AddObjectResponse](t, c, &cwmp.AddObject{ObjectName: pm}).InstanceNumber; got != 4 {
		t.Errorf("instance-gaps: got %d after 1, want 4", got)
	}
	c = with(t, "late-rows")
	number := answer[*cwmp.AddObjectResponse](t, c, &cwmp.AddObject{ObjectName: pm}).InstanceNumber
	row := pm + strconv.Itoa(int(number)) + "."
	if got := names(t, c, pm, true); slices.Contains(got, row) {
		t.Errorf("late-rows: got %q, want no %s yet", got, row)
	}
	wantFault(t, c, 9005, &cwmp.GetParameterValues{Names: []string{row}})
	wantFault(t, c, 0, set(row+"PortMappingDescription", "x", cwmp.TypeString))
	if got := names(t, c, pm, true); !slices.Contains(got, row) {
		t.Errorf("late-rows: got %q, want %s", got, row)
	}
	b := quirky(t, "renumbers-rows")
	was, _ := b.cpe.Value(pm + "1.PortMappingDescription")
	b.call(&cwmp.Reboot{})
	b.booted()
	now := names(t, b.cpe, pm, true)
	if slices.Contains(now, pm+"1.") || len(now) != 1 {
		t.Fatalf("renumbers-rows: got %q after the reboot", now)
	}
	if got, _ := b.cpe.Value(now[0] + "PortMappingDescription"); got != was {
		t.Errorf("renumbers-rows: got %q in %s, want %q", got, now[0], was)
	}
}

func TestQuirk73RebootsAtOnce(t *testing.T) {
	t.Parallel()
	b := quirky(t, "reboots-at-once")
	reply := b.acs.queue(&cwmp.Reboot{CommandKey: "k"})
	b.cpe.Raise(cwmp.Event{Code: cwmp.EventConnectionRequest})
	b.inform()
	if s := b.ended(); s.Err == nil {
		t.Error("got a regular end, want the connection lost")
	}
	b.wantEvents(b.booted(), cwmp.EventMReboot+"(k)", cwmp.EventBoot)
	if _, answered := <-reply; answered {
		t.Error("got an answer to Reboot, want none")
	}
}

func TestQuirk74Diagnostics(t *testing.T) {
	t.Parallel()
	const ping = igd + "IPPingDiagnostics."
	for quirk, want := range map[string]string{
		"clock-1970": "Complete", "test-completed": "Completed", "test-stays-requested": "Requested",
	} {
		b := quirky(t, quirk)
		b.call(&cwmp.SetParameterValues{Params: []cwmp.ParameterValue{
			pv(ping+"Host", "host.example.net", cwmp.TypeString), pv(ping+"DiagnosticsState", "Requested", cwmp.TypeString),
		}})
		b.wantEvents(b.inform(), cwmp.EventDiagnosticsComplete)
		if got, _ := b.cpe.Value(ping + "DiagnosticsState"); got != want {
			t.Errorf("%s: got %q, want %q", quirk, got, want)
		}
	}
	b := quirky(t, "test-mute")
	b.call(&cwmp.SetParameterValues{Params: []cwmp.ParameterValue{
		pv(ping+"Host", "host.example.net", cwmp.TypeString), pv(ping+"DiagnosticsState", "Requested", cwmp.TypeString),
	}})
	eventually(t, func() bool { v, _ := b.cpe.Value(ping + "DiagnosticsState"); return v == "Complete" })
	if got := b.cpe.Pending(); len(got) > 0 {
		t.Errorf("test-mute: got %v, want no event", got)
	}
}

func TestQuirk75UnknownMethods(t *testing.T) {
	t.Parallel()
	b := quirky(t, "unknown-methods")
	if got := take(t, "request", b.acs.own).Method(); got != "X_00D09E_Hello" {
		t.Errorf("got %s", got)
	}
}

func TestQuirk76CountersChange(t *testing.T) {
	t.Parallel()
	const name = igd + "LANDevice.1.WLANConfiguration.1.TotalBytesSent"
	on := &cwmp.SetParameterAttributes{Params: []cwmp.SetAttribute{
		{Name: name, NotificationChange: true, Notification: 2},
	}}
	wantFault(t, with(t, "clock-1970"), 9009, on)
	b := quirky(t, "counters-change")
	must[*cwmp.SetParameterAttributesResponse](b, on)
	for range 2 {
		in := b.inform()
		b.wantEvents(in, cwmp.EventValueChange)
		if !slices.ContainsFunc(in.Params, func(p cwmp.ParameterValue) bool { return p.Name == name }) {
			t.Errorf("got %v, want %s", in.Params, name)
		}
	}
}

func TestQuirk82Bootstraps(t *testing.T) {
	t.Parallel()
	b := quirky(t, "always-bootstrap")
	b.call(&cwmp.Reboot{})
	if in := b.booted(); !in.HasEvent(cwmp.EventBootstrap) {
		t.Errorf("always-bootstrap: got %q after a reboot", events(in))
	}
	b = quirky(t, "never-bootstrap")
	b.call(&cwmp.FactoryReset{})
	if in := b.booted(); in.HasEvent(cwmp.EventBootstrap) || !in.HasEvent(cwmp.EventBoot) {
		t.Errorf("never-bootstrap: got %q after a factory reset", events(in))
	}
}

func TestQuirk71Downloads(t *testing.T) {
	t.Parallel()
	good := cwmp.Download{
		FileType: "1 Firmware Upgrade Image", URL: "http://files.example.net/a.bin", FileSize: 1, TargetFileName: "a",
	}
	for quirk, change := range map[string]func(*cwmp.Download){
		"download-no-port":   func(m *cwmp.Download) { m.URL = "http://files.example.net:80/a.bin" },
		"download-short-url": func(m *cwmp.Download) { m.URL = "http://f.example.net/" + strings.Repeat("a", 128) + ".bin" },
		"download-extension": func(m *cwmp.Download) { m.URL = "http://files.example.net/a" },
		"download-size":      func(m *cwmp.Download) { m.FileSize = 0 },
		"download-target":    func(m *cwmp.Download) { m.TargetFileName = "" },
		"download-no-tls":    func(m *cwmp.Download) { m.URL = "https://files.example.net/a.bin" },
	} {
		c, bad, want := with(t, quirk), good, 9003
		change(&bad)
		if quirk == "download-no-tls" {
			want = 9013
		}
		wantFault(t, c, want, &bad)
		wantFault(t, c, 0, &good)
		wantFault(t, with(t, "clock-1970"), 0, &bad)
	}
}
