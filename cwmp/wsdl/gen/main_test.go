// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"testing"
)

// TestGeneratedFileIsCurrent fails when cwmp.go is not what the WSDL and the
// pinned gowsdl make.
func TestGeneratedFileIsCurrent(t *testing.T) {
	t.Parallel()
	got, err := generate("../cwmp.wsdl", "wsdl")
	if err != nil {
		t.Fatalf("generate: %v", err)
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
