// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// names of the module's code as documents write them: package.Name and
// package.Type.Member, by the last element of the import path.
type codeNames map[string]bool

// collect reads every package of the module.
func collect(t *testing.T) codeNames {
	t.Helper()
	out := codeNames{}
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains([]string{"node_modules", ".git", "bin", "testdata", "test"}, d.Name()):
			return filepath.SkipDir
		case !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			out.declare(file.Name.Name, decl)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (n codeNames) declare(pkg string, decl ast.Decl) {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil {
			n[pkg+"."+d.Name.Name] = true
			return
		}
		if id := receiver(d.Recv.List[0].Type); id != "" {
			n[pkg+"."+id+"."+d.Name.Name] = true
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			n.spec(pkg, spec)
		}
	}
}

func (n codeNames) spec(pkg string, spec ast.Spec) {
	switch s := spec.(type) {
	case *ast.ValueSpec:
		for _, id := range s.Names {
			n[pkg+"."+id.Name] = true
		}
	case *ast.TypeSpec:
		name := pkg + "." + s.Name.Name
		n[name] = true
		var members *ast.FieldList
		switch t := s.Type.(type) {
		case *ast.StructType:
			members = t.Fields
		case *ast.InterfaceType:
			members = t.Methods
		default:
			return
		}
		for _, f := range members.List {
			for _, id := range f.Names {
				n[name+"."+id.Name] = true
			}
		}
	}
}

func receiver(e ast.Expr) string {
	switch x := e.(type) {
	case *ast.StarExpr:
		return receiver(x.X)
	case *ast.IndexExpr:
		return receiver(x.X)
	case *ast.Ident:
		return x.Name
	default:
		return ""
	}
}

var (
	span     = regexp.MustCompile("`([^`]+)`")
	codeName = regexp.MustCompile(`^[a-z]+\.[A-Za-z]\w*(\.[A-Za-z]\w*)?$`)
	filePath = regexp.MustCompile(`^[a-z]\w*(/[\w.-]+)+/?$`)
)

// packages that documents may name though they are not of the module.
var foreign = []string{"tls.", "mtp[].", "os.", "sync."}

// What a document puts between backquotes and looks like a name of the code, or
// like a file, is there.
func TestNamesOfTheCodeExist(t *testing.T) {
	t.Parallel()
	code := collect(t)
	packages := map[string]bool{}
	for name := range code {
		pkg, _, _ := strings.Cut(name, ".")
		packages[pkg] = true
	}
	keys := reference(t)
	checked := 0
	for _, doc := range documents(t) {
		if doc != "README.md" && doc != "AGENTS.md" && !strings.HasPrefix(doc, "docs/") || doc == "docs/configuration.md" {
			continue
		}
		for i, line := range prose(read(t, doc)) {
			for _, m := range span.FindAllStringSubmatch(line, -1) {
				name := strings.TrimSuffix(m[1], "()")
				pkg, rest, _ := strings.Cut(name, ".")
				switch {
				case strings.HasPrefix(name, "bin/"): // made by make build
				case filePath.MatchString(name) && exists(strings.Split(name, "/")[0]):
					checked++
					if !exists(name) {
						t.Errorf("%s:%d: there is no %s", doc, i+1, name)
					}
				case codeName.MatchString(name) && packages[pkg] && !key(keys, name) && !slices.Contains(foreign, pkg+"."):
					checked++
					if !code[name] {
						t.Errorf("%s:%d: package %s has no %s", doc, i+1, pkg, rest)
					}
				}
			}
		}
	}
	if checked < 50 {
		t.Errorf("got %d names checked, want at least 50", checked)
	}
}

// key reports whether name is a key of the configuration, or a file.
func key(reference, name string) bool {
	return strings.Contains(reference, "| `"+name+"` |") ||
		slices.Contains([]string{".go", ".md", ".yaml"}, filepath.Ext(name))
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}
