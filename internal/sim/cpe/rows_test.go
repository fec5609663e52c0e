// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cpe_test

import (
	"slices"
	"testing"

	"github.com/uspgate/uspgate/cwmp"
)

// A device makes and removes rows by itself, also where an ACS may not, and reports their
// number as its attribute says [TR-069 A.3.2.4].
func TestRowsByItself(t *testing.T) {
	t.Parallel()
	b := start(t, "tr181-wifi", nil)
	const table, count = "Device.NAT.PortMapping.", "Device.NAT.PortMappingNumberOfEntries"
	b.booted()
	must[*cwmp.SetParameterAttributesResponse](b, &cwmp.SetParameterAttributes{Params: []cwmp.SetAttribute{
		{Name: count, NotificationChange: true, Notification: 2},
	}})
	was, _ := b.cpe.Value(count)
	row, err := b.cpe.AddRow(table)
	if err != nil {
		t.Fatal(err)
	}
	in := b.booted()
	b.wantEvents(in, cwmp.EventValueChange)
	now, _ := b.cpe.Value(count)
	if !slices.ContainsFunc(in.Params, func(p cwmp.ParameterValue) bool { return p.Name == count && p.Value == now }) {
		t.Errorf("got %v, want %s = %s", in.Params, count, now)
	}
	if _, ok := b.cpe.Value(row + "Enable"); !ok || now == was {
		t.Errorf("got no row %s, and %s of them", row, now)
	}
	if err := b.cpe.RemoveRow(row); err != nil {
		t.Fatal(err)
	}
	b.wantEvents(b.booted(), cwmp.EventValueChange)
	if now, _ := b.cpe.Value(count); now != was {
		t.Errorf("got %s rows, want %s again", now, was)
	}
	for _, bad := range []string{"Device.NAT.", "Device.NAT.PortMapping", "Device.Nothing."} {
		if _, err := b.cpe.AddRow(bad); err == nil {
			t.Errorf("got a row in %s", bad)
		}
	}
	for _, bad := range []string{row, table, "Device.NAT."} {
		if err := b.cpe.RemoveRow(bad); err == nil {
			t.Errorf("got %s removed", bad)
		}
	}
}
