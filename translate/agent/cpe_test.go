// SPDX-FileCopyrightText: The uspgate authors
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"context"
	"encoding/csv"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/uspgate/uspgate/cwmp"
	"github.com/uspgate/uspgate/translate/device"
)

// cell is one parameter or object of a fakeCPE.
type cell struct {
	value    string
	typ      cwmp.Type
	object   bool
	writable bool
}

// fakeCPE is a CPE in memory: a raw parameter tree that obeys the RPCs, and
// misbehaves on demand. It implements agent.Device without any session.
type fakeCPE struct {
	asks      sync.Mutex // held while the CPE asks something: a session has one request at a time
	transfers fakeTransfers
	id        cwmp.DeviceID

	mu        sync.Mutex
	cells     map[string]cell
	templates map[string]cell // with {i}
	last      map[string]int  // instance number given, by table
	notify    map[string]int
	off       bool
	plans     []plan
	calls     int
	holds     int
	trace     func(dir string, m cwmp.Message)
	// before is run while an RPC waits to be sent, after once its answer is on
	// the way to the caller; both may be nil.
	before, after func(req cwmp.Request)
	// twist makes another answer of one; nil: none.
	twist func(req cwmp.Request, resp cwmp.Response, err error) (cwmp.Response, error)
}

// plan is what happens to the next call of a method (any if empty), after skip
// others.
type plan struct {
	method string
	skip   int
	err    error
	apply  bool // the RPC is done although its answer is err
	always bool
}

// newCPE makes one with the tree of testdata/cpe/<model>.csv.
func newCPE(tb testing.TB, model string) *fakeCPE {
	tb.Helper()
	f, err := os.Open(filepath.Join("testdata", "cpe", model+".csv"))
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		tb.Fatal(err)
	}
	c := &fakeCPE{
		cells: make(map[string]cell), templates: make(map[string]cell),
		last: make(map[string]int), notify: make(map[string]int),
	}
	for _, row := range rows {
		v := cell{value: row[3], typ: cwmp.ParseType(row[2]), object: row[2] == "object", writable: row[1] == "true"}
		if strings.Contains(row[0], "{i}") {
			c.templates[row[0]] = v
		} else {
			c.cells[row[0]] = v
		}
	}
	for name := range c.cells {
		c.count(name)
	}
	c.id = cwmp.DeviceID{Manufacturer: "Acme", OUI: "00D09E", ProductClass: strings.ToUpper(model), SerialNumber: "1"}
	return c
}

// count remembers the highest instance number of every table.
func (c *fakeCPE) count(name string) {
	segs := strings.Split(name, ".")
	for i, s := range segs {
		if n, err := strconv.Atoi(s); err == nil {
			table := strings.Join(segs[:i], ".") + "."
			c.last[table] = max(c.last[table], n)
		}
	}
}

func (c *fakeCPE) Identity() cwmp.DeviceID { return c.id }

func (c *fakeCPE) Hold() func() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.holds++
	return sync.OnceFunc(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.holds--
	})
}

// Retire implements agent.Device.
func (c *fakeCPE) Retire() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.holds == 0
}

