// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestTargetsAreOfTheTable checks every pair of a CPE parameter and a Device:2
// parameter in the rules against the mapping table: the CPE's parameter is one
// that the table knows, and the Device:2 parameter one of those that it may
// become, or one that the list below explains.
func TestTargetsAreOfTheTable(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("USPGATE_SHARED")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared")
	}
	f, err := os.Open(filepath.Join(dir, "cwmp", "tr098-to-tr181.csv"))
	if err != nil {
		t.Skipf("the mapping table is not part of the repository: %v", err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	symbol := regexp.MustCompile(`\{[a-z]+\}`)
	pairs, sources, targets := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, r := range rows[1:] {
		src := strings.TrimPrefix(r[0], "InternetGatewayDevice.")
		sources[src] = true
		for to := range strings.SplitSeq(r[1], " + ") {
			to = symbol.ReplaceAllString(strings.TrimSpace(to), "{i}")
			pairs[src+" "+to] = true
			targets[to] = true
		}
	}
	r, err := Load("")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, m := range r.maps {
		eachPair(m, "", func(src, to string) {
			n++
			if pairs[src+" "+to] || explained[to] != "" {
				return
			}
			switch {
			case !sources[src]:
				t.Errorf("%s: the table has no such parameter (for %s)", src, to)
			case !targets[to]:
				t.Errorf("%s: the table has no such target (from %s)", to, src)
			default:
				t.Errorf("%s -> %s: not in the table", src, to)
			}
		})
	}
	t.Logf("%d pairs of the rules against %d rows of the table", n, len(rows)-1)
}

// explained are the targets that the rules fill in another way than the table.
var explained = map[string]string{
	"Device.DHCPv4.Client.{i}.Status":                                    "follows Enable",
	"Device.DHCPv4.Client.{i}.SubnetMask":                                "of the address that DHCP gave",
	"Device.DHCPv4.Client.{i}.IPRouters":                                 "said in a note of the table",
	"Device.DHCPv4.Client.{i}.DNSServers":                                "said in a note of the table",
	"Device.DHCPv4.Client.{i}.Enable":                                    "said in a note of the table",
	"Device.DHCPv4.Server.Enable":                                        "said in a note of the table",
	"Device.DHCPv4.Server.Pool.{i}.Status":                               "follows Enable",
	"Device.DHCPv4.Server.Pool.{i}.Client.{i}.Active":                    "the hosts that have a lease",
	"Device.DHCPv4.Server.Pool.{i}.Client.{i}.Chaddr":                    "the hosts that have a lease",
	"Device.DHCPv4.Server.Pool.{i}.Client.{i}.IPv4Address.{i}.IPAddress": "the hosts that have a lease",
	"Device.Ethernet.Link.{i}.Status":                                    "falls back to the physical link",
	"Device.Hosts.Host.{i}.IPv4Address.{i}.IPAddress":                    "the table names the object only",
	"Device.IP.Interface.{i}.Enable":                                     "of a LAN: any address; of PPP: a note",
	"Device.IP.Interface.{i}.Status":                                     "of a LAN: follows Enable; of PPP: its own",
	"Device.IP.Interface.{i}.Name":                                       "of PPP: that of the PPP connection",
	"Device.IP.Interface.{i}.IPv4Address.{i}.Status":                     "follows Enable",
	"Device.NAT.InterfaceSetting.{i}.Status":                             "follows Enable",
	"Device.NAT.PortMapping.{i}.Status":                                  "follows Enable",
	"Device.PPP.Interface.{i}.Status":                                    "that of the PPP connection",
	"Device.PPP.Interface.{i}.LastChange":                                "said in a note of the table",
	"Device.PPP.Interface.{i}.IPCP.DNSServers":                           "said in a note of the table",
	"Device.WiFi.Radio.{i}.Enable":                                       "without RadioEnabled: any of its SSIDs",
	"Device.WiFi.Radio.{i}.Status":                                       "follows Enable",
}

// eachPair calls f for the CPE parameter and the Device:2 parameter of every
// recipe that takes a value.
func eachPair(m *mapping, above string, f func(src, to string)) {
	base := above + m.from.text
	if rest, ok := strings.CutPrefix(m.from.text, "/"); ok {
		base = rest
	}
	if base != "" && !strings.HasSuffix(base, ".") {
		base += "."
	}
	named := func(p srcPath) string {
		text := p.text
		if rest, ok := strings.CutPrefix(text, "/"); ok {
			return strings.ReplaceAll(rest, "*", "{i}")
		}
		text = regexp.MustCompile(`<[^>]+>|\*`).ReplaceAllString(text, "{i}")
		return base + regexp.MustCompile(`\.1\.`).ReplaceAllString(text, ".{i}.")
	}
	for _, p := range m.params {
		for _, rec := range p.recipes {
			for _, src := range rec.from {
				f(named(src), m.to.path+p.decl.name)
			}
		}
	}
	for _, s := range m.subs {
		eachPair(s, base, f)
	}
}

// TestDeclaredTypesAgreeWithDevices checks the declared types against what the
// captured TR-181 devices say of the same parameters.
func TestDeclaredTypesAgreeWithDevices(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("USPGATE_SHARED")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared")
	}
	files, err := filepath.Glob(filepath.Join(dir, "cwmp", "data", "dumps", "dev2-*.csv"))
	if err != nil || len(files) == 0 {
		t.Skipf("captured devices are not part of the repository (%v)", err)
	}
	r, err := Load("")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(f).ReadAll()
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows[1:] {
			g := generic(row[0])
			d := r.decl(g)
			if d == nil || seen[g] {
				continue
			}
			seen[g] = true
			declared, have := wireTypeOf(d.typ).String(), strings.TrimPrefix(row[3], "xsd:")
			if isNumber(declared) != isNumber(have) || declared == "boolean" != (have == "boolean") {
				t.Errorf("%s: declared %s, %s has %s", g, d.typ, filepath.Base(name), have)
			}
		}
	}
	t.Logf("%d declared parameters seen on devices", len(seen))
}

func isNumber(wire string) bool {
	return strings.HasSuffix(wire, "nt") || strings.HasSuffix(wire, "ong")
}
