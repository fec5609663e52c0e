// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package path

import (
	"math"
	"strconv"
	"strings"
)

// Valid reports whether v is in the lexical space of t [R-ENC.6], the ranges
// of the integer types included. Of a list every element must be; the empty
// list is valid.
func Valid(t Type, v string) bool {
	if !t.IsList() {
		return lexical(t, v) && inRange(t, v)
	}
	for more := v != ""; more; {
		var elem string
		elem, v, more = strings.Cut(v, ",")
		if !Valid(t.Base(), strings.TrimSpace(elem)) {
			return false
		}
	}
	return true
}

// lexical reports whether v has the form of type t, whatever its range.
func lexical(t Type, v string) bool {
	switch t {
	case TypeBoolean:
		return v == "true" || v == "false" || v == "1" || v == "0"
	case TypeInt, TypeLong:
		return allDigits(unsigned(v))
	case TypeUnsignedInt, TypeUnsignedLong:
		return allDigits(strings.TrimPrefix(v, "+"))
	case TypeDecimal:
		integer, fraction, dot := strings.Cut(unsigned(v), ".")
		return (integer == "" || allDigits(integer)) && (fraction == "" || allDigits(fraction)) &&
			integer+fraction != "" && (!dot || fraction != "" || integer != "")
	case TypeDateTime:
		_, ok := parseTime(v)
		return ok
	case TypeBase64:
		return isBase64(v)
	case TypeHexBinary:
		return isHexBinary(v)
	default:
		return true
	}
}

// unsigned returns v without one leading sign.
func unsigned(v string) string {
	if v != "" && (v[0] == '-' || v[0] == '+') {
		return v[1:]
	}
	return v
}

// inRange reports whether v, in the form of t, fits its size.
func inRange(t Type, v string) bool {
	switch t {
	case TypeInt:
		n, err := strconv.ParseInt(v, 10, 64)
		return err == nil && n >= math.MinInt32 && n <= math.MaxInt32
	case TypeLong:
		_, err := strconv.ParseInt(v, 10, 64)
		return err == nil
	case TypeUnsignedInt:
		_, err := strconv.ParseUint(strings.TrimPrefix(v, "+"), 10, 32)
		return err == nil
	case TypeUnsignedLong:
		_, err := strconv.ParseUint(strings.TrimPrefix(v, "+"), 10, 64)
		return err == nil
	default:
		return true
	}
}

// isBase64 reports whether v is base64 with padding and without line breaks.
func isBase64(v string) bool {
	if len(v)%4 != 0 {
		return false
	}
	body := strings.TrimSuffix(strings.TrimSuffix(v, "="), "=")
	for i := range len(body) {
		if c := body[i]; !isDigit(c) && (!isNameStart(c) || c == '_') && c != '+' && c != '/' {
			return false
		}
	}
	return true
}

func isHexBinary(v string) bool {
	for i := range len(v) {
		if c := v[i] | 0x20; !isDigit(v[i]) && (c < 'a' || c > 'f') {
			return false
		}
	}
	return len(v)%2 == 0
}
