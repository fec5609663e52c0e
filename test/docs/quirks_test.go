// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/internal/sim/cpe"
)

const (
	quirksFile = "docs/quirks.md"
	lastQuirk  = 84
)

var (
	quirkTest = regexp.MustCompile(`(?m)^func (TestQuirks?(\d\d(?:(?:And|Quirk)\d\d)*)(?:[A-Z]\w*)?)\(t \*testing\.T\)`)
	quirkRow  = regexp.MustCompile(`^(\| (\d+) \|[^|]+\|[^|]+\|[^|]*\|)[^|]*\|$`)
	// quirkNote is in the comment of a behaviour script: [quirk 48, quirk 52].
	quirkNote   = regexp.MustCompile(`(?m)^#.*\[(quirks? \d[^\]]*)\]`)
	twoDigits   = regexp.MustCompile(`\d\d`)
	quirkNumber = regexp.MustCompile(`\d+`)
)

// shown are what shows each quirk: tests and scripts, in the order of the tree.
type shown map[int][]string

func (s shown) add(numbers []string, what string) {
	for _, text := range numbers {
		n, err := strconv.Atoi(text)
		if err == nil && !slices.Contains(s[n], what) {
			s[n] = append(s[n], what)
		}
	}
}

// file adds what one file of the tree shows.
func (s shown) file(name, text string) {
	dir := filepath.ToSlash(filepath.Dir(name))
	switch {
	case strings.HasSuffix(name, "_test.go"):
		for _, m := range quirkTest.FindAllStringSubmatch(text, -1) {
			s.add(twoDigits.FindAllString(m[2], -1), dir+" `"+m[1]+"`")
		}
	case dir == "translate/agent/testdata":
		for _, m := range quirkNote.FindAllStringSubmatch(text, -1) {
			s.add(quirkNumber.FindAllString(m[1], -1), "translate/agent `"+filepath.Base(name)+"`")
		}
	}
}

// showing reads the tree. The tests of the simulator are left out: they show that
// it does as such CPE do, not what becomes of it.
func showing(t *testing.T) shown {
	t.Helper()
	s := shown{}
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (slices.Contains([]string{"node_modules", ".git", "bin"}, d.Name()) || name == "internal/sim"):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, "_test.go") && !strings.HasSuffix(name, ".txt"):
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		s.file(name, string(text))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestQuirksAreShown: docs/quirks.md has every quirk, in order, and beside it what
// shows it, and there is something.
func TestQuirksAreShown(t *testing.T) {
	t.Parallel()
	tests := showing(t)
	for n := range tests {
		if n < 1 || n > lastQuirk {
			t.Errorf("%v: got quirk %d, want 1 to %d", tests[n], n, lastQuirk)
		}
	}
	switches := map[int][]string{}
	for _, q := range cpe.AllQuirks() {
		switches[q.Number] = append(switches[q.Number], "`"+q.Name+"`")
	}
	text := read(t, quirksFile)
	lines := strings.Split(text, "\n")
	next := 1
	for i, line := range lines {
		m := quirkRow.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		if m[2] != strconv.Itoa(next) {
			t.Fatalf("%s:%d: got row %s, want %d", quirksFile, i+1, m[2], next)
		}
		if len(tests[next]) == 0 {
			t.Errorf("quirk %d: no test is named after it", next)
		}
		lines[i] = m[1] + " " + strings.Join(slices.Concat(tests[next], switches[next]), ", ") + " |"
		next++
	}
	if next != lastQuirk+1 {
		t.Errorf("%s: got %d rows, want %d", quirksFile, next-1, lastQuirk)
	}
	want := strings.Join(lines, "\n")
	if *update {
		if err := os.WriteFile(quirksFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if read(t, quirksFile) != want {
		t.Errorf("%s is not what the tests say; run go test ./test/docs -run Quirks -update", quirksFile)
	}
}

func TestQuirkNames(t *testing.T) {
	t.Parallel()
	s := shown{}
	s.file("a/b_test.go", "func TestQuirk08And09Arrays(t *testing.T) {\nfunc TestQuirk52Of200000(t *testing.T) {\n"+
		"func TestQuirk7(t *testing.T) {\nfunc TestQuirk70Quirk75(t *testing.T) {\nfunc TestQuirk11of(t *testing.T) {\n")
	s.file("translate/agent/testdata/x.txt", "# Walked [quirk 48, quirk 53].\nusp> Get [quirk 9]\n# Also [quirk 48].\n")
	for n, want := range map[int]string{
		7: "", 8: "a `TestQuirk08And09Arrays`", 9: "a `TestQuirk08And09Arrays`", 11: "", 48: "translate/agent `x.txt`",
		52: "a `TestQuirk52Of200000`", 53: "translate/agent `x.txt`", 70: "a `TestQuirk70Quirk75`",
		75: "a `TestQuirk70Quirk75`",
	} {
		if got := strings.Join(s[n], ", "); got != want {
			t.Errorf("quirk %d: got %q, want %q", n, got, want)
		}
	}
}
