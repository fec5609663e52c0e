// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package cpe_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/internal/sim/cpe"
)

// offline returns a CPE that is not running.
func offline(t *testing.T, m *cpe.Model) *cpe.CPE {
	t.Helper()
	c, err := cpe.New(cpe.Options{ACS: "http://127.0.0.1:1/", Model: m, Serial: "7"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func builtin(t *testing.T, name string) *cpe.Model {
	t.Helper()
	m, err := cpe.LoadBuiltin(name)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// answer is Answer of a request that may not fail.
func answer[R cwmp.Response](t *testing.T, c *cpe.CPE, req cwmp.Request) R {
	t.Helper()
	resp := c.Answer(req)
	r, ok := resp.(R)
	if !ok {
		t.Fatalf("%s: got %s %v", req.Method(), resp.Method(), resp)
	}
	return r
}

// values reads one name.
func values(t *testing.T, c *cpe.CPE, name string) []cwmp.ParameterValue {
	t.Helper()
	return answer[*cwmp.GetParameterValuesResponse](t, c, &cwmp.GetParameterValues{Names: []string{name}}).Params
}

func TestBuiltin(t *testing.T) {
	t.Parallel()
	if got := strings.Join(cpe.Builtin(), " "); got != "tr098-dsl tr098-gpon tr181-wifi" {
		t.Errorf("built-in models: got %s", got)
	}
	if _, err := cpe.LoadBuiltin("nosuch"); err == nil || !strings.Contains(err.Error(), "tr098-dsl") {
		t.Errorf("unknown model: got %v, want an error that lists the models", err)
	}
	for _, name := range cpe.Builtin() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := builtin(t, name)
			if m.Params() < 300 {
				t.Errorf("parameters: got %d, want 300 or more", m.Params())
			}
			c := offline(t, m)
			for _, p := range values(t, c, "") {
				if strings.ContainsAny(p.Value, "{}") {
					t.Errorf("%s: placeholder left in %q", p.Name, p.Value)
				}
				if v, _ := c.Value(p.Name); !cpe.ValidValue(p.Type, v) {
					t.Errorf("%s: %q is not of type %s", p.Name, v, p.Type)
				}
			}
			checkShape(t, c)
			checkRules(t, c)
		})
	}
}

// checkShape compares every counter with its table, and adds a row to every
// table that takes one.
func checkShape(t *testing.T, c *cpe.CPE) {
	t.Helper()
	names := answer[*cwmp.GetParameterNamesResponse](t, c, &cwmp.GetParameterNames{}).Params
	exists := make(map[string]bool, len(names))
	rows := make(map[string]int)
	for _, n := range names {
		exists[n.Name] = true
		object := strings.TrimSuffix(n.Name, ".")
		at := strings.LastIndexByte(object, '.') + 1
		if at > 0 && !exists[object[:at]] {
			t.Errorf("%s: its object does not come before it", n.Name)
		}
		if _, err := strconv.Atoi(object[at:]); err == nil {
			rows[object[:at]]++
		}
	}
	counters := 0
	for table, n := range rows {
		parent := table[:strings.LastIndexByte(table[:len(table)-1], '.')+1]
		own := strings.TrimSuffix(table[len(parent):], ".")
		for _, counter := range []string{
			own, "LAN" + own, strings.TrimSuffix("LAN"+own, "Config"), strings.TrimSuffix(own, "ing"),
			strings.TrimSuffix(own, "Device"),
		} {
			if v, ok := c.Value(parent + counter + "NumberOfEntries"); ok {
				counters++
				if v != strconv.Itoa(n) {
					t.Errorf("%s%sNumberOfEntries: got %s, the table has %d", parent, counter, v, n)
				}
			}
		}
	}
	if counters < 5 {
		t.Errorf("counters checked: got %d, want 5 or more", counters)
	}
	for _, n := range names {
		own := strings.TrimSuffix(n.Name, ".")
		if _, err := strconv.Atoi(own[strings.LastIndexByte(own, '.')+1:]); err == nil || !n.Writable || own == n.Name {
			continue
		}
		added := answer[*cwmp.AddObjectResponse](t, c, &cwmp.AddObject{ObjectName: n.Name})
		row := n.Name + strconv.FormatUint(uint64(added.InstanceNumber), 10) + "."
		if got := len(values(t, c, row)); got < 2 {
			t.Errorf("new row %s: got %d parameters", row, got)
		}
		answer[*cwmp.DeleteObjectResponse](t, c, &cwmp.DeleteObject{ObjectName: row})
	}
}

// checkRules sets every writable parameter to the value it has.
func checkRules(t *testing.T, c *cpe.CPE) {
	t.Helper()
	for _, n := range answer[*cwmp.GetParameterNamesResponse](t, c, &cwmp.GetParameterNames{}).Params {
		if v, ok := c.Value(n.Name); ok && n.Writable {
			p := []cwmp.ParameterValue{{Name: n.Name, Value: v}}
			answer[*cwmp.SetParameterValuesResponse](t, c, &cwmp.SetParameterValues{Params: p})
		}
	}
}

// Two CPE of one model differ where devices differ, and are the same in every
// run.
func TestPlaceholders(t *testing.T) {
	t.Parallel()
	m := builtin(t, "tr098-dsl")
	ssid := m.Root() + "LANDevice.1.WLANConfiguration.1.SSID"
	mac := m.Root() + "LANDevice.1.WLANConfiguration.1.BSSID"
	seen := make(map[string]bool)
	for _, serial := range []string{"1", "2"} {
		c, err := cpe.New(cpe.Options{ACS: "http://127.0.0.1:1/", Model: m, Serial: serial, OUI: "02AABB"})
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := c.Value(ssid); got != "Home-"+serial {
			t.Errorf("SSID: got %q", got)
		}
		got, _ := c.Value(mac)
		if !strings.HasPrefix(got, "02:AA:BB:") || len(got) != 17 || seen[got] {
			t.Errorf("BSSID: got %q, want one of its own", got)
		}
		seen[got] = true
		want := cwmp.DeviceID{Manufacturer: "Example Devices", OUI: "02AABB", ProductClass: "DSL100", SerialNumber: serial}
		if c.Identity() != want {
			t.Errorf("identity: got %+v, want %+v", c.Identity(), want)
		}
	}
}

func TestLoadErrors(t *testing.T) {
	t.Parallel()
	const head = "path,writable,value,type\nDevice.,0,,object\n"
	for _, c := range []struct{ name, csv, want string }{
		{"empty", "", "header"},
		{"other header", "name,value\n", "line 1"},
		{"fields", head + "Device.A,0,1\n", "line 3: got 3 fields"},
		{"no object", head + "Device.A.B,0,1,xsd:int\n", "line 3: Device.A.B: its object"},
		{"below a parameter", head + "Device.A,0,1,xsd:int\nDevice.A.B,0,1,xsd:int\n", "line 4"},
		{"twice", head + "Device.A,0,1,xsd:int\nDevice.A,0,2,xsd:int\n", "line 4: Device.A: given twice"},
		{"template twice", head + "Device.T.{i}.A,0,1,xsd:int\nDevice.T.{i}.A,0,1,xsd:int\n", "line 4"},
		{"type", head + "Device.A,0,1,xsd:float\n", `line 3: Device.A: unknown type "xsd:float"`},
		{"object type", head + "Device.A.,0,,xsd:string\n", "line 3"},
		{"object without dot", head + "Device.A,0,,object\n", "line 3"},
		{"writable", head + "Device.A,yes,1,xsd:int\n", "line 3: Device.A: writable"},
		{"path", head + "Device..A,0,1,xsd:int\n", "line 3"},
		{"quote", head + "Device.A,0,\"1,xsd:int\n", "line 3"},
		{"root", "path,writable,value,type\nFoo.,0,,object\n", "root"},
		{"two roots", head + "InternetGatewayDevice.,0,,object\n", "root"},
		{"rule", strings.Replace(head, "type\n", "type,rule\n", 1) + "Device.A,0,1,xsd:int,a:b\n", "line 3: Device.A: rule"},
		{"rule column", head + "Device.A,0,1,xsd:int,1:2\n", "line 3: got 5 fields"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if _, err := cpe.Load("x", strings.NewReader(c.csv)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

// A model in which CWMP has no room is refused.
func TestUnfitModel(t *testing.T) {
	t.Parallel()
	const head = "path,writable,value,type\nDevice.,0,,object\n"
	for _, text := range []string{
		head + "Device.DeviceInfo,0,x,xsd:string\n",
		head + "Device.ManagementServer.,0,,object\nDevice.ManagementServer.URL.,0,,object\n",
	} {
		m, err := cpe.Load("x", strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := cpe.New(cpe.Options{ACS: "http://127.0.0.1:1/", Model: m}); err == nil {
			t.Errorf("%q: got no error", text)
		}
	}
}

// A file that has the least keeps to its own tree; what CWMP needs is added.
func TestLoadFile(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "small.csv")
	const text = "path,writable,value,type\nDevice.,,,object\nDevice.T.,1,,object\nDevice.T.4.,1,,object\n" +
		"Device.T.4.On,1,true,xsd:boolean\nDevice.T.4.N,1,9,xsd:unsignedInt\nDevice.T.4.Sub.,0,,object\n" +
		"Device.T.4.Sub.1.,0,,object\nDevice.T.4.Sub.1.V,0,x,xsd:string\nDevice.Empty.,1,,object\n"
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := cpe.LoadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if m.Name() != "small" || m.Root() != "Device." || m.Params() != 3 {
		t.Errorf("model: got %s, %s, %d parameters", m.Name(), m.Root(), m.Params())
	}
	c := offline(t, m)
	if got := answer[*cwmp.AddObjectResponse](t, c, &cwmp.AddObject{ObjectName: "Device.T."}).InstanceNumber; got != 5 {
		t.Errorf("instance: got %d, want 5", got)
	}
	for path, want := range map[string]string{"Device.T.5.On": "false", "Device.T.5.N": "0"} {
		if got, _ := c.Value(path); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
	if resp := c.Answer(&cwmp.GetParameterNames{Path: "Device.T.5.Sub.1."}); faultOf(resp) != 9005 {
		t.Errorf("rows of the example: got %v, want an empty table", resp)
	}
	if resp := c.Answer(&cwmp.AddObject{ObjectName: "Device.Empty."}); faultOf(resp) != cwmp.FaultInvalidParameterName {
		t.Errorf("object without known columns: got %v, want 9005", resp)
	}
	if got, _ := c.Value("Device.ManagementServer.URL"); got != "http://127.0.0.1:1/" {
		t.Errorf("ManagementServer.URL: got %q", got)
	}
	if _, err := cpe.LoadFile(name + "x"); err == nil {
		t.Error("a file that does not exist was loaded")
	}
}

// Every captured dump boots, Informs and answers for its whole tree.
func TestDumps(t *testing.T) {
	t.Parallel()
	shared := os.Getenv("USPGATE_SHARED")
	if shared == "" {
		shared = filepath.Join("..", "..", "..", "..", "shared")
	}
	files, err := filepath.Glob(filepath.Join(shared, "cwmp", "data", "dumps", "*.csv"))
	if err != nil || len(files) == 0 {
		t.Skipf("no captured dumps in %s; set USPGATE_SHARED", shared)
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			t.Parallel()
			m, err := cpe.LoadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			b := startModel(t, m, func(o *cpe.Options) { o.Serial = "" })
			if in := b.booted(); in.DeviceID.OUI == "" || in.DeviceID.SerialNumber == "" || len(in.Params) < 5 {
				t.Errorf("Inform: got %+v", in)
			}
			values := must[*cwmp.GetParameterValuesResponse](b, &cwmp.GetParameterValues{Names: []string{m.Root()}})
			if got := len(values.Params); got < m.Params() {
				t.Errorf("values: got %d, the dump has %d", got, m.Params())
			}
			names := must[*cwmp.GetParameterNamesResponse](b, &cwmp.GetParameterNames{Path: m.Root()})
			if len(names.Params) <= len(values.Params) {
				t.Errorf("names: got %d, want more than the %d parameters", len(names.Params), len(values.Params))
			}
		})
	}
}
