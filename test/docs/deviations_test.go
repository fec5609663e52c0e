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

Where the code does otherwise than a specification says, with the place. What has a name is
counted where it happens, in uspgate_translate_deviations_total by that name.

`

// deviation finds a comment that begins with the word, and the name of what is counted
// where it is, up to its end.
var deviation = regexp.MustCompile(`(?m)^\s*// Deviation( [a-z_]+)?: ((?:.*\n)(?:\s*// .*\n)*)`)

// deviationsIn returns the texts of these comments in one file, behind their names.
func deviationsIn(text string) []string {
	var out []string
	for _, m := range deviation.FindAllStringSubmatch(text, -1) {
		name := ""
		if m[1] != "" {
			name = "`" + strings.TrimSpace(m[1]) + "`: "
		}
		out = append(out, name+strings.Join(strings.Fields(strings.ReplaceAll(m[2], "//", " ")), " "))
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
	const text = "x := 1\n\t// Deviation: CPE that do\n\t// this are let in.\n\ty()\n// Deviation from nothing\n" +
		"// Deviation a_name: so it is.\n"
	got := deviationsIn(text)
	if len(got) != 2 || got[0] != "CPE that do this are let in." || got[1] != "`a_name`: so it is." {
		t.Errorf("got %q, want one comment of two lines and one with a name", got)
	}
}

// What is counted at run time is described, and what has a name is counted.
func TestCountedDeviationsAreListed(t *testing.T) {
	t.Parallel()
	counted := allOf(regexp.MustCompile(`deviation = "([a-z_]+)"`), read(t, "translate/agent/deviations.go"))
	listed := allOf(regexp.MustCompile("(?m)^- `[^`]*`: `([a-z_]+)`: "), read(t, "docs/deviations.md"))
	if len(counted) == 0 || !slices.Equal(counted, listed) {
		t.Errorf("got %q counted by translate/agent and %q in docs/deviations.md, want the same", counted, listed)
	}
}

// allOf returns what is found, sorted.
func allOf(what *regexp.Regexp, text string) []string {
	var out []string
	for _, m := range what.FindAllStringSubmatch(text, -1) {
		out = append(out, m[1])
	}
	slices.Sort(out)
	return out
}
