// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/usp/uspmsg"
)

// cpeFromDump makes a CPE of a list of its parameters: path, writable, value, type.
func cpeFromDump(tb testing.TB, file string) *fakeCPE {
	tb.Helper()
	f, err := os.Open(file)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	r := csv.NewReader(f)
	r.FieldsPerRecord = -1
	rows, err := r.ReadAll()
	if err != nil {
		tb.Fatal(err)
	}
	c := &fakeCPE{
		cells: make(map[string]cell), templates: make(map[string]cell),
		last: make(map[string]int), notify: make(map[string]int),
		id: cwmp.DeviceID{Manufacturer: "Acme", OUI: "00D09E", ProductClass: "Dump", SerialNumber: "1"},
	}
	for _, row := range rows[1:] {
		object := cwmp.IsPartialPath(row[0])
		typ := cwmp.ParseType(strings.TrimPrefix(row[3], "xsd:"))
		c.cells[row[0]] = cell{value: row[2], typ: typ, object: object, writable: row[1] == "1"}
	}
	for name := range c.cells {
		c.count(name)
	}
	return c
}

// dumps are the models of the simulated CPE and, where they are, lists of real ones beside
// the repository.
func dumps(tb testing.TB) []string {
	tb.Helper()
	built, err := filepath.Glob(filepath.Join("..", "..", "internal", "sim", "cpe", "models", "*.csv"))
	if err != nil || len(built) == 0 {
		tb.Fatalf("got %v, %v, want models of simulated CPE", built, err)
	}
	dir := os.Getenv("USPGATE_SHARED")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared")
	}
	captured, err := filepath.Glob(filepath.Join(dir, "cwmp", "data", "dumps", "*.csv"))
	if err != nil {
		tb.Fatal(err)
	}
	if len(captured) == 0 {
		tb.Logf("no captured data at %s: it is not part of the repository; the built-in models alone are tested", dir)
	}
	return append(built, captured...)
}

// notOfUSP are the elements that USP does not have where CWMP does: how CWMP itself is set
// up, the objects of tests, and parameters that only start something.
var notOfUSP = regexp.MustCompile(`^Device\.(X_USPGATE_IGD\.)?(ManagementServer|USPAgent)\.` +
	// Of the others of TR-098, and of a vendor's, there is no command: they are shown.
	`|^Device\.X_USPGATE_IGD\.(IPPing|TraceRoute|NSLookup|Download|Upload|SelfTest|ServerSelection|UDPEcho)Diagnostics\.` +
	`|^Device\.([^X]|X[^_])*\.DiagnosticsState$` +
	`|^Device\.IP\.Diagnostics\.(IPPing|TraceRoute|(Download|Upload|UDPEcho|ServerSelection)Diagnostics)\.` +
	`|^Device\.(DNS\.Diagnostics\.NSLookupDiagnostics|WiFi\.NeighboringWiFiDiagnostic)\.` +
	`|^Device\.(DHCPv4|DHCPv6)\.Client\.\d+\.Renew$` +
	`|^Device\.(IP|PPP)\.Interface\.\d+\.Reset$` +
	`|^Device\.WiFi\.(AccessPoint\.\d+\.Security\.)?Reset$` +
	`|^Device\.MQTT\.(Client|Broker)\.\d+\.(Bridge\.\d+\.)?ForceReconnect$` +
	`|^Device\.(Ethernet\.WoL\.SendMagicPacket|UserInterface\.PasswordReset)$` +
	`|^Device\.(Routing\.Babel\.StatsReset|FAP\.GPS\.GPSReset)$` +
	`|^Device\.PeriodicStatistics\.SampleSet\.\d+\.ForceSample$` +
	`|^Device\.SoftwareModules\.(ExecEnv\.\d+\.(Reset|RequestedRunLevel)|ExecutionUnit\.\d+\.RequestedState)$` +
	`|\.Stats\.Reset$`)

var (
	number = regexp.MustCompile(`\.\d+\.`)
	lastID = regexp.MustCompile(`\.\d+\.([A-Za-z_0-9]+)$`)
)

