// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package tp469_test

import (
	"slices"
	"strings"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// single is the only resolved path of a GetResp with that many of them.
func (b *bench) single(r *uspmsg.GetResp_RequestedPathResult) *uspmsg.GetResp_ResolvedPathResult {
	b.Helper()
	if r.GetErrCode() != 0 || len(r.GetResolvedPathResults()) != 1 {
		b.Fatalf("got %v, want one resolved path", r)
	}
	return r.GetResolvedPathResults()[0]
}

// only checks a resolved path with exactly one parameter.
func (b *bench) only(r *uspmsg.GetResp_RequestedPathResult, object, param string) {
	b.Helper()
	res := b.single(r)
	_, ok := res.GetResultParams()[param]
	if res.GetResolvedPath() != object || len(res.GetResultParams()) != 1 || !ok {
		b.Errorf("got %v, want only %s%s", res, object, param)
	}
}

func case1_36(b *bench) {
	b.only(b.get(0, agentRoot+"EndpointID").GetReqPathResults()[0], agentRoot, "EndpointID")
}

func case1_37(b *bench) {
	resp := b.get(0, agentRoot+"EndpointID", agentRoot+"SoftwareVersion")
	b.only(resp.GetReqPathResults()[0], agentRoot, "EndpointID")
	b.only(resp.GetReqPathResults()[1], agentRoot, "SoftwareVersion")
}

func case1_38(b *bench) {
	resp := b.get(0, agentRoot+"EndpointID", "Device.DeviceInfo.SerialNumber")
	b.only(resp.GetReqPathResults()[0], agentRoot, "EndpointID")
	b.only(resp.GetReqPathResults()[1], "Device.DeviceInfo.", "SerialNumber")
}

func case1_39(b *bench) {
	got := rows(b.get(0, agentRoot))
	for _, want := range []string{agentRoot, self, agentRoot + "MTP.1.", agentRoot + "ControllerTrust."} {
		if !slices.Contains(got, want) {
			b.Errorf("got %v, want %s among them", got, want)
		}
	}
	for _, p := range got {
		b.numbered(p)
	}
}

func case1_40(b *bench) {
	for _, p := range rows(b.get(0, self)) {
		if !strings.HasPrefix(p, self) {
			b.Errorf("got %s, want nothing outside of %s", p, self)
		}
	}
}

func case1_41(b *bench) {
	r := b.get(0, agentRoot+"InvalidParameter").GetReqPathResults()[0]
	if r.GetErrCode() != uint32(usp.CodeInvalidPath) || len(r.GetResolvedPathResults()) > 0 {
		b.Errorf("got %v, want err_code 7026", r)
	}
}

func case1_42(b *bench) {
	resp := b.get(0, agentRoot+"InvalidParameter", agentRoot+"EndpointID")
	if got := resp.GetReqPathResults()[0].GetErrCode(); got != uint32(usp.CodeInvalidPath) {
		b.Errorf("got err_code %d, want 7026", got)
	}
	b.only(resp.GetReqPathResults()[1], agentRoot, "EndpointID")
}

func case1_43(b *bench) {
	resp := b.get(1, controllers+`[EndpointID=="`+string(second)+`"].`)
	b.equal("rows", rows(resp), controllers+"2.")
}

func case1_44(b *bench) {
	b.equal("rows", rows(b.get(0, controllers+"*.EndpointID")), everyController...)
}

func case1_45(b *bench) {
	got := rows(b.get(0, controllers+"*."))
	for _, want := range []string{self, controllers + "2.", self + "E2ESession."} {
		if !slices.Contains(got, want) {
			b.Errorf("got %v, want %s among them", got, want)
		}
	}
}

// pair makes a Subscription with NotifExpiration 10 and one with 20.
func (b *bench) pair(id string) (ten, twenty string) {
	b.Helper()
	made := b.add(false, subscription(id+"10", "ValueChange", self+"ProvisioningCode", "NotifExpiration", "10"),
		subscription(id+"20", "ValueChange", self+"ProvisioningCode", "NotifExpiration", "20"))
	return made[0], made[1]
}

// matching are the rows with such a NotifExpiration.
func (b *bench) matching(expression string) []string {
	b.Helper()
	return rows(b.get(0, subscriptions+"[NotifExpiration"+expression+"]."))
}

func case1_46(b *bench) {
	ten, _ := b.pair("get46")
	b.equal("rows", b.matching("==10"), ten)
}

func case1_47(b *bench) {
	_, twenty := b.pair("get47")
	b.equal("rows", b.matching("!=10"), twenty)
}

func case1_48(b *bench) {
	_, twenty := b.pair("get48")
	b.equal("rows", b.matching(">10"), twenty)
}

func case1_49(b *bench) {
	ten, _ := b.pair("get49")
	b.equal("rows", b.matching("<20"), ten)
}

func case1_50(b *bench) {
	ten, twenty := b.pair("get50")
	b.equal("rows", b.matching(">=10"), ten, twenty)
	b.equal("rows", b.matching(">=11"), twenty)
}

func case1_51(b *bench) {
	ten, twenty := b.pair("get51")
	b.equal("rows", b.matching("<=20"), ten, twenty)
	b.equal("rows", b.matching("<=19"), ten)
}

// nothing checks a result without an error and without anything else.
func (b *bench) nothing(path string) {
	b.Helper()
	if r := b.get(0, path).GetReqPathResults()[0]; r.GetErrCode() != 0 || len(r.GetResolvedPathResults()) > 0 {
		b.Errorf("got %v, want neither an error nor a resolved path", r)
	}
}

func case1_82(b *bench) { b.nothing(subscriptions + `[ID=="nobody"].`) }

func case1_86(b *bench) { b.nothing(subscriptions + `[ID=="nobody"].Enable`) }

func case1_87(b *bench) { b.nothing(subscriptions) }

func case1_89(b *bench) {
	b.equal("depth 1", rows(b.get(1, agentRoot)), agentRoot)
	two := rows(b.get(2, agentRoot))
	if !slices.Contains(two, agentRoot+"ControllerTrust.") || slices.Contains(two, self+"E2ESession.") {
		b.Errorf("got %v with max_depth 2, want the objects below, and none below those", two)
	}
	if three := rows(b.get(3, agentRoot)); !slices.Contains(three, self+"E2ESession.") {
		b.Errorf("got %v with max_depth 3, want %sE2ESession. among them", three, self)
	}
}
