// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package path

import (
	"strings"
	"time"

	"github.com/uspgate/uspgate/usp"
)

// Op is an operator of a search expression.
type Op uint8

// The operators == != ~= < > <= >=.
const (
	Equal Op = iota
	NotEqual
	Contains
	LessThan
	GreaterThan
	LessEqual
	GreaterEqual
)

// String returns the operator as it is written.
func (o Op) String() string {
	switch o {
	case NotEqual:
		return "!="
	case Contains:
		return "~="
	case LessThan:
		return "<"
	case GreaterThan:
		return ">"
	case LessEqual:
		return "<="
	case GreaterEqual:
		return ">="
	default:
		return "=="
	}
}

// Compare compares values by type: 0123 equals 123, 1 equals true. Strings,
// booleans, base64, hexBinary, lists and the Unknown Time know only == and !=;
// ~= asks a list for an equal element, and a string as if it were a list, for
// data models do not always say which strings are. A have that is no value of
// type t equals nothing. An error is a *usp.Error 7008: the operator or the
// wanted value does not fit the type.
func Compare(t Type, op Op, have, want string) (bool, error) {
	if err := Comparable(t, op, want); err != nil {
		return false, err
	}
	if op == Contains {
		for rest, more := have, have != ""; more; {
			var elem string
			elem, rest, more = strings.Cut(rest, ",")
			if c, ok := compare(t.Base(), strings.TrimSpace(elem), want); ok && c == 0 {
				return true, nil
			}
		}
		return false, nil
	}
	if t.IsList() {
		return equalLists(t.Base(), have, want) == (op == Equal), nil
	}
	c, ok := compare(t, have, want)
	switch op {
	case Equal:
		return ok && c == 0, nil
	case NotEqual:
		return !ok || c != 0, nil
	default:
	}
	if !ok || t == TypeDateTime && isUnknownTime(have) {
		return false, nil
	}
	switch op {
	case LessThan:
		return c < 0, nil
	case GreaterThan:
		return c > 0, nil
	case LessEqual:
		return c <= 0, nil
	default:
		return c >= 0, nil
	}
}

// Comparable reports as a *usp.Error 7008 why no value of type t can be
// compared with want by op.
func Comparable(t Type, op Op, want string) error {
	base := t.Base()
	switch {
	case op == Contains && (t.IsList() || base == TypeString),
		op == Equal, op == NotEqual:
	case op == Contains:
		return misfit("~= is for lists, not for " + t.String())
	case t.IsList(), base == TypeString, base == TypeBoolean, base == TypeBase64, base == TypeHexBinary:
		return misfit(op.String() + " is not for " + t.String())
	case base == TypeDateTime && isUnknownTime(want):
		return misfit(op.String() + " is not for the Unknown Time")
	}
	if !lexical(base, want) && (!t.IsList() || op == Contains) {
		return misfit("\"" + want + "\" is not a value of type " + base.String())
	}
	return nil
}

func misfit(text string) error {
	return &usp.Error{Code: usp.CodeInvalidPathSyntax, Text: "invalid search expression: " + text}
}

func equalLists(base Type, have, want string) bool {
	a, b := have != "", want != ""
	for a && b {
		var x, y string
		x, have, a = strings.Cut(have, ",")
		y, want, b = strings.Cut(want, ",")
		if c, ok := compare(base, strings.TrimSpace(x), strings.TrimSpace(y)); !ok || c != 0 {
			return false
		}
	}
	return !a && !b
}

// compare returns the order of two values of type t, which is not a list. It
// reports false if one of them is no value of that type. The order of types
// that have none is that of their bytes.
func compare(t Type, a, b string) (int, bool) {
	switch t {
	case TypeInt, TypeUnsignedInt, TypeLong, TypeUnsignedLong, TypeDecimal:
		if !lexical(t, a) || !lexical(t, b) {
			return 0, false
		}
		return compareNumbers(a, b), true
	case TypeBoolean:
		if !lexical(t, a) || !lexical(t, b) {
			return 0, false
		}
		return strings.Compare(canonicalBool(a), canonicalBool(b)), true
	case TypeDateTime:
		x, okX := parseTime(a)
		y, okY := parseTime(b)
		return x.Compare(y), okX && okY
	case TypeHexBinary:
		return strings.Compare(strings.ToUpper(a), strings.ToUpper(b)), true
	default:
		return strings.Compare(a, b), true
	}
}

func canonicalBool(s string) string {
	if s == "1" || s == "true" {
		return "true"
	}
	return "false"
}

// parseTime reads an ISO 8601 date and time; without a zone it counts as UTC.
func parseTime(s string) (time.Time, bool) {
	if strings.IndexByte(s, ',') >= 0 { // which package time takes for a decimal point
		return time.Time{}, false
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t, err = time.Parse("2006-01-02T15:04:05", s)
	}
	return t, err == nil
}

// isUnknownTime reports whether s is the Unknown Time 0001-01-01T00:00:00Z.
func isUnknownTime(s string) bool {
	t, ok := parseTime(s)
	return ok && t.IsZero()
}

// compareNumbers compares two decimal numbers of any length.
func compareNumbers(a, b string) int {
	negA, intA, fracA := splitNumber(a)
	negB, intB, fracB := splitNumber(b)
	switch {
	case negA && !negB:
		return -1
	case negB && !negA:
		return 1
	}
	c := compareDigits(intA, intB)
	if c == 0 {
		c = strings.Compare(fracA, fracB)
	}
	if negA {
		return -c
	}
	return c
}

// splitNumber takes a number apart; zero is never negative.
func splitNumber(s string) (negative bool, integer, fraction string) {
	negative = s[0] == '-'
	if s[0] == '-' || s[0] == '+' {
		s = s[1:]
	}
	integer, fraction, _ = strings.Cut(s, ".")
	integer = strings.TrimLeft(integer, "0")
	fraction = strings.TrimRight(fraction, "0")
	return negative && integer+fraction != "", integer, fraction
}

// compareDigits compares two unsigned integers of any length.
func compareDigits(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}
