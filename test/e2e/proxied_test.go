// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/uspgate/uspgate/internal/sim/controller"
	"github.com/uspgate/uspgate/internal/sim/cpe"
	"github.com/uspgate/uspgate/test/harness"
	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

const gatewayAgent = "self::gateway"

// A Controller that knows the gateway Agent alone reads every CPE through it.
func TestProxiedGet(t *testing.T) {
	t.Parallel()
	g := harness.Start(t, "translate: {proxied: {endpoint_id: \""+gatewayAgent+"\"}}\n")
	for i, model := range []string{"tr098-dsl", "tr181-wifi", "tr098-gpon"} {
		g.CPE(model, func(o *cpe.Options) { o.Serial = fmt.Sprintf("S%d", i+1) })
	}
	code, out, errs := harness.Command(t, "usp", "get", "--via", g.WS(), "--to", gatewayAgent,
		"Device.ProxiedDevice.*.DeviceInfo.SerialNumber")
	if code != 0 {
		t.Fatalf("got exit code %d, want 0: %s", code, errs)
	}
	for i := range 3 {
		want := fmt.Sprintf("Device.ProxiedDevice.%d.DeviceInfo.SerialNumber", i+1)
		if !strings.Contains(out, want) || !strings.Contains(out, fmt.Sprintf("S%d", i+1)) {
			t.Errorf("got %s, want %s in it", out, want)
		}
	}
}

// proxiedFleet is a gateway Agent with a TR-098 CPE as row 1 and a TR-181 CPE as row 2, and a
// Controller of it.
func proxiedFleet(t *testing.T, yaml string) (*harness.Gateway, *controller.Controller, []harness.CPE) {
	t.Helper()
	g := harness.Start(t, "translate: {freshness: live, proxied: {endpoint_id: \""+gatewayAgent+"\""+yaml+"}}\n")
	var list []harness.CPE
	for i, model := range []string{"tr098-dsl", "tr181-wifi"} {
		list = append(list, g.CPE(model, func(o *cpe.Options) { o.Serial = fmt.Sprintf("S%d", i+1) }))
	}
	return g, g.Controller(g.WS(), "self::c"), list
}

// The table of the CPE, what is in them, and the errors of paths.
func TestProxiedRows(t *testing.T) {
	t.Parallel()
	_, c, list := proxiedFleet(t, "")
	ctx := deadline(t)
	resp, err := c.Get(ctx, gatewayAgent, 1, "Device.ProxiedDevice.",
		"Device.ProxiedDevice.[DeviceInfo.SerialNumber==\"S2\"].DeviceInfo.",
		"Device.ProxiedDevice.[ProxyProtocol==\"CWMP\"].DeviceInfo.ProductClass", "Device.ProxiedDevice.9.DeviceInfo.",
		"Device.ProxiedDevice.1.LocalAgent.EndpointID", "Device.ProxiedDevice.*.NoSuch.Thing")
	if err != nil {
		t.Fatal(err)
	}
	got := controller.Params(resp)
	for p, want := range map[string]string{
		"Device.ProxiedDevice.1.X_USPGATE_EndpointID": string(list[0].Agent), "Device.ProxiedDevice.2.Online": "true",
		"Device.ProxiedDevice.2.ProxyProtocol":           "CWMP",
		"Device.ProxiedDevice.2.DeviceInfo.ProductClass": list[1].Identity().ProductClass,
	} {
		if got[p] != want {
			t.Errorf("%s: got %q, want %q", p, got[p], want)
		}
	}
	results := resp.GetReqPathResults()
	found := results[1].GetResolvedPathResults()
	if len(found) != 1 || found[0].GetResolvedPath() != "Device.ProxiedDevice.2.DeviceInfo." {
		t.Errorf("got %v, want row 2 alone", results[1])
	}
	for _, r := range results[3:] {
		if r.GetErrCode() != uint32(usp.CodeInvalidPath) {
			t.Errorf("got %v, want error 7026", r)
		}
	}
}

func TestProxiedGetInstances(t *testing.T) {
	t.Parallel()
	_, c, _ := proxiedFleet(t, "")
	resp, err := c.GetInstances(deadline(t), gatewayAgent, false,
		"Device.ProxiedDevice.", "Device.ProxiedDevice.*.WiFi.Radio.")
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"Device.ProxiedDevice.1.", "Device.ProxiedDevice.2.WiFi.Radio.1."} {
		is := func(r *uspmsg.GetInstancesResp_CurrInstance) bool { return r.GetInstantiatedObjPath() == want }
		if !slices.ContainsFunc(resp.GetReqPathResults()[i].GetCurrInsts(), is) {
			t.Errorf("got %v, want %s", resp.GetReqPathResults()[i], want)
		}
	}
	for _, r := range resp.GetReqPathResults()[0].GetCurrInsts() {
		if strings.Contains(r.GetInstantiatedObjPath(), "LocalAgent") {
			t.Errorf("got %s, want nothing of a Virtual Agent's own", r.GetInstantiatedObjPath())
		}
	}
}

