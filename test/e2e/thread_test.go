// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/internal/cli"
	"github.com/uspgate/uspgate/internal/sim/cpe"
	"github.com/uspgate/uspgate/test/harness"
)

// ok runs the command line, which must succeed, and returns its output.
func ok(t *testing.T, args ...string) string {
	t.Helper()
	code, out, errs := harness.Command(t, args...)
	if code != cli.ExitDone {
		t.Fatalf("uspgate %s: got exit code %d, want 0\n%s%s", strings.Join(args, " "), code, out, errs)
	}
	return out
}

// get reads parameters by the command line.
func get(t *testing.T, via string, c harness.CPE, paths ...string) map[string]string {
	t.Helper()
	out := ok(t, append([]string{"usp", "get", "-o", "json", "--via", via, "--to", string(c.Agent)}, paths...)...)
	var result struct{ Params map[string]string }
	if err := json.Unmarshal([]byte(out), &result); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	return result.Params
}

// rawSSID is where each built-in model keeps its first SSID.
var rawSSID = map[string]string{
	"tr098-dsl":  "InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.SSID",
	"tr098-gpon": "InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.SSID",
	"tr181-wifi": "Device.WiFi.SSID.1.SSID",
}

func TestEveryModelOverEveryMTP(t *testing.T) {
	t.Parallel()
	gw := harness.Start(t, "translate: {freshness: 0s}\n")
	for _, model := range cpe.Builtin() {
		c := gw.CPE(model, nil)
		for _, via := range []string{gw.WS(), gw.MQTT()} {
			params := get(t, via, c, "Device.DeviceInfo.", "Device.WiFi.SSID.*.SSID")
			want, _ := c.Value(rawSSID[model])
			if got := params["Device.WiFi.SSID.1.SSID"]; got != want || want == "" {
				t.Errorf("%s over %s: got SSID %q, want %q", model, via, got, want)
			}
			if got := params["Device.DeviceInfo.SerialNumber"]; got != "1" {
				t.Errorf("%s over %s: got serial number %q, want 1", model, via, got)
			}
			name := "set over " + via[:4]
			ok(t, "usp", "set", "--via", via, "--to", string(c.Agent), "Device.WiFi.SSID.1.SSID="+name)
			if got, _ := c.Value(rawSSID[model]); got != name {
				t.Errorf("%s over %s: got %q in the CPE, want %q", model, via, got, name)
			}
			addAndDelete(t, via, c)
		}
	}
}

func addAndDelete(t *testing.T, via string, c harness.CPE) {
	t.Helper()
	to := []string{"--via", via, "--to", string(c.Agent)}
	out := ok(t, append(append([]string{"usp", "add", "-o", "json"}, to...), "Device.NAT.PortMapping.",
		"Enable=true", "ExternalPort=9443", "InternalPort=443", "InternalClient=192.168.1.20", "Protocol=TCP")...)
	var added struct{ Created []struct{ Path string } }
	if err := json.Unmarshal([]byte(out), &added); err != nil || len(added.Created) != 1 {
		t.Fatalf("got %v, want one row: %s", err, out)
	}
	row := added.Created[0].Path
	if got := get(t, via, c, row)[row+"ExternalPort"]; got != "9443" {
		t.Errorf("%s: got ExternalPort %q in %s, want 9443", c.Agent, got, row)
	}
	ok(t, append(append([]string{"usp", "delete"}, to...), row)...)
	code, _, errs := harness.Command(t, append(append([]string{"usp", "get"}, to...), row)...)
	if code != cli.ExitFailed || !strings.Contains(errs, "7026") {
		t.Errorf("%s: got exit code %d and %q for a deleted row, want 7026", c.Agent, code, errs)
	}
}

