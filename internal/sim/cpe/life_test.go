// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cpe_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/icholy/digest"

	"github.com/uspgate/uspgate/cwmp"
	session "github.com/uspgate/uspgate/cwmp/cpe"
	"github.com/uspgate/uspgate/internal/sim/cpe"
)

func (b *bench) wantEvents(in *cwmp.Inform, want ...string) {
	b.t.Helper()
	if got := events(in); !slices.Equal(got, want) {
		b.t.Errorf("events: got %q, want %q", got, want)
	}
}

// set is a SetParameterValues of one parameter.
func set(name, value string, typ cwmp.Type) *cwmp.SetParameterValues {
	return &cwmp.SetParameterValues{Params: []cwmp.ParameterValue{pv(name, value, typ)}}
}

// The Inform of the first boot: identity, events and forced parameters
// [TR-069 3.7.1.5, A.3.3.1].
func TestBoot(t *testing.T) {
	t.Parallel()
	for model, forced := range map[string][]string{
		"tr098-dsl": {
			igd + "DeviceSummary", igd + "DeviceInfo.SpecVersion", igd + "DeviceInfo.HardwareVersion",
			igd + "DeviceInfo.SoftwareVersion", igd + "DeviceInfo.ProvisioningCode", ms + "ConnectionRequestURL",
			ms + "ParameterKey", ppp + "ExternalIPAddress",
		},
		"tr181-wifi": {
			"Device.RootDataModelVersion", "Device.DeviceInfo.HardwareVersion", "Device.DeviceInfo.SoftwareVersion",
			"Device.DeviceInfo.ProvisioningCode", "Device.ManagementServer.ParameterKey",
			"Device.ManagementServer.ConnectionRequestURL", "Device.ManagementServer.AliasBasedAddressing",
		},
	} {
		t.Run(model, func(t *testing.T) {
			t.Parallel()
			b := start(t, model, nil)
			in := b.booted()
			b.wantEvents(in, cwmp.EventBootstrap, cwmp.EventBoot)
			if in.DeviceID != b.cpe.Identity() || in.RetryCount != 0 || in.MaxEnvelopes != 1 {
				t.Errorf("Inform: got %+v", in)
			}
			var names []string
			for _, p := range in.Params {
				names = append(names, p.Name)
				if strings.HasSuffix(p.Name, "ConnectionRequestURL") && p.Value != b.cpe.ConnectionRequestURL() {
					t.Errorf("ConnectionRequestURL: got %q", p.Value)
				}
			}
			if !slices.Equal(names, forced) {
				t.Errorf("parameters: got %q, want %q", names, forced)
			}
			if at, err := time.Parse(time.RFC3339, in.CurrentTime); err != nil || time.Since(at) > time.Minute {
				t.Errorf("CurrentTime: got %q", in.CurrentTime)
			}
			if got := take(t, "observed Inform", b.cpe.Informs()); got.DeviceID != in.DeviceID {
				t.Errorf("observed Inform: got %+v", got)
			}
		})
	}
}

// One session over one connection: names, values, a change, a row more and a
// row less.
func TestSession(t *testing.T) {
	t.Parallel()
	b := start(t, "tr098-dsl", nil)
	b.booted()
	b.acs.mu.Lock()
	clear(b.acs.conns)
	b.acs.mu.Unlock()
	replies := []chan cwmp.Response{
		b.acs.queue(&cwmp.GetParameterNames{Path: igd, NextLevel: true}),
		b.acs.queue(&cwmp.GetParameterValues{Names: []string{igd}}),
		b.acs.queue(set(wlan+"SSID", "Changed", cwmp.TypeString)),
		b.acs.queue(&cwmp.AddObject{ObjectName: pm}),
		b.acs.queue(&cwmp.DeleteObject{ObjectName: pm + "1."}),
		b.acs.queue(&cwmp.Unknown{Name: "X_Nothing"}),
	}
	b.cpe.Raise(cwmp.Event{Code: cwmp.EventConnectionRequest})
	var got []string
	for i, r := range replies {
		resp := take(t, "answer", r)
		got = append(got, resp.Method())
		if i == 5 && faultOf(resp) != cwmp.FaultMethodNotSupported {
			t.Errorf("unknown method: got %v, want 9000", resp)
		}
	}
	want := []string{
		"GetParameterNamesResponse", "GetParameterValuesResponse", "SetParameterValuesResponse", "AddObjectResponse",
		"DeleteObjectResponse", "Fault",
	}
	if !slices.Equal(got, want) {
		t.Errorf("answers: got %q, want %q", got, want)
	}
	if v, _ := b.cpe.Value(wlan + "SSID"); v != "Changed" {
		t.Errorf("SSID: got %q", v)
	}
	b.inform()
	b.ended()
	if len(b.acs.conns) != 1 {
		t.Errorf("connections: got %d, want 1", len(b.acs.conns))
	}
}

