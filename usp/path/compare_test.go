// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package path_test

import (
	"errors"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/uspgate/uspgate/usp"
	"github.com/uspgate/uspgate/usp/path"
)

func TestCompare(t *testing.T) {
	t.Parallel()
	const (
		str  = path.TypeString
		list = path.TypeUnsignedInt | path.List
	)
	for _, tt := range []struct {
		typ        path.Type
		have, want string
		op         path.Op
		result     string // "true", "false" or part of the error
	}{
		{str, "a", "a", path.Equal, "true"},
		{str, "a", "A", path.Equal, "false"},
		{str, "0123", "123", path.Equal, "false"},
		{str, "a", "b", path.GreaterThan, "> is not for string"},
		{str, "a, b", "b", path.Contains, "true"},
		{path.TypeInt, "0123", "123", path.Equal, "true"},
		{path.TypeInt, "+5", "5", path.Equal, "true"},
		{path.TypeInt, "-0", "0", path.Equal, "true"},
		{path.TypeInt, "-10", "-9", path.LessThan, "true"},
		{path.TypeInt, "", "0", path.Equal, "false"},
		{path.TypeInt, "", "0", path.NotEqual, "true"},
		{path.TypeInt, "", "0", path.LessEqual, "false"},
		{path.TypeInt, "1", "x", path.Equal, `"x" is not a value of type int`},
		{path.TypeUnsignedLong, "18446744073709551616", "18446744073709551615", path.GreaterThan, "true"},
		{path.TypeUnsignedInt, "1", "-1", path.GreaterThan, "is not a value of type unsignedInt"},
		{path.TypeDecimal, "1.50", "1.5", path.Equal, "true"},
		{path.TypeDecimal, "-1.5", "-1.25", path.LessThan, "true"},
		{path.TypeDecimal, ".5", "0.05", path.GreaterThan, "true"},
		{path.TypeBoolean, "1", "true", path.Equal, "true"},
		{path.TypeBoolean, "false", "0", path.Equal, "true"},
		{path.TypeBoolean, "maybe", "true", path.NotEqual, "true"},
		{path.TypeBoolean, "1", "TRUE", path.Equal, "is not a value of type boolean"},
		{path.TypeBoolean, "1", "0", path.GreaterThan, "> is not for boolean"},
		{path.TypeDateTime, "2024-01-01T12:00:00Z", "2024-01-01T13:00:00+01:00", path.Equal, "true"},
		{path.TypeDateTime, "2024-01-01T12:00:00", "2024-01-01T12:00:00.000Z", path.Equal, "true"},
		{path.TypeDateTime, "2024-01-01T12:00:00.5Z", "2024-01-01T12:00:00Z", path.GreaterThan, "true"},
		{path.TypeDateTime, "0001-01-01T00:00:00Z", "2024-01-01T12:00:00Z", path.LessThan, "false"},
		{path.TypeDateTime, "2024-01-01T12:00:00Z", "0001-01-01T00:00:00Z", path.GreaterThan, "not for the Unknown Time"},
		{path.TypeDateTime, "0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z", path.Equal, "true"},
		{path.TypeHexBinary, "0aFF", "0AFf", path.Equal, "true"},
		{path.TypeBase64, "AAA=", "AAA=", path.Equal, "true"},
		{path.TypeHexBinary, "0A", "0", path.Equal, "is not a value of type hexBinary"},
		{list, "1, 2,3", "02", path.Contains, "true"},
		{list, "12", "2", path.Contains, "false"},
		{list, "", "2", path.Contains, "false"},
		{list, "1,2", "01, 2", path.Equal, "true"},
		{list, "1,2", "1,2,3", path.Equal, "false"},
		{list, "1,2", "2,1", path.NotEqual, "true"},
		{list, "", "", path.Equal, "true"},
		{list, "1", "1", path.LessThan, "< is not for unsignedInt[]"},
		{path.TypeUnsignedInt, "1", "1", path.Contains, "~= is for lists"},
	} {
		ok, err := path.Compare(tt.typ, tt.op, tt.have, tt.want)
		got := map[bool]string{true: "true", false: "false"}[ok]
		var e *usp.Error
		if errors.As(err, &e) && e.Code == usp.CodeInvalidPathSyntax && !ok {
			got = e.Text
		}
		if !strings.Contains(got, tt.result) {
			t.Errorf("%s %q %s %q: got %s, want %s", tt.typ, tt.have, tt.op, tt.want, got, tt.result)
		}
	}
}

