// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestGeneratedFileIsCurrent fails when cwmp.go is not what the WSDL and the
// pinned gowsdl make. The generator runs as go generate runs it, in a process of
// its own: gowsdl has data races that are none of ours.
func TestGeneratedFileIsCurrent(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "cwmp.go")
	cmd := exec.CommandContext(t.Context(), "go", "run", ".", "../cwmp.wsdl", "wsdl", out)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("generate: %v: %s", err, text)
	}
	got, err := os.ReadFile(out)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	want, err := os.ReadFile("../cwmp.go")
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	if !bytes.Equal(got, want) {
		t.Error("cwmp.go differs from what go generate ./cwmp/wsdl writes")
	}
}

func TestGenerateReportsAMissingFile(t *testing.T) {
	t.Parallel()
	if _, err := generate("nothing.wsdl", "wsdl"); err == nil {
		t.Error("got no error, want one")
	}
}