func (c *fakeCPE) Call(ctx context.Context, req cwmp.Request) (cwmp.Response, error) {
	c.mu.Lock()
	off := c.off
	c.mu.Unlock()
	if off {
		<-ctx.Done()
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("fake: %w: %w", device.ErrNotSent, ctx.Err())
	}
	if c.before != nil {
		c.before(req)
	}
	c.listens()
	if c.after != nil {
		defer c.after(req)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := device.Leave(ctx); err != nil {
		return nil, fmt.Errorf("fake: %w: %w", device.ErrNotSent, err)
	}
	c.calls++
	c.show("cwmp<", req)
	p, planned := c.planned(req.Method())
	if planned && !p.apply {
		return c.answer(nil, p.err)
	}
	resp, err := c.do(req)
	if c.twist != nil {
		resp, err = c.twist(req, resp, err)
	}
	if planned {
		err = p.err
	}
	return c.answer(resp, err)
}

// listens returns once nothing that the CPE has asked is without answer.
func (c *fakeCPE) listens() {
	c.asks.Lock()
	defer c.asks.Unlock()
}

func (c *fakeCPE) show(dir string, m cwmp.Message) {
	if c.trace != nil {
		c.trace(dir, m)
	}
}

func (c *fakeCPE) answer(resp cwmp.Response, err error) (cwmp.Response, error) {
	if err == nil {
		c.show("cwmp>", resp)
		return resp, nil
	}
	if f, ok := err.(*cwmp.Fault); ok { //nolint:errorlint // it is the very error
		c.show("cwmp>", f)
	} else {
		c.show("cwmp> "+err.Error(), nil)
	}
	return nil, err
}

func (c *fakeCPE) planned(method string) (plan, bool) {
	for i := range c.plans {
		p := c.plans[i]
		if p.method != "" && p.method != method {
			continue
		}
		if p.skip > 0 {
			c.plans[i].skip--
			return plan{}, false
		}
		if !p.always {
			c.plans = slices.Delete(c.plans, i, i+1)
		}
		return p, true
	}
	return plan{}, false
}

func (c *fakeCPE) do(req cwmp.Request) (cwmp.Response, error) {
	switch m := req.(type) {
	case *cwmp.GetParameterNames:
		return c.names(m)
	case *cwmp.GetParameterValues:
		return c.values(m)
	case *cwmp.SetParameterValues:
		return c.setValues(m)
	case *cwmp.SetParameterAttributes:
		for _, p := range m.Params {
			c.notify[p.Name] = p.Notification
		}
		return &cwmp.SetParameterAttributesResponse{}, nil
	case *cwmp.AddObject:
		return c.addObject(m)
	case *cwmp.DeleteObject:
		return c.deleteObject(m)
	case *cwmp.Reboot:
		return &cwmp.RebootResponse{}, nil
	case *cwmp.FactoryReset:
		return &cwmp.FactoryResetResponse{}, nil
	case *cwmp.Download, *cwmp.Upload, *cwmp.CancelTransfer, *cwmp.GetAllQueuedTransfers, *cwmp.GetQueuedTransfers:
		return c.transfers.do(req)
	case *cwmp.ChangeDUState:
		return &cwmp.ChangeDUStateResponse{}, nil
	default:
		return nil, &cwmp.Fault{Code: cwmp.FaultMethodNotSupported, Text: "Method not supported"}
	}
}

func badName() error {
	return &cwmp.Fault{Code: cwmp.FaultInvalidParameterName, Text: "Invalid parameter name"}
}

func (c *fakeCPE) names(m *cwmp.GetParameterNames) (cwmp.Response, error) {
	if _, ok := c.cells[m.Path]; !ok && m.Path != "" {
		return nil, badName()
	}
	resp := &cwmp.GetParameterNamesResponse{}
	for _, name := range slices.Sorted(maps.Keys(c.cells)) {
		rest, ok := strings.CutPrefix(name, m.Path)
		deep := strings.Contains(strings.TrimSuffix(rest, "."), ".")
		if ok && (!m.NextLevel || rest != "" && !deep) {
			resp.Params = append(resp.Params, cwmp.ParameterInfo{Name: name, Writable: c.cells[name].writable})
		}
	}
	return resp, nil
}

func (c *fakeCPE) values(m *cwmp.GetParameterValues) (cwmp.Response, error) {
	resp := &cwmp.GetParameterValuesResponse{}
	for _, want := range m.Names {
		if _, ok := c.cells[want]; !ok {
			return nil, badName()
		}
		for _, name := range slices.Sorted(maps.Keys(c.cells)) {
			v := c.cells[name]
			if !v.object && (name == want || cwmp.IsPartialPath(want) && strings.HasPrefix(name, want)) {
				resp.Params = append(resp.Params, cwmp.ParameterValue{Name: name, Value: v.value, Type: v.typ})
			}
		}
	}
	return resp, nil
}

func (c *fakeCPE) setValues(m *cwmp.SetParameterValues) (cwmp.Response, error) {
	fault := &cwmp.Fault{Code: cwmp.FaultInvalidArguments, Text: "Invalid arguments"}
	for _, p := range m.Params {
		v, ok := c.cells[p.Name]
		code := 0
		switch {
		case !ok || v.object:
			code = cwmp.FaultInvalidParameterName
		case !v.writable:
			code = cwmp.FaultNonWritable
		case p.Value == "bad": // what every CPE of this make refuses
			code = cwmp.FaultInvalidParameterValue
		}
		if code != 0 {
			fault.Params = append(fault.Params, cwmp.ParameterFault{Name: p.Name, Code: code, Text: "refused"})
		}
	}
	if len(fault.Params) > 0 {
		return nil, fault
	}
	for _, p := range m.Params {
		v := c.cells[p.Name]
		v.value = p.Value
		c.cells[p.Name] = v
	}
	return &cwmp.SetParameterValuesResponse{}, nil
}

func (c *fakeCPE) addObject(m *cwmp.AddObject) (cwmp.Response, error) {
	generic := m.ObjectName + "{i}."
	if _, ok := c.templates[generic]; !ok {
		return nil, badName()
	}
	c.last[m.ObjectName]++
	n := c.last[m.ObjectName]
	row := m.ObjectName + strconv.Itoa(n) + "."
	for name, v := range c.templates {
		if rest, ok := strings.CutPrefix(name, generic); ok {
			c.cells[row+rest] = v
		}
	}
	c.counted(m.ObjectName)
	return &cwmp.AddObjectResponse{InstanceNumber: uint32(n)}, nil
}

func (c *fakeCPE) deleteObject(m *cwmp.DeleteObject) (cwmp.Response, error) {
	if v, ok := c.cells[m.ObjectName]; !ok || !v.object {
		return nil, badName()
	}
	for name := range c.cells {
		if strings.HasPrefix(name, m.ObjectName) {
			delete(c.cells, name)
		}
	}
	row := strings.TrimSuffix(m.ObjectName, ".")
	c.counted(row[:strings.LastIndexByte(row, '.')+1])
	return &cwmp.DeleteObjectResponse{}, nil
}

// counted keeps the …NumberOfEntries of a table right.
func (c *fakeCPE) counted(table string) {
	name := strings.TrimSuffix(table, ".") + "NumberOfEntries"
	v, ok := c.cells[name]
	if !ok {
		return
	}
	n := 0
	for other := range c.cells {
		if rest, ok := strings.CutPrefix(other, table); ok && strings.Count(rest, ".") == 1 && strings.HasSuffix(rest, ".") {
			n++
		}
	}
	v.value = strconv.Itoa(n)
	c.cells[name] = v
}

// set changes a value as if somebody had done it at the CPE.
func (c *fakeCPE) set(name, value string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v := c.cells[name]
	v.value = value
	c.cells[name] = v
}

// remove takes out what begins with prefix.
func (c *fakeCPE) remove(prefix string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name := range c.cells {
		if strings.HasPrefix(name, prefix) {
			delete(c.cells, name)
		}
	}
}

// snapshot returns all values.
func (c *fakeCPE) snapshot() map[string]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make(map[string]string, len(c.cells))
	for name, v := range c.cells {
		all[name] = v.value
	}
	return all
}

