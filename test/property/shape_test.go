// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package property_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/internal/sim/cpe"
	"github.com/uspgate/uspgate/test/harness"
)

// shape is the part of a data model that a test knows all about.
type shape struct {
	model  *cpe.Model
	class  string // ProductClass; empty: that of the model
	tables []*table
	made   []string // columns that the Agent makes up
	// mapped is a table whose rows the gateway numbers, in the order in which it hears of
	// them. Their Alias is the CPE's, and has the number that they have there.
	mapped string
}

// table is a table, or one object that is no table.
type table struct {
	path, raw string // of the Controller and the CPE; {i} is a row of the parent
	parent    *table // nil: none
	children  []*table
	single    bool
	stays     bool   // row 1 cannot be deleted, if it was there first
	count     string // the CPE's name of the number of entries; empty: none
	columns   []column
}

// column is a parameter of each row.
type column struct {
	name, raw  string
	def        string // in new rows; {n} is the number of the row
	boolean    bool
	fixed      bool     // not for Set: it is unique
	must       bool     // every new row is given it
	key        bool     // of a unique key: required in an Add [R-ADD.3]
	good, bad  []string // values; for bad ones Error or param_errs
	comparable string   // operators for searches
}

// in puts the numbers of rows into a path with {i}.
func in(path string, numbers ...int) string {
	for _, n := range numbers {
		path = strings.Replace(path, "{i}", strconv.Itoa(n), 1)
	}
	return path
}

// highest is above the number that any row gets in a test.
const highest = 64

// rows lists the numbers of the rows that the CPE has of a table, by those of
// their parents.
func (t *table) rows(c *cpe.CPE) [][]int {
	parents := [][]int{nil}
	if t.parent != nil {
		parents = t.parent.rows(c)
	}
	if t.single {
		return parents
	}
	var out [][]int
	for _, p := range parents {
		for n := 1; n <= highest; n++ {
			if _, ok := c.Value(in(t.raw, p...) + strconv.Itoa(n) + "." + t.columns[0].raw); ok {
				out = append(out, append(append([]int(nil), p...), n))
			}
		}
	}
	return out
}

// isStaying says whether a row is one that cannot be deleted: row 1 of the factory.
func (t *table) isStaying(numbers []int) bool {
	return t.stays && !slices.ContainsFunc(numbers, func(n int) bool { return n != 1 })
}

// row is the path of a row, with the names of the CPE if raw.
func (t *table) row(numbers []int, raw bool) string {
	path := t.path
	if raw {
		path = t.raw
	}
	if !t.single {
		path += "{i}."
	}
	return in(path, numbers...)
}

// tree is what there is, by the full paths that a Controller knows, in its words.
type tree map[string]string

// inCPE is the tree that the CPE has.
func (s *shape) inCPE(c *cpe.CPE) tree {
	out := tree{}
	for _, t := range s.tables {
		for _, numbers := range t.rows(c) {
			for i := range t.columns {
				col := &t.columns[i]
				v, _ := c.Value(t.row(numbers, true) + col.raw)
				out[t.row(numbers, false)+col.name] = col.word(v)
			}
		}
		if t.count == "" {
			continue
		}
		parents := [][]int{nil}
		if t.parent != nil {
			parents = t.parent.rows(c)
		}
		for _, p := range parents {
			v, _ := c.Value(in(t.count, p...))
			out[strings.TrimSuffix(in(t.path, p...), ".")+"NumberOfEntries"] = v
		}
	}
	return out
}

// word is a value as USP writes it.
func (c *column) word(v string) string {
	if !c.boolean {
		return v
	}
	return map[string]string{"0": "false", "1": "true"}[strings.NewReplacer("false", "0", "true", "1").Replace(v)]
}

// kept matches what the CPE of the built-in models are made of: small ones are
// read fast.
var kept = regexp.MustCompile(`^path,|^(Device|InternetGatewayDevice)\.,|\.DeviceInfo\.[A-Za-z]*,` +
	`|\.ManagementServer\.|^Device\.NAT\.|^Device\.IP\.,|^Device\.IP\.Interface(\.1)?\.[A-Za-z]*,|` +
	`\.WANDevice\.(1\.)?,|\.WANConnectionDevice\.(1\.)?,|\.WANDevice\.1\.WANConnectionDevice\.1\.WANPPPConnection\.|` +
	`\.Time\.`)

