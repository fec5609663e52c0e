// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model_test

import (
	"testing"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/model"
)

// What is hidden is known all the same, in any instance.
func TestKnown(t *testing.T) {
	t.Parallel()
	rules, err := model.Load("")
	if err != nil {
		t.Fatal(err)
	}
	v := model.NewView(rules, model.TR181, nil)
	v.SetNames("", []cwmp.ParameterInfo{
		{Name: "Device."},
		{Name: "Device.IP."},
		{Name: "Device.IP.Interface."},
		{Name: "Device.IP.Interface.7."},
		{Name: "Device.IP.Interface.7.Reset", Writable: true},
		{Name: "Device.IP.Diagnostics."},
		{Name: "Device.IP.Diagnostics.IPPing."},
		{Name: "Device.IP.Diagnostics.IPPing.DiagnosticsState", Writable: true},
	})
	for name, want := range map[string]bool{
		"Device.IP.Interface.{i}.Reset":                 true,
		"Device.IP.Interface.7.Reset":                   true,
		"Device.IP.Interface.8.Reset":                   false,
		"Device.IP.Interface.{i}.Reboot":                false,
		"Device.IP.Diagnostics.{i}.DiagnosticsState":    false,
		"Device.IP.Diagnostics.IPPing.DiagnosticsState": true,
		"Device.IP.Diagnostics.IPPing.":                 true,
		"InternetGatewayDevice.IP.":                     false,
	} {
		if got := v.Known(name); got != want {
			t.Errorf("got %v for %s, want %v", got, name, want)
		}
	}
	if _, ok := v.Param("Device.IP.Interface.7.Reset"); ok {
		t.Error("got Reset shown, want it hidden")
	}
}
