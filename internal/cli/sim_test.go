// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/internal/cli"
)

func TestSimListsQuirks(t *testing.T) {
	t.Parallel()
	code, out, errs := run(t, nil, "sim", "cpe", "--list-quirks")
	if code != 0 || errs != "" {
		t.Fatalf("got exit code %d, %s", code, errs)
	}
	for _, want := range []string{
		`(?m)^28 +no-cookies +sends no cookie back$`, `(?m)^- +upload-by-post `, `(?m)^84 +long-id `,
	} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("got no %s in\n%s", want, out)
		}
	}
	if n := strings.Count(out, "\n"); n < 100 {
		t.Errorf("got %d lines, want 100 and more", n)
	}
}

func TestSimUnknownQuirk(t *testing.T) {
	t.Parallel()
	code, _, errs := run(t, nil, "sim", "cpe", "--quirk", "28", "--quirk", "no-such")
	if code != cli.ExitUsage || !strings.Contains(errs, `no quirk "no-such"`) {
		t.Errorf("got exit code %d, %q, want a usage error that names it", code, errs)
	}
}
