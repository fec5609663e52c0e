// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package tp469_test

import (
	"strings"

	"github.com/uspgate/uspgate/internal/sim/controller"
	"github.com/uspgate/uspgate/usp"
)

const (
	roles = agentRoot + "ControllerTrust.Role."
	// other is the row of the second Controller, which has the Role of a case.
	other = controllers + "2."
)

// permission is one that is enabled, about targets, with the rights for Param, Obj,
// InstantiatedObj and CommandEvent.
func permission(order, targets, rights string) map[string]string {
	w := strings.Fields(rights)
	return map[string]string{
		"Enable": "true", "Order": order, "Targets": targets,
		"Param": w[0], "Obj": w[1], "InstantiatedObj": w[2], "CommandEvent": w[3],
	}
}

// reader is that everything may be read.
func reader() map[string]string { return permission("1", "Device.", "r--- r--- r--- r---") }

// limit gives the second Controller a Role of its own, and lets it speak.
func (b *bench) limit(permissions ...map[string]string) {
	b.Helper()
	name := strings.ReplaceAll(b.Name(), "/", " ")
	role := b.add(false, controller.Create(roles, map[string]string{"Name": name, "Enable": "true"}))[0]
	for _, p := range permissions {
		b.add(false, controller.Create(role+"Permission.", p))
	}
	b.set(false, controller.Update(other, map[string]string{"AssignedRole": strings.TrimSuffix(role, ".")}))
	b.Cleanup(func() {
		ctx, cancel := contextFor()
		defer cancel()
		full := controller.Update(other, map[string]string{"AssignedRole": roles + "1"})
		if _, err := b.first.Set(ctx, b.cpe.Agent, false, full); err != nil {
			b.Errorf("giving the Role back: %v", err)
		}
	})
	b.with = b.second
}

// denied checks that an Error is 7006, and whom it blames.
func (b *bench) denied(err error, path string) {
	b.Helper()
	e := b.refused(err)
	if e.Err.Code != usp.CodePermissionDenied {
		b.Errorf("got Error %v, want 7006", e)
	}
	b.blames(e, path)
}

func case2_10(b *bench) {
	row := b.add(false, controller.Create(roles, map[string]string{"Name": "Role of 2.10", "Enable": "true"}))[0]
	if got := b.value(row + "Name"); got != "Role of 2.10" {
		b.Errorf("got Name %q, want Role of 2.10", got)
	}
}

func case2_11(b *bench) {
	b.limit(reader(), permission("2", subscriptions, "rw-- rw-- r--- ----"))
	b.exist(true, b.subscribe("trust11", "ValueChange", self+"ProvisioningCode"))
}

func case2_12(b *bench) {
	b.limit(reader())
	_, err := b.with.Add(b.ctx(), b.cpe.Agent, false, controller.Create(subscriptions, nil))
	b.denied(err, subscriptions)
}

func case2_13(b *bench) {
	row := b.subscribe("trust13", "ValueChange", self+"ProvisioningCode")
	b.limit(reader(), permission("2", subscriptions, "r--- r--- rw-- ----"))
	b.remove(false, row)
	b.exist(false, row)
}

func case2_14(b *bench) {
	row := b.subscribe("trust14", "ValueChange", self+"ProvisioningCode")
	b.limit(reader())
	_, err := b.with.Delete(b.ctx(), b.cpe.Agent, false, row)
	b.denied(err, row)
	b.exist(true, row)
}

func case2_15(b *bench) {
	b.limit(reader(), permission("2", other+"ProvisioningCode", "rw-- ---- ---- ----"))
	b.set(false, controller.Update(other, map[string]string{"ProvisioningCode": "trust15"}))
	if got := b.value(other + "ProvisioningCode"); got != "trust15" {
		b.Errorf("got %q, want trust15", got)
	}
}

func case2_16(b *bench) {
	b.limit(reader())
	no := controller.Update(other, map[string]string{"ProvisioningCode": "no"})
	_, err := b.with.Set(b.ctx(), b.cpe.Agent, false, no)
	b.denied(err, other+"ProvisioningCode")
	if got := b.value(other + "ProvisioningCode"); got == "no" {
		b.Errorf("got %q, want what it was", got)
	}
}

func case2_17(b *bench) {
	b.limit(reader(), permission("2", other+"SendOnBoardRequest()", "---- ---- ---- r-x-"))
	if r := b.operate(other+"SendOnBoardRequest()", "", nil); r.GetCmdFailure() != nil {
		b.Errorf("got %v, want success", r)
	}
	b.notified(b.second, "")
}

func case2_18(b *bench) {
	b.limit(reader())
	r := b.operate(other+"SendOnBoardRequest()", "", nil)
	if got := r.GetCmdFailure().GetErrCode(); got != uint32(usp.CodePermissionDenied) {
		b.Errorf("got %v, want a cmd_failure with 7006", r)
	}
}

