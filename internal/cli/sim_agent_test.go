// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"strings"
	"testing"

	"github.com/uspgate/uspgate/internal/cli"
)

func TestSimAgentWrongUse(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args []string
		text string
	}{
		{[]string{"--model", "tr098-dsl"}, "is of TR-098"},
		{[]string{"--model", "no-such-file.csv"}, "no-such-file.csv"},
		{[]string{"--count", "0"}, "--count is from 1"},
		{[]string{"--count", "2", "--id", "os::ACDE48-x"}, "--id is for one Agent"},
		{[]string{"--id", "nobody"}, "--id"},
		{[]string{"--via", "gopher://x"}, "--via"},
		{[]string{"--log", "loud"}, "loud"},
	} {
		code, _, errs := run(t, nil, append([]string{"sim", "agent"}, tt.args...)...)
		if code != cli.ExitUsage || !strings.Contains(errs, tt.text) {
			t.Errorf("%v: got exit code %d, %q, want a usage error with %q", tt.args, code, errs, tt.text)
		}
	}
}