// Connection Requests need no credentials until the ACS has set some, which
// count at once.
func TestConnectionRequest(t *testing.T) {
	t.Parallel()
	b := start(t, "tr098-dsl", nil)
	b.booted()
	ask := func(password string) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.cpe.ConnectionRequestURL(), nil)
		if err != nil {
			t.Fatal(err)
		}
		tr := &digest.Transport{Username: "wake", Password: password, Transport: &http.Transport{DisableKeepAlives: true}}
		resp, err := tr.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	if got := ask("any"); got != http.StatusOK {
		t.Fatalf("without credentials in the tree: got %d, want 200", got)
	}
	b.wantEvents(b.booted(), cwmp.EventConnectionRequest)
	must[*cwmp.SetParameterValuesResponse](b, &cwmp.SetParameterValues{Params: []cwmp.ParameterValue{
		pv(ms+"ConnectionRequestUsername", "wake", cwmp.TypeString),
		pv(ms+"ConnectionRequestPassword", "up", cwmp.TypeString),
	}})
	if got := ask("down"); got != http.StatusUnauthorized {
		t.Errorf("wrong password: got %d, want 401", got)
	}
	if got := ask("up"); got != http.StatusOK {
		t.Errorf("right password: got %d, want 200", got)
	}
	b.wantEvents(b.booted(), cwmp.EventConnectionRequest)
}

// A Reboot is answered, then the device is away, and comes back with its
// CommandKey and a new Connection Request URL; what was set stays.
func TestReboot(t *testing.T) {
	t.Parallel()
	b := start(t, "tr098-dsl", nil)
	b.booted()
	old := b.cpe.ConnectionRequestURL()
	must[*cwmp.SetParameterValuesResponse](b, set(wlan+"SSID", "Changed", cwmp.TypeString))
	must[*cwmp.RebootResponse](b, &cwmp.Reboot{CommandKey: "again"})
	in := b.booted()
	b.wantEvents(in, "M Reboot(again)", cwmp.EventBoot)
	if url := b.cpe.ConnectionRequestURL(); url == old {
		t.Errorf("ConnectionRequestURL: got %s as before", url)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, old, nil)
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{DisableKeepAlives: true}
	if resp, err := tr.RoundTrip(req); err == nil {
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			t.Error("the old Connection Request URL still answers")
		}
	}
	if v, _ := b.cpe.Value(wlan + "SSID"); v != "Changed" {
		t.Errorf("SSID after the reboot: got %q", v)
	}
}

