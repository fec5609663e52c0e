// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cpe_test

import (
	"testing"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/internal/sim/cpe"
)

func TestValidValue(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		typ       cwmp.Type
		good, bad []string
	}{
		{cwmp.TypeInt, []string{"-1", "0", "2147483647", "007"}, []string{"", "2147483648", "1.5", "x"}},
		{cwmp.TypeUnsignedInt, []string{"0", "4294967295", "+5"}, []string{"", "-1", "4294967296"}},
		{cwmp.TypeLong, []string{"-9223372036854775808"}, []string{"9223372036854775808"}},
		{cwmp.TypeUnsignedLong, []string{"18446744073709551615"}, []string{"-1"}},
		{cwmp.TypeBoolean, []string{"0", "1", "true", "false"}, []string{"", "2", "TRUE", "yes"}},
		{
			cwmp.TypeDateTime,
			[]string{"2024-02-29T00:00:00Z", "2024-01-01T00:00:00.000+01:00", "0001-01-03T12:10:00"},
			[]string{"", "2023-02-29T00:00:00Z", "0000-00-00T00:00:00"},
		},
		{cwmp.TypeBase64, []string{"", "QUJD", "QU\nJD"}, []string{"QUJ", "!"}},
		{cwmp.TypeHexBinary, []string{"", "00ff", "AB"}, []string{"0", "xy"}},
		{cwmp.TypeString, []string{"", "ü\t"}, []string{"\x00", "a\x02"}},
	} {
		for _, v := range tc.good {
			if !cpe.ValidValue(tc.typ, v) {
				t.Errorf("%s %q: got invalid, want valid", tc.typ, v)
			}
		}
		for _, v := range tc.bad {
			if cpe.ValidValue(tc.typ, v) {
				t.Errorf("%s %q: got valid, want invalid", tc.typ, v)
			}
		}
	}
}

func TestNextVersion(t *testing.T) {
	t.Parallel()
	for v, want := range map[string]string{
		"2.4.17": "2.4.18", "2.4.9": "2.4.10", "V3R018C10S120": "V3R018C10S121", "1.0 Build 099 n": "1.0 Build 100 n",
		"": ".1", "beta": "beta.1",
	} {
		if got := cpe.NextVersion(v); got != want {
			t.Errorf("after %q: got %q, want %q", v, got, want)
		}
	}
}
