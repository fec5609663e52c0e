// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs

import "strings"

// cookieName names the session cookie.
const cookieName = "uspgate"

// setCookie is the Set-Cookie header for a session id. Path is always there as
// CPE drop the cookie without it; other attributes only confuse them
// [quirk 29].
func setCookie(id, path string) string {
	if path == "" {
		path = "/"
	}
	return cookieName + "=" + id + "; Path=" + path
}

// cookies calls f with each value of the session cookie in the Cookie headers,
// until f returns false. It takes RFC 6265 and the old $Version form, with ;
// or , as separator and quotes around the value or not [quirk 30].
func cookies(headers []string, f func(value string) bool) {
	for _, h := range headers {
		for h != "" {
			var pair string
			if i := strings.IndexAny(h, ";,"); i >= 0 {
				pair, h = h[:i], h[i+1:]
			} else {
				pair, h = h, ""
			}
			name, value, ok := strings.Cut(pair, "=")
			if !ok || !strings.EqualFold(strings.TrimSpace(name), cookieName) {
				continue
			}
			if !f(strings.Trim(value, "\"' \t")) {
				return
			}
		}
	}
}
