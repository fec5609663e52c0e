// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"errors"
	"testing"

	"github.com/uspgate/uspgate/internal/sim/controller"
	"github.com/uspgate/uspgate/test/harness"
	"github.com/uspgate/uspgate/usp"
)

// A Controller does what the role that the configuration gives it lets it do.
func TestRolesOfTheConfiguration(t *testing.T) {
	t.Parallel()
	g := harness.Start(t, `controllers:
  - {endpoint_id: "self::noc"}
  - {endpoint_id: "self::support", role: Support}
roles:
  - name: Support
    permissions:
      - {order: 1, targets: [Device.], param: r---, obj: r---}
      - {order: 2, targets: [Device.LocalAgent.], param: "----"}
`)
	cpe := g.CPE("tr181-wifi", nil)
	support := g.Controller(g.WS(), "self::support")
	ctx, cancel := context.WithTimeout(t.Context(), harness.Timeout)
	defer cancel()
	const id, code = "Device.LocalAgent.EndpointID", "Device.DeviceInfo.ProvisioningCode"
	resp, err := support.Get(ctx, cpe.Agent, 0, code, id)
	if err != nil {
		t.Fatal(err)
	}
	got := controller.Params(resp)
	if _, ok := got[code]; !ok || len(got) != 1 {
		t.Errorf("got %v, want %s and not %s", got, code, id)
	}
	set := controller.Update("Device.DeviceInfo.", map[string]string{"ProvisioningCode": "x"})
	_, err = support.Set(ctx, cpe.Agent, false, set)
	var e *controller.Error
	if !errors.As(err, &e) || e.Err.Code != usp.CodePermissionDenied {
		t.Errorf("got %v, want Error 7006", err)
	}
	if _, err := g.Controller(g.WS(), "self::noc").Set(ctx, cpe.Agent, false, set); err != nil {
		t.Errorf("got %v, want nil for full access", err)
	}
}