func (c *fakeCPE) turn(off bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.off = off
}

func (c *fakeCPE) plan(p plan) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.plans = append(c.plans, p)
}

// inform makes an Inform with the parameters that every Inform has.
func (c *fakeCPE) inform(events []cwmp.Event, more ...string) *cwmp.Inform {
	c.mu.Lock()
	defer c.mu.Unlock()
	in := &cwmp.Inform{DeviceID: c.id, Events: events, MaxEnvelopes: 1}
	root := "Device."
	if _, ok := c.cells[root]; !ok {
		root = "InternetGatewayDevice."
	}
	for _, name := range append([]string{
		root + "DeviceInfo.HardwareVersion", root + "DeviceInfo.SoftwareVersion",
		root + "DeviceInfo.ProvisioningCode", root + "ManagementServer.ConnectionRequestURL",
	}, more...) {
		v := c.cells[name]
		in.Params = append(in.Params, cwmp.ParameterValue{Name: name, Value: v.value, Type: v.typ})
	}
	return in
}

// grow gives the CPE tables of a vendor with a row each, whose parameters are writable.
func (c *fakeCPE) grow(tables, params int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for t := range tables {
		table := fmt.Sprintf("Device.X_ACME_Group%d.Table%d.", t%20, t)
		c.cells[fmt.Sprintf("Device.X_ACME_Group%d.", t%20)] = cell{object: true}
		c.cells[table] = cell{object: true, writable: true}
		c.cells[table+"1."] = cell{object: true, writable: true}
		for p := range params {
			c.cells[fmt.Sprintf("%s1.Parameter%d", table, p)] = cell{typ: cwmp.TypeUnsignedInt, value: "1", writable: true}
		}
	}
}
