// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package quirks_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/internal/sim/cpe"
	"github.com/uspgate/uspgate/test/harness"
)

// dispensable matches what the CPE of the matrix do without: they are many, and
// whole models are read in other tests.
var dispensable = map[string]*regexp.Regexp{
	"tr098-dsl": regexp.MustCompile(`\.(WLANConfiguration\.2|Hosts|LANEthernetInterfaceConfig|WANDSL\w+|` +
		`DHCPStaticAddress|(TraceRoute|Download|Upload|NSLookup)Diagnostics)\.`),
	"tr181-wifi": regexp.MustCompile(`\.(Bridging|Ethernet|Routing|Hosts|Users|DNS|Client|AccessPoint|StaticAddress|` +
		`TraceRoute|DownloadDiagnostics|UploadDiagnostics|UDPEchoDiagnostics|(Radio|SSID|IP\.Interface)\.[2-9])\.`),
}

// small is a part of a built-in model.
func small(t *testing.T, name string) *cpe.Model {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(harness.ModuleRoot(t), "internal", "sim", "cpe", "models", name+".csv"))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for line := range strings.Lines(string(b)) {
		path, _, _ := strings.Cut(line, ",")
		if !dispensable[name].MatchString(path) {
			out.WriteString(line)
		}
	}
	m, err := cpe.Load(name, strings.NewReader(out.String()))
	if err != nil {
		t.Fatal(err)
	}
	return m
}