func TestCompareNumbersAsBigRationals(t *testing.T) {
	t.Parallel()
	number := rapid.StringMatching(`[-+]?[0-9]{1,25}(\.[0-9]{1,5})?`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := number.Draw(t, "a"), number.Draw(t, "b")
		x, okX := new(big.Rat).SetString(a)
		y, okY := new(big.Rat).SetString(b)
		if !okX || !okY {
			t.Fatalf("not numbers: %s %s", a, b)
		}
		c := x.Cmp(y)
		for op, want := range map[path.Op]bool{
			path.Equal: c == 0, path.NotEqual: c != 0, path.LessThan: c < 0,
			path.GreaterThan: c > 0, path.LessEqual: c <= 0, path.GreaterEqual: c >= 0,
		} {
			if got, err := path.Compare(path.TypeDecimal, op, a, b); err != nil || got != want {
				t.Fatalf("%s %s %s: got %v, %v, want %v", a, op, b, got, err, want)
			}
		}
	})
}

func TestValid(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		typ       path.Type
		yes, noes []string
	}{
		{path.TypeString, []string{"", "any \x00"}, nil},
		{path.TypeBoolean, []string{"true", "false", "1", "0"}, []string{"", "TRUE", "yes", "2", " 1"}},
		{
			path.TypeInt,
			[]string{"0", "-2147483648", "2147483647", "+1", "007"},
			[]string{"", "-", "2147483648", "-2147483649", "1.0", "1e3", " 1", "0x1", "1_000", "--1"},
		},
		{path.TypeUnsignedInt, []string{"0", "4294967295", "+1"}, []string{"", "-1", "4294967296", "+", "++1"}},
		{path.TypeLong, []string{"-9223372036854775808", "9223372036854775807"}, []string{"9223372036854775808"}},
		{path.TypeUnsignedLong, []string{"18446744073709551615"}, []string{"18446744073709551616", "-1"}},
		{path.TypeDecimal, []string{"1", "-1.5", ".5", "5.", "+0"}, []string{"", ".", "1e5", "NaN", "-", "1,5", "1.2.3"}},
		{
			path.TypeDateTime,
			[]string{"0001-01-01T00:00:00Z", "2024-02-29T23:59:59.123456Z", "2024-01-01T00:00:00", "2024-01-01T00:00:00+02:00"},
			[]string{"", "2024-02-30T00:00:00Z", "2024-01-01", "2024-01-01 00:00:00Z", "2024-01-01T00:00:00,5Z", "now"},
		},
		{
			path.TypeBase64,
			[]string{"", "QQ==", "QUI=", "QUJD", "+/+/"},
			[]string{"Q", "QQ=", "QQ==\n", "Q===", "QU_D", "=QQ="},
		},
		{path.TypeHexBinary, []string{"", "0aF9"}, []string{"0", "0g", "0x"}},
		{path.TypeUnsignedInt | path.List, []string{"", "1", "1, 2 ,3"}, []string{",", "1,", "1,x", "1 2"}},
	} {
		for _, v := range tt.yes {
			if !path.Valid(tt.typ, v) {
				t.Errorf("Valid(%s, %q): got false, want true", tt.typ, v)
			}
		}
		for _, v := range tt.noes {
			if path.Valid(tt.typ, v) {
				t.Errorf("Valid(%s, %q): got true, want false", tt.typ, v)
			}
		}
	}
}

func TestParseTypeInvertsString(t *testing.T) {
	t.Parallel()
	for typ := path.TypeString; typ <= path.TypeDecimal; typ++ {
		for _, want := range []path.Type{typ, typ | path.List} {
			if got, ok := path.ParseType(want.String()); !ok || got != want {
				t.Errorf("ParseType(%s): got %s, %v", want, got, ok)
			}
		}
	}
	for _, name := range []string{"", "[]", "float", "String", "int[][]"} {
		if got, ok := path.ParseType(name); ok {
			t.Errorf("ParseType(%s): got %s, want none", name, got)
		}
	}
}
