// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"regexp"
	"strings"
)

// mask stands for a value that a log must not hold.
const mask = "••••"

// value prints the value of a parameter or argument by its name.
func value(name, v string) string {
	if v != "" && (Secret(name) || isContainer(name) && mentionsSecret(v)) {
		return mask
	}
	return quote(v)
}

// Secret reports whether the values of a parameter are masked: its name, the
// last part of a path, contains Password, Passphrase, PreSharedKey, WEPKey,
// Secret, Passcode or PrivateKey, in any case.
func Secret(name string) bool {
	return mentionsSecret(name[strings.LastIndexByte(name, '.')+1:])
}

func mentionsSecret(s string) bool {
	s = strings.ToLower(s)
	for _, word := range [...]string{
		"password", "passphrase", "presharedkey", "wepkey", "secret", "passcode", "privatekey",
	} {
		if strings.Contains(s, word) {
			return true
		}
	}
	return false
}

// isContainer reports that a value holds other parameters with their values:
// it is masked as a whole if one of them is secret.
func isContainer(name string) bool {
	return name == "ParameterMap" || name == "Data" || name == "TriggerConfigSettings"
}

// comparison is one term of a search expression; its groups are all up to the
// value, the relative path in it, and the value.
var comparison = regexp.MustCompile(`(([A-Za-z_][A-Za-z_0-9.+#*]*)\s*(?:==|!=|~=|<=|>=|<|>)\s*)("[^"]*"|[^&\]\s"]+)`)

// maskPath prints a path; what it compares secrets with is masked.
func maskPath(path string) string {
	if strings.IndexByte(path, '[') < 0 {
		return quote(path)
	}
	return quote(comparison.ReplaceAllStringFunc(path, func(term string) string {
		m := comparison.FindStringSubmatch(term)
		if !Secret(m[2]) {
			return term
		}
		return m[1] + `"` + mask + `"`
	}))
}