func case2_19(b *bench) {
	b.limit(reader(), permission("2", subscriptions, "rw-- rw-- r--- ----"),
		permission("3", self+"ProvisioningCode", "r--n ---- ---- ----"))
	b.subscribe("trust19", "ValueChange", self+"ProvisioningCode")
	b.with = b.first
	b.provision("trust19")
	if got := b.notified(b.second, "trust19").GetValueChange().GetParamValue(); got != "trust19" {
		b.Errorf("got %q, want trust19", got)
	}
}

func case2_20(b *bench) {
	b.limit(reader(), permission("2", subscriptions, "rw-- rw-- r--- ----"),
		permission("3", other+"ProvisioningCode", "r--n ---- ---- ----"))
	b.subscribe("trust20", "ValueChange", self+"ProvisioningCode")
	b.subscribe("trust20-allowed", "ValueChange", other+"ProvisioningCode")
	b.with = b.first
	b.provision("trust20")
	b.set(false, controller.Update(other, map[string]string{"ProvisioningCode": "trust20"}))
	b.silent(b.second, "trust20", "trust20-allowed")
}

func case2_21(b *bench) {
	b.limit(reader(), permission("2", controllers, "rw-- r--- r--- ----"), permission("3", other, "r--- r--- r--- ----"))
	no := controller.Update(other, map[string]string{"ProvisioningCode": "no"})
	_, err := b.with.Set(b.ctx(), b.cpe.Agent, false, no)
	b.denied(err, other+"ProvisioningCode")
	b.provision("trust21")
}

func case2_22(b *bench) {
	b.limit(reader(), permission("2", other+"ProvisioningCode", "---- ---- ---- ----"))
	got := b.values(other)
	if _, ok := got[other+"ProvisioningCode"]; ok || got[other+"EndpointID"] != string(second) {
		b.Errorf("got %v, want the EndpointID and no ProvisioningCode", got)
	}
}

func case2_23(b *bench) {
	b.limit(reader())
	resp, err := b.with.Add(b.ctx(), b.cpe.Agent, true, controller.Create(controllers+"*.BootParameter.", nil))
	if err != nil {
		b.Fatal(err)
	}
	if got := len(resp.GetCreatedObjResults()); got != len(everyController) {
		b.Errorf("got %d results, want one for each Controller", got)
	}
	for _, r := range resp.GetCreatedObjResults() {
		if got := r.GetOperStatus().GetOperFailure().GetErrCode(); got != uint32(usp.CodePermissionDenied) {
			b.Errorf("got %v, want an oper_failure with 7006", r.GetOperStatus())
		}
	}
}

func case2_24(b *bench) {
	b.limit(reader())
	_, err := b.with.Add(b.ctx(), b.cpe.Agent, false, controller.Create(controllers+"*.BootParameter.", nil))
	e := b.refused(err)
	var blamed []string
	for _, p := range e.Params {
		blamed = append(blamed, p.GetParamPath())
	}
	var want []string
	for _, row := range everyController {
		want = append(want, row+"BootParameter.")
	}
	b.equal("param_errs", blamed, want...)
	if e.Err.Code != usp.CodePermissionDenied {
		b.Errorf("got Error %v, want 7006", e)
	}
}

// withoutRetry gives the rights to make Subscriptions without a word about NotifRetry.
func (b *bench) withoutRetry() {
	b.Helper()
	b.limit(reader(), permission("2", subscriptions, "rw-- rw-- r--- ----"),
		permission("3", subscriptions+"*.NotifRetry", "r--- ---- ---- ----"))
}

func case2_25(b *bench) {
	b.withoutRetry()
	if got := b.value(b.subscribe("trust25", "ValueChange", self+"ProvisioningCode") + "NotifRetry"); got != "false" {
		b.Errorf("got NotifRetry %q, want false", got)
	}
}

func case2_26(b *bench) {
	b.withoutRetry()
	retried := subscription("trust26", "ValueChange", self+"ProvisioningCode", "NotifRetry", "true")
	resp, err := b.with.Add(b.ctx(), b.cpe.Agent, true, retried)
	if err != nil {
		b.Fatal(err)
	}
	f := resp.GetCreatedObjResults()[0].GetOperStatus().GetOperFailure()
	if f.GetErrCode() != uint32(usp.CodePermissionDenied) {
		b.Errorf("got %v, want an oper_failure with 7006", resp)
	}
}

// The Value of a Challenge is a secured parameter. The connections of the lab are local, so
// nobody listens.
func case2_27(b *bench) {
	const value = "c2VjdXJlZA=="
	row := b.add(false, controller.Create(agentRoot+"ControllerTrust.Challenge.", map[string]string{"Value": value}))[0]
	secured := func(refs string) {
		b.Helper()
		b.set(false, controller.Update(agentRoot+"ControllerTrust.", map[string]string{"SecuredRoles": refs}))
	}
	if got := b.value(row + "Value"); got != "" {
		b.Errorf("got %q without SecuredRoles, want nothing", got)
	}
	secured(roles + "1")
	defer secured("")
	if got := b.value(row + "Value"); got != value {
		b.Errorf("got %q with a secured Role, want %q", got, value)
	}
	b.limit(reader())
	if got := b.value(row + "Value"); got != "" {
		b.Errorf("got %q with another Role, want nothing", got)
	}
	b.with = b.first
}