func TestRebootEndsInOperationCompleteAndBoot(t *testing.T) {
	t.Parallel()
	gw := harness.Start(t, "")
	for _, model := range cpe.Builtin() {
		c := gw.CPE(model, nil)
		for _, via := range []string{gw.WS(), gw.MQTT()} {
			out := ok(t, "usp", "operate", "--wait", "--via", via, "--to", string(c.Agent), "Device.Reboot()")
			for _, want := range []string{"OperationComplete", "Device.Boot!", "Cause=RemoteReboot"} {
				if !strings.Contains(out, want) {
					t.Errorf("%s over %s: got no %s in\n%s", model, via, want, out)
				}
			}
		}
	}
}

// Without controllers in the configuration an Agent learns who speaks; those
// who leave nothing behind make room.
func TestControllersThatComeAndGo(t *testing.T) {
	t.Parallel()
	gw := harness.Start(t, "")
	c := gw.CPE("tr181-wifi", nil)
	ok(t, "usp", "add", "--via", gw.WS(), "--to", string(c.Agent), "--from", "self::stays",
		"Device.LocalAgent.Subscription.", "ID=s", "NotifType=Event", "ReferenceList=Device.Boot!", "Enable=true")
	for range 40 {
		get(t, gw.WS(), c, "Device.LocalAgent.EndpointID")
	}
	params := get(t, gw.WS(), c, "Device.LocalAgent.Controller.*.EndpointID", "Device.LocalAgent.Subscription.1.ID")
	if params["Device.LocalAgent.Subscription.1.ID"] != "s" {
		t.Error("the Subscription of a Controller that was silent is gone")
	}
	for _, id := range params {
		if id == "self::stays" {
			return
		}
	}
	t.Errorf("got %v, want the Controller with a Subscription among them", params)
}

func TestSupportedDataModel(t *testing.T) {
	t.Parallel()
	gw := harness.Start(t, "")
	for _, model := range cpe.Builtin() {
		c := gw.CPE(model, nil)
		out := ok(t, "usp", "supported-dm", "--via", gw.WS(), "--to", string(c.Agent), "Device.")
		for _, want := range []string{
			"Device.WiFi.SSID.{i}.SSID", "Device.NAT.PortMapping.{i}.", "Device.Reboot()", "Device.Boot!",
			"Device.LocalAgent.Subscription.{i}.ReferenceList",
		} {
			if !strings.Contains(out, want+" ") {
				t.Errorf("%s: got no %s", model, want)
			}
		}
		if strings.Contains(out, "ManagementServer.") && !strings.Contains(out, "CWMPManagementServer.") {
			t.Errorf("%s shows Device.ManagementServer., which USP does not have", model)
		}
	}
}

// Logins work on both MTPs, and what keeps the command line from connecting is
// said at once, without the password.
func TestLogin(t *testing.T) {
	t.Parallel()
	const auth = "auth: {mode: password, users: [{username: noc, password: s3cret}]}}\n"
	gw := harness.Start(t, "mtp:\n  - {name: ws, type: websocket, "+auth+"  - {name: mqtt, type: mqtt, "+auth)
	c := gw.CPE("tr098-dsl", nil)
	for _, via := range []string{gw.WS(), gw.MQTT()} {
		with := func(user string) string { return strings.Replace(via, "://", "://"+user+"@", 1) }
		if got := get(t, with("noc:s3cret"), c, "Device.DeviceInfo.SerialNumber"); len(got) != 1 {
			t.Errorf("%s: got %v, want the serial number", via, got)
		}
		code, _, errs := harness.Command(t, "usp", "get", "--via", with("noc:gu3ss"), "--to", string(c.Agent), "Device.")
		if code != cli.ExitFailed || !strings.Contains(errs, "no connection with ") || strings.Contains(errs, "gu3ss") {
			t.Errorf("%s, wrong password: got exit code %d and %q, want why it failed", via, code, errs)
		}
	}
	code, _, errs := harness.Command(t, "usp", "get", "--via", "ws://127.0.0.1:9", "--to", string(c.Agent), "Device.")
	if code != cli.ExitFailed || !strings.Contains(errs, "nobody listens at ws://127.0.0.1:9") {
		t.Errorf("nobody there: got exit code %d and %q", code, errs)
	}
}
