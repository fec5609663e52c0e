// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package path_test

import (
	"strings"
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

// FuzzCovers: without a search, to cover is to be what the element is, or begins with.
func FuzzCovers(f *testing.F) {
	for _, s := range [][2]string{
		{"Device.WiFi.", "Device.WiFi.SSID.1.Name"},
		{"Device.WiFi.SSID.1.", "Device.WiFi.SSID.{i}.Name"},
		{"Device.WiFi.SSID.*.Name", "Device.WiFi.SSID.2."},
		{`Device.A.[B=="x"].C+.`, "Device.A.1.C"},
		{"Device.Reboot()", "Device.Reboot()"},
		{"Device.", ""},
		{"Device.A.1.", "Device.A.01."},
	} {
		f.Add(s[0], s[1])
	}
	tr := newTree(map[string]string{"Device.WiFi.SSID.1.Name": "home", "Device.WiFi.SSID.2.Name": "guest"})
	f.Fuzz(func(t *testing.T, target, element string) {
		p, err := path.Parse(target)
		if err != nil {
			return
		}
		got := p.Covers(element, tr)
		if p.IsSearch() || strings.Contains(element, "{i}") {
			return
		}
		want := path.Outside
		if element == target || strings.HasSuffix(target, ".") && strings.HasPrefix(element, target) {
			want = path.Inside
		}
		if got != want {
			t.Errorf("%q covers %q: got %d, want %d", target, element, got, want)
		}
	})
}
