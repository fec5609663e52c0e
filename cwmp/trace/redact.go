// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package trace

import "strings"

// mask stands for a value that is not printed. Its length says nothing.
const mask = "••••"

// secrets are what names of parameters with a secret value have in their last
// part, in lower case. All that usp/trace masks is among them.
var secrets = [...]string{
	"password", "passphrase", "passcode", "presharedkey", "wepkey", "secret", "privatekey", "sharedkey",
}

// secretNames are the whole last parts of such names.
var secretNames = [...]string{"pin", "psk", "key"}

// Secret reports whether the parameter of this name has a value that logs must
// not hold: passwords, keys of wireless networks, PINs. Names that end in a
// dot are objects and have none. Parts that are instance numbers are passed
// over, so "…WEPKey.1" counts too.
func Secret(name string) bool {
	if strings.HasSuffix(name, ".") {
		return false
	}
	last := strings.ToLower(lastPart(name))
	for _, s := range secrets {
		if strings.Contains(last, s) {
			return true
		}
	}
	for _, s := range secretNames {
		if last == s {
			return true
		}
	}
	return false
}

// lastPart returns the last part of name that is not an instance number.
func lastPart(name string) string {
	for {
		i := strings.LastIndexByte(name, '.')
		last := name[i+1:]
		if i < 0 || strings.Trim(last, "0123456789") != "" {
			return last
		}
		name = name[:i]
	}
}

// maskURL masks the password in a URL, if it has one.
func maskURL(s string) string {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok || strings.ContainsAny(scheme, " \t\r\n") {
		return s
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	at := strings.LastIndexByte(rest[:end], '@')
	if at < 0 {
		return s
	}
	user, _, ok := strings.Cut(rest[:at], ":")
	if !ok {
		return s
	}
	return scheme + "://" + user + ":" + mask + rest[at:]
}
