// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package path_test

import (
	"testing"

	"github.com/uspgate/uspgate/usp/path"
)

func TestCovers(t *testing.T) {
	t.Parallel()
	tr := newTree(map[string]string{
		"Device.WiFi.SSID.1.Name": "home", "Device.WiFi.SSID.2.Name": "guest",
		"Device.WiFi.SSID.2.Stats.BytesSent": "1",
	})
	for _, c := range []struct {
		target, element string
		want            path.Covered
	}{
		{"Device.", "Device.WiFi.SSID.1.Name", path.Inside},
		{"Device.", "Device.", path.Inside},
		{"Device.WiFi.", "Device.WiFi.SSID.{i}.", path.Inside},
		{"Device.WiFi.", "Device.WiFiX.", path.Outside},
		{"Device.WiFi.", "Device.", path.Outside},
		{"Device.WiFi.SSID.", "Device.WiFi.SSID.", path.Inside},
		{"Device.WiFi.SSID.1.", "Device.WiFi.SSID.1.Name", path.Inside},
		{"Device.WiFi.SSID.1.", "Device.WiFi.SSID.12.Name", path.Outside},
		{"Device.WiFi.SSID.1.", "Device.WiFi.SSID.{i}.Name", path.Partly},
		{"Device.WiFi.SSID.1.", "Device.WiFi.SSID.", path.Outside},
		{"Device.WiFi.SSID.*.", "Device.WiFi.SSID.2.Stats.BytesSent", path.Inside},
		{"Device.WiFi.SSID.*.", "Device.WiFi.SSID.{i}.Name", path.Inside},
		{"Device.WiFi.SSID.*.Name", "Device.WiFi.SSID.2.Name", path.Inside},
		{"Device.WiFi.SSID.*.Name", "Device.WiFi.SSID.2.NameX", path.Outside},
		{"Device.WiFi.SSID.*.Name", "Device.WiFi.SSID.2.", path.Outside},
		{`Device.WiFi.SSID.[Name=="guest"].`, "Device.WiFi.SSID.2.Stats.BytesSent", path.Inside},
		{`Device.WiFi.SSID.[Name=="guest"].`, "Device.WiFi.SSID.1.Name", path.Outside},
		{`Device.WiFi.SSID.[Name=="guest"].`, "Device.WiFi.SSID.{i}.Name", path.Partly},
		{`Device.WiFi.SSID.[Nothing=="guest"].`, "Device.WiFi.SSID.2.Name", path.Outside},
		{"Device.Reboot()", "Device.Reboot()", path.Inside},
		{"Device.Reboot()", "Device.Reboot", path.Outside},
		{"Device.Boot!", "Device.Boot!", path.Inside},
		{"Device.Boot!", "Device.Reboot()", path.Outside},
	} {
		p, err := path.Parse(c.target)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Covers(c.element, tr); got != c.want {
			t.Errorf("%s covers %s: got %d, want %d", c.target, c.element, got, c.want)
		}
	}
}
