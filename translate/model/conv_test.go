// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model_test

import (
	"testing"

	"github.com/uspgate/uspgate/translate/model"
)

// TestConversions runs every named conversion on what CPE send [quirk 63], and
// the result back. An empty usp means that it cannot be converted.
func TestConversions(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, raw, usp, back string }{
		{"wps-version", "16", "1.0", ""},
		{"wps-version", "32", "2.0", ""},
		{"wps-version", " +16", "1.0", ""},
		{"wps-version", "1.0h", "", ""},
		{"wifi-standards-2.4", "b", "b", "b"},
		{"wifi-standards-2.4", "g", "b,g", "g"},
		{"wifi-standards-2.4", "g-only", "g", "g-only"},
		{"wifi-standards-2.4", "n", "b,g,n", "n"},
		{"wifi-standards-2.4", "b,g,n", "b,g,n", "b,g,n"},
		{"wifi-standards-2.4", "b/g/n", "b,g,n", "b/g/n"},
		{"wifi-standards-2.4", "11bgn", "b,g,n", "11bgn"},
		{"wifi-standards-2.4", "802.11b/g/n/ax", "b,g,n,ax", "802.11b/g/n/ax"},
		{"wifi-standards-2.4", "turbo", "", ""},
		{"wifi-standards-2.4", "", "", ""},
		{"wifi-standards-5", "a", "a", "a"},
		{"wifi-standards-5", "n", "a,n", "n"},
		{"wifi-standards-5", "ac", "a,n,ac", "ac"},
		{"wifi-standards-5", "11ac", "a,n,ac", "11ac"},
		{"wifi-standards-5", "a,n,ac", "a,n,ac", "a,n,ac"},
		{"wifi-standards-5", "11ax", "a,n,ac,ax", "11ax"},
		{"utc-offset", "+01:00", "GMT-1", "+01:00"},
		{"utc-offset", "-03:30", "GMT3:30", "-03:30"},
		{"utc-offset", "+00:00", "GMT0", "+00:00"},
		{"utc-offset", "+15:00", "", ""},
		{"utc-offset", "1", "", ""},
		{"utc-offset", "CET", "", ""},
		{"base64-hex", "AQL/", "0102FF", "AQL/"},
		{"base64-hex", "***", "", ""},
	} {
		usp, ok, back, backOK := model.Convert(tc.name, tc.raw)
		if ok != (tc.usp != "") || ok && usp != tc.usp {
			t.Errorf("%s: %q reads %q %t, want %q", tc.name, tc.raw, usp, ok, tc.usp)
		}
		if ok && (backOK != (tc.back != "") || back != tc.back) {
			t.Errorf("%s: %q goes back as %q %t, want %q", tc.name, usp, back, backOK, tc.back)
		}
	}
}

// TestConversionsRefuse lists what cannot be written.
func TestConversionsRefuse(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, usp, now string }{
		{"wifi-standards-2.4", "b,n", "n"},
		{"wifi-standards-2.4", "", "n"},
		{"wifi-standards-2.4", "z", "n"},
		{"utc-offset", "CET-1CEST,M3.5.0,M10.5.0/3", "+01:00"},
		{"utc-offset", "CET", "+01:00"},
		{"utc-offset", "C-1", "+01:00"},
		{"utc-offset", "GMT-15", "+01:00"},
		{"base64-hex", "0", ""},
	} {
		if raw, ok := model.ConvertBack(tc.name, tc.usp, tc.now); ok {
			t.Errorf("%s: %q is written as %q, want that it is refused", tc.name, tc.usp, raw)
		}
	}
}
