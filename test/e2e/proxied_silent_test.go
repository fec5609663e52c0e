// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"testing"
	"time"

	"github.com/uspgate/uspgate/internal/sim/controller"
	"github.com/uspgate/uspgate/test/harness"
	"github.com/uspgate/uspgate/usp"
)

// A CPE that does not come has errors for its own paths, by the deadline of the
// Controller; those of the others are answered.
func TestProxiedCPEThatIsOff(t *testing.T) {
	t.Parallel()
	g := harness.Start(t, "translate: {freshness: live, deadline: 2s, proxied: {endpoint_id: \""+gatewayAgent+"\"}}\n")
	list := []harness.CPE{g.CPE("tr098-dsl", nil), g.CPE("tr181-wifi", nil)}
	c := g.Controller(g.WS(), "self::c")
	list[0].Off()
	const off, on = "Device.ProxiedDevice.1.", "Device.ProxiedDevice.2."
	began := time.Now()
	resp, err := c.Get(deadline(t), gatewayAgent, 0, off+"DeviceInfo.UpTime", on+"DeviceInfo.UpTime", off+"Name")
	if err != nil {
		t.Fatal(err)
	}
	codes := make([]usp.Code, 0, 3)
	for _, r := range resp.GetReqPathResults() {
		codes = append(codes, usp.Code(r.GetErrCode()))
	}
	if codes[0] != usp.CodeInternalError || codes[1] != 0 || codes[2] != 0 {
		t.Errorf("Get: got %v after %v, want 7003 for the path of the CPE that is off alone", codes, time.Since(began))
	}
	set, err := c.Set(deadline(t), gatewayAgent, true,
		controller.Update(off+"DeviceInfo.", map[string]string{"ProvisioningCode": "x"}),
		controller.Update(on+"DeviceInfo.", map[string]string{"ProvisioningCode": "x"}))
	if err != nil {
		t.Fatal(err)
	}
	first, second := set.GetUpdatedObjResults()[0].GetOperStatus(), set.GetUpdatedObjResults()[1].GetOperStatus()
	failed := usp.Code(first.GetOperFailure().GetErrCode())
	if failed != usp.CodeInternalError || second.GetOperSuccess() == nil {
		t.Errorf("Set: got %v and %v, want 7003 and success", first, second)
	}
	if got, _ := list[1].Value("Device.DeviceInfo.ProvisioningCode"); got != "x" {
		t.Errorf("got ProvisioningCode %q of the CPE that is on, want x", got)
	}
	op, err := c.Operate(deadline(t), gatewayAgent, "Device.ProxiedDevice.*.Reboot()", "key", nil)
	if err != nil {
		t.Fatal(err)
	}
	results := op.GetOperationResults()
	if len(results) != 2 || results[0].GetCmdFailure() == nil || results[1].GetCmdFailure() != nil {
		t.Errorf("Operate: got %v, want a failure of the first alone", results)
	}
}
