// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/internal/cli"
	"github.com/uspgate/uspgate/test/harness"
)

const (
	program = "/usr/bin/uspgate"
	etc     = "/etc/uspgate/uspgate.yaml"
)

func unit(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(harness.ModuleRoot(t), "deploy", "systemd", "uspgate.service"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestUnitIsValid has systemd read the unit.
func TestUnitIsValid(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not on this machine; a unit is of no use here either")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "uspgate.service")
	text := strings.ReplaceAll(unit(t), program, self) // it wants the program to be there
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", file).CombinedOutput()
	if err != nil || strings.Contains(string(out), "uspgate.service:") {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}

// TestUnitRunsWhatTheCommandLineKnows runs the check of the unit.
func TestUnitRunsWhatTheCommandLineKnows(t *testing.T) {
	t.Parallel()
	found := 0
	for line := range strings.Lines(unit(t)) {
		key, command, _ := strings.Cut(strings.TrimSpace(line), "=")
		if key != "ExecStart" && key != "ExecStartPre" {
			continue
		}
		found++
		args := strings.Fields(strings.TrimPrefix(command, program))
		args = append(args, "--help")
		if code, _, errs := harness.Command(t, args...); code != cli.ExitDone {
			t.Errorf("%s: got exit code %d: %s", command, code, errs)
		}
		if !strings.HasPrefix(command, program+" ") || !strings.Contains(command, etc) {
			t.Errorf("%s: want %s and %s", command, program, etc)
		}
	}
	if found != 2 {
		t.Errorf("got %d commands, want ExecStartPre and ExecStart", found)
	}
}
