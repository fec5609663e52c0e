// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// converter is a named conversion of the rule files. Both directions report
// false for what they cannot convert: reading then shows the CPE's value as it
// is, writing refuses.
type converter struct {
	read  func(raw string) (string, bool)
	write func(usp, rawNow string) (string, bool)
}

// converterByName returns nil for a name that there is not. The set is closed:
// rule files choose, they do not program.
func converterByName(name string) *converter {
	switch name {
	case "base64-hex":
		return &converter{read: base64ToHex, write: hexToBase64}
	case "utc-offset":
		return &converter{read: offsetToPOSIX, write: posixToOffset}
	case "wifi-standards-2.4":
		return &converter{read: standards(false), write: standardsBack(false)}
	case "wifi-standards-5":
		return &converter{read: standards(true), write: standardsBack(true)}
	case "wps-version":
		return &converter{read: wpsVersion}
	default:
		return nil
	}
}

// wpsVersion reads the version of WPS, which TR-098 has as a number of two
// hexadecimal digits: 16 is 1.0.
func wpsVersion(raw string) (string, bool) {
	n, err := strconv.ParseUint(digits(raw), 10, 8)
	if err != nil {
		return "", false
	}
	return strconv.FormatUint(n>>4, 10) + "." + strconv.FormatUint(n&15, 10), true
}

func base64ToHex(raw string) (string, bool) {
	b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(raw))
	if err != nil {
		return "", false
	}
	return strings.ToUpper(hex.EncodeToString(b)), true
}

func hexToBase64(usp, _ string) (string, bool) {
	b, err := hex.DecodeString(usp)
	if err != nil {
		return "", false
	}
	return base64.StdEncoding.EncodeToString(b), true
}

// scaleConverter multiplies what the CPE says by mul/div, rounding half away
// from zero.
func scaleConverter(mul, div int64) *converter {
	scale := func(s string, mul, div int64) (string, bool) {
		f, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
		if err != nil || math.IsNaN(f) || math.Abs(f) > math.MaxInt64/float64(mul)/2 {
			return "", false
		}
		return strconv.FormatInt(int64(math.Round(f*float64(mul)/float64(div))), 10), true
	}
	return &converter{
		read:  func(raw string) (string, bool) { return scale(raw, mul, div) },
		write: func(usp, _ string) (string, bool) { return scale(usp, div, mul) },
	}
}

// offsetToPOSIX turns TR-098's "+01:00" into the POSIX "GMT-1", whose sign is
// the other way round.
func offsetToPOSIX(raw string) (string, bool) {
	s := strings.TrimSpace(raw)
	if s == "Z" || s == "" {
		return "GMT0", true
	}
	h, m, ok := strings.Cut(s[1:], ":")
	hours, err := strconv.ParseUint(h, 10, 8)
	if !ok || err != nil || hours > 14 || (s[0] != '+' && s[0] != '-') {
		return "", false
	}
	minutes, err := strconv.ParseUint(m, 10, 8)
	if err != nil || minutes > 59 {
		return "", false
	}
	sign := "-"
	if s[0] == '-' {
		sign = ""
	}
	if hours == 0 && minutes == 0 {
		return "GMT0", true
	}
	if minutes == 0 {
		return fmt.Sprintf("GMT%s%d", sign, hours), true
	}
	return fmt.Sprintf("GMT%s%d:%02d", sign, hours, minutes), true
}

// posixToOffset is the way back; daylight saving rules are not carried.
func posixToOffset(usp, _ string) (string, bool) {
	s := strings.TrimLeft(usp, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
	if len(usp)-len(s) < 3 || s == "" {
		return "", false
	}
	sign := "-"
	switch s[0] {
	case '-':
		sign, s = "+", s[1:]
	case '+':
		s = s[1:]
	}
	h, m, _ := strings.Cut(s, ":")
	hours, err := strconv.ParseUint(h, 10, 8)
	if err != nil || hours > 14 {
		return "", false
	}
	minutes := uint64(0)
	if m != "" {
		if minutes, err = strconv.ParseUint(m, 10, 8); err != nil || minutes > 59 {
			return "", false
		}
	}
	if hours == 0 && minutes == 0 {
		sign = "+"
	}
	return fmt.Sprintf("%s%02d:%02d", sign, hours, minutes), true
}
