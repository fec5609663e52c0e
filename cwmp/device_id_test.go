// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cwmp_test

import (
	"testing"

	"github.com/uspgate/uspgate/cwmp"
)

func TestDeviceIDString(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		id   cwmp.DeviceID
		want string
	}{
		{"three parts", cwmp.DeviceID{OUI: "00147F", ProductClass: "ST780", SerialNumber: "CP0"}, "00147F-ST780-CP0"},
		{"no product class", cwmp.DeviceID{OUI: "00147F", SerialNumber: "CP0"}, "00147F-CP0"},
		{"lower-case OUI", cwmp.DeviceID{OUI: "00a859", ProductClass: "b", SerialNumber: "c"}, "00A859-b-c"},
		{"manufacturer is not part of it", cwmp.DeviceID{Manufacturer: "M", OUI: "0", SerialNumber: "1"}, "0-1"},
		{"blanks", cwmp.DeviceID{OUI: " 0 ", ProductClass: "\n", SerialNumber: "\tS 1 "}, "0-S%201"},
		{"slash", cwmp.DeviceID{OUI: "0", ProductClass: "a/b", SerialNumber: "c_d"}, "0-a%2Fb-c_d"},
		{"not ASCII", cwmp.DeviceID{OUI: "0", SerialNumber: "m²"}, "0-m%C2%B2"},
		{"hyphen and dot", cwmp.DeviceID{OUI: "0", ProductClass: "P-2601HN.F1", SerialNumber: "x"}, "0-P%2D2601HN%2EF1-x"},
		{"nothing", cwmp.DeviceID{}, "-"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := tt.id.String(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestDeviceIDStringIsUnambiguous has identities that would look alike if the
// hyphen were not encoded.
func TestDeviceIDStringIsUnambiguous(t *testing.T) {
	t.Parallel()
	ids := []cwmp.DeviceID{
		{OUI: "0", ProductClass: "a-b", SerialNumber: "c"},
		{OUI: "0", ProductClass: "a", SerialNumber: "b-c"},
		{OUI: "0", SerialNumber: "a-b-c"},
		{OUI: "0-a", SerialNumber: "b-c"},
		{OUI: "0", ProductClass: "a%2Db", SerialNumber: "c"},
	}
	seen := map[string]cwmp.DeviceID{}
	for _, id := range ids {
		if other, ok := seen[id.String()]; ok {
			t.Errorf("%#v and %#v are both %q", id, other, id.String())
		}
		seen[id.String()] = id
	}
}

func TestDeviceIDKey(t *testing.T) {
	t.Parallel()
	a := cwmp.DeviceID{Manufacturer: "One", OUI: "48bf74", ProductClass: "FAP ", SerialNumber: " 1"}
	b := cwmp.DeviceID{Manufacturer: "Two", OUI: "48BF74", ProductClass: "FAP", SerialNumber: "1"}
	if a.Key() != b.Key() {
		t.Errorf("got %#v and %#v, want the same key", a.Key(), b.Key())
	}
	c := b
	c.SerialNumber = "2"
	if b.Key() == c.Key() {
		t.Errorf("got the same key %#v for two serial numbers", b.Key())
	}
}
