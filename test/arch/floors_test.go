// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package arch_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/uspgate/uspgate"

// pkg is one package of the module with what its files import.
type pkg struct {
	path    string   // below the module, "" for the root
	imports []string // without tests
	tests   []string // of tests only
}

// load parses the imports of every Go file below the module's root.
func load(t *testing.T) []pkg {
	t.Helper()
	byDir := map[string]*pkg{}
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
		rel, err := filepath.Rel(root, filepath.Dir(name))
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		p := byDir[rel]
		if p == nil {
			p = &pkg{path: rel}
			byDir[rel] = p
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if strings.HasSuffix(name, "_test.go") {
				p.tests = append(p.tests, path)
			} else {
				p.imports = append(p.imports, path)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	out := make([]pkg, 0, len(byDir))
	for _, p := range byDir {
		out = append(out, *p)
	}
	return out
}

// under reports whether path is one of the folders or lies below one.
func under(path string, folders ...string) bool {
	return slices.ContainsFunc(folders, func(f string) bool {
		return path == f || strings.HasPrefix(path, f+"/")
	})
}

// floor is the height of a package: imports go downward only, or stay within
// one family.
func floor(path string) int {
	switch {
	case under(path, "usp/path", "usp/e2e", "usp/trace", "cwmp/soap", "cwmp/trace", "cwmp/wsdl", "translate/model",
		"translate/profile", "translate/cohort", "translate/trust", "translate/transfer"):
		return 1
	case under(path, "usp"), path == "cwmp":
		return 0
	case under(path, "mtp", "cwmp"):
		return 2
	case under(path, "routing", "translate"):
		return 3
	case under(path, "internal"):
		return 4
	default: // cmd, test, scripts
		return 5
	}
}

func TestImportsGoDown(t *testing.T) {
	t.Parallel()
	for _, p := range load(t) {
		for _, imp := range p.imports {
			to, ours := strings.CutPrefix(imp, module+"/")
			if ours && floor(to) > floor(p.path) {
				t.Errorf("%s (floor %d) imports %s (floor %d): imports go down the floors",
					p.path, floor(p.path), to, floor(to))
			}
		}
	}
}

// forbidden lists what a folder must not import, with the reason.
var forbidden = []struct {
	folder  string
	imports []string
	why     string
}{
	{
		"usp",
		[]string{module + "/cwmp", "net", "os", "context", "go.uber.org/zap"},
		"the words and engines of USP know no I/O, clocks or CWMP",
	},
	{"cwmp/soap", []string{"net", "os", "encoding/xml"}, "the codec reads bytes with its own scanner"},
	{
		"mtp",
		[]string{module + "/cwmp", module + "/translate", module + "/routing", module + "/usp/uspmsg"},
		"a carrier moves Records; it does not route, translate or read Messages",
	},
	{
		"cwmp",
		[]string{module + "/mtp", module + "/routing", module + "/translate"},
		"a CWMP carrier does not know who decides",
	},
	{
		"routing",
		[]string{module + "/cwmp", module + "/translate", module + "/usp/uspmsg", module + "/usp/usprecord"},
		"routing forwards bytes: it never unmarshals a Record or a Message",
	},
	{"translate", []string{module + "/mtp", module + "/routing"}, "a Virtual Agent does not know how Records travel"},
	{"translate/model", []string{"net", "net/http", "time", "context"}, "the rule engine is pure"},
}

func TestForbiddenImports(t *testing.T) {
	t.Parallel()
	for _, p := range load(t) {
		for _, rule := range forbidden {
			if !under(p.path, rule.folder) || under(p.path, "usp/proto") {
				continue
			}
			for _, imp := range p.imports {
				if slices.Contains(rule.imports, imp) || under(imp, ours(rule.imports)...) {
					t.Errorf("%s imports %s: %s", p.path, imp, rule.why)
				}
			}
		}
	}
}

// ours keeps the packages of the module, whose subpackages are meant too.
func ours(imports []string) []string {
	return slices.DeleteFunc(slices.Clone(imports), func(s string) bool { return !strings.HasPrefix(s, module) })
}

// CWMP and USP meet in translate and above, and DeviceID's escaping is shared.
func TestOnlyTranslateKnowsBothProtocols(t *testing.T) {
	t.Parallel()
	for _, p := range load(t) {
		usp, cwmp := false, false
		for _, imp := range p.imports {
			rel := strings.TrimPrefix(imp, module+"/")
			usp = usp || under(rel, "usp") && rel != "usp"
			cwmp = cwmp || under(rel, "cwmp")
		}
		if usp && cwmp && !under(p.path, "translate", "internal", "test") {
			t.Errorf("%s imports engines of both USP and CWMP: only translate may", p.path)
		}
	}
}

// fences keep each library behind one package.
var fences = map[string][]string{
	"github.com/gorilla/websocket":     {"mtp/ws"},
	"github.com/mochi-mqtt/server":     {"mtp/mqtt"},
	"github.com/eclipse/paho.golang":   {"mtp/mqtt"},
	"github.com/eclipse/paho.mqtt":     {"mtp/mqtt"},
	"github.com/hooklift/gowsdl":       {"cwmp/wsdl", "cwmp/soap"},
	"github.com/goccy/go-yaml":         {"internal/config", "translate/model"},
	"github.com/spf13/cobra":           {"internal/cli"},
	"github.com/plgd-dev/go-coap":      {"mtp/coap"},
	"github.com/pion":                  {"mtp/coap"},
	"github.com/go-stomp/stomp":        {"mtp/stomp"}, // its tests only
	"github.com/pires/go-proxyproto":   {"mtp/listen"},
	"mellium.im":                       {"cwmp/connreq/xmpp"},
	"github.com/miekg/dns":             {"internal/discovery"},
	"google.golang.org/protobuf/cmd":   {"usp/proto/protogen"},
	"github.com/bufbuild/protocompile": {"usp/proto/protogen"},
	"github.com/nats-io":               {"internal/engine"},
	"github.com/coreos/go-systemd":     {"internal/app"},
}

func TestLibrariesStayBehindTheirFence(t *testing.T) {
	t.Parallel()
	for _, p := range load(t) {
		for lib, homes := range fences {
			if under(p.path, homes...) {
				continue
			}
			for _, imp := range append(slices.Clone(p.imports), p.tests...) {
				if strings.HasPrefix(imp, lib) && !under(p.path, "test") {
					t.Errorf("%s imports %s, which lives behind %s", p.path, imp, strings.Join(homes, ", "))
				}
			}
		}
	}
}

func TestTheDoorIsSmall(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "cmd", "uspgate", "main.go"))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), "\n"); n > 60 {
		t.Errorf("cmd/uspgate/main.go has %d lines, want at most 60: logic belongs into internal/cli", n)
	}
}
