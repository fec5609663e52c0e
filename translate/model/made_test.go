// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model_test

import (
	"testing"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/model"
	"github.com/uspgate/uspgate/usp"
)

// addPool makes a row of a table whose rows have a table in them.
func addPool(t *testing.T) (v *model.View, row string) {
	t.Helper()
	const table = "Device.DHCPv4.Server.Pool."
	v = model.NewView(mustLoad(t), model.TR181, nil)
	v.SetNames("Device.", []cwmp.ParameterInfo{
		{Name: table, Writable: true},
		{Name: table + "1.", Writable: true},
		{Name: table + "1.Alias", Writable: true},
		{Name: table + "1.Enable", Writable: true},
		{Name: table + "1.StaticAddress.", Writable: true},
		{Name: table + "1.StaticAddress.1.", Writable: true},
		{Name: table + "1.StaticAddress.1.Chaddr", Writable: true},
	})
	plan, err := v.PlanAdd(table, nil)
	if err != nil {
		t.Fatal(err)
	}
	row, err = v.Added(plan, 2)
	if err != nil {
		t.Fatal(err)
	}
	return v, row
}

// A row can be added to a table of a row just made: of that only the parameters were
// read, which do not show an empty table.
func TestAddInARowJustMade(t *testing.T) {
	t.Parallel()
	v, row := addPool(t)
	v.SetValues([]string{row}, []cwmp.ParameterValue{{Name: row + "Alias", Value: "cpe-2"}})
	plan, err := v.PlanAdd(row+"StaticAddress.", nil)
	if want := row + "StaticAddress."; err != nil || plan.ObjectName != want {
		t.Fatalf("got %s, %v, want AddObject of %s", plan.ObjectName, err, want)
	}
	got, err := v.Added(plan, 1)
	if want := row + "StaticAddress.1."; err != nil || got != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
	if _, err := v.PlanAdd(row+"NoSuch.", nil); err == nil {
		t.Error("a table that no row has: got no error")
	}
}

// The Alias that an Add has not said is the row's for good [R-KEY.1].
func TestMade(t *testing.T) {
	t.Parallel()
	v, row := addPool(t)
	set := []model.Setting{{Path: row + "Alias", Value: "mine"}}
	if vals, errs := v.PlanSet(set); len(vals) != 1 || len(errs) != 0 {
		t.Errorf("in the Add: got %v and %v, want one value", vals, errs)
	}
	v.Made(row)
	if _, errs := v.PlanSet(set); len(errs) != 1 || errs[0].Err.Code != usp.CodeNonWriteable {
		t.Errorf("after it: got %v, want 7013", errs)
	}
}