// builtin is a part of a built-in model, with more lines.
func builtin(t *testing.T, name string, more ...string) *cpe.Model {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(harness.ModuleRoot(t), "internal", "sim", "cpe", "models", name+".csv"))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for line := range strings.Lines(string(b)) {
		if path, _, _ := strings.Cut(line, ","); kept.MatchString(path + ",") {
			out.WriteString(line)
		}
	}
	for _, line := range more {
		out.WriteString(line + "\n")
	}
	m, err := cpe.Load(name, strings.NewReader(out.String()))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Values of columns.
var (
	texts   = []string{"", "a", "b", `R&D <"ü">`, "192.168.1.20", " c ]]> d"}
	numbers = []string{"0", "7", "80", "443", "65535"}
	words   = []string{"false", "true"}
)

const (
	textual = "==,!="
	numeric = "==,!=,<,>=,>"
)

// mappings is the table of port mappings of a model; rename gives the CPE's names.
func mappings(raw string, rename map[string]string, more ...column) *table {
	t := &table{path: "Device.NAT.PortMapping.", raw: raw, count: strings.TrimSuffix(raw, ".") + "NumberOfEntries"}
	tooLong := strings.Repeat("x", 300)
	t.columns = append([]column{
		{name: "Enable", def: "false", boolean: true, good: words, bad: []string{"perhaps"}, comparable: textual},
		{name: "Description", good: texts, bad: []string{tooLong}, comparable: textual},
		{name: "InternalClient", good: texts},
		{name: "InternalPort", def: "0", good: numbers, bad: []string{"70000", "x", "-1"}, comparable: numeric},
		{name: "ExternalPortEndRange", def: "0", good: []string{"0"}, bad: []string{"65536"}},
		{name: "LeaseDuration", def: "0", good: numbers, bad: []string{"", "1.5"}, comparable: numeric},
		{name: "RemoteHost", key: true, good: []string{"", "203.0.113.1"}},
		{name: "Protocol", key: true, def: "TCP", good: []string{"TCP"}, bad: []string{"SCTP"}},
		{name: "ExternalPort", def: "0", fixed: true, must: true},
	}, more...)
	for i := range t.columns {
		c := &t.columns[i]
		if c.raw = rename[c.name]; c.raw == "" {
			c.raw = c.name
		}
	}
	return t
}

// tr181 is a CPE with Device.
func tr181(t *testing.T) *shape {
	t.Helper()
	return &shape{model: builtin(t, "tr181-wifi"), tables: []*table{mappings(
		"Device.NAT.PortMapping.", nil,
		column{name: "Status", def: "Disabled", bad: []string{"Enabled"}},
		column{name: "Alias", def: "cpe-{n}", fixed: true},
		column{name: "Interface", fixed: true},
		column{name: "AllInterfaces", def: "false", boolean: true, fixed: true},
	)}}
}

// tr098 is a CPE with InternetGatewayDevice.
func tr098(t *testing.T) *shape {
	t.Helper()
	const raw = "InternetGatewayDevice.WANDevice.1.WANConnectionDevice.1.WANPPPConnection.1.PortMapping."
	made := []string{"Alias", "Status", "Interface", "AllInterfaces"}
	model := builtin(t, "tr098-dsl", raw+"1.Alias,1,cpe-1,xsd:string,len:0:64", raw+"{i}.Alias,1,,xsd:string,len:0:64")
	return &shape{model: model, made: made, mapped: "Device.NAT.PortMapping.", tables: []*table{mappings(
		raw,
		map[string]string{
			"Enable": "PortMappingEnabled", "LeaseDuration": "PortMappingLeaseDuration",
			"Protocol": "PortMappingProtocol", "Description": "PortMappingDescription",
		},
	)}}
}
