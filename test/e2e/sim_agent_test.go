// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/internal/cli"
	"github.com/uspgate/uspgate/test/harness"
)

// TestSimAgent runs native Agents from the command line, and asks them from there.
func TestSimAgent(t *testing.T) {
	t.Parallel()
	gw := harness.Start(t, "")
	for i, via := range []string{gw.WS(), gw.MQTT()} {
		harness.Background(t, "sim agent", func(ctx context.Context) error {
			var out, errs bytes.Buffer
			code := cli.Run(ctx, cli.Env{Version: "test", Stdout: &out, Stderr: &errs}, []string{
				"sim", "agent", "--via", via, "--model", "tr181-wifi", "--count", "2", "--first", strconv.Itoa(1 + 2*i),
				"--command-time", "10ms", "--log", "error",
			})
			if code != 0 {
				return fmt.Errorf("exit code %d: %s", code, errs.String())
			}
			return nil
		})
	}
	for serial := 1; serial <= 4; serial++ {
		to := fmt.Sprintf("os::06C1D2-WR3000-%d", serial)
		usp := func(args ...string) (int, string, string) {
			return harness.Command(t, append([]string{"usp", "--via", gw.WS(), "--to", to, "--timeout", "2s"}, args...)...)
		}
		harness.Eventually(t, func() error { // once it has shown itself
			code, out, errs := usp("get", "Device.LocalAgent.EndpointID")
			if code != 0 || !strings.Contains(out, to) {
				return fmt.Errorf("%s: got exit code %d, %s%s", to, code, out, errs)
			}
			return nil
		})
		code, out, errs := usp("operate", "--wait", "Device.IP.Diagnostics.IPPing()", "ProtocolVersion=Any", "Host=127.0.0.1",
			"NumberOfRepetitions=1", "Timeout=100", "DataBlockSize=64")
		if code != 0 || !strings.Contains(out, "Status=Complete") {
			t.Errorf("%s: IPPing(): got exit code %d, %s%s", to, code, out, errs)
		}
		code, _, errs = usp("get", "Device.ManagementServer.")
		if code == 0 || !strings.Contains(errs, "7026") {
			t.Errorf("%s: what only CWMP has: got exit code %d, %s, want 7026", to, code, errs)
		}
	}
}
