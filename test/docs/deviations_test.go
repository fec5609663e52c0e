// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const deviationsHead = `# Deviations

<!-- Made from the comments in the code: go test ./test/docs -update -->

Where the code does otherwise than a specification says, with the place.

`

// deviation finds a comment that begins with the word, up to its end.
var deviation = regexp.MustCompile(`(?m)^\s*// Deviation: ((?:.*\n)(?:\s*// .*\n)*)`)

// deviationsIn returns the texts of these comments in one file.
func deviationsIn(text string) []string {
	var out []string
	for _, m := range deviation.FindAllStringSubmatch(text, -1) {
		out = append(out, strings.Join(strings.Fields(strings.ReplaceAll(m[1], "//", " ")), " "))
	}
	return out
}

// deviations lists the comments of the code that begin with "Deviation:".
func deviations(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains([]string{"node_modules", ".git", "bin", "testdata", "test"}, d.Name()):
			return filepath.SkipDir
		case !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		for _, text := range deviationsIn(string(text)) {
			fmt.Fprintf(&b, "- `%s`: %s\n", filepath.ToSlash(name), text)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// docs/deviations.md lists every deviation, and exists only if there is one.
func TestDeviationsAreListed(t *testing.T) {
	t.Parallel()
	const name = "docs/deviations.md"
	list := deviations(t)
	if list == "" {
		if exists(name) {
			t.Errorf("%s lists deviations that the code does not have", name)
		}
		return
	}
	want := deviationsHead + list
	if *update {
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if !exists(name) || read(t, name) != want {
		t.Errorf("%s is not what the comments say; run go test ./test/docs -update", name)
	}
}

func TestDeviationComments(t *testing.T) {
	t.Parallel()
	const text = "x := 1\n\t// Deviation: CPE that do\n\t// this are let in.\n\ty()\n// Deviation from nothing\n"
	got := deviationsIn(text)
	if len(got) != 1 || got[0] != "CPE that do this are let in." {
		t.Errorf("got %q, want one comment of two lines", got)
	}
}
