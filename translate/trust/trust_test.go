// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package trust_test

import (
	"testing"

	"github.com/uspgate/uspgate/translate/trust"
	"github.com/uspgate/uspgate/usp/path"
)

func rights(t *testing.T, param, obj, inst, cmd string) trust.Rights {
	t.Helper()
	r, err := trust.Parse(param, obj, inst, cmd)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func permission(t *testing.T, order uint32, r trust.Rights, targets ...string) trust.Permission {
	t.Helper()
	p := trust.Permission{Order: order, Rights: r}
	for _, s := range targets {
		target, err := path.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		p.Targets = append(p.Targets, target)
	}
	return p
}

func TestParse(t *testing.T) {
	t.Parallel()
	if got := rights(t, "rw-n", "rw-n", "rw-n", "r-xn"); got != trust.All {
		t.Errorf("got %b, want all rights %b", got, trust.All)
	}
	if got := rights(t, "----", "", "r---", "--x-"); got != trust.ReadInstance|trust.Execute {
		t.Errorf("got %b, want ReadInstance and Execute", got)
	}
	for _, bad := range []string{"rw", "rwxnn", "wr--", "RW--", "r--x"} {
		if err := trust.Check(bad); err == nil {
			t.Errorf("%q: got no error", bad)
		}
	}
}

// The largest Order that covers an element is the only one of its Role that counts
// [TP-469 2.21].
func TestOrderWithinARole(t *testing.T) {
	t.Parallel()
	r := trust.Of(trust.NewRole([]trust.Permission{
		permission(t, 1, trust.ReadParam|trust.WriteParam, "Device."),
		permission(t, 3, trust.ReadParam, "Device.WiFi."),
		permission(t, 2, 0, "Device.WiFi.SSID.1."),
	}))
	for element, want := range map[string]bool{
		"Device.Time.NTPServer1":  true,
		"Device.WiFi.SSID.1.SSID": false,
		"Device.WiFi.SSID.2.SSID": false,
	} {
		if got := r.May(trust.WriteParam, element, nil); got != want {
			t.Errorf("write %s: got %t, want %t", element, got, want)
		}
	}
	if !r.May(trust.ReadParam, "Device.WiFi.SSID.1.SSID", nil) {
		t.Error("the entry with the largest Order grants reading")
	}
}

// Roles add to each other.
func TestUnionOfRoles(t *testing.T) {
	t.Parallel()
	r := trust.Of(
		trust.NewRole([]trust.Permission{permission(t, 1, trust.ReadParam, "Device.")}),
		trust.NewRole([]trust.Permission{permission(t, 1, trust.WriteParam, "Device.WiFi.")}),
	)
	if !r.May(trust.ReadParam|trust.WriteParam, "Device.WiFi.SSID.1.SSID", nil) {
		t.Error("got no read and write of one that each of two Roles grants in part")
	}
	if r.May(trust.WriteParam, "Device.Time.NTPServer1", nil) {
		t.Error("got write where no Role grants it")
	}
}

// What some row may show is in the supported data model; what no row may is not.
func TestSupportedDataModel(t *testing.T) {
	t.Parallel()
	r := trust.Of(trust.NewRole([]trust.Permission{
		permission(t, 2, trust.ReadParam, "Device.WiFi.SSID.1."),
		permission(t, 1, 0, "Device."),
	}))
	if !r.May(trust.ReadParam, "Device.WiFi.SSID.{i}.SSID", nil) {
		t.Error("got no read of a parameter that one row shows")
	}
	if r.May(trust.ReadParam, "Device.WiFi.SSID.2.SSID", nil) || r.May(trust.ReadParam, "Device.WiFi.Radio.{i}.", nil) {
		t.Error("got read where nothing grants it")
	}
}

func TestUnlimited(t *testing.T) {
	t.Parallel()
	full := trust.NewRole([]trust.Permission{permission(t, 0, trust.All, "Device.")})
	if !trust.Of(full).Unlimited() {
		t.Error("a Role with all rights for Device. is not unlimited")
	}
	limited := trust.NewRole([]trust.Permission{
		permission(t, 0, trust.All, "Device."), permission(t, 1, trust.ReadParam, "Device.WiFi."),
	})
	if trust.Of(limited).Unlimited() {
		t.Error("a Role with an exception is unlimited")
	}
}

func FuzzParse(f *testing.F) {
	f.Add("rw-n", "----", "r---", "r-xn")
	f.Fuzz(func(t *testing.T, a, b, c, d string) {
		r, err := trust.Parse(a, b, c, d)
		if err != nil && r != 0 || r&^trust.All != 0 {
			t.Errorf("got %b with %v", r, err)
		}
	})
}
