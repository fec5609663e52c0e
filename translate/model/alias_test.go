// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model_test

import (
	"testing"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/model"
	"github.com/uspgate/uspgate/usp"
)

// A row whose Alias the CPE leaves empty has one of the gateway: no two rows
// have the same unique key [R-ADD.5].
func TestEmptyAliasOfTheCPE(t *testing.T) {
	t.Parallel()
	const table = "Device.NAT.PortMapping."
	v := model.NewView(mustLoad(t), model.TR181, nil)
	v.SetNames("Device.", []cwmp.ParameterInfo{
		{Name: table, Writable: true},
		{Name: table + "1.", Writable: true},
		{Name: table + "1.Alias", Writable: true},
		{Name: table + "2.", Writable: true},
		{Name: table + "2.Alias", Writable: true},
		{Name: table + "3.", Writable: true},
		{Name: table + "3.Alias", Writable: true},
	})
	v.SetValues([]string{table}, []cwmp.ParameterValue{
		{Name: table + "1.Alias"}, {Name: table + "2.Alias"}, {Name: table + "3.Alias", Value: "mine"},
	})
	for p, want := range map[string]string{
		table + "1.Alias": "cpe-1", table + "2.Alias": "cpe-2", table + "3.Alias": "mine",
	} {
		if got, ok := v.Param(p); !ok || got.Value != want {
			t.Errorf("%s: got %q, want %q", p, got.Value, want)
		}
	}
	vals, errs := v.PlanSet([]model.Setting{{Path: table + "1.Alias", Value: "cpe-1"}})
	if len(vals) != 0 || len(errs) != 0 {
		t.Errorf("got %v and %v for the Alias that the row has, want nothing", vals, errs)
	}
	_, errs = v.PlanSet([]model.Setting{{Path: table + "1.Alias", Value: "other"}})
	if len(errs) != 1 || errs[0].Err.Code != usp.CodeNonWriteable {
		t.Errorf("got %v for another Alias, want 7013 [R-KEY.1]", errs)
	}
}
