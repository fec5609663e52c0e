// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package tp469_test

import (
	"github.com/uspgate/uspgate/internal/sim/controller"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// bad is a Subscription with a required parameter that has no such value.
func bad(id string) *uspmsg.Add_CreateObject {
	return subscription(id, "ValueChange", self+"ProvisioningCode", "Enable", "InvalidValue")
}

// noTable is an object that no Agent has.
func noTable() *uspmsg.Add_CreateObject {
	return controller.Create(agentRoot+"InvalidObject.", map[string]string{"Enable": "true"})
}

func case1_1(b *bench) {
	row := b.subscribe("add1", "ValueChange", self+"ProvisioningCode")
	b.numbered(row)
	if got := b.value(row + "ID"); got != "add1" {
		b.Errorf("got ID %q, want add1", got)
	}
}

func case1_2(b *bench) {
	row := b.add(true, plain("add2"))[0]
	b.exist(true, row)
}

func case1_3(b *bench) {
	_, err := b.with.Add(b.ctx(), b.cpe.Agent, false, bad("add3"))
	b.blames(b.refused(err), subscriptions+"{i}.Enable")
	b.equal("rows", rows(b.get(0, subscriptions+`[ID=="add3"].`)))
}

func case1_4(b *bench) {
	_, err := b.with.Add(b.ctx(), b.cpe.Agent, false, noTable())
	b.blames(b.refused(err), agentRoot+"InvalidObject.")
}

func case1_5(b *bench) {
	made := b.add(false, plain("add51"), plain("add52"))
	if len(made) != 2 {
		b.Errorf("got %v, want two rows", made)
	}
	b.exist(true, made...)
}

func case1_6(b *bench) {
	_, err := b.with.Add(b.ctx(), b.cpe.Agent, false, plain("add6"), noTable())
	b.blames(b.refused(err), agentRoot+"InvalidObject.")
	b.equal("rows", rows(b.get(0, subscriptions+`[ID=="add6"].`)))
}

func case1_7(b *bench) {
	_, err := b.with.Add(b.ctx(), b.cpe.Agent, false, plain("add71"), bad("add72"))
	b.blames(b.refused(err), subscriptions+"{i}.Enable")
	b.equal("rows", rows(b.get(0, subscriptions+`[ID=="add71"].`, subscriptions+`[ID=="add72"].`)))
}

func case1_8(b *bench) {
	resp, err := b.with.Add(b.ctx(), b.cpe.Agent, true, bad("add8"))
	if err != nil {
		b.Fatal(err)
	}
	if f := resp.GetCreatedObjResults()[0].GetOperStatus().GetOperFailure(); f.GetErrCode() == 0 {
		b.Errorf("got %v, want oper_failure", resp)
	}
	b.equal("rows", rows(b.get(0, subscriptions+`[ID=="add8"].`)))
}

func case1_9(b *bench) {
	resp, err := b.with.Add(b.ctx(), b.cpe.Agent, true, plain("add9"), noTable())
	if err != nil {
		b.Fatal(err)
	}
	results := resp.GetCreatedObjResults()
	if len(results) != 2 || results[0].GetOperStatus().GetOperSuccess() == nil ||
		results[1].GetOperStatus().GetOperFailure().GetErrCode() == 0 {
		b.Fatalf("got %v, want a success and a failure", resp)
	}
	b.made = append(b.made, results[0].GetOperStatus().GetOperSuccess().GetInstantiatedPath())
}

// boot is a BootParameter for Add, below a Controller.
func boot(controllerPath, name string) *uspmsg.Add_CreateObject {
	return controller.Create(controllerPath+"BootParameter.",
		map[string]string{"Enable": "true", "ParameterName": name})
}

func case1_10(b *bench) {
	row := b.add(false, boot(controllers+`[EndpointID=="`+string(first)+`"].`, "Device.LocalAgent.EndpointID"))[0]
	b.numbered(row)
	if object := self + "BootParameter."; row[:len(object)] != object {
		b.Errorf("got %s, want it below %s", row, object)
	}
}

func case1_81(b *bench) {
	resp, err := b.with.Add(b.ctx(), b.cpe.Agent, false, controller.Create(subscriptions, nil),
		controller.Create(subscriptions, nil))
	if err != nil {
		b.Fatal(err)
	}
	seen := make(map[string]bool)
	for _, r := range resp.GetCreatedObjResults() {
		s := r.GetOperStatus().GetOperSuccess()
		b.made = append(b.made, s.GetInstantiatedPath())
		for _, name := range []string{"Alias", "ID"} {
			v := s.GetUniqueKeys()[name]
			if v == "" || seen[name+v] {
				b.Errorf("got %s %q, want one that no other row has", name, v)
			}
			seen[name+v] = true
		}
	}
}

func case1_88(b *bench) {
	b.add(false, plain("add88"))
	_, err := b.with.Add(b.ctx(), b.cpe.Agent, false, plain("add88"))
	b.refused(err)
	b.equal("rows", rows(b.get(0, subscriptions+`[ID=="add88"].`)), b.made...)
}

func case1_95(b *bench) {
	made := b.add(false, boot(controllers+"[Enable==true].", "Device.LocalAgent.UpTime"))
	if len(made) < 2 {
		b.Errorf("got %v, want a row below each Controller", made)
	}
	b.exist(true, made...)
}
