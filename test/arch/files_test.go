// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package arch_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// eachFile calls f for every hand-written Go file of the module.
func eachFile(t *testing.T, f func(name string, text []byte)) {
	t.Helper()
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || d.Name() == "node_modules" || d.Name() == ".git" || d.Name() == "bin") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		head, _, _ := bytes.Cut(text, []byte("\npackage "))
		if !bytes.Contains(head, []byte("// Code generated ")) {
			f(filepath.ToSlash(name), text)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestFilesAreReadInOneSitting(t *testing.T) {
	t.Parallel()
	eachFile(t, func(name string, text []byte) {
		if n := bytes.Count(text, []byte("\n")); n > 600 {
			t.Errorf("%s has %d lines, want at most 600", name, n)
		}
	})
}

// header begins every file.
const header = "// SPDX-FileCopyrightText: The uspgate authors\n// SPDX-License-Identifier: Apache-2.0\n"

func TestFileHeadersAndNames(t *testing.T) {
	t.Parallel()
	good := regexp.MustCompile(`^[a-z0-9]+(_[a-z0-9]+)*\.go$`)
	eachFile(t, func(name string, text []byte) {
		if !bytes.HasPrefix(text, []byte(header)) {
			t.Errorf("%s does not begin with the two SPDX lines", name)
		}
		if !good.MatchString(filepath.Base(name)) {
			t.Errorf("%s is not lower_snake.go", name)
		}
	})
}

func TestNoInitFunctions(t *testing.T) {
	t.Parallel()
	eachFile(t, func(name string, text []byte) {
		file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s has an init function: wiring is explicit", name)
			}
		}
	})
}

// requirement finds ids such as [R-MQTT.24] or [R-WS.10b, R-WS.10c].
var requirement = regexp.MustCompile(`\bR-([A-Z0-9]+)\.\d+[a-z]*\b`)

// families are the requirement families of TR-369 1.4.
var families = map[string]bool{
	"ARC": true, "BULK": true, "COAP": true, "DEL": true, "DEREG": true, "DIS": true, "E2E": true, "ENC": true,
	"GET": true, "GIN": true, "GSP": true, "KEY": true, "MQTT": true, "MSG": true, "MTP": true, "NOT": true,
	"OPR": true, "ADD": true, "REG": true, "SEC": true, "SET": true, "STOMP": true, "UDS": true, "WS": true,
}

func TestRequirementIDsExist(t *testing.T) {
	t.Parallel()
	found := 0
	eachFile(t, func(name string, text []byte) {
		for _, m := range requirement.FindAllSubmatch(text, -1) {
			found++
			if !families[string(m[1])] {
				t.Errorf("%s names %s, a family that TR-369 does not have", name, m[0])
			}
		}
	})
	if found < 20 {
		t.Errorf("found %d requirement ids, want the code to name what it fulfils", found)
	}
}