// No Message shows what USP does not have, and no search tells of it.
func TestHiddenOfEveryModel(t *testing.T) {
	t.Parallel()
	for _, file := range dumps(t) {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".csv"), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, "tr181", "freshness=1h", "maxresponse=100000000", "paths=100000", "requested=100000", "deadline=1m")
			t.Cleanup(func() { r.stop() })
			r.cpe = cpeFromDump(t, file)
			r.answers = make(chan *uspmsg.Msg, 16)
			r.showRPCs(false)
			r.agent = r.attach(r.cpe)
			r.inform(events("1_BOOT"))
			r.words(t, "Get", "Device.DeviceInfo.")
			shown := r.everything(t)
			if len(shown) < 50 {
				t.Fatalf("got %d elements shown, want a data model", len(shown))
			}
			for _, p := range shown {
				if notOfUSP.MatchString(number.ReplaceAllString(strings.ReplaceAll(p, "{i}", "1"), ".1.")) {
					t.Errorf("got %s shown, want nothing that USP does not have", p)
				}
			}
			if id := r.words(t, "Get", "Device.LocalAgent.EndpointID"); valueOf(id) != string(r.agent.EndpointID()) {
				t.Errorf("got Endpoint ID %q, want that of the Virtual Agent", valueOf(id))
			}
			r.searchHidden(t)
		})
	}
}

// everything returns all paths that Get, GetInstances and GetSupportedDM show.
func (r *rig) everything(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, res := range r.words(t, "Get", "Device.").GetBody().GetResponse().GetGetResp().GetReqPathResults() {
		for _, o := range res.GetResolvedPathResults() {
			for name := range o.GetResultParams() {
				all = append(all, o.GetResolvedPath()+name)
			}
		}
	}
	dm := r.words(t, "GetSupportedDM", "Device.", "params", "keys").GetBody().GetResponse().GetGetSupportedDmResp()
	var tables []string
	for _, o := range dm.GetReqObjResults()[0].GetSupportedObjs() {
		all = append(all, o.GetSupportedObjPath())
		for _, p := range o.GetSupportedParams() {
			all = append(all, o.GetSupportedObjPath()+p.GetParamName())
		}
		if table, ok := strings.CutSuffix(o.GetSupportedObjPath(), "{i}."); ok && !strings.Contains(table, "{i}") {
			tables = append(tables, table)
		}
	}
	got := r.words(t, append([]string{"GetInstances"}, tables...)...).GetBody().GetResponse().GetGetInstancesResp()
	for _, res := range got.GetReqPathResults() {
		for _, i := range res.GetCurrInsts() {
			all = append(all, i.GetInstantiatedObjPath())
			for key := range i.GetUniqueKeys() {
				all = append(all, i.GetInstantiatedObjPath()+key)
			}
		}
	}
	return all
}

// searchHidden asks for what the CPE has and USP does not: by its path, and by a search
// that compares it.
func (r *rig) searchHidden(t *testing.T) {
	t.Helper()
	for name, c := range r.cpe.cells {
		name = strings.Replace(name, "InternetGatewayDevice.", "Device.X_USPGATE_IGD.", 1)
		if c.object || !notOfUSP.MatchString(name) {
			continue
		}
		paths := []string{name}
		if m := lastID.FindStringSubmatchIndex(name); m != nil {
			paths = append(paths, name[:m[0]]+".["+name[m[2]:m[3]]+`!="x"].Alias`, name[:m[0]]+".*."+name[m[2]:m[3]])
		}
		for _, p := range paths {
			res := r.words(t, "Get", p).GetBody().GetResponse().GetGetResp().GetReqPathResults()
			if len(res) != 1 || res[0].GetErrCode() != 7026 || len(res[0].GetResolvedPathResults()) > 0 {
				t.Errorf("%s: got %v, want 7026", p, res)
			}
		}
	}
}

func valueOf(m *uspmsg.Msg) string {
	for _, res := range m.GetBody().GetResponse().GetGetResp().GetReqPathResults() {
		for _, o := range res.GetResolvedPathResults() {
			for _, v := range o.GetResultParams() {
				return v
			}
		}
	}
	return ""
}
