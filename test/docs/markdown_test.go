// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/internal/config"
)

// block is a fenced block of a document.
type block struct {
	language string
	line     int // of its first line
	text     string
}

// blocks returns the fenced blocks of a document in order.
func blocks(text string) []block {
	var out []block
	open := false
	for i, line := range strings.Split(text, "\n") {
		language, fence := strings.CutPrefix(line, "```")
		switch {
		case fence && !open:
			out = append(out, block{language: strings.TrimSpace(language), line: i + 2})
			open = true
		case fence:
			open = false
		case open:
			out[len(out)-1].text += line + "\n"
		}
	}
	return out
}

// prose returns the text of a document without its fenced blocks, line by line.
func prose(text string) []string {
	lines := strings.Split(text, "\n")
	open := false
	for i, line := range lines {
		fence := strings.HasPrefix(line, "```")
		if open || fence {
			lines[i] = ""
		}
		open = open != fence
	}
	return lines
}

// documents returns the names of all Markdown files of the module.
func documents(t *testing.T) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains([]string{"node_modules", ".git", "bin", "testdata"}, d.Name()):
			return filepath.SkipDir
		case strings.HasSuffix(name, ".md"):
			out = append(out, filepath.ToSlash(name))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(out, "README.md") || !slices.Contains(out, "docs/ARCHITECTURE.md") {
		t.Fatalf("got %v, want README.md and docs/ARCHITECTURE.md among them", out)
	}
	return out
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestYAMLBlocksLoad(t *testing.T) {
	t.Parallel()
	found := 0
	for _, name := range documents(t) {
		for _, b := range blocks(read(t, name)) {
			if b.language != "yaml" || name != "README.md" && !strings.HasPrefix(name, "docs/") {
				continue // elsewhere it may be something else, rules for example
			}
			found++
			if _, err := config.Parse(name, []byte(b.text), nil); err != nil {
				t.Errorf("%s: the block at line %d is no valid configuration (lines count within it):\n%v", name, b.line, err)
			}
		}
	}
	if found == 0 {
		t.Error("got no YAML block in any document, want the one of README.md")
	}
}

func TestExamplesLoad(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob("configs/examples/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if len(names) < 4 {
		t.Fatalf("got %v, want the examples", names)
	}
	for _, name := range names {
		if _, err := config.Load(name, nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Without insecure: true the example of a listener behind a load balancer would
// be refused, which is what its comment is about.
func TestInsecureIsNeeded(t *testing.T) {
	t.Parallel()
	const name = "configs/examples/behind-a-load-balancer.yaml"
	text := strings.ReplaceAll(read(t, name), "insecure: true", "insecure: false")
	_, err := config.Parse(name, []byte(text), nil)
	var problems config.ProblemsError
	if !errors.As(err, &problems) || len(problems) != 1 || problems[0].Path != "mtp[0].listen" {
		t.Errorf("got %v, want one problem with mtp[0].listen", err)
	}
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	unslug  = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// anchors are the names by which the headings of a document can be linked to.
func anchors(text string) []string {
	var out []string
	for _, m := range heading.FindAllStringSubmatch(strings.Join(prose(text), "\n"), -1) {
		plain := unslug.ReplaceAllString(strings.ToLower(strings.TrimSpace(m[1])), "")
		out = append(out, strings.ReplaceAll(plain, " ", "-"))
	}
	return out
}

func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	for _, name := range documents(t) {
		text := read(t, name)
		for i, line := range prose(text) {
			for _, m := range link.FindAllStringSubmatch(line, -1) {
				file, anchor, _ := strings.Cut(m[1], "#")
				if strings.Contains(file, "://") || strings.HasPrefix(file, "mailto:") {
					continue
				}
				target := name
				if file != "" {
					target = filepath.Join(filepath.Dir(name), file)
				}
				if _, err := os.Stat(target); err != nil {
					t.Errorf("%s:%d: the link %s leads nowhere", name, i+1, m[1])
				} else if anchor != "" && !slices.Contains(anchors(read(t, target)), anchor) {
					t.Errorf("%s:%d: %s has no heading #%s", name, i+1, target, anchor)
				}
			}
		}
	}
}

func TestNothingOfAMachine(t *testing.T) {
	t.Parallel()
	private := regexp.MustCompile(`(^|[\s"'(=])/(home|root|tmp|work|Users)/`)
	names := append(documents(t), "NOTICES")
	for _, name := range names {
		for i, line := range strings.Split(read(t, name), "\n") {
			if private.MatchString(line) {
				t.Errorf("%s:%d: got a path of somebody's machine: %s", name, i+1, line)
			}
		}
	}
}
