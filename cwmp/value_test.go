// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cwmp_test

import (
	"strings"
	"testing"

	"github.com/uspgate/uspgate/cwmp"
)

func TestParseType(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]cwmp.Type{
		"string": cwmp.TypeString, "int": cwmp.TypeInt, "unsignedInt": cwmp.TypeUnsignedInt,
		"long": cwmp.TypeLong, "unsignedLong": cwmp.TypeUnsignedLong, "boolean": cwmp.TypeBoolean,
		"dateTime": cwmp.TypeDateTime, "base64": cwmp.TypeBase64, "hexBinary": cwmp.TypeHexBinary,
		"base64Binary": cwmp.TypeBase64, "unsignedint": cwmp.TypeUnsignedInt, "UNSIGNEDLONG": cwmp.TypeUnsignedLong,
		"datetime": cwmp.TypeDateTime, "bool": cwmp.TypeBoolean, "integer": cwmp.TypeInt,
		"": cwmp.TypeUnknown, "anyType": cwmp.TypeUnknown, "strings": cwmp.TypeUnknown,
		strings.Repeat("unsignedLong", 100): cwmp.TypeUnknown,
	} {
		if got := cwmp.ParseType(name); got != want {
			t.Errorf("ParseType(%.20q): got %d, want %d", name, got, want)
		}
	}
}

// TestTypeRoundTrip: every type is read back from what is written for it.
func TestTypeRoundTrip(t *testing.T) {
	t.Parallel()
	for typ := cwmp.TypeString; typ <= cwmp.TypeHexBinary; typ++ {
		if got := cwmp.ParseType(typ.String()); got != typ {
			t.Errorf("%s: got type %d, want %d", typ, got, typ)
		}
	}
	for _, typ := range []cwmp.Type{cwmp.TypeUnknown, 200} {
		if got := typ.String(); got != "string" {
			t.Errorf("type %d: got %q, want string", typ, got)
		}
	}
}

func TestIsPartialPath(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"": true, "Device.": true, "Device.WiFi.SSID.1.": true, "Device": false, "Device.WiFi.SSID.1.SSID": false,
	} {
		if got := cwmp.IsPartialPath(name); got != want {
			t.Errorf("IsPartialPath(%q): got %v, want %v", name, got, want)
		}
	}
}