// Factory reset: values, rows and attributes go back, and the next Inform is
// 0 BOOTSTRAP.
func TestFactoryReset(t *testing.T) {
	t.Parallel()
	b := start(t, "tr098-dsl", nil)
	b.booted()
	must[*cwmp.SetParameterValuesResponse](b, set(wlan+"SSID", "Changed", cwmp.TypeString))
	must[*cwmp.AddObjectResponse](b, &cwmp.AddObject{ObjectName: pm})
	must[*cwmp.FactoryResetResponse](b, &cwmp.FactoryReset{})
	b.wantEvents(b.booted(), cwmp.EventBootstrap, cwmp.EventBoot)
	for name, want := range map[string]string{
		wlan + "SSID": "Home-7", ppp + "PortMappingNumberOfEntries": "1", ms + "ParameterKey": "",
		ms + "URL": b.acs.URL + "/",
	} {
		if got, _ := b.cpe.Value(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if got := must[*cwmp.AddObjectResponse](b, &cwmp.AddObject{ObjectName: pm}).InstanceNumber; got != 2 {
		t.Errorf("instance after the reset: got %d, want 2 again", got)
	}
}

// A change by the user is reported: at once, with the next Inform, or not at
// all. The ACS's own changes are not.
func TestValueChange(t *testing.T) {
	t.Parallel()
	b := start(t, "tr098-dsl", nil)
	b.booted()
	attribute := func(name string, n int) cwmp.SetAttribute {
		return cwmp.SetAttribute{Name: name, NotificationChange: true, Notification: n}
	}
	must[*cwmp.SetParameterAttributesResponse](b, &cwmp.SetParameterAttributes{Params: []cwmp.SetAttribute{
		attribute(wlan+"SSID", 2), attribute(wlan+"Channel", 1), attribute(ppp+"ExternalIPAddress", 0),
	}})
	must[*cwmp.SetParameterValuesResponse](b, set(wlan+"SSID", "ByTheACS", cwmp.TypeString))
	for _, change := range [][2]string{
		{ppp + "ExternalIPAddress", "100.64.0.9"},
		{wlan + "Channel", "3"},
		{wlan + "SSID", "ByTheACS"},
		{wlan + "SSID", "ByTheUser"},
	} {
		if err := b.cpe.SetValue(change[0], change[1]); err != nil {
			t.Fatal(err)
		}
	}
	in := b.booted()
	b.wantEvents(in, cwmp.EventValueChange)
	values := make(map[string]string)
	for _, p := range in.Params {
		values[p.Name] = p.Value
	}
	if values[wlan+"Channel"] != "3" || values[wlan+"SSID"] != "ByTheUser" {
		t.Errorf("changes in the Inform: got %q", values)
	}
	b.cpe.Raise(cwmp.Event{Code: cwmp.EventPeriodic})
	in = b.booted()
	b.wantEvents(in, cwmp.EventPeriodic)
	if slices.ContainsFunc(in.Params, func(p cwmp.ParameterValue) bool { return p.Name == wlan+"SSID" }) {
		t.Error("a change was reported twice")
	}
	for name, v := range map[string]string{wlan + "No": "1", wlan + "Channel": "x", wlan: "1"} {
		if err := b.cpe.SetValue(name, v); err == nil {
			t.Errorf("SetValue(%s, %s): got no error", name, v)
		}
	}
}

// What happens to an RPC when the connection is lost, and what the ACS can
// know of it: 7800 in the words of the gateway.
func TestCut(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		when cpe.Cut
		want string
	}{{cpe.CutBefore, "Home-7"}, {cpe.CutAfter, "Changed"}} {
		t.Run(tc.want, func(t *testing.T) {
			t.Parallel()
			b := start(t, "tr098-dsl", nil)
			b.booted()
			b.cpe.CutNextSession("SetParameterValues", tc.when)
			reply := b.acs.queue(set(wlan+"SSID", "Changed", cwmp.TypeString))
			b.cpe.Raise(cwmp.Event{Code: cwmp.EventConnectionRequest})
			if s := b.ended(); !errors.Is(s.Err, session.ErrBroken) || !s.Informed {
				t.Errorf("session: got %+v, want it broken after the Inform", s)
			}
			b.wantEvents(b.inform(), cwmp.EventConnectionRequest)
			again := b.booted()
			b.wantEvents(again)
			if again.RetryCount != 1 {
				t.Errorf("RetryCount of the next session: got %d, want 1", again.RetryCount)
			}
			if resp, ok := <-reply; ok {
				t.Errorf("the ACS got %v, want no answer", resp)
			}
			if got, _ := b.cpe.Value(wlan + "SSID"); got != tc.want {
				t.Errorf("SSID: got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestFailNext(t *testing.T) {
	t.Parallel()
	b := start(t, "tr098-dsl", nil)
	b.booted()
	b.cpe.FailNext("AddObject", &cwmp.Fault{Code: cwmp.FaultRequestDenied})
	if got := faultOf(b.call(&cwmp.AddObject{ObjectName: pm})); got != cwmp.FaultRequestDenied {
		t.Errorf("first AddObject: got fault %d, want 9001", got)
	}
	must[*cwmp.AddObjectResponse](b, &cwmp.AddObject{ObjectName: pm})
}

func TestDelay(t *testing.T) {
	t.Parallel()
	b := start(t, "tr098-dsl", nil)
	b.booted()
	b.cpe.SetDelay(50 * time.Millisecond)
	begin := time.Now()
	must[*cwmp.GetRPCMethodsResponse](b, &cwmp.GetRPCMethods{})
	if got := time.Since(begin); got < 50*time.Millisecond {
		t.Errorf("answered after %s, want 50ms or more", got)
	}
}

// Without power there is nothing; with it the device boots.
func TestPower(t *testing.T) {
	t.Parallel()
	b := start(t, "tr098-dsl", nil)
	b.booted()
	url := b.cpe.ConnectionRequestURL()
	b.cpe.SetDelay(time.Hour)
	reply := b.acs.queue(&cwmp.GetRPCMethods{})
	b.cpe.Raise(cwmp.Event{Code: cwmp.EventConnectionRequest})
	b.inform()
	take(t, "request", b.acs.sent)
	b.cpe.Off()
	if s := b.ended(); s.Err == nil {
		t.Error("the session survived the loss of power")
	}
	deadline, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for tick := time.NewTicker(time.Millisecond); ; <-tick.C {
		req, err := http.NewRequestWithContext(deadline, http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		tr := &http.Transport{DisableKeepAlives: true}
		resp, err := tr.RoundTrip(req)
		if err != nil {
			tick.Stop()
			break
		}
		_ = resp.Body.Close()
	}
	if deadline.Err() != nil {
		t.Fatal("the listener is still there without power")
	}
	b.cpe.SetDelay(0)
	b.cpe.On()
	b.wantEvents(b.booted(), cwmp.EventBoot)
	if resp, ok := <-reply; ok {
		t.Errorf("the ACS got %v, want no answer", resp)
	}
}

// The interval that the ACS sets counts from the next session on.
func TestPeriodic(t *testing.T) {
	t.Parallel()
	b := start(t, "tr181-wifi", func(o *cpe.Options) { o.PeriodicInterval = -1 })
	b.booted()
	must[*cwmp.SetParameterValuesResponse](b, &cwmp.SetParameterValues{Params: []cwmp.ParameterValue{
		pv("Device.ManagementServer.PeriodicInformEnable", "1", cwmp.TypeBoolean),
		pv("Device.ManagementServer.PeriodicInformInterval", "1", cwmp.TypeUnsignedInt),
	}})
	b.wantEvents(b.booted(), cwmp.EventPeriodic)
}

// The ACS moves the device to another ACS, which hears 0 BOOTSTRAP.
func TestNewACS(t *testing.T) {
	t.Parallel()
	b, other := start(t, "tr098-dsl", nil), newACS(t)
	b.booted()
	reply := b.acs.queue(set(ms+"URL", other.URL+"/new", cwmp.TypeString))
	b.cpe.Raise(cwmp.Event{Code: cwmp.EventConnectionRequest})
	take(t, "answer", reply)
	b.wantEvents(take(t, "Inform at the other ACS", other.informs), cwmp.EventBootstrap)
}

// A diagnostic ends with 8 DIAGNOSTICS COMPLETE and results.
func TestDiagnostics(t *testing.T) {
	t.Parallel()
	b := start(t, "tr098-dsl", nil)
	b.booted()
	ping := igd + "IPPingDiagnostics."
	must[*cwmp.SetParameterValuesResponse](b, &cwmp.SetParameterValues{Params: []cwmp.ParameterValue{
		pv(ping+"DiagnosticsState", "Requested", cwmp.TypeString), pv(ping+"Host", "192.0.2.1", cwmp.TypeString),
		pv(ping+"NumberOfRepetitions", "3", cwmp.TypeUnsignedInt),
	}})
	b.wantEvents(b.booted(), cwmp.EventDiagnosticsComplete)
	for name, want := range map[string]string{"DiagnosticsState": "Complete", "SuccessCount": "3", "FailureCount": "0"} {
		if got, _ := b.cpe.Value(ping + name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}
