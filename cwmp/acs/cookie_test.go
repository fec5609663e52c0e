// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package acs_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/cwmp/acs"
)

// Whatever else a CPE puts into its header, the cookie is found in it, and what
// is found is one token.
func FuzzCookies(f *testing.F) {
	f.Add(`$Version="0"`, `$Path=/`)
	f.Add("a=b; uspgate=stale", "=;,,")
	f.Add("", "uspgate")
	f.Fuzz(func(t *testing.T, before, after string) {
		for _, sep := range []string{";", "; ", ","} {
			got := acs.Cookies(before + sep + "uspgate=TOKEN" + sep + after)
			if !slices.Contains(got, "TOKEN") {
				t.Fatalf("%q %q: got %q, want TOKEN among them", before, after, got)
			}
			if i := slices.IndexFunc(got, func(v string) bool { return strings.ContainsAny(v, ";,") }); i >= 0 {
				t.Fatalf("got %q, want one token", got[i])
			}
		}
	})
}