func TestProxiedGetSupportedDM(t *testing.T) {
	t.Parallel()
	_, c, _ := proxiedFleet(t, "")
	resp, err := c.GetSupportedDM(deadline(t), gatewayAgent, &uspmsg.GetSupportedDM{
		ObjPaths:     []string{"Device.", "Device.ProxiedDevice.2.", "Device.ProxiedDevice.2.WiFi.Radio.{i}."},
		ReturnParams: true, ReturnCommands: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	find := func(i int, p string) *uspmsg.GetSupportedDMResp_SupportedObjectResult {
		for _, o := range resp.GetReqObjResults()[i].GetSupportedObjs() {
			if o.GetSupportedObjPath() == p {
				return o
			}
		}
		t.Fatalf("got no %s in result %d: %v", p, i, resp.GetReqObjResults()[i].GetErrMsg())
		return nil
	}
	rows := []string{"Device.ProxiedDevice.1.", "Device.ProxiedDevice.2."}
	if got := find(0, "Device.ProxiedDevice.{i}.").GetDivergentPaths(); !slices.Equal(got, rows) {
		t.Errorf("got divergent_paths %v, want %v", got, rows)
	}
	commands := find(1, "Device.ProxiedDevice.{i}.").GetSupportedCommands()
	isReboot := func(c *uspmsg.GetSupportedDMResp_SupportedCommandResult) bool {
		return c.GetCommandName() == "Reboot()"
	}
	if !slices.ContainsFunc(commands, isReboot) {
		t.Errorf("got commands %v, want Reboot() among them", commands)
	}
	find(1, "Device.ProxiedDevice.{i}.WiFi.SSID.{i}.")
	find(2, "Device.ProxiedDevice.{i}.WiFi.Radio.{i}.")
}

// Set, Add and Delete are those of the Virtual Agents; what is to be done as a whole is for
// one CPE.
func TestProxiedWrites(t *testing.T) {
	t.Parallel()
	_, c, list := proxiedFleet(t, "")
	ctx := deadline(t)
	everywhere := controller.Update("Device.ProxiedDevice.*.DeviceInfo.", map[string]string{"ProvisioningCode": "x"})
	_, err := c.Set(ctx, gatewayAgent, false, everywhere)
	var e *controller.Error
	if !errors.As(err, &e) || e.Err.Code != usp.CodeRequestDenied {
		t.Errorf("got %v, want Error 7002", err)
	}
	set, err := c.Set(ctx, gatewayAgent, true, everywhere)
	if err != nil || len(set.GetUpdatedObjResults()) != 2 {
		t.Fatalf("got %v, %v, want a result for each CPE", set, err)
	}
	for i, r := range set.GetUpdatedObjResults() {
		want := fmt.Sprintf("Device.ProxiedDevice.%d.DeviceInfo.", i+1)
		ok := r.GetOperStatus().GetOperSuccess().GetUpdatedInstResults()
		if len(ok) != 1 || ok[0].GetAffectedPath() != want || r.GetRequestedPath() != want {
			t.Errorf("got %v, want %s", r, want)
		}
		direct, err := c.Get(ctx, list[i].Agent, 0, "Device.DeviceInfo.ProvisioningCode")
		if err != nil || controller.Params(direct)["Device.DeviceInfo.ProvisioningCode"] != "x" {
			t.Errorf("got %v, %v, want x at the Virtual Agent", direct, err)
		}
	}
	const table = "Device.ProxiedDevice.1.NAT.PortMapping."
	added, err := c.Add(ctx, gatewayAgent, false, controller.Create(table, map[string]string{"ExternalPort": "1"}))
	if err != nil {
		t.Fatal(err)
	}
	row := added.GetCreatedObjResults()[0].GetOperStatus().GetOperSuccess().GetInstantiatedPath()
	if !strings.HasPrefix(row, table) {
		t.Fatalf("got %v, want a row of %s", added, table)
	}
	deleted, err := c.Delete(ctx, gatewayAgent, false, row)
	if err != nil {
		t.Fatal(err)
	}
	gone := deleted.GetDeletedObjResults()[0].GetOperStatus().GetOperSuccess().GetAffectedPaths()
	if !slices.Equal(gone, []string{row}) {
		t.Errorf("got %v, %v, want %s deleted", deleted, err, row)
	}
	readOnly := controller.Update("Device.ProxiedDevice.2.WiFi.Radio.1.", map[string]string{"Status": "Up"})
	_, err = c.Set(ctx, gatewayAgent, false, readOnly)
	if !errors.As(err, &e) || !strings.HasPrefix(e.Params[0].GetParamPath(), "Device.ProxiedDevice.2.WiFi.Radio.1.") {
		t.Errorf("got %v, want an Error about the path of the request", err)
	}
}

// A command goes on in the CPE, has a row in the gateway's Request table, and its end is
// told with the paths of the gateway; so are changes.
func TestProxiedCommandsAndNotifies(t *testing.T) {
	t.Parallel()
	_, c, list := proxiedFleet(t, "")
	ctx := deadline(t)
	subscribe := func(s controller.Subscription) {
		t.Helper()
		if _, err := c.Subscribe(ctx, gatewayAgent, s); err != nil {
			t.Fatal(err)
		}
	}
	subscribe(controller.Subscription{
		ID: "done", Type: "OperationComplete", References: []string{"Device.ProxiedDevice.*.IP.Diagnostics.IPPing()"},
	})
	subscribe(controller.Subscription{
		ID: "code", Type: "ValueChange", References: []string{"Device.ProxiedDevice.*.DeviceInfo.ProvisioningCode"},
	})
	// The Virtual Agents know of both once they have a row for each.
	for i := range list {
		harness.Eventually(t, func() error {
			r, err := c.GetInstances(ctx, list[i].Agent, true, "Device.LocalAgent.Subscription.")
			if n := len(r.GetReqPathResults()[0].GetCurrInsts()); err != nil || n != 2 {
				return fmt.Errorf("%d Subscriptions, want 2: %w", n, err)
			}
			return nil
		})
	}
	resp, err := c.Operate(ctx, gatewayAgent, "Device.ProxiedDevice.2.IP.Diagnostics.IPPing()", "k", map[string]string{
		"Host": "host.example.net", "ProtocolVersion": "Any", "NumberOfRepetitions": "3", "Timeout": "1000",
		"DataBlockSize": "64",
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := resp.GetOperationResults()[0].GetReqObjPath(); got != "Device.LocalAgent.Request.1" {
		t.Errorf("got %v, want a row of the gateway's Request table", resp)
	}
	n := heard(t, c)
	if o := n.GetOperComplete(); o.GetObjPath() != "Device.ProxiedDevice.2.IP.Diagnostics." || o.GetCommandKey() != "k" ||
		n.GetSubscriptionId() != "done" {
		t.Errorf("got %v, want OperationComplete of row 2", n.Notify)
	}
	harness.Eventually(t, func() error {
		r, err := c.GetInstances(ctx, gatewayAgent, true, "Device.LocalAgent.Request.")
		if n := len(r.GetReqPathResults()[0].GetCurrInsts()); err != nil || n != 0 {
			return fmt.Errorf("%d Requests, want 0: %w", n, err)
		}
		return nil
	})
	set := controller.Update("Device.DeviceInfo.", map[string]string{"ProvisioningCode": "new"})
	if _, err := c.Set(ctx, list[0].Agent, false, set); err != nil {
		t.Fatal(err)
	}
	n = heard(t, c)
	const code = "Device.ProxiedDevice.1.DeviceInfo.ProvisioningCode"
	if v := n.GetValueChange(); v.GetParamPath() != code || v.GetParamValue() != "new" {
		t.Errorf("got %v, want ValueChange of row 1", n.Notify)
	}
}

// The 1,001st is not shown; here the second.
func TestProxiedMax(t *testing.T) {
	t.Parallel()
	_, c, _ := proxiedFleet(t, ", max: 1, select: [{serial: \"S*\"}]")
	resp, err := c.Get(deadline(t), gatewayAgent, 0, "Device.ProxiedDeviceNumberOfEntries")
	if got := controller.Params(resp)["Device.ProxiedDeviceNumberOfEntries"]; err != nil || got != "1" {
		t.Errorf("got %q, %v, want 1", got, err)
	}
}

// heard returns the next Notify.
func heard(t *testing.T, c *controller.Controller) controller.Notify {
	t.Helper()
	select {
	case n := <-c.Notifies():
		return n
	case <-time.After(harness.Timeout):
		t.Fatal("got no Notify")
		return controller.Notify{}
	}
}
