// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package tp469_test

import (
	"strings"

	"github.com/uspgate/uspgate/internal/sim/controller"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// expires changes the NotifExpiration of rows.
func expires(rows, value string) *uspmsg.Set_UpdateObject {
	return controller.Update(rows, map[string]string{"NotifExpiration": value})
}

// updated is the result of one object with one row.
func (b *bench) updated(resp *uspmsg.SetResp, row, value string) {
	b.Helper()
	var results []*uspmsg.SetResp_UpdatedInstanceResult
	for _, r := range resp.GetUpdatedObjResults() {
		results = append(results, r.GetOperStatus().GetOperSuccess().GetUpdatedInstResults()...)
	}
	if len(results) != 1 || results[0].GetAffectedPath() != row ||
		results[0].GetUpdatedParams()["NotifExpiration"] != value || len(results[0].GetParamErrs()) > 0 {
		b.Errorf("got %v, want %sNotifExpiration=%s", results, row, value)
	}
	if got := b.value(row + "NotifExpiration"); got != value {
		b.Errorf("got NotifExpiration %q afterwards, want %q", got, value)
	}
}

func case1_11(b *bench) {
	row := b.add(false, plain("set11"))[0]
	b.updated(b.set(false, expires(row, "11")), row, "11")
}

func case1_12(b *bench) {
	row := b.add(false, plain("set12"))[0]
	b.updated(b.set(true, expires(row, "12")), row, "12")
}

func case1_13(b *bench) {
	made := b.add(false, plain("set131"), plain("set132"))
	resp := b.set(false, expires(made[0], "131"), expires(made[1], "132"))
	if len(resp.GetUpdatedObjResults()) != 2 {
		b.Errorf("got %v, want two results", resp)
	}
	if x, y := b.value(made[0]+"NotifExpiration"), b.value(made[1]+"NotifExpiration"); x != "131" || y != "132" {
		b.Errorf("got %s and %s, want 131 and 132", x, y)
	}
}

func case1_14(b *bench) {
	row := b.add(false, plain("set14"))[0]
	_, err := b.with.Set(b.ctx(), b.cpe.Agent, false, expires(row, "InvalidValue"))
	b.blames(b.refused(err), row+"NotifExpiration")
}

func case1_15(b *bench) {
	made := b.add(false, plain("set151"), plain("set152"))
	_, err := b.with.Set(b.ctx(), b.cpe.Agent, false, expires(made[0], "15"), expires(made[1], "InvalidValue"))
	b.blames(b.refused(err), made[1]+"NotifExpiration")
	if got := b.value(made[0] + "NotifExpiration"); got != "0" {
		b.Errorf("got NotifExpiration %s of the other object, want 0 as before", got)
	}
}

// mixed checks a success with a value, and a failure that blames a parameter.
func (b *bench) mixed(resp *uspmsg.SetResp, err error, good, value, blamed string) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
	r := resp.GetUpdatedObjResults()
	if len(r) != 2 || r[0].GetOperStatus().GetOperSuccess() == nil {
		b.Fatalf("got %v, want a success first", resp)
	}
	f := r[1].GetOperStatus().GetOperFailure().GetUpdatedInstFailures()
	if len(f) != 1 || len(f[0].GetParamErrs()) != 1 || !strings.HasSuffix(blamed, f[0].GetParamErrs()[0].GetParam()) {
		b.Errorf("got %v, want a failure for %s", r[1], blamed)
	}
	if got := b.value(good + "NotifExpiration"); got != value {
		b.Errorf("got NotifExpiration %q, want %s", got, value)
	}
}

func case1_16(b *bench) {
	made := b.add(false, plain("set161"), plain("set162"))
	resp, err := b.with.Set(b.ctx(), b.cpe.Agent, true, expires(made[0], "16"), expires(made[1], "InvalidValue"))
	b.mixed(resp, err, made[0], "16", made[1]+"NotifExpiration")
}

