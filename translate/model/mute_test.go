// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model_test

import (
	"strconv"
	"testing"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/model"
)

// A CPE of whose many names none is writable is not believed; one of few names is, and
// one that says it of any.
func TestQuirk55NothingWritable(t *testing.T) {
	t.Parallel()
	const ssid = "Device.WiFi.SSID.1.SSID"
	for _, tc := range []struct {
		name  string
		extra int
		one   bool
		want  bool
	}{{"none of many", 60, false, true}, {"none of few", 5, false, false}, {"one of many", 60, true, false}} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			infos := []cwmp.ParameterInfo{
				{Name: "Device."},
				{Name: "Device.WiFi."},
				{Name: "Device.WiFi.SSID."},
				{Name: "Device.WiFi.SSID.1."},
				{Name: ssid},
			}
			for i := range tc.extra {
				infos = append(infos, cwmp.ParameterInfo{Name: "Device.X_" + strconv.Itoa(i), Writable: tc.one && i == 0})
			}
			v := model.NewView(mustLoad(t), model.TR181, nil)
			v.SetNames("", infos)
			if _, bad := v.PlanSet([]model.Setting{{Path: ssid, Value: "x"}}); (len(bad) == 0) != tc.want {
				t.Errorf("got %v, want it to be writable: %t", bad, tc.want)
			}
		})
	}
}
