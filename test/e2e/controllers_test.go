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

const controllerTable = "Device.LocalAgent.Controller."

// addController has c add another Controller to an Agent, with full access.
func addController(ctx context.Context, c *controller.Controller, to usp.EndpointID, id string) (string, error) {
	resp, err := c.Add(ctx, to, false, controller.Create(controllerTable, map[string]string{
		"EndpointID": id, "Enable": "true", "AssignedRole": "Device.LocalAgent.ControllerTrust.Role.1",
	}))
	if err != nil {
		return "", err
	}
	return resp.GetCreatedObjResults()[0].GetOperStatus().GetOperSuccess().GetInstantiatedPath(), nil
}

// readsEndpointID asks until the Agent answers as wanted: a connection that was refused is
// made again.
func readsEndpointID(ctx context.Context, c *controller.Controller, agent usp.EndpointID) error {
	short, cancel := context.WithTimeout(ctx, harness.Timeout/10)
	defer cancel()
	resp, err := c.Get(short, agent, 0, "Device.LocalAgent.EndpointID")
	if err != nil {
		return err
	}
	if got := controller.Params(resp)["Device.LocalAgent.EndpointID"]; got != string(agent) {
		return errors.New("got EndpointID " + got)
	}
	return nil
}

// Whom a Controller has added to an Agent controls that Agent and no other, is sent what it
// has subscribed to while it was away, and is cut off once it is removed.
func TestControllerAddedByAnother(t *testing.T) {
	t.Parallel()
	g := harness.Start(t, "controllers: [{endpoint_id: self::noc}]\n")
	cpe, other := g.CPE("tr181-wifi", nil), g.CPE("tr098-dsl", nil)
	ctx, cancel := context.WithTimeout(t.Context(), harness.Timeout)
	defer cancel()
	noc, added := g.Controller(g.WS(), "self::noc"), g.Controller(g.MQTT(), "self::added")
	if err := readsEndpointID(ctx, added, cpe.Agent); err == nil {
		t.Fatal("got an answer before it was added, want none")
	}
	row, err := addController(ctx, noc, cpe.Agent, "self::added")
	if err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, func() error { return readsEndpointID(ctx, added, cpe.Agent) })
	if n := <-added.Notifies(); n.GetOnBoardReq() == nil {
		t.Errorf("got %v first, want an OnBoardRequest (TP-469 9.9)", n)
	}
	if err := readsEndpointID(ctx, added, other.Agent); err == nil {
		t.Error("got an answer of an Agent that it was not added to, want none")
	}
	harness.Eventually(t, func() error { return readsEndpointID(ctx, added, cpe.Agent) })
	if _, err := added.Add(ctx, cpe.Agent, false, controller.Create("Device.LocalAgent.Subscription.",
		map[string]string{
			"ID": "code", "Enable": "true", "NotifType": "ValueChange",
			"ReferenceList": controllerTable + "1.ProvisioningCode",
		})); err != nil {
		t.Fatal(err)
	}
	set := controller.Update(controllerTable+"1.", map[string]string{"ProvisioningCode": "told"})
	if _, err := noc.Set(ctx, cpe.Agent, false, set); err != nil {
		t.Fatal(err)
	}
	n := <-added.Notifies()
	for n.GetOnBoardReq() != nil { // repeated while its answer was refused
		n = <-added.Notifies()
	}
	if n.GetValueChange().GetParamValue() != "told" {
		t.Errorf("got %v, want the ValueChange", n)
	}
	if _, err := noc.Delete(ctx, cpe.Agent, false, row); err != nil {
		t.Fatal(err)
	}
	if err := readsEndpointID(ctx, added, cpe.Agent); err == nil {
		t.Error("got an answer after it was removed, want none")
	}
	resp, err := noc.Get(ctx, cpe.Agent, 0, "Device.LocalAgent.SubscriptionNumberOfEntries")
	if got := controller.Params(resp)["Device.LocalAgent.SubscriptionNumberOfEntries"]; err != nil || got != "0" {
		t.Errorf("got %s Subscriptions, %v, want none: its Controller is gone (TP-469 1.78)", got, err)
	}
}

// Where the configuration says so the Controllers are as it says.
func TestControllersNotWritable(t *testing.T) {
	t.Parallel()
	g := harness.Start(t, "controllers: [{endpoint_id: self::noc}]\ntranslate: {controllers_writable: false}\n")
	cpe := g.CPE("tr181-wifi", nil)
	ctx, cancel := context.WithTimeout(t.Context(), harness.Timeout)
	defer cancel()
	_, err := addController(ctx, g.Controller(g.WS(), "self::noc"), cpe.Agent, "self::added")
	var e *controller.Error
	if !errors.As(err, &e) || e.Err.Code != usp.CodeNonCreatable {
		t.Errorf("got %v, want Error 7019", err)
	}
}

// A Controller that nobody has named is let in as untrusted where the configuration wants
// it: what it may do is said by the UntrustedRole, at first nothing.
func TestUnknownControllerIsUntrusted(t *testing.T) {
	t.Parallel()
	g := harness.Start(t, "controllers: [{endpoint_id: self::noc}]\ntranslate: {unknown_controllers: untrusted}\n")
	cpe := g.CPE("tr181-wifi", nil)
	ctx, cancel := context.WithTimeout(t.Context(), harness.Timeout)
	defer cancel()
	noc, who := g.Controller(g.WS(), "self::noc"), g.Controller(g.WS(), "self::who")
	set := controller.Update(controllerTable+"1.", map[string]string{"ProvisioningCode": "x"})
	_, err := who.Set(ctx, cpe.Agent, false, set)
	var e *controller.Error
	if !errors.As(err, &e) || e.Err.Code != usp.CodePermissionDenied {
		t.Errorf("got %v, want Error 7006", err)
	}
	const trust = "Device.LocalAgent.ControllerTrust.UntrustedRole"
	row := controllerTable + `[EndpointID=="self::who"].`
	resp, err := noc.Get(ctx, cpe.Agent, 0, row+"AssignedRole", trust)
	if err != nil {
		t.Fatal(err)
	}
	got := controller.Params(resp)
	if role := got[controllerTable+"2.AssignedRole"]; role == "" || role != got[trust] {
		t.Errorf("got AssignedRole %q, want the UntrustedRole %q", role, got[trust])
	}
}