func case1_17(b *bench) {
	row := b.add(false, plain("set17"))[0]
	update := controller.Update(row, map[string]string{"NotifExpiration": "17", "NotifRetry": "InvalidValue"})
	for _, s := range update.GetParamSettings() {
		s.Required = s.GetParam() == "NotifExpiration"
	}
	resp := b.set(true, update)
	results := resp.GetUpdatedObjResults()[0].GetOperStatus().GetOperSuccess().GetUpdatedInstResults()
	if len(results) != 1 || results[0].GetUpdatedParams()["NotifExpiration"] != "17" ||
		len(results[0].GetParamErrs()) != 1 || results[0].GetParamErrs()[0].GetParam() != "NotifRetry" {
		b.Errorf("got %v, want success with one error for NotifRetry", results)
	}
}

func case1_18(b *bench) {
	row := b.add(false, plain("set18"))[0]
	b.updated(b.set(false, expires(subscriptions+`[Recipient=="`+strings.TrimSuffix(self, ".")+`"&&ID=="set18"].`, "18")),
		row, "18")
}

func case1_19(b *bench) {
	made := b.add(false, plain("set191"), plain("set192"))
	resp := b.set(false, expires(subscriptions+"*.", "19"))
	var affected []string
	for _, r := range resp.GetUpdatedObjResults()[0].GetOperStatus().GetOperSuccess().GetUpdatedInstResults() {
		affected = append(affected, r.GetAffectedPath())
	}
	b.equal("affected", affected, made...)
}

func case1_20(b *bench) {
	made := b.add(false, plain("set201"), plain("set202"))
	_, err := b.with.Set(b.ctx(), b.cpe.Agent, false, expires(subscriptions+"*.", "InvalidValue"))
	b.refused(err)
	for _, row := range made {
		if got := b.value(row + "NotifExpiration"); got != "0" {
			b.Errorf("%s: got %s, want 0 as before", row, got)
		}
	}
}

func case1_21(b *bench) {
	made := b.add(false, plain("set211"), plain("set212"))
	resp, err := b.with.Set(b.ctx(), b.cpe.Agent, true, expires(subscriptions+"*.", "InvalidValue"))
	if err != nil {
		b.Fatal(err)
	}
	f := resp.GetUpdatedObjResults()[0].GetOperStatus().GetOperFailure()
	if f.GetErrCode() == 0 || len(f.GetUpdatedInstFailures()) == 0 {
		b.Errorf("got %v, want oper_failure with updated_inst_failures", resp)
	}
	for _, row := range made {
		if got := b.value(row + "NotifExpiration"); got != "0" {
			b.Errorf("%s: got %s, want 0 as before", row, got)
		}
	}
}

func case1_22(b *bench) {
	made := b.add(false, plain("set221"), off("set222"))
	b.updated(b.set(false, expires(subscriptions+"[Enable==false].", "22")), made[1], "22")
	if got := b.value(made[0] + "NotifExpiration"); got != "0" {
		b.Errorf("got %s of the row that does not match, want 0", got)
	}
}

func case1_23(b *bench) {
	resp := b.set(false, expires(subscriptions+`[ID=="nobody"].`, "23"))
	if got := resp.GetUpdatedObjResults()[0].GetOperStatus().GetOperSuccess(); len(got.GetUpdatedInstResults()) > 0 {
		b.Errorf("got %v, want an empty oper_success", got)
	}
}

func case1_96(b *bench) {
	row := b.add(false, plain("set96"))[0]
	_, err := b.with.Set(b.ctx(), b.cpe.Agent, false, controller.Update(row, map[string]string{"ID": "other"}))
	b.blames(b.refused(err), row+"ID")
	if got := b.value(row + "ID"); got != "set96" {
		b.Errorf("got ID %q, want set96 as before", got)
	}
}

func case1_104(b *bench) {
	row := b.add(false, plain("set104"))[0]
	before := b.value(row + "Alias")
	_, err := b.with.Set(b.ctx(), b.cpe.Agent, false, controller.Update(row, map[string]string{"Alias": "other"}))
	b.blames(b.refused(err), row+"Alias")
	if got := b.value(row + "Alias"); got != before {
		b.Errorf("got Alias %q, want %q as before", got, before)
	}
}
