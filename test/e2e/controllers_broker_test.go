// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"testing"

	"github.com/uspgate/uspgate/internal/sim/controller"
	"github.com/uspgate/uspgate/mtp/mqtt"
	"github.com/uspgate/uspgate/test/harness"
	"github.com/uspgate/uspgate/usp"
)

// A Controller that was added is reached on the broker of the configuration at the topic
// that its MTP row says, before it has said anything.
func TestControllerAddedOnABroker(t *testing.T) {
	t.Parallel()
	broker := harness.MQTTBroker(t)
	g := harness.StartAs(t, `mtp:
  - {name: ws, type: websocket, listen: "127.0.0.1:0"}
  - name: field
    type: mqtt
    connect: "mqtt://`+broker.Addr+`"
    role: controller
    endpoint_id: self::gateway
    speaks_for: ["self::field-*"]
controllers: [{endpoint_id: self::noc}]
`)
	cpe := g.CPE("tr181-wifi", nil)
	ctx, cancel := context.WithTimeout(t.Context(), harness.Timeout)
	defer cancel()
	const id = usp.EndpointID("self::field-1")
	tr, err := mqtt.NewClient(mqtt.ClientOptions{
		URL: "mqtt://" + broker.Addr, Endpoint: id, Role: usp.RoleController,
		Topics: mqtt.Topics{Agent: "usp/v1/agent/{endpoint_id}", Controller: "lab/{endpoint_id}/in"},
	})
	if err != nil {
		t.Fatal(err)
	}
	field, err := controller.New(controller.Options{Endpoint: id, Transport: tr, Log: harness.Log(t)})
	if err != nil {
		t.Fatal(err)
	}
	harness.Background(t, "controller on the broker", field.Run)
	broker.Await("lab/" + string(id) + "/in")

	noc := g.Controller(g.WS(), "self::noc")
	resp, err := noc.Add(ctx, cpe.Agent, false, controller.Create(controllerTable, map[string]string{
		"EndpointID": string(id), "AssignedRole": "Device.LocalAgent.ControllerTrust.Role.1",
	}))
	if err != nil {
		t.Fatal(err)
	}
	row := resp.GetCreatedObjResults()[0].GetOperStatus().GetOperSuccess().GetInstantiatedPath()
	if _, err := noc.Add(ctx, cpe.Agent, false, controller.Create(row+"MTP.", map[string]string{
		"Protocol": "MQTT", "Enable": "true", "MQTT.Topic": "lab/" + string(id) + "/in",
	})); err != nil {
		t.Fatal(err)
	}
	set := controller.Update(row, map[string]string{"Enable": "true"})
	if _, err := noc.Set(ctx, cpe.Agent, false, set); err != nil {
		t.Fatal(err)
	}
	select {
	case n := <-field.Notifies():
		if n.GetOnBoardReq() == nil {
			t.Errorf("got %v, want an OnBoardRequest", n)
		}
	case <-ctx.Done():
		t.Fatal("got no OnBoardRequest at the topic of the MTP row")
	}
	harness.Eventually(t, func() error { return readsEndpointID(ctx, field, cpe.Agent) })
}
