// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"unicode/utf8"

	"github.com/uspgate/uspgate/usp"
)

// NotText is why a value that is not IsText cannot be set.
const NotText = "has characters that cannot be sent to the device"

// IsText reports whether a value is UTF-8 of characters that XML 1.0 can carry:
// of the control characters these are tab, line feed and carriage return alone.
// Others would reach the CPE as something else.
func IsText(s string) bool {
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n < 2, r == 0xFFFE, r == 0xFFFF:
			return false
		case r < ' ' && r != '\t' && r != '\n' && r != '\r':
			return false
		}
		i += n
	}
	return true
}

func notText() *usp.Error { return fail(usp.CodeInvalidValue, NotText) }
